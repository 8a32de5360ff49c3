from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phys_gan.data import FORMATS, read, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")
SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "geant4_calogan_eplus.h5"
SMALL = Detector.from_toml(
    """
    name = "small"
    description = "zwei Lagen, £ unequal"
    threshold = 0.1
    [sampling]
    active = { material = "Si", thickness = 0.3 }
    response = 0.7
    [[layers]]
    kind = "polar"
    z = [0.0, 1.0]
    r = [0.0, 1.0, 3.0]
    n_alpha = 3
    [[layers]]
    kind = "cartesian"
    z = [1.0, 3.5]
    x = [-1.0, 0.1, 1.0]
    y = [0.0, 1.0]
    """
)

names = st.text("abcdefgh_", min_size=1, max_size=8).filter(lambda name: name != "energy")
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@st.composite
def random_events(draw: st.DrawFn, detector: Detector, energies: bool = True) -> Events:
    n = draw(st.integers(1, 5))

    def numbers(shape: tuple[int, ...]) -> np.ndarray:
        floats = st.floats(0, 1e5, width=32, allow_subnormal=True)
        return draw(hnp.arrays(np.float32, shape, elements=floats, fill=st.just(0.0)))

    wide = st.floats(-1e300, 1e300, allow_nan=False)
    conditions = {
        name: draw(hnp.arrays(np.float64, n, elements=wide))
        for name in draw(st.lists(names, max_size=2, unique=True))
    }
    cells = numbers((n, detector.n_cells))
    if energies:
        # An energy close to the deposits, so that no mistake of units is suspected.
        share = draw(hnp.arrays(np.float64, n, elements=st.floats(0.5, 2)))
        total = cells.sum(axis=1, dtype=float)
        conditions["energy"] = share * np.where(total > 0, total, 1.0)
    overflow = numbers((n, detector.n_layers)) if draw(st.booleans()) else None
    provenance = draw(st.dictionaries(names, texts, max_size=3))
    return Events(cells, conditions, detector, overflow, provenance)


def assert_same(one: Events, two: Events) -> None:
    """Cells to the last bit, conditions to 1e-12, and everything else."""
    np.testing.assert_array_equal(one.cells.view(np.uint32), two.cells.view(np.uint32))
    assert set(one.conditions) == set(two.conditions)
    for name, values in one.conditions.items():
        np.testing.assert_allclose(two.conditions[name], values, rtol=1e-12, atol=0)
    assert (one.overflow is None) == (two.overflow is None)
    if one.overflow is not None and two.overflow is not None:
        np.testing.assert_array_equal(one.overflow.view(np.uint32), two.overflow.view(np.uint32))
    assert two.detector == one.detector
    assert dict(two.provenance) == dict(one.provenance)


def through_a_file(events: Events, layout: str) -> Events:
    with tempfile.TemporaryDirectory() as folder:
        # The name of the file says nothing: content alone counts when it is read.
        path = Path(folder) / "file.dat"
        write(path, events, format=layout)
        return read(path)


@settings(max_examples=60, deadline=None)
@given(random_events(SMALL))
def test_any_detector_in_the_calochallenge_layout(events: Events) -> None:
    assert_same(events, through_a_file(events, "calochallenge-hdf5"))


@settings(max_examples=20, deadline=None)
@given(random_events(SMALL, energies=False))
def test_events_without_energies(events: Events) -> None:
    assert_same(events, through_a_file(events, "calochallenge-hdf5"))


@settings(max_examples=15, deadline=None)
@given(random_events(CALOGAN.model_copy(update={"threshold": 0.25})))
def test_calogan_hdf5(events: Events) -> None:
    assert_same(events, through_a_file(events, "calogan-hdf5"))


@settings(max_examples=3, deadline=None)
@given(random_events(CALOGAN))
def test_calogan_root(events: Events) -> None:
    assert_same(events, through_a_file(events, "calogan-root"))


@pytest.fixture(scope="module")
def geant4() -> Events:
    return read(SAMPLE)[:100]


@pytest.fixture(scope="module")
def once(geant4: Events) -> dict[str, Events]:
    return {layout: through_a_file(geant4, layout) for layout in FORMATS}


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_real_showers_through_every_pair(
    geant4: Events, once: dict[str, Events], first: str, second: str
) -> None:
    assert_same(geant4, once[first])
    assert_same(geant4, through_a_file(once[first], second))


def test_images() -> None:
    rng = np.random.default_rng(1)
    stamps = Events(rng.normal(size=(3, 1024)), {"mag": [20, 21, 22]}, load_detector("ccd-32"))
    assert_same(stamps, through_a_file(stamps, "calochallenge-hdf5"))


def test_a_detector_in_another_unit(geant4: Events) -> None:
    in_gev = CALOGAN.model_copy(update={"cell_unit": "GeV"})
    events = Events(geant4.cells / 1000, geant4.conditions, in_gev)
    assert_same(events, through_a_file(events, "calochallenge-hdf5"))


def test_a_long_provenance(geant4: Events) -> None:
    text = "λ" * 200_000
    events = Events(geant4.cells, geant4.conditions, CALOGAN, provenance={"history": text})
    for layout in FORMATS:
        assert through_a_file(events, layout).provenance == {"history": text}


def test_many_blocks(geant4: Events, tmp_path: Path) -> None:
    tiled = np.tile(geant4.cells, (52, 1))
    energy = np.tile(geant4.energy, 52) * np.linspace(1, 1.1, len(tiled))
    events = Events(tiled, {"energy": energy}, CALOGAN)
    for layout in FORMATS:
        write(tmp_path / "file", events, format=layout)
        assert_same(events, read(tmp_path / "file"))


def test_the_layout_is_the_original_one(geant4: Events, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", geant4)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["energy"].shape == (100, 1)
        np.testing.assert_allclose(file["energy"][:, 0], geant4.energy / 1000, rtol=1e-15)
        assert [file[f"layer_{k}"].shape[1:] for k in range(3)] == [(3, 96), (12, 12), (12, 6)]
        assert file["layer_1"].compression == "gzip"
        assert file.attrs["energy_unit"] == "GeV"
    write(tmp_path / "a.root", geant4)
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["fancy_tree"]
        assert file.classnames(cycle=False)["fancy_tree"] == "TTree"
        assert {branch.typename for branch in tree.branches} == {"double"}
        assert len(tree.branches) == 508
        np.testing.assert_array_equal(tree["cell_70"].array(library="np"), geant4.cells[:, 70])
    write(tmp_path / "b.h5", geant4, format="calochallenge-hdf5")
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(file["incident_energies"][:, 0], geant4.energy)
        np.testing.assert_array_equal(file["showers"][:], geant4.cells)
        assert Detector.from_toml(file.attrs["phys_gan_detector"]) == CALOGAN


def test_what_a_layout_cannot_hold(tmp_path: Path) -> None:
    events = Events(np.ones((2, SMALL.n_cells)), {"energy": [8, 8]}, SMALL)
    with pytest.raises(DataError, match=r"'calogan-root': cells must be those of 'calogan', not"):
        write(tmp_path / "a.root", events)
    odd = Events(np.ones((2, 504)), {"energy": [8, 8], "a b": [1, 2]}, CALOGAN)
    with pytest.raises(
        DataError, match=r"'a b' cannot be .* branch; leave it out with --drop 'a b'"
    ):
        write(tmp_path / "a.root", odd)
    none = Events(np.ones((2, 504)), {}, CALOGAN)
    with pytest.raises(DataError, match=r"needs the condition 'energy'; choose one of: calochall"):
        write(tmp_path / "a.root", none)
    assert list(tmp_path.iterdir()) == []
