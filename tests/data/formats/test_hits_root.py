from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import assert_same
from phys_gan.data import HitMapping, inspect, read, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, PhysGanError
from phys_gan.events import Events

BOX = Detector.from_toml(
    """
    name = "box"
    [[layers]]
    kind = "cartesian"
    repeat = 4
    z = [0.0, 10.0]
    x = { start = -20.0, stop = 20.0, cells = 4 }
    y = { start = -20.0, stop = 20.0, cells = 2 }
    """
)
COUNTS = np.array([3, 0, 2])
POINTS = np.array([[-15, 5, 3], [5, -5, 12], [5, -5, 39], [15, 5, 0], [99, 5, 25]], float)
ENERGIES = np.array([1.0, 2, 4, 8, 16])
PLAIN = {"hits": {"x": "hx", "y": "hy", "z": "hz", "energy": "he"}}


def lists(values: Any) -> ak.Array:
    return ak.unflatten(np.asarray(values), COUNTS)


def columns(points: np.ndarray = POINTS, **others: Any) -> dict[str, Any]:
    """Return branches of three events with five hits."""
    x, y, z = (lists(column) for column in points.T)
    return {"hx": x, "hy": y, "hz": z, "he": lists(ENERGIES), **others}


def make(path: Path, ntuple: bool = False, **trees: dict[str, Any]) -> Path:
    def kind(values: Any) -> Any:
        return values.dtype if isinstance(values, np.ndarray) else str(values.type.content)

    with uproot.recreate(path) as file:
        for name, branches in trees.items():
            if ntuple:
                file.mkrntuple(name, branches)
            else:
                file.mktree(name, {n: kind(v) for n, v in branches.items()}).extend(branches)
    return path


def mapped(path: Path, **changes: Any) -> Events:
    mapping = HitMapping.model_validate({**PLAIN, **changes})
    return read(path, detector=BOX, mapping=mapping)


def by_layer(events: Events) -> list[list[float]]:
    return events.layer_energies().tolist()


EXPECTED = [[1, 2, 0, 4], [0, 0, 0, 0], [8, 0, 0, 0]]


@pytest.mark.parametrize("ntuple", [False, True])
def test_a_foreign_tree(tmp_path: Path, ntuple: bool) -> None:
    path = make(tmp_path / "a.root", ntuple, showers=columns(), other={"t": np.ones(3)})
    events = mapped(path)
    assert by_layer(events) == EXPECTED
    assert events.overflow is not None
    assert events.overflow.tolist() == [[0] * 4, [0] * 4, [0, 0, 16, 0]]
    assert events.layer(0)[0].nonzero() == (np.array([0]), np.array([1]))
    assert list(events.conditions) == []
    seen = inspect(path, detector=BOX, mapping=HitMapping.model_validate(PLAIN))
    assert seen.format == "hits-root"
    assert seen.overflow[0] == pytest.approx(16 / 31)


def test_units(tmp_path: Path) -> None:
    branches = {
        name: values * 0.1 if name != "he" else values for name, values in columns().items()
    }
    path = make(tmp_path / "a.root", t=branches)
    hits = {**PLAIN["hits"], "length_unit": "cm", "energy_unit": "keV"}
    np.testing.assert_allclose(by_layer(mapped(path, hits=hits)), np.array(EXPECTED) / 1000)
    in_gev = BOX.model_copy(update={"cell_unit": "GeV"})
    mapping = HitMapping.model_validate({"hits": {**PLAIN["hits"], "length_unit": "cm"}})
    np.testing.assert_allclose(
        by_layer(read(path, detector=in_gev, mapping=mapping)), np.array(EXPECTED) / 1000
    )


def test_axes_and_layers(tmp_path: Path) -> None:
    # The stored x is the depth z, the stored y is x, the stored z is y.
    path = make(tmp_path / "a.root", t=columns(POINTS[:, [2, 0, 1]]))
    assert by_layer(mapped(path, hits={**PLAIN["hits"], "axes": "zxy"})) == EXPECTED
    numbers = POINTS.copy()
    numbers[:, 2] = [0, 1, 3, 0, 2]
    numbers[:, :2] /= 10
    path = make(tmp_path / "b.root", t=columns(numbers))
    hits = {**PLAIN["hits"], "depth": "layer", "length_unit": "cm"}
    assert by_layer(mapped(path, hits=hits)) == EXPECTED


def test_conditions(tmp_path: Path) -> None:
    ids = ak.Array([[22], [11], [11]])
    path = make(tmp_path / "a.root", t=columns(beam=np.array([0.01, 0.02, 0.04]), id=ids))
    named = {"energy": {"branch": "beam", "unit": "GeV"}, "pdg": "id"}
    events = mapped(path, conditions=named)
    np.testing.assert_allclose(events.energy, [10, 20, 40], rtol=1e-15)
    assert events.condition("pdg").tolist() == [22, 11, 11]
    with pytest.raises(DataError, match=r"E_tot/E_inc is 450 .* energies look like GeV where MeV"):
        mapped(path, conditions={"energy": "beam"})


