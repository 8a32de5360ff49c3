from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import assert_same, complain
from phys_gan.data import inspect, read, write
from phys_gan.data.format import HitMapping
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError
from phys_gan.events import Events

SMALL = Detector.from_toml(
    """
    name = "small"
    [[layers]]
    kind = "cartesian"
    z = [0.0, 10.0]
    x = [-20.0, -1.0, 20.0]
    y = [-20.0, 0.0, 10.0, 20.0]
    [[layers]]
    kind = "polar"
    z = [10.0, 30.0]
    r = [0.0, 5.0, 20.0]
    n_alpha = 1
    """
)
# x, y [mm], layer, E [GeV]: three in one cell, one a little short of its layer, one outside.
POINTS = [
    [[1.0, 2.0, 0.0, 0.1], [1.5, 2.5, 0.00005, 0.2], [3.0, 9.0, 0.0, 0.3]],
    [],
    [[3.0, 3.0, 0.99995, 0.5], [300.0, 3.0, 1.0, 0.25]],
]


def make(path: Path, points: Any = None, width: int = 4, **changes: Any) -> Path:
    points = POINTS if points is None else points
    n = len(points)
    sets = {
        "energies": np.full((n, 1), 2.0, np.float32),
        "pdg": np.full(n, 22, np.int32),
        "directions": np.tile(np.float32([0, 0, 1]), (n, 1)),
        "shape": np.array([n, 3, width]),
        "num_points": np.array([len(p) for p in points], np.int32),
        "shower_ids": np.arange(n, dtype=np.int32),
        **changes,
    }
    with h5py.File(path, "w") as file:
        lists = file.create_dataset("showers", (n,), h5py.vlen_dtype(np.float32))
        for number, entries in enumerate(points):
            lists[number] = np.array(entries, np.float32).ravel()
        for name, values in sets.items():
            if values is not None:
                file[name] = values
    return path


def test_a_foreign_file(tmp_path: Path) -> None:
    events = read(make(tmp_path / "a.h5"), detector=SMALL)
    expected = np.zeros((3, 8))
    # x above -1 and y from 0 to 10 is cell 4; a radius of 4.2 is cell 6, in layer 1.
    expected[0, 4], expected[2, 6] = 600, 500
    np.testing.assert_allclose(events.cells, expected, rtol=1e-6)
    assert events.overflow is not None
    np.testing.assert_allclose(events.overflow, [[0, 0], [0, 0], [0, 250]])
    assert {name: set(v) for name, v in events.conditions.items()} == {
        "energy": {2000},
        "pdg": {22},
    }


def test_times_are_not_kept(tmp_path: Path) -> None:
    timed = [[[*point, 7.5] for point in points] for points in POINTS]
    path = make(tmp_path / "a.h5", timed, width=5)
    np.testing.assert_array_equal(
        read(path, detector=SMALL).cells, read(make(tmp_path / "b.h5"), detector=SMALL).cells
    )
    assert any("times" in text for text in inspect(path, detector=SMALL).notes)


def test_what_may_be_missing(tmp_path: Path) -> None:
    path = make(
        tmp_path / "a.h5", pdg=None, directions=None, shape=None, num_points=None, shower_ids=None
    )
    assert set(read(path, detector=SMALL).conditions) == {"energy"}


def test_directions(tmp_path: Path) -> None:
    vectors = np.array([[0, 0, 2], [0, 3, 3], [-1, 0, 0]], np.float32)
    events = read(make(tmp_path / "a.h5", directions=vectors), detector=SMALL)
    np.testing.assert_allclose(events.conditions["theta"], np.pi * np.array([0, 0.25, 0.5]))
    np.testing.assert_allclose(events.conditions["phi"], np.pi * np.array([0, 0.5, 1]))


def test_a_mapping(tmp_path: Path) -> None:
    # Depth in mm as the first of the columns, energies in MeV, positions in cm.
    points = [[[1.2, 0.3, 0.3, 500.0], [0.1, 0.1, 0.2, 100.0]]]
    path = make(tmp_path / "a.h5", points, angle=np.array([90.0]))
    hits = {"axes": "zxy", "depth": "mm", "energy_unit": "MeV", "length_unit": "cm"}
    conditions = {"tilt": {"branch": "angle", "unit": "deg"}}
    mapping = HitMapping.model_validate({"hits": hits, "conditions": conditions})
    events = read(path, detector=SMALL, mapping=mapping)
    assert events.cells[0].tolist() == [0, 0, 0, 0, 100, 0, 500, 0]
    np.testing.assert_allclose(events.conditions["tilt"], np.pi / 2)
    named = HitMapping.model_validate({"tree": "events"})
    assert "have no names" in complain(path, ConfigError, detector=SMALL, mapping=named)


