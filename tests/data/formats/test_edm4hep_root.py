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
from phys_gan.data.formats.edm4hep import from_conditions
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, PhysGanError
from phys_gan.events import Events
from phys_gan.units import PARTICLES

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
BOX = Detector.from_toml(
    """
    name = "box"
    [sampling]
    active = { material = "Si", thickness = 0.5 }
    response = 0.03
    [[layers]]
    kind = "cartesian"
    repeat = 4
    z = [0.0, 10.0]
    x = { start = -20.0, stop = 20.0, cells = 4 }
    y = { start = -20.0, stop = 20.0, cells = 2 }
    """
)
# Two photons of 1 GeV along y, begun on the front of a barrel; hits of two collections.
PARTICLES_THERE = [[(22, 1, (0, 1, 0)), (11, 0, (1, 0, 0))], [(22, 1, (0, 1, 0))]]
ECAL = [[(0.010, (0, 1003, 0)), (0.020, (5, 1012, -5))], [(0.030, (15, 1025, 5))]]
HCAL = [[], [(0.001, (0, 1035, 0)), (0.002, (0, 1100, 0))]]
EXPECTED = [[10, 20, 0, 0], [0, 0, 30, 1]]


def particles(rows: list, vertex: tuple = (0, 1000, 0), mass: float = 0.0) -> dict[str, ak.Array]:
    counts = [len(row) for row in rows]
    flat = [entry for row in rows for entry in row]
    columns = {"PDG": np.array([entry[0] for entry in flat], np.int32)}
    columns["generatorStatus"] = np.array([entry[1] for entry in flat], np.int32)
    columns["mass"] = np.full(len(flat), mass)
    for axis in range(3):
        columns["momentum." + "xyz"[axis]] = np.array([float(entry[2][axis]) for entry in flat])
        columns["vertex." + "xyz"[axis]] = np.full(len(flat), float(vertex[axis]))
    return {f"MCParticles.{n}": ak.unflatten(values, counts) for n, values in columns.items()}


def collection(name: str, rows: list, **others: float) -> dict[str, ak.Array]:
    counts = [len(row) for row in rows]
    flat = [entry for row in rows for entry in row]
    columns = {"energy": np.array([entry[0] for entry in flat], np.float32)}
    for axis in range(3):
        columns["position." + "xyz"[axis]] = np.array(
            [entry[1][axis] for entry in flat], np.float32
        )
    columns |= {leaf: np.full(len(flat), value) for leaf, value in others.items()}
    return {f"{name}.{leaf}": ak.unflatten(values, counts) for leaf, values in columns.items()}


def content(**changes: Any) -> dict[str, Any]:
    rows = {**particles(PARTICLES_THERE), **collection("ECal", ECAL), **collection("HCal", HCAL)}
    return {**rows, **changes}


def make(path: Path, branches: dict[str, Any], tree: str = "events") -> Path:
    def kind(values: Any) -> Any:
        return values.dtype if isinstance(values, np.ndarray) else str(values.type.content)

    with uproot.recreate(path) as file:
        file.mktree(tree, {n: kind(v) for n, v in branches.items()}).extend(branches)
    return path


def make_ntuple(path: Path) -> Path:
    """Write fields inside of fields, as podio does into an RNTuple."""

    def nested(name: str, branches: dict[str, Any]) -> ak.Array:
        fields: dict[str, Any] = {}
        for branch, values in branches.items():
            leaf, _, axis = branch.removeprefix(f"{name}.").partition(".")
            if axis:
                fields.setdefault(leaf, {})[axis] = values
            else:
                fields[leaf] = values
        return ak.zip({n: ak.zip(v) if isinstance(v, dict) else v for n, v in fields.items()})

    fields = {
        "MCParticles": nested("MCParticles", particles(PARTICLES_THERE)),
        "ECal": nested("ECal", collection("ECal", ECAL)),
        "HCal": nested("HCal", collection("HCal", HCAL)),
    }
    with uproot.recreate(path) as file:
        file.mkrntuple("events", fields)
    return path


def mapping(**content: Any) -> HitMapping:
    return HitMapping.model_validate(content)


def by_layer(events: Events) -> list[list[float]]:
    return events.layer_energies().round(4).tolist()


