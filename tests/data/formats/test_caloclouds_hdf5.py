from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from helpers import assert_same, complain
from phys_gan.data import read, write
from phys_gan.data.format import HitMapping
from phys_gan.data.writing import writing
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "pointclouds"
REAL = SHARED / "caloclouds_two_photons.h5"
SMALL = Detector.from_toml(
    """
    name = "small"
    [[layers]]
    kind = "cartesian"
    repeat = 2
    z = [0.0, 10.0]
    x = [-20.0, 0.0, 20.0]
    y = [-20.0, 0.0, 10.0, 20.0]
    """
)
# x [mm], layer, y [mm], E [GeV], filled up with zeros in front and behind.
POINTS = np.array(
    [
        [[0, 0, 0, 0], [1, 0.2, 2, 0.1], [1.5, 0.9, 2.5, 0.2], [-3, 1.5, 19, 0.3], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [5, 2.5, 5, 0.5], [5, 1, 50, 0.25]],
    ],
    np.float32,
)


def make(path: Path, **changes: Any) -> Path:
    sets = {"energy": np.full((2, 1), 2.0, np.float32), "events": POINTS, **changes}
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file[name] = values
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_a_foreign_file(tmp_path: Path, turned: bool) -> None:
    table = POINTS.transpose(0, 2, 1) if turned else POINTS
    events = read(make(tmp_path / "a.h5", events=table, energy=np.array([2, 3.0])), detector=SMALL)
    expected = np.zeros((2, 12))
    expected[0, 4], expected[0, 6 + 2] = 300, 300
    np.testing.assert_allclose(events.cells, expected, rtol=1e-6)
    assert events.overflow is not None
    np.testing.assert_allclose(events.overflow, [[0, 0], [0, 750]])
    assert list(events.conditions) == ["energy"]
    assert events.energy.tolist() == [2000, 3000]


def test_a_mapping(tmp_path: Path) -> None:
    points = np.array([[[1, 2, 15, 100], [1, 2, 5, 300]]], np.float32)
    path = make(tmp_path / "a.h5", events=points, energy=np.ones(1))
    mapping = HitMapping.model_validate(
        {"hits": {"axes": "xyz", "depth": "mm", "energy_unit": "MeV"}}
    )
    events = read(path, detector=SMALL, mapping=mapping)
    assert np.flatnonzero(events.cells[0]).tolist() == [4, 10]
    assert events.cells[0, [4, 10]].tolist() == [300, 100]


def test_directions(tmp_path: Path) -> None:
    vectors = np.array([[0, 0, 1], [0, 0.6, 0.8], [-1, 0, 0]])
    points = np.concatenate([POINTS, POINTS[:1]])
    for stored in (vectors, vectors.T):
        path = make(tmp_path / "a.h5", events=points, energy=np.ones(3), p_norm_local=stored)
        events = read(path, detector=SMALL)
        theta = [0, np.arctan2(0.6, 0.8), np.pi / 2]
        np.testing.assert_allclose(events.conditions["theta"], theta)
        np.testing.assert_allclose(events.conditions["phi"], [0, np.pi / 2, np.pi])
    for stored in (vectors[:2], vectors[:2].T):
        path = make(tmp_path / "a.h5", p_norm_local=stored)
        np.testing.assert_allclose(read(path, detector=SMALL).conditions["theta"], theta[:2])
    along = make(tmp_path / "a.h5", p_norm_local=np.array([[0, 0, 1], [0, 0, 1]]))
    assert list(read(along, detector=SMALL).conditions) == ["energy"]


@pytest.mark.parametrize("overflow", [True, False])
def test_round_trip(tmp_path: Path, overflow: bool) -> None:
    rng = np.random.default_rng(5)
    cells = rng.exponential(size=(9, 12)) * (rng.random((9, 12)) < np.arange(9)[:, None] / 8)
    conditions = {"energy": rng.random(9) * 9 + 1, "theta": rng.random(9), "phi": rng.random(9)}
    outside = rng.random((9, 2)) if overflow else None
    events = Events(cells, conditions, SMALL, outside, {"particle": "gamma"})
    path = tmp_path / "a.h5"
    # The first event has no points at all, and later ones have more and more.
    with writing(path, events, "caloclouds-hdf5") as add:
        for part in (events[:1], events[1:3], events[3:5]):
            add(part)
    write(path, events[5:], append=True, format="caloclouds-hdf5")
    assert_same(events, read(path))
    with h5py.File(path) as file:
        filled = file["events"][..., 3] > 0
        assert filled.shape[1] >= 12
        # All zeros stand in front.
        assert (np.diff(filled.astype(int), axis=1) >= 0).all()
        assert filled.sum(axis=1).tolist() == np.count_nonzero(events.cells, axis=1).tolist()
        assert file["p_norm_local"].shape == (9, 3)


