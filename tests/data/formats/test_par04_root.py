from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import assert_same, complain
from phys_gan.data import inspect, read, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError, MissingError
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
ENTRIES = {
    # Two entries in one cell, and one event without any.
    "EnergyCell": [[100.0, 50.0, 25.0], [], [300.0]],
    "rhoCell": [[1, 1, 8], [], [0]],
    "phiCell": [[2, 2, 15], [], [0]],
    "zCell": [[3, 3, 44], [], [0]],
}
BINS = ("rhoCell", "phiCell", "zCell")


def make(path: Path, **changes: Any) -> Path:
    """Make a file of TTrees; bins of -1 or more as int32."""
    entries = {**ENTRIES, **{k: v for k, v in changes.items() if k in ENTRIES}}
    energy = changes.get("EnergyMC", np.array([8000.0, 9000.0, 10000.0]))
    with uproot.recreate(path) as file:
        file.mktree("global", {"EnergyMC": "f8", "SimTime": "f8"})
        file["global"].extend({"EnergyMC": energy, "SimTime": np.zeros(len(energy))})
        lists = {
            name: ak.values_astype(ak.Array(lists), "f8" if name == "EnergyCell" else "i4")
            if name not in changes
            else ak.Array(lists)
            for name, lists in entries.items()
        }
        types = {
            name: f"var * {ak.flatten(array).to_numpy().dtype}" for name, array in lists.items()
        }
        for tree in changes.get("trees", ("virtualReadout",)):
            file.mktree(tree, types)
            file[tree].extend(lists)
    return path


def test_cells_of_a_tree(tmp_path: Path) -> None:
    events = read(make(tmp_path / "a.root"))
    assert events.detector == load_detector("par04-9x16x45")
    expected = np.zeros((3, 45, 16, 9), np.float32)
    expected[0, 3, 2, 1], expected[0, 44, 15, 8], expected[2, 0, 0, 0] = 150, 25, 300
    np.testing.assert_array_equal(events.cells, expected.reshape(3, -1))
    assert events.overflow is not None
    assert not events.overflow.any()
    assert list(events.conditions) == ["energy"]
    np.testing.assert_array_equal(events.energy, [8000, 9000, 10000])
    assert "SimTime is not kept" in inspect(tmp_path / "a.root").notes


def test_bins_outside_are_overflow(tmp_path: Path) -> None:
    outside = {"rhoCell": [[1, -1, 18], [], [0]], "zCell": [[45, 3, 44], [], [-1]]}
    events = read(make(tmp_path / "a.root", **outside))
    # A bin of 18 in r is in no detector; the finer one comes closest.
    assert events.detector == load_detector("par04-18x50x45")
    assert not events.cells.any()
    assert events.overflow is not None
    assert [int(k) for k in np.flatnonzero(events.overflow[0])] == [3, 44]
    assert events.overflow[0, [3, 44]].tolist() == [50, 125]
    assert events.overflow[2, 0] == 300


