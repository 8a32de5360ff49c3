"""What methods must do: go on after a kill as if nothing had happened, and keep their model."""

import pytest
import torch

import phys_gan as pg
from phys_gan.training.run import load_checkpoint


class Killed(Exception):
    """Stands for whatever ends a process."""


def tensors(state, name=""):
    """Return all tensors of a tree by their path."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    items = state.items() if isinstance(state, dict) else enumerate(state)
    return {k: v for key, value in items if isinstance(value, dict | list | torch.Tensor)
            for k, v in tensors(value, f"{name}.{key}").items()}  # fmt: skip


@pytest.fixture
def resumes_exactly(tmp_path):
    """Return a function that trains in one go and with a kill, compares, and gives both places.

    It takes a function of a directory and of the options ``report`` and ``resume``, and the
    number of events shown at which the process dies.
    """

    def check(run, at):
        def kill(shown, line):
            if shown == at:
                raise Killed

        whole, broken = tmp_path / "whole", tmp_path / "broken"
        run(whole)
        with pytest.raises(Killed):
            run(broken, report=kill)
        run(broken, resume=True)
        first, second = (
            load_checkpoint(out / "checkpoint.safetensors")["method"] for out in (whole, broken)
        )
        assert first["steps"] == second["steps"] > 0
        first, second = tensors(first), tensors(second)
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert torch.equal(tensor, second[name]), name
        return whole, broken

    return check


@pytest.fixture
def generates_as_saved(tmp_path):
    """Return a function that trains, and holds the showers of the model against its copy's.

    It takes a function that trains in a directory and returns the path of the model.
    """

    def check(run):
        fast = pg.FastSim.load(run(tmp_path))
        events = fast.generate({"energy": [5e4, 1e4]}, seed=3)
        assert (events.total_energy() > 0).all()
        fast.model.save(tmp_path / "copy.safetensors")
        copy = pg.FastSim.load(tmp_path / "copy.safetensors")
        again = copy.generate({"energy": [5e4, 1e4]}, seed=3)
        assert (again.cells == events.cells).all()

    return check