def test_what_other_programs_find(tmp_path: Path) -> None:
    cells = np.zeros((1, 12))
    cells[0, [4, 8]] = 600, 500
    events = Events(cells, {"energy": [1000]}, SMALL)
    write(tmp_path / "a.h5", events, format="caloclouds-hdf5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["events"][0].tolist() == [[10, 0.5, 5, 600], [-10, 1.5, 15, 500]]
        assert file["events"].dtype == np.float32
        assert file["energy"][()].tolist() == [[1]]
        assert file.attrs["cell_unit"] == b"MeV"
        assert "p_norm_local" not in file


@pytest.mark.skipif(not REAL.exists(), reason="the file is not there")
def test_real_showers(tmp_path: Path) -> None:
    events = read(REAL, detector="ild-ecal")
    with h5py.File(REAL) as file:
        energy = file["events"][..., 3].sum(axis=1, dtype=float) * 1000
        layer = np.floor(file["events"][1, :, 1]).astype(int)
        per_layer = np.bincount(layer, file["events"][1, :, 3], 30) * 1000
    assert events.overflow is not None
    caught = events.total_energy() + events.overflow.sum(axis=1)
    np.testing.assert_allclose(caught, energy, rtol=1e-6)
    both = events.layer_energies()[1] + events.overflow[1]
    np.testing.assert_allclose(both, per_layer, rtol=1e-4, atol=1e-6)
    assert (events.total_energy() > 0.98 * energy).all()
    np.testing.assert_allclose(np.cos(events.conditions["theta"]), [0.80807569, 0.80587693])
    write(tmp_path / "a.h5", events, format="caloclouds-hdf5")
    back = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(back.cells.view(np.uint32), events.cells.view(np.uint32))


def spoilt(column: int, value: float) -> np.ndarray:
    points = POINTS.copy()
    points[1, 4, column] = value
    return points


BAD = "in 1 of 2 events (first: event 1)"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "three numbers": ({"events": POINTS[..., :3]}, "shape (2, 5, 3), but must be (2, P, 4)"),
    "one event": ({"events": POINTS[0]}, "shape (5, 4), but must be (2, P, 4)"),
    "fewer events": ({"events": POINTS[:1]}, "'events' has 1 events, but 'energy' has 2"),
    "more directions": ({"p_norm_local": np.ones((3, 5))}, "'p_norm_local' has 5 events"),
    "flat directions": ({"p_norm_local": np.ones((2, 2))}, "'p_norm_local' has shape (2, 2)"),
    "no directions": (
        {"p_norm_local": np.full((3, 2), np.nan)},
        "2 of 2 events have no direction",
    ),
    "energy NaN": ({"events": spoilt(3, np.nan)}, f"NaN or infinite values of energy {BAD}"),
    "energy negative": ({"events": spoilt(3, -1)}, f"hits have negative energies {BAD}"),
    "x infinite": ({"events": spoilt(0, np.inf)}, f"NaN or infinite values of x {BAD}"),
    "depth NaN": ({"events": spoilt(1, np.nan)}, f"NaN or infinite values of z {BAD}"),
    "fewer conditions": (
        {"conditions/mass": np.ones(3)},
        "3 values of 'mass' for 2 events",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(tmp_path: Path, case: str) -> None:
    changes, words = WRONG[case]
    assert words in complain(make(tmp_path / "a.h5", **changes), DataError, detector=SMALL)


def test_a_detector_must_be_named(tmp_path: Path) -> None:
    message = complain(make(tmp_path / "a.h5"), DetectorError)
    assert "summed into the cells of any detector" in message