@pytest.fixture(params=["flat", "ntuple"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "flat":
        return make(tmp_path / "a.root", content())
    return make_ntuple(tmp_path / "a.root")


def test_all_collections(file: Path) -> None:
    events = read(file, detector=BOX)
    assert by_layer(events) == EXPECTED
    assert events.overflow is not None
    np.testing.assert_allclose(events.overflow, [[0] * 4, [0, 0, 0, 2]], rtol=1e-6)
    found = {name: values.tolist() for name, values in events.conditions.items()}
    right_angle = [np.pi / 2] * 2
    assert found == {
        "energy": [1000, 1000],
        "pdg": [22, 22],
        "theta": right_angle,
        "phi": right_angle,
    }
    # Along y, the x of the shower is -x of the experiment, and its y is z.
    assert events.layer(1)[0].nonzero() == (np.array([1]), np.array([0]))
    assert inspect(file, detector=BOX).format == "edm4hep-root"


def test_chosen_collections(file: Path) -> None:
    chosen = mapping(hits={"collections": ["ECal", "ECal"]})
    assert by_layer(read(file, detector=BOX, mapping=chosen)) == [[10, 20, 0, 0], [0, 0, 30, 0]]
    wrong = mapping(hits={"collections": ["ECAL"]})
    with pytest.raises(MissingError, match=r"no collection 'ECAL' .*it has 'ECal', 'HCal'; corr"):
        read(file, detector=BOX, mapping=wrong)


def test_what_is_no_calorimeter_hit(tmp_path: Path) -> None:
    more = {
        **collection("Clusters", ECAL, iTheta=1.0),
        **collection("Digi", ECAL, energyError=0.1),
        **{
            name.replace("energy", "eDep"): values
            for name, values in collection("Tracker", ECAL).items()
        },
    }
    path = make(tmp_path / "a.root", content(**more))
    assert by_layer(read(path, detector=BOX)) == EXPECTED
    seen = inspect(path, detector=BOX)
    assert "collections after digitisation are not read: 'Digi'" in seen.notes
    digitised = mapping(hits={"collections": ["Digi"]})
    assert by_layer(read(path, detector=BOX, mapping=digitised))[0] == [10, 20, 0, 0]
    alone = {**particles(PARTICLES_THERE), **collection("Digi", ECAL, energyError=0.1)}
    assert by_layer(read(make(tmp_path / "b.root", alone), detector=BOX))[0] == [10, 20, 0, 0]


def test_units(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", content())
    in_gev = BOX.model_copy(update={"cell_unit": "GeV"})
    np.testing.assert_allclose(
        read(path, detector=in_gev).layer_energies() * 1000, EXPECTED, rtol=1e-6
    )
    as_mev = mapping(hits={"energy_unit": "TeV"})
    with pytest.raises(DataError, match="the median of E_tot/E_inc"):
        read(path, detector=BOX, mapping=as_mev)


def test_the_kinetic_energy(tmp_path: Path) -> None:
    rows = {**content(), **particles([[(2212, 1, (0, 3, 4))]] * 2, mass=0.938272)}
    events = read(make(tmp_path / "a.root", rows), detector=BOX)
    expected = 1000 * (np.sqrt(25 + 0.938272**2) - 0.938272)
    np.testing.assert_allclose(events.energy, expected, rtol=1e-12)
    np.testing.assert_allclose(events.condition("theta"), np.arctan2(3, 4), rtol=1e-15)


def test_from_the_interaction_point(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", {**content(), **particles(PARTICLES_THERE, (0, -50, 0))})
    with pytest.raises(ConfigError, match=r"2 of 2 particles begin within 100 mm .*\[frame\] rad"):
        read(path, detector=BOX)
    barrel = mapping(frame={"radius": 1000, "half_length": 2000})
    assert by_layer(read(path, detector=BOX, mapping=barrel)) == EXPECTED
    with pytest.raises(DataError, match=r"all hits .* lie outside the cells of 'box'"):
        read(path, detector=BOX, mapping=mapping(frame={}))
    with pytest.raises(DataError, match="2 of 2 particles do not come from inside a barrel of rad"):
        read(path, detector=BOX, mapping=mapping(frame={"radius": 20}))


def test_further_conditions(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", content(tilt=np.array([90.0, 180.0]), beam=np.ones(2)))
    named = mapping(
        conditions={
            "tilt": {"branch": "tilt", "unit": "deg"},
            "energy": {"branch": "beam", "unit": "GeV"},
        }
    )
    events = read(path, detector=BOX, mapping=named)
    np.testing.assert_allclose(events.condition("tilt"), [np.pi / 2, np.pi])
    assert events.energy.tolist() == [1000, 1000]
    with pytest.raises(MissingError, match=r"has no branch 'tlt' \(nearest: 'tilt'"):
        read(path, detector=BOX, mapping=mapping(conditions={"a": "tlt"}))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [[(22, 0, (0, 1, 0))], [(22, 1, (0, 1, 0))]],
            "1 of 2 events have no particle of generatorStatus 1 (first: event 0 with 0); simulate",
        ),
        (
            [[(22, 1, (0, 1, 0))], [(22, 1, (0, 1, 0))] * 3],
            "1 of 2 events begin with several particles of generatorStatus 1 (first: event 1 with "
            "3); simulate one",
        ),
        ([[], []], "2 of 2 events have no particle"),
        ([[(22, 1, (0, 0, 0))]] * 2, "2 of 2 events have no direction"),
        ([[(22, 1, (0, np.nan, 0))]] * 2, "2 of 2 events have no direction"),
    ],
)
def test_wrong_particles(tmp_path: Path, rows: list, sentence: str) -> None:
    path = make(tmp_path / "a.root", {**content(), **particles(rows)})
    with pytest.raises(DataError) as caught:
        read(path, detector=BOX)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("drop", "kind", "sentence"),
    [
        ("MCParticles.mass", MissingError, "has no branch 'MCParticles.mass' (nearest: '"),
        ("Cal", MissingError, "has no collection of calorimeter hits, with energy and position"),
        ("MCParticles.PDG", MissingError, "'edm4hep-root' needs 'MCParticles.PDG' (nearest"),
    ],
)
def test_missing_branches(
    tmp_path: Path, drop: str, kind: type[PhysGanError], sentence: str
) -> None:
    rows = {name: values for name, values in content().items() if drop not in name}
    path = make(tmp_path / "a.root", rows)
    with pytest.raises(kind) as caught:
        read(path, detector=BOX)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"hits": dict.fromkeys(["x", "y", "z", "energy"], "a")}, "hits.x, y, z, energy"),
        ({"hits": {"axes": "zxy"}}, "hits.axes"),
        ({"hits": {"length_unit": "cm"}}, "hits.length_unit"),
        ({"frame": {"direction": ["a", "b", "c"]}}, "frame.direction"),
    ],
)
def test_mappings_that_say_too_much(tmp_path: Path, wrong: dict[str, Any], name: str) -> None:
    path = make(tmp_path / "a.root", content())
    with pytest.raises(ConfigError) as caught:
        read(path, detector=BOX, mapping=mapping(**wrong))
    assert f"EDM4hep itself says what {name} of the mapping would" in str(caught.value)


