"""What is refused, and that nothing half-written is left."""

import builtins
import errno
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan.generation.export import bundle
from phys_gan.generation.export.bundle import _write_together
from phys_gan.generation.export.generic import Generic
from phys_gan.generation.export.graph import _flips, compare, probes, translate
from phys_gan.generation.export.target import Options


@pytest.fixture(scope="module")
def graph(showers):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return translate(Generic(showers, Options()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "tensorrt"}, "is not a target; available: ddml-grid, fastcal"),
        ({"out": "m.pt"}, "does not end in .onnx"),
        ({"energy_scale": 0.0}, "is not a factor"),
        ({"energy_scale": np.nan}, "is not a factor"),
        ({"energy_range": (1.0, 2.0)}, "no condition with ends"),
    ],
)
def test_wrong_options(showers, tmp_path, arguments, message):
    out = tmp_path / arguments.pop("out", "m.onnx")
    with pytest.raises(pg.errors.ConfigError, match=message):
        pg.export(showers, out, **arguments)
    assert not list(tmp_path.iterdir())


def test_ends_in_the_wrong_order(showers, tmp_path):
    with pytest.raises(pg.errors.RangeError, match="are not a range"):
        pg.export(showers, tmp_path / "m.onnx", "fastcalosim", energy_range=(5.0, 2.0))


def test_without_onnxruntime(showers, tmp_path, monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name == "onnxruntime":
            raise ImportError(f"No module named '{name}'", name=name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(pg.errors.MissingError, match="'onnxruntime', which is not installed") as e:
        pg.export(showers, tmp_path / "m.onnx")
    assert e.value.remedy == "run pip install 'phys_gan[onnx]'"
    assert not list(tmp_path.iterdir())


def test_a_graph_that_differs_is_not_written(showers, graph, tmp_path, monkeypatch):
    def wrong(target):
        changed = type(graph)()
        changed.CopyFrom(graph)
        weights = max(changed.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        values = np.frombuffer(weights.raw_data, np.float32) * np.float32(1.001)
        weights.raw_data = values.tobytes()
        return changed

    monkeypatch.setattr(bundle, "translate", wrong)
    with pytest.raises(pg.errors.DataError, match=r"differ by .* nothing was written"):
        pg.export(showers, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_said_before_anything_is_done(showers, tmp_path):
    (tmp_path / "m.json").mkdir()
    with pytest.raises(pg.errors.OutputError, match="it is a folder"):
        pg.export(showers, tmp_path / "m.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    first, second = tmp_path / "m.onnx", tmp_path / "m.json"
    first.write_bytes(b"old")
    write = Path.write_bytes

    def full(path, content):
        if path.suffix == ".json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(pg.errors.OutputError, match="No space left"):
        _write_together({first: b"new", second: b"new"})
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    assert first.read_bytes() == b"old"


def test_the_graph_is_one_file_without_traces(graph):
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(graph)
    assert graph.ir_version == 8
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 18)]
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert b"/phys_gan/" not in graph.SerializeToString()


def test_the_whole_range_agrees(showers, graph):
    found = compare(Generic(showers, Options()), graph.SerializeToString())
    assert (found.events, found.undecided) == (32, 0)
    assert 0 < found.worst < 5e-6


def test_only_a_cell_at_the_threshold_is_set_aside():
    def cut(noise):
        return torch.where(noise >= 0.5, noise, 0)

    def undecided(*cells, found):
        noise = np.array([cells], np.float32)
        expected = cut(torch.from_numpy(noise)).numpy()[0]
        return _flips(cut, (noise,), 0, expected, np.array(found, np.float32), 0)

    assert undecided(0.5, 0.9, found=(0, 0.9))
    # A cell that is gone though it is far from the threshold, and one that is merely wrong.
    assert not undecided(0.6, 0.9, found=(0, 0.9))
    assert not undecided(0.5, 0.9, found=(0.5, 0.8))


def test_probes_are_in_at_and_beyond_the_range():
    energy = probes({"energy": (10.0, 100.0)})["energy"]
    assert ((energy > 10) & (energy < 100)).sum() >= 20
    assert {0.0, 10.0, 100.0, 1e5} <= set(energy)
    assert probes({"tilt": (-1.0, 1.0)})["tilt"].min() < -1


def test_the_model_itself_is_untouched(showers):
    before = showers.generator.training, next(showers.generator.parameters()).requires_grad
    Generic(showers, Options())
    assert before == (
        showers.generator.training,
        next(showers.generator.parameters()).requires_grad,
    )
