"""Several processes: the same training as one with the same batch, and one that resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from phys_gan.errors import PhysGanError
from phys_gan.training.processes import loss_of_process_explained
from phys_gan.training.run import load_checkpoint
from phys_gan.workflows import demo_sample

# Nothing that sees other events of the batch: each process sees its own part only.
ALIKE = (
    "network.latent=8",
    "network.width=32",
    "network.depth=1",
    "network.d_width=32",
    "network.d_depth=1",
    "method.techniques={}",
    "training.events=1280",
    "training.report_every=640",
    "training.decay=none",
)
WGAN_GP = ("method.loss=wasserstein", "method.penalties={gradient={}}")


def spelled(out, *overrides, launcher=(), **options):
    """Return the words of a command, and its environment."""
    program = str(Path(sys.executable).with_name("phys-gan"))
    words = [*launcher, program, "train", "showers", "--data", str(demo_sample())]
    words += ["--out", str(out), "--device", "cpu"]
    words += [word for option in (*ALIKE, *overrides) for word in ("--set", option)]
    words += [f"--{name}={value}" for name, value in options.items() if value is not True]
    words += [f"--{name}" for name, value in options.items() if value is True]
    known = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "RANK")}
    return words, {**known, "OMP_NUM_THREADS": "1"}


def command(out, *overrides, **options):
    """Run a command, and return its exit code, what it said, and what it complained about."""
    words, environment = spelled(out, *overrides, **options)
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


def weights(out):
    state = load_checkpoint(out / "checkpoint.safetensors")["method"]
    parts = {
        f"{part}.{name}": tensor
        for part in ("generator", "discriminator")
        for name, tensor in state[part]["network"].items()
    }
    return parts | {f"average.{name}": tensor for name, tensor in state["average"].items()}


def furthest(one, other):
    """Return the largest difference of any weight; a step moves one by up to 4e-4."""
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    return max(float((one[k] - other[k]).abs().max()) for k in one if one[k].is_floating_point())


def test_two_processes_are_one_with_a_batch_of_both(tmp_path):
    assert command(tmp_path / "one", "training.batch_size=128")[0] == 0
    code, said, err = command(tmp_path / "two", "training.batch_size=64", devices=2)
    assert code == 0, err
    assert said.count("The model is in") == 1
    assert furthest(tmp_path / "one", tmp_path / "two") < 2e-5


def until_checkpoint(out, *overrides, **options):
    """Begin a training of two processes, and return when it has left a checkpoint."""
    words, environment = spelled(out, *overrides, devices=2, **options)
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (out / "checkpoint.safetensors").exists():
        time.sleep(0.02)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("penalty", ["r1", "gradient"])
def test_two_processes_resume_exactly(tmp_path, penalty):
    more = ("training.events=12800", *(WGAN_GP if penalty == "gradient" else ()))
    assert command(tmp_path / "whole", *more, devices=2)[0] == 0
    process = until_checkpoint(tmp_path / "broken", *more)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 85, err
    assert err.count("because SIGTERM came") == 1
    assert "Traceback" not in err
    code, _, err = command(tmp_path / "broken", *more, devices=2, resume=True)
    assert code == 0, err
    assert furthest(tmp_path / "whole", tmp_path / "broken") == 0
    code, _, err = command(tmp_path / "broken", *more, resume=True)
    assert code == 2
    assert "began with 2 processes, not 1" in err


@pytest.mark.slow
def test_when_one_process_is_killed(tmp_path):
    process = until_checkpoint(tmp_path, "training.events=1_000_000")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "another process of this training ended before its time; see what it said, th" in err
    assert "Traceback" not in err
    process = until_checkpoint(tmp_path, "training.events=1_000_000", resume=True)
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "code"), [(0, None), (1, 2)])
def test_a_process_whose_partner_is_gone_does_not_end_as_an_unmet_requirement(rank, code):
    fabric = SimpleNamespace(world_size=2, global_rank=rank)
    with (
        pytest.raises(PhysGanError if code is None else SystemExit) as caught,
        loss_of_process_explained(fabric),
    ):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert code is None or caught.value.code == code


def test_torchrun_starts_the_processes(tmp_path):
    torchrun = (str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node=2")
    torchrun += ("--master-port=29533",)
    small = "training.batch_size=64"
    code, said, err = command(tmp_path / "two", small, launcher=torchrun, devices=2)
    assert code == 0, err
    assert said.count("The model is in") == 1
    assert command(tmp_path / "one", "training.batch_size=128")[0] == 0
    assert furthest(tmp_path / "one", tmp_path / "two") < 2e-5