def test_a_detector_must_be_named(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", content())
    with pytest.raises(DetectorError, match=r"it holds hits, .* none is named; name one"):
        read(path)


def test_another_tree(tmp_path: Path) -> None:
    path = make(tmp_path / "a.root", content(), tree="mine")
    assert by_layer(read(f"{path}:mine", detector=BOX)) == EXPECTED
    named = read(path, detector=BOX, format="edm4hep-root", mapping=mapping(tree="mine"))
    assert by_layer(named) == EXPECTED
    with pytest.raises(MissingError, match=r"has no tree 'events'.* it holds 'mine'; name"):
        read(path, detector=BOX, format="edm4hep-root")


@pytest.mark.parametrize("detector", ["mine", "ild-ecal"])
def test_a_photon_in_ild(detector: str) -> None:
    path = SHARED / "edm4hep" / "ild_single_photon.edm4hep.root"
    if not path.exists():
        pytest.skip("needs the ILD event")
    if detector == "mine":
        axis = "{ start = -150.0, stop = 150.0, cells = 60 }"
        layer = f'kind = "cartesian"\nrepeat = 30\nz = [0.0, 7.0]\nx = {axis}\ny = {axis}'
        mine = 'name = "ild"\n[sampling]\nactive = { material = "Si", thickness = 0.5 }\n'
        chosen = Detector.from_toml(f"{mine}response = 0.02\n[[layers]]\n{layer}")
    else:
        chosen = load_detector(detector)
    silicon = ["ECalBarrelSiHitsEven", "ECalBarrelSiHitsOdd"]
    events = read(path, detector=chosen, mapping=mapping(hits={"collections": silicon}))
    assert events.overflow is not None
    with uproot.open(path) as root_file:
        tree = root_file["events"]
        total = 1000 * sum(
            np.sum(tree[f"{name}/{name}.energy"].array()[0].to_numpy(), dtype=float)
            for name in silicon
        )
    cells, outside = events.cells[0].astype(float), events.overflow[0].sum(dtype=float)
    assert cells.sum() + outside == pytest.approx(total, rel=1e-6)
    assert 0 < outside < 0.002 * total
    # The photon of 43.7 GeV, at a right angle to the beam, is on the axis and stops halfway.
    assert events.energy[0] == pytest.approx(43709.7, abs=0.1)
    assert events.condition("pdg")[0] == 22
    x, y = cells @ chosen.positions / cells.sum()
    assert abs(x) < 1
    assert abs(y) < 3
    profile = events.layer_energies()[0]
    assert 75 < profile @ chosen.depths / profile.sum() < 100
    assert 8 <= profile.argmax() <= 16
    assert profile[0] + profile[-1] < 0.01 * profile.sum()
    # All collections: more energy, nearly all of it in the same place.
    everything = read(path, detector=chosen)
    assert everything.total_energy()[0] > 2 * cells.sum()
    share = inspect(path, detector=chosen).overflow[0]
    assert share is not None
    assert 0.001 < share < 0.01


# Files of ours.


def showers(n: int, detector: Detector, seed: int = 0, **conditions: Any) -> Events:
    rng = np.random.default_rng(seed)
    filled = rng.random((n, detector.n_cells)) < 0.4
    cells = rng.exponential(size=filled.shape).astype(np.float32) * filled
    rows = {"energy": 1 + 30 * cells.sum(axis=1, dtype=float), "pdg": np.full(n, 22.0)}
    overflow = rng.random((n, detector.n_layers))
    return Events(cells, {**rows, **conditions}, detector, overflow, {"particle": "gamma"})


@settings(max_examples=15)
@given(seed=st.integers(0, 999), n=st.integers(1, 5))
def test_own_files(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    turned = {"theta": rng.uniform(0, 3.1, n), "phi": rng.uniform(-3.1, 3.1, n)}
    events = showers(n, BOX, seed, **(turned if seed % 2 else {}))
    path = tmp_path_factory.mktemp("own") / "any.dat"
    write(path, events, format="edm4hep-root")
    assert_same(events, read(path), rtol=0)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-pions", "calochallenge-2"])
@pytest.mark.parametrize("unit", ["keV", "MeV", "GeV", "TeV"])
def test_own_files_of_any_detector(tmp_path: Path, name: str, unit: str) -> None:
    detector = load_detector(name).model_copy(update={"cell_unit": unit, "sampling": None})
    events = showers(2, detector)
    size = {"keV": 1e-3, "MeV": 1, "GeV": 1e3, "TeV": 1e6}[unit] / 30
    conditions = {"energy": events.energy * size, "pdg": [11, -211]}
    events = Events(events.cells, conditions, detector, events.overflow)
    write(tmp_path / "a.root", events, format="edm4hep-root")
    assert_same(events, read(tmp_path / "a.root"), rtol=0)


def test_another_program_finds_the_same_shower(tmp_path: Path) -> None:
    """Without what phys_gan says about the file, its branches alone give the events again."""
    detector = BOX.model_copy(update={"sampling": None})
    turned = {"theta": np.array([1.0, 2.0]), "phi": np.array([0.5, -2.5])}
    events = showers(2, detector, **turned)
    events = Events(events.cells, {**events.conditions, "pdg": [211, 2212]}, detector)
    write(tmp_path / "a.root", events, format="edm4hep-root")
    with uproot.open(tmp_path / "a.root") as root_file:
        tree = root_file["events"]
        names = [
            name for name in tree.keys(recursive=False) if "." in name and not name.startswith("n")
        ]
        rows = {name: tree[name].array() for name in names}
        assert {name.partition(".")[0] for name in names} == {"CalorimeterHits", "MCParticles"}
        assert str(rows["CalorimeterHits.energy"].type.content) == "var * float64"
    again = read(make(tmp_path / "b.root", rows), detector=detector, mapping=mapping(frame={}))
    np.testing.assert_array_equal(again.cells, events.cells)
    for name, values in events.conditions.items():
        np.testing.assert_allclose(again.conditions[name], values, rtol=1e-10)


@given(st.floats(1e-3, 1e7), st.sampled_from([p.pdg for p in PARTICLES]))
def test_momentum_and_kinetic_energy(energy: float, pdg: int) -> None:
    conditions = {"energy": [energy], "pdg": [pdg], "theta": [0.3], "phi": [-1.2]}
    events = Events(np.ones((1, BOX.n_cells)), conditions, BOX)
    found = from_conditions(events).conditions()
    for name, values in conditions.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-11)


def test_own_files_need_no_mapping(tmp_path: Path) -> None:
    write(tmp_path / "a.root", showers(1, BOX), format="edm4hep-root")
    with pytest.raises(ConfigError, match="says itself where its hits are; leave the mapping out"):
        read(tmp_path / "a.root", mapping=mapping(frame={"radius": 3}))
    with pytest.raises(DetectorError, match="the events belong to detector 'box'"):
        read(tmp_path / "a.root", detector="calogan")
