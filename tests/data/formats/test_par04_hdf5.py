from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from helpers import assert_same, complain
from phys_gan.data import read, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError, MissingError, PhysGanError
from phys_gan.events import Events

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "geant4" / "par04_electron.root"
SMALL = Detector.from_toml(
    """
    name = "small"
    [[layers]]
    kind = "polar"
    repeat = 2
    z = [0.0, 1.0]
    r = [0.0, 1.0, 3.0]
    n_alpha = 3
    """
)


def make(path: Path, showers: np.ndarray, energy: np.ndarray | None = None) -> Path:
    with h5py.File(path, "w") as file:
        file["showers"] = showers
        file["incident_energy"] = np.full(len(showers), 8000.0) if energy is None else energy
    return path


@pytest.mark.parametrize("shape", [(9, 16, 45), (18, 50, 45)])
def test_a_foreign_file(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    showers = np.random.default_rng(1).random((3, *shape)) / np.prod(shape) * 300
    events = read(make(tmp_path / "a.h5", showers))
    assert events.detector == load_detector("par04-" + "x".join(map(str, shape)))
    assert events.overflow is None
    np.testing.assert_array_equal(events.energy, 8000)
    # Radius 3, angle 5, layer 7: r is fastest, layers are outermost.
    np.testing.assert_array_equal(events.layer(7)[:, 5, 3], showers[:, 3, 5, 7].astype(np.float32))
    assert events.total_energy() == pytest.approx(showers.sum(axis=(1, 2, 3)), rel=1e-6)


def test_parts_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    showers = np.random.default_rng(2).random((9, 2, 3, 2))
    path = make(tmp_path / "a.h5", showers, np.full((9, 1), 20.0))
    whole = read(path, detector=SMALL)
    monkeypatch.setattr("phys_gan.data.containers.hdf5._BLOCK_VALUES", 24)
    np.testing.assert_array_equal(read(path, detector=SMALL).cells, whole.cells)


def test_round_trip_with_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    cells = rng.random((5, SMALL.n_cells)).astype(np.float32)
    conditions = {"energy": rng.random(5) * 9 + 1, "theta": rng.random(5)}
    overflow = rng.random((5, 2)).astype(np.float32)
    events = Events(cells, conditions, SMALL, overflow, {"particle": "e-"})
    path = tmp_path / "a.h5"
    write(path, events[:2], format="par04-hdf5")
    write(path, events[2:], format="par04-hdf5", append=True)
    with h5py.File(path) as file:
        assert file["showers"].shape == (5, 2, 3, 2)
        assert file["incident_energy"].shape == (5,)
    assert_same(events, read(path))


@pytest.mark.skipif(not REAL.exists(), reason="the file is not there")
def test_real_showers_are_the_same_in_both_layouts(tmp_path: Path) -> None:
    direct = read(REAL)
    write(tmp_path / "a.h5", direct, format="par04-hdf5")
    through = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(through.cells.view(np.uint32), direct.cells.view(np.uint32))
    np.testing.assert_array_equal(through.energy, direct.energy)
    # The same as another program would store it: as double, and without a word about the detector.
    grid = direct.cells.reshape(-1, 45, 16, 9).transpose(0, 3, 2, 1).astype(np.float64)
    foreign = read(make(tmp_path / "b.h5", grid, direct.energy))
    np.testing.assert_array_equal(foreign.cells.view(np.uint32), direct.cells.view(np.uint32))
    assert foreign.detector == direct.detector


WRONG: dict[str, tuple[tuple[int, ...], float, Any, type[PhysGanError], str]] = {
    "flat": ((2, 12), 1, None, DataError, "shape (2, 12), but must be (N, R, Phi, Z)"),
    "unknown grid": (
        (2, 2, 3, 2),
        1,
        None,
        DetectorError,
        "has 2 x 3 x 2 bins in r, phi and z, which no built-in detector of Par04 has: "
        "9 x 16 x 45 (par04-9x16x45), 18 x 50 x 45 (par04-18x50x45); name the detector",
    ),
    "another grid": (
        (2, 2, 3, 2),
        1,
        "par04-9x16x45",
        DetectorError,
        "but detector 'par04-9x16x45' has 9 x 16 x 45",
    ),
    "no grid": ((2, 2, 3, 2), 1, "calogan", DetectorError, "has no polar grid that all"),
    "NaN": ((2, 2, 3, 2), np.nan, SMALL, DataError, "cells hold NaN"),
    "negative": ((2, 9, 16, 45), -1, None, DataError, "cells hold negative energies"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_showers(tmp_path: Path, case: str) -> None:
    shape, value, detector, kind, words = WRONG[case]
    path = make(tmp_path / "a.h5", np.full(shape, float(value)))
    assert words in complain(path, kind, detector=detector)


def test_wrong_energies(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", np.ones((2, 2, 3, 2)), np.ones(3))
    assert "3 values of 'energy' for 2 events" in complain(path, DataError, detector=SMALL)
    with h5py.File(path, "a") as file:
        file.move("incident_energy", "incident_energie")
    message = complain(path, MissingError, format="par04-hdf5", detector=SMALL)
    assert "no data set 'incident_energy' (nearest: 'incident_energie')" in message