@pytest.mark.parametrize("as_lists", [False, True])
def test_frames(tmp_path: Path, as_lists: bool) -> None:
    # Showers along -x, begun at the origin, enter a barrel of radius 100: x is then -y, y is z.
    points = np.stack([-100 - POINTS[:, 2], -POINTS[:, 0], POINTS[:, 1]], axis=1)
    scalars = {"px": np.full(3, -2.0), "py": np.zeros(3), "pz": np.zeros(3)}
    scalars |= {f"v{axis}": np.zeros(3) for axis in "xyz"}
    if as_lists:
        scalars = {name: ak.unflatten(values, [1, 1, 1]) for name, values in scalars.items()}
    path = make(tmp_path / "a.root", t=columns(points, **scalars))
    frame = {"direction": ["px", "py", "pz"], "point": ["vx", "vy", "vz"], "radius": 100}
    assert by_layer(mapped(path, frame=frame)) == EXPECTED
    del frame["point"]
    assert by_layer(mapped(path, frame=frame)) == EXPECTED
    # Without a radius the depth begins at the point: all of it lies outside.
    del frame["radius"]
    with pytest.raises(DataError, match=r"all hits \(31 MeV in 3 events\) lie outside the cells"):
        mapped(path, frame=frame)
    with pytest.raises(DataError, match="3 of 3 events have no direction"):
        mapped(path, frame={"direction": ["py", "py", "py"]})


def test_nested_names(tmp_path: Path) -> None:
    x, y, z = (lists(column) for column in POINTS.T)
    record = ak.zip({"pos": ak.zip({"x": x, "y": y, "z": z}), "e": lists(ENERGIES)})
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("t", {"h": record})
    hits = {"x": "h.pos.x", "y": "h.pos.y", "z": "h.pos.z", "energy": "h.e"}
    assert by_layer(mapped(tmp_path / "a.root", hits=hits)) == EXPECTED


