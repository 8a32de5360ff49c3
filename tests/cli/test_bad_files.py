"""Bad files on the command line: one sentence, exit code 2, nothing changed."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import uproot

import phys_gan as pg
from phys_gan import cli
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:200]
SMALL = [
    "network.latent=8", "network.width=32", "network.depth=1", "network.d_width=32",
    "network.d_depth=1", "training.batch_size=64", "training.events=128",
    "training.report_every=128",
]  # fmt: skip
OLD = b"what stood here before"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs a command, requires that it refuses, and returns its sentence."""

    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["phys-gan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert said.startswith("phys-gan: ")
        assert said.count("\n") == 1
        assert "Traceback" not in said
        return said

    return command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "ecal"
    pg.train("showers", GEANT4, out, overrides=SMALL)
    return out


def good(path: Path) -> None:
    pg.write(path, GEANT4)


def cut(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(name: str, values: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        good(path)
        with h5py.File(path, "r+") as file:
            old = file[name][()]
            del file[name]
            if values is not None:
                file[name] = values(old)

    return make


def spoilt(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def spoil(cells: np.ndarray) -> np.ndarray:
        cells[150] = value
        return cells

    return spoil


def no_tree(path: Path) -> None:
    with uproot.recreate(path) as file:
        file["fancy_tree"] = {"cell0": np.ones(3), "Total_Energy": np.ones(3)}


def one_detector_more(path: Path) -> None:
    detector = pg.load_detector("calochallenge-2")
    pg.write(path, pg.simulate(detector, 5, energy=(1e3, 2e3)))


BAD: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "missing": ("a.h5", lambda path: None, "there is no file"),
    "empty": ("a.root", Path.touch, "is empty (0 bytes); copy or make it again"),
    "text": ("a.h5", lambda path: path.write_text("1,2,3\n"), "is text, not a data file; give"),
    "folder": ("a.h5", Path.mkdir, "is a folder; name its files"),
    "cut": ("a.h5", cut, "damaged or cut short"),
    "cut tree": ("a.root", cut, "the ROOT file is damaged or cut short"),
    "no data set": ("a.h5", change("layer_2", None), "no data set 'layer_2' (nearest: 'layer_1'"),
    "no tree": ("a.root", no_tree, "needs 'TotalEnergy' (nearest: 'Total_Energy'), 'cell_0' (nea"),
    "shape": ("a.h5", change("layer_1", lambda it: it[:, 1:]), "has shape (200, 11, 12), but det"),
    "NaN": ("a.h5", change("layer_1", spoilt(np.nan)), "NaN or infinite values in 1 of 200 event"),
    "negative": ("a.h5", change("layer_1", spoilt(-1)), "negative energies in 1 of 200 events (fi"),
    "units": (
        "a.h5",
        change("energy", lambda it: it * 1000),
        "look like MeV where GeV is expected",
    ),
    "no events": (
        "a.h5",
        change("energy", lambda it: it[:0]),
        "has 200 events, but 'energy' has 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_every_command_refuses(
    run: Callable[..., str], tmp_path: Path, trained: Path, case: str
) -> None:
    name, make, words = BAD[case]
    path, old, out = tmp_path / name, tmp_path / "old.h5", tmp_path / "out"
    fine = demo_sample()
    make(path)
    old.write_bytes(OLD)
    before = sorted(tmp_path.rglob("*"))
    for arguments in (
        ("inspect", path),
        ("convert", path, old),
        ("convert", fine, path, old),
        ("validate", path, fine, "--out", out),
        ("validate", fine, path, "--out", out),
        ("generate", trained, old, "--like", path),
        ("train", "showers", "--data", path, "--out", out),
        ("train", "showers", "--data", fine, path, "--out", out, "--memory", "20MB"),
    ):
        said = run(*arguments)
        assert str(path) in said
        assert words in said
        assert old.read_bytes() == OLD
        assert sorted(tmp_path.rglob("*")) == before


def test_a_value_that_shows_itself_while_training(run: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "large.h5"
    cells = np.tile(GEANT4.cells, (8, 1))
    pg.write(path, pg.Events(cells, {"energy": np.tile(GEANT4.energy, 8)}, GEANT4.detector))
    with h5py.File(path, "r+") as file:
        file["layer_0"][1500, 1, 1] = np.nan
    said = run("train", "showers", "--data", path, "--out", tmp_path / "out", "--memory", "2MB")
    assert f"'{path}': cells hold NaN or infinite values in event 1500" in said
    with h5py.File(path, "r+") as file:
        file["layer_0"][1500, 1, 1] = 0.0
        file["energy"][1500] = -1.0
    said = run("train", "showers", "--data", path, "--out", tmp_path / "out", "--memory", "2MB")
    assert (
        f"'{path}': condition 'energy' is not positive in 1 of 1600 events (first: event 15" in said
    )
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_detector(run: Callable[..., str], tmp_path: Path, trained: Path) -> None:
    path, out = tmp_path / "other.h5", tmp_path / "out.h5"
    one_detector_more(path)
    for arguments in (
        ("inspect", path, "--detector", "calogan"),
        ("convert", path, out, "--detector", "calogan"),
        ("generate", trained, out, "--like", path),
        ("convert", demo_sample(), path, out),
        ("validate", demo_sample(), path, "--out", out),
        ("train", "calogan", "--data", path, "--out", out),
    ):
        said = run(*arguments)
        assert "'calogan'" in said
        assert "'calochallenge-2'" in said
        assert not out.exists()


def test_a_target_that_is_a_folder(run: Callable[..., str], tmp_path: Path, trained: Path) -> None:
    target = tmp_path / "out.h5"
    target.mkdir()
    for arguments in (
        ("convert", demo_sample(), target),
        ("convert", demo_sample(), target, "--append"),
        ("generate", trained, target, "-n", 3),
        ("simulate", "calogan", target, "-n", 3),
    ):
        assert f"cannot write '{target}': it is a folder; name a file in it" in run(*arguments)
    assert list(tmp_path.rglob("*")) == [target]


@pytest.mark.parametrize("ending", ["h5", "root"])
def test_a_full_disk(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    target.write_bytes(OLD)
    done = subprocess.run(
        [sys.executable, "-c", "from phys_gan.cli import main; main()", "convert",
         str(demo_sample()), str(target)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"phys-gan: cannot write '{target}': File too large; free space or choose another place, "
        f"then run again (nothing was changed)\n"
    )
    assert target.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [target]
