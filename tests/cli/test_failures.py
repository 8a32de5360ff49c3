"""What fails beside the files: no room, no permission, no GPU, no network, the wrong model."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch

import phys_gan as pg
from phys_gan import cli
from phys_gan.workflows import demo_sample

OLD = b"what stood here before"
MODEL = "calogan-eplus"
SMALL = [
    "network.latent=8", "network.width=32", "network.depth=1", "network.d_width=32",
    "network.d_depth=1", "training.batch_size=64", "training.events=128",
    "training.report_every=128",
]  # fmt: skip
FAST = ["--observable", "E_tot/E_inc", "--no-figures", "--no-trees"]
TRAIN = [word for setting in SMALL for word in ("--set", setting)]

NO_NETWORK = """
import socket
def refuse(*_, **__):
    raise AssertionError("the network is asked")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse
socket.getaddrinfo = socket.gethostbyname = refuse
"""


def run(*arguments: object, size: int | None = None, before: str = "") -> tuple[int, str, str]:
    """Run a command in a process of its own, in which no file may grow beyond ``size`` bytes."""

    def limit() -> None:
        if size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    code = f"{before}\nfrom phys_gan.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done.returncode, done.stdout, done.stderr


def run_here(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process, which has everything imported."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["phys-gan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(str(stop.value.code)), "", said.getvalue()


def refused(words: str, *arguments: object, size: int | None = None) -> None:
    code, _, said = run_here(*arguments) if size is None else run(*arguments, size=size)
    assert code == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("phys-gan: ")
    assert words in last
    assert "Traceback" not in said


def test_no_room_to_generate(tmp_path: Path) -> None:
    target = tmp_path / "out.h5"
    target.write_bytes(OLD)
    refused(f"cannot write '{target}'", "generate", MODEL, target, "-n", 500, size=20_000)
    assert target.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [target]


def test_no_room_to_validate(tmp_path: Path) -> None:
    out, data = tmp_path / "report", tmp_path / "few.h5"
    pg.write(data, pg.read(demo_sample())[:150])
    refused("cannot write", "validate", data, data, "--out", out, *FAST, size=20_000)
    assert not (out / "index.html").exists()
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_no_room_to_train(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("train", "showers", "--data", demo_sample(), "--out", out, *TRAIN)
    refused("cannot write", *arguments, size=20_000)
    assert not (out / "model.safetensors").exists()


def test_no_room_to_export(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    target = tmp_path / "out.onnx"
    target.write_bytes(OLD)
    refused(f"cannot write '{target}'", "export", MODEL, target, size=20_000)
    assert target.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_no_permission(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    unreadable = tmp_path / "a.h5"
    unreadable.write_bytes(demo_sample().read_bytes())
    unreadable.chmod(0)
    folder.chmod(0o500)
    refused("check its permissions", "inspect", unreadable)
    refused("read-only", "generate", MODEL, folder / "out.h5", "-n", 3)
    folder.chmod(0o700)
    assert not list(folder.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(tmp_path: Path) -> None:
    target = tmp_path / "out.h5"
    refused("'cuda' is not available", "generate", MODEL, target, "-n", 3, "--device", "cuda")
    assert not target.exists()


def test_a_model_that_is_none(tmp_path: Path) -> None:
    target = tmp_path / "out.h5"
    events = tmp_path / "m.safetensors"
    events.write_bytes(demo_sample().read_bytes())
    refused("is not a model of phys_gan, or is damaged", "generate", events, target, "-n", 3)
    text = tmp_path / "t.safetensors"
    text.write_text("hello")
    refused("is not a model of phys_gan, or is damaged", "explore", text, "--out", target)
    assert not target.exists()


def test_no_network_is_asked(tmp_path: Path) -> None:
    target, data = tmp_path / "out.h5", tmp_path / "few.h5"
    pg.write(data, pg.read(demo_sample())[:150])
    for arguments in (
        ("generate", MODEL, target, "-n", 150),
        ("validate", data, target, "--out", tmp_path / "report", *FAST),
    ):
        code, _, said = run(*arguments, before=NO_NETWORK)
        assert code in (0, 1), said
        assert "network is asked" not in said
    with h5py.File(target) as file:
        assert len(file["energy"]) > 0
    assert (tmp_path / "report" / "index.html").exists()