@settings(max_examples=25)
@given(st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("trip") / "a.h5"
    n = data.draw(st.integers(2, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    cells = rng.uniform(0.5, 2, (n, 8)) * (rng.random((n, 1)) < 0.7) * rng.integers(0, 2, (n, 8))
    # Events that all miss the cells are taken for those of another detector.
    cells[0, 0] = 1.0
    conditions = {"energy": rng.random(n) * 9 + 1}
    for name in data.draw(st.lists(st.sampled_from(["pdg", "theta", "phi", "mass"]), unique=True)):
        conditions[name] = rng.normal(size=n)
    overflow = rng.random((n, 2)) if data.draw(st.booleans()) else None
    events = Events(cells, conditions, SMALL, overflow, {"particle": "e-"})
    cut = data.draw(st.integers(1, n - 1))
    write(path, events[:cut], format="showerdata-hdf5")
    write(path, events[cut:], format="showerdata-hdf5", append=True)
    assert_same(events, read(path))
    with h5py.File(path) as file:
        counts = np.count_nonzero(events.cells, axis=1)
        assert file["num_points"][()].tolist() == counts.tolist()
        assert file["shape"][()].tolist() == [n, counts.max(), 4]
        assert file["shower_ids"][()].tolist() == list(range(n))
        assert [len(entry) for entry in file["showers"]] == (4 * counts).tolist()


def test_what_other_programs_find(tmp_path: Path) -> None:
    cells = np.zeros((2, 8))
    cells[0, 4], cells[1, 7] = 600, 500
    conditions = {"energy": [1000, 2000], "theta": [0, np.pi / 2], "phi": [0, np.pi / 2]}
    write(
        tmp_path / "a.h5",
        Events(cells, conditions, SMALL, provenance={"particle": "e-"}),
        format="showerdata-hdf5",
    )
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["showers"][0].tolist() == [9.5, 5, 0, 600]
        assert file["showers"][1].tolist() == [12.5, 0, 1, 500]
        assert file["showers"].dtype.metadata == {"vlen": np.dtype(np.float32)}
        assert file["energies"][()].tolist() == [[1], [2]]
        assert file["pdg"][()].tolist() == [11, 11]
        np.testing.assert_allclose(file["directions"], [[0, 0, 1], [0, 1, 0]], atol=1e-7)
        assert file.attrs["cell_unit"] == b"MeV"
    numbered = Events(cells, {"energy": [1, 2], "pdg": [22, 0.5]}, SMALL)
    write(tmp_path / "b.h5", numbered, format="showerdata-hdf5")
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["pdg"][()].tolist() == [22, 0]


@pytest.mark.parametrize("layout", ["showerdata-hdf5", "caloclouds-hdf5"])
def test_every_cell_of_a_detector(tmp_path: Path, layout: str) -> None:
    for name in ("calogan", "calochallenge-1-pions", "par04-9x16x45"):
        detector = load_detector(name)
        cells = 1 + np.arange(detector.n_cells)[np.newaxis] / detector.n_cells
        events = Events(cells, {"energy": cells.sum(axis=1)}, detector)
        write(tmp_path / "a.h5", events, format=layout)
        np.testing.assert_array_equal(read(tmp_path / "a.h5").cells, events.cells)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "torn points": (
        {"points": [[1, 2, 0, 4, 5], [1, 2, 0, 4]], "num_points": None},
        "the shower of event 0 has 5 numbers, which is not a multiple of 4",
    ),
    "another number of points": (
        {"num_points": np.array([3, 1, 2])},
        "event 1 has 0 points, but 'num_points' says 1",
    ),
    "fewer numbers of points": (
        {"num_points": np.array([3, 2])},
        "2 values of 'num_points' for 3",
    ),
    "fewer energies": (
        {"energies": np.ones(2)},
        "'showers' has 3 events, but 'energies' has 2",
    ),
    "fewer particles": ({"pdg": np.ones(2)}, "2 values of 'pdg' for 3 events"),
    "fewer directions": ({"directions": np.ones((2, 3))}, "'directions' has 2 events, but"),
    "no directions": ({"directions": np.zeros((3, 3))}, "3 of 3 events have no direction"),
    "wide points": ({"shape": np.array([3, 3, 6])}, "'shape' holds (3, 3, 6)"),
    "short shape": ({"shape": np.array([3, 4])}, "'shape' holds (3, 4)"),
    "energy NaN": (
        {"points": [[[1, 2, 0, 1]], [[1, 2, 0, np.nan]]]},
        "NaN or infinite values of energy",
    ),
    "energy negative": ({"points": [[[1, 2, 0, 1]], [[1, 2, 0, -1]]]}, "negative energies"),
    "depth infinite": ({"points": [[[1, 2, np.inf, 1]]]}, "NaN or infinite values of z"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(tmp_path: Path, case: str) -> None:
    changes, words = WRONG[case]
    assert words in complain(make(tmp_path / "a.h5", **changes), DataError, detector=SMALL)


def test_a_detector_must_be_named(tmp_path: Path) -> None:
    message = complain(make(tmp_path / "a.h5"), DetectorError)
    assert "summed into the cells of any detector, but none is named; name one" in message


def test_missing_energies_and_lists(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5", energies=None)
    message = complain(path, MissingError, detector=SMALL, format="showerdata-hdf5")
    assert "has no data set 'energies'" in message
    with h5py.File(path, "w") as file:
        file["energies"] = np.ones(2)
        file["showers"] = np.ones((2, 3))
    message = complain(path, DataError, detector=SMALL, format="showerdata-hdf5")
    assert "shape (2, 3), but must be (N,); store a list of numbers per event" in message