def test_which_tree(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", one=columns(), two=columns(POINTS + np.array([0, 0, 10])))
    with pytest.raises(DataError, match=r"has 2 trees that would do: 'one', 'two'; name one, such"):
        mapped(path)
    assert by_layer(mapped(path, tree="one")) == EXPECTED
    named = read(f"{path}:one", detector=BOX, mapping=HitMapping.model_validate(PLAIN))
    assert by_layer(named) == EXPECTED
    assert by_layer(mapped(path, tree="two")) != EXPECTED
    with pytest.raises(MissingError, match=r"has no tree 'three'.* it holds 'one', 'two'"):
        mapped(path, tree="three")
    with uproot.recreate(path) as file:
        file["text"] = "hello"
    with pytest.raises(MissingError, match="it holds no tree at all"):
        mapped(path)


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"hits": {}}, ConfigError, "a tree of hits needs a mapping that names its branches; wri"),
        (
            {"hits": {**PLAIN["hits"], "z": "hzz", "x": "h_x"}},
            MissingError,
            "tree 't' has no branch 'h_x' (nearest: 'hx', 'nhx'), 'hzz' (nearest: 'hz', 'nhz')",
        ),
        ({"conditions": {"energy": "E"}}, MissingError, "has no branch 'E'; it holds"),
        ({"conditions": {"energy": "he"}}, DataError, "'he' has 3 numbers in event 0, where one"),
        ({"frame": {}}, ConfigError, 'write direction = ["px", "py", "pz"] into [frame]'),
        ({"hits": {**PLAIN["hits"], "x": "s"}}, DataError, "'s' does not hold a list of numbers"),
        (
            {"hits": {**PLAIN["hits"], "y": "short"}},
            DataError,
            "branch 'short' has 1 numbers in event 0, but 'hx' has 3",
        ),
    ],
)
def test_wrong_mappings(
    tmp_path: Path, changes: dict[str, Any], kind: type[PhysGanError], sentence: str
) -> None:
    others = {"s": np.ones(3), "short": ak.unflatten(np.ones(3), [1, 1, 1])}
    path = make(tmp_path / "a.root", t=columns(**others))
    with pytest.raises(kind) as caught:
        mapped(path, **changes)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_detector_or_mapping(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", t=columns())
    with pytest.raises(DetectorError, match=r"summed into the cells of any .* none is named; name"):
        read(path, mapping=HitMapping.model_validate(PLAIN))
    with pytest.raises(ConfigError, match="a tree of hits needs a mapping"):
        read(path, detector=BOX, format="hits-root")
    with pytest.raises(MissingError, match="has no layout that phys_gan reads"):
        read(path, detector=BOX)


@pytest.mark.parametrize(
    ("branch", "value", "sentence"),
    [
        ("hx", np.nan, "hits have NaN or infinite values of x in 1 of 3 events (first: event 2)"),
        ("he", -1.0, "hits have negative energies in 1 of 3 events (first: event 2)"),
    ],
)
def test_wrong_hits(tmp_path: Path, branch: str, value: float, sentence: str) -> None:
    branches = columns()
    flat = np.asarray(ak.flatten(branches[branch])).copy()
    flat[4] = value
    path = make(tmp_path / "a.root", t={**branches, branch: lists(flat)})
    with pytest.raises(DataError) as caught:
        mapped(path)
    assert sentence in str(caught.value)


# Files of ours.


def showers(
    n: int, detector: Detector, seed: int = 0, overflow: bool = True, energy: bool = True
) -> Events:
    rng = np.random.default_rng(seed)
    cells = rng.exponential(size=(n, detector.n_cells)) * (rng.random((n, detector.n_cells)) < 0.4)
    conditions = {"slope": rng.normal(size=n)}
    if energy:
        conditions["energy"] = 1 + cells.sum(axis=1)
    outside = rng.random((n, detector.n_layers)) if overflow else None
    return Events(cells, conditions, detector, outside, {"particle": "γ"})


@settings(max_examples=25)
@given(seed=st.integers(0, 999), n=st.integers(1, 6), overflow=st.booleans(), energy=st.booleans())
def test_own_files(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, overflow: bool, energy: bool
) -> None:
    path = tmp_path_factory.mktemp("own") / "any.dat"
    events = showers(n, BOX, seed, overflow, energy)
    write(path, events, format="hits-root")
    assert_same(events, read(path), rtol=0)


@pytest.mark.parametrize(
    "name", ["calogan", "calochallenge-1-photons", "calochallenge-1-pions", "calochallenge-2"]
)
def test_own_files_of_any_detector(tmp_path: Path, name: str) -> None:
    events = showers(3, load_detector(name))
    write(tmp_path / "a.root", events, format="hits-root")
    assert_same(events, read(tmp_path / "a.root"), rtol=0)
    in_gev = load_detector(name).model_copy(update={"cell_unit": "GeV"})
    events = Events(events.cells / 1000, events.conditions, in_gev)
    write(tmp_path / "b.root", events, format="hits-root")
    assert_same(events, read(tmp_path / "b.root"), rtol=0)


def test_the_written_tree(tmp_path: Path) -> None:
    events = showers(3, BOX)
    write(tmp_path / "a.root", events)
    assert inspect(tmp_path / "a.root").format == "hits-root"
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["hits"]
        kinds = {
            key: tree[key].typename for key in tree.keys(recursive=False) if not key.startswith("n")
        }
        assert kinds == {
            **dict.fromkeys(["x", "y", "z", "energy"], "double[]"),
            "cell": "int32_t[]",
            **dict.fromkeys(["incident_energy", "condition_slope"], "double"),
            **dict.fromkeys([f"overflow_{k}" for k in range(4)], "double"),
        }
        hits = {name: tree[name].array()[1].to_numpy() for name in ("x", "y", "z", "energy")}
        found = BOX.find(hits["x"], hits["y"], hits["z"])
        np.testing.assert_array_equal(events.cells[1][found], hits["energy"])
        np.testing.assert_array_equal(tree["incident_energy"].array(), events.energy)


def test_reading_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = showers(20, BOX)
    write(tmp_path / "a.root", events[:7])
    write(tmp_path / "a.root", events[7:], append=True)
    assert_same(events, read(tmp_path / "a.root"), rtol=0)
    path = make(
        tmp_path / "b.root",
        t={name: ak.concatenate([values] * 50) for name, values in columns().items()},
    )
    whole = mapped(path)
    monkeypatch.setattr("phys_gan.data.hits._EVENTS", 7)
    in_parts = mapped(path)
    np.testing.assert_array_equal(whole.cells, in_parts.cells)
    np.testing.assert_array_equal(whole.overflow, in_parts.overflow)
    assert by_layer(whole) == EXPECTED * 50


def test_own_files_need_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    write(path, showers(2, BOX))
    with pytest.raises(ConfigError, match="says itself where its hits are; leave the mapping out"):
        read(path, mapping=HitMapping.model_validate(PLAIN))
    with pytest.raises(DetectorError, match="the events belong to detector 'box'"):
        read(path, detector="calogan")


def test_a_cell_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    write(path, showers(2, BOX))
    with uproot.open(path) as file:
        text = str(file["phys_gan"])
    cells = {name: ak.Array([[1.0]]) for name in ("x", "y", "z", "energy")}
    with uproot.recreate(path) as file:
        file["phys_gan"] = text
        branches = {**cells, "cell": ak.Array([[32]])}
        file.mktree("hits", {n: str(v.type.content) for n, v in branches.items()}).extend(branches)
    with pytest.raises(
        DataError, match="'cell' names cells from 32 to 32, but detector 'box' has 32"
    ):
        read(path)