def test_the_detector_by_its_bins(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", phiCell=[[2, 2, 16], [], [0]])
    fine = load_detector("par04-18x50x45")
    assert read(path).detector == fine
    assert read(path, detector="par04-9x16x45").overflow.sum() == 25
    assert read(make(path), detector=fine).detector == fine
    # CaloChallenge's data set 2 has the same cells.
    assert read(path, detector="calochallenge-2").total_energy().tolist() == [175, 0, 300]


def test_bins_as_floating_point_numbers(tmp_path: Path) -> None:
    floats = {name: ak.values_astype(ak.Array(ENTRIES[name]), "f8") for name in BINS}
    one, two = read(make(tmp_path / "a.root")), read(make(tmp_path / "b.root", **floats))
    np.testing.assert_array_equal(one.cells, two.cells)


def test_which_tree(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", trees=("physicalReadout", "virtualReadout"))
    assert len(read(path)) == len(read(f"{path}:physicalReadout")) == 3
    make(path, trees=("one", "two"))
    assert "has 2 trees that would do" in complain(path, DataError)
    assert "lacks 4 of 4 branches" in complain(f"{path}:global", MissingError)


@pytest.mark.parametrize("events_per_block", [1, 2, 2000])
def test_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events_per_block: int) -> None:
    whole = read(make(tmp_path / "a.root"))
    monkeypatch.setattr("phys_gan.data.formats.par04._BLOCK_EVENTS", events_per_block)
    monkeypatch.setattr("phys_gan.data.formats.par04._BLOCK_CELLS", 6480)
    parts = read(tmp_path / "a.root")
    np.testing.assert_array_equal(parts.cells, whole.cells)


@settings(max_examples=25)
@given(st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("trip") / "a.root"
    n = data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    # Bounded on both sides: what is read must keep to a response that no unit is mistaken for.
    cells = rng.uniform(0.5, 2, (n, SMALL.n_cells)) * rng.integers(0, 2, (n, SMALL.n_cells))
    conditions = {"energy": rng.random(n) * 9 + 1}
    for name in data.draw(st.lists(st.sampled_from(["pdg", "theta", "SimTime"]), unique=True)):
        conditions[name] = rng.normal(size=n)
    overflow = rng.random((n, 2)) if data.draw(st.booleans()) else None
    events = Events(cells, conditions, SMALL, overflow, {"particle": "e-"})
    write(path, events, format="par04-root")
    assert_same(events, read(path))


def test_the_layout_is_the_original_one(tmp_path: Path) -> None:
    events = read(make(tmp_path / "a.root"))
    write(tmp_path / "b.root", events, format="par04-root")
    with uproot.open(tmp_path / "b.root") as file:
        assert file.classnames(cycle=False)["virtualReadout"] == "TTree"
        assert "SimTime" not in file["global"]
        np.testing.assert_array_equal(file["global"]["EnergyMC"].array(), events.energy)
        tree = file["virtualReadout"]
        assert tree["EnergyCell"].array().tolist() == [[150.0, 25.0], [], [300.0]]
        assert tree["EnergyCell"].interpretation.content.from_dtype.kind == "f"
        assert [tree[name].array().tolist()[0] for name in BINS] == [[1, 8], [2, 15], [3, 44]]
    timed = Events(events.cells, {**events.conditions, "SimTime": [1, 2, 3]}, events.detector)
    write(tmp_path / "c.root", timed, format="par04-root")
    with uproot.open(tmp_path / "c.root") as file:
        assert file["global"]["SimTime"].array().tolist() == [1, 2, 3]
    assert inspect(tmp_path / "c.root").conditions["SimTime"] == (1, 3)


@pytest.mark.skipif(not REAL.exists(), reason="the file is not there")
def test_real_showers(tmp_path: Path) -> None:
    events = read(REAL)
    assert (len(events), events.detector.name) == (200, "par04-9x16x45")
    with uproot.open(REAL) as file:
        record = file["virtualReadout"].arrays()
        energy, cell = record.EnergyCell, (record.zCell * 16 + record.phiCell) * 9 + record.rhoCell
    for number in (0, 117, 199):
        expected = np.zeros(6480, np.float32)
        expected[cell[number].to_numpy()] = energy[number].to_numpy()
        np.testing.assert_array_equal(events.cells[number], expected)
    response = events.detector.sampling.response
    ratio = events.total_energy() / events.energy
    assert ratio.mean() == pytest.approx(response, abs=3 * ratio.std() / 200**0.5)
    write(tmp_path / "a.root", events, format="par04-root")
    back = read(tmp_path / "a.root")
    np.testing.assert_array_equal(back.cells.view(np.uint32), events.cells.view(np.uint32))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "fewer energies": (
        {"EnergyMC": np.array([8000.0])},
        "'virtualReadout' has 3 events, but 'global' has 1",
    ),
    "fewer bins": (
        {"rhoCell": [[1, 1], [], [0]]},
        "'phiCell' has 3 numbers in event 0, but 'rhoCell' has 2",
    ),
    "fewer deposits": (
        {"EnergyCell": [[1.0], [], [2.0]]},
        "'rhoCell' has 3 numbers in event 0, but 'EnergyCell' has 1",
    ),
    "fraction of a bin": (
        {"zCell": [[3.0, 3.5, 44.0], [], [0.0]]},
        "branch 'zCell' holds 3.5, but must count bins",
    ),
    "bin NaN": (
        {"rhoCell": [[3.0, np.nan, 44.0], [], [0.0]]},
        "branch 'rhoCell' holds nan, but must count bins",
    ),
    "huge bin": (
        {"phiCell": [[3.0, 1e300, 44.0], [], [0.0]]},
        "branch 'phiCell' holds 1e+300, but",
    ),
} | {
    f"deposit {bad}": (
        {"EnergyCell": [[1.0, 2.0, 3.0], [], [bad]]},
        "NaN, infinite or negative energies (first: event 2)",
    )
    for bad in (np.nan, np.inf, -1.0)
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(tmp_path: Path, case: str) -> None:
    changes, words = WRONG[case]
    assert words in complain(make(tmp_path / "a.root", **changes), DataError)


def test_a_detector_without_a_polar_grid(tmp_path: Path) -> None:
    message = complain(make(tmp_path / "a.root"), DetectorError, detector="calogan")
    assert "the layers of 'calogan' do not share one polar grid" in message


def test_missing_branches(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("global", {"EnergyMC": "f8", "rhoCell": "f8"})
        file["global"].extend({"EnergyMC": np.ones(2), "rhoCell": np.ones(2)})
    message = complain(path, MissingError)
    assert "'par04-root' needs 'EnergyCell' (nearest: 'EnergyMC'), 'phiCell'" in message
