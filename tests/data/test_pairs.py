"""Every layout to every other that holds the events: the same bits, conditions, detector, texts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers import assert_same
from phys_gan.data import FORMATS, convert, read, stream, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "geant4_calogan_eplus.h5"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "geant4"

POINTS = {"showerdata-hdf5", "caloclouds-hdf5"}
ANY_SHOWER = {"hits-root", "calochallenge-hdf5"} | POINTS
# EDM4hep needs to know the particle.
WITH_PDG = ANY_SHOWER | {"edm4hep-root"}
CALOGAN_CELLS = {"calogan-hdf5", "calogan-root"}
POLAR_GRID = {"par04-root", "par04-hdf5"}

HOLDS: dict[str, set[str]] = {
    "geant4": WITH_PDG | CALOGAN_CELLS,
    "calogan": ANY_SHOWER | CALOGAN_CELLS,
    "calogan in GeV": WITH_PDG,
    "par04": WITH_PDG | POLAR_GRID,
    "polar grid in GeV": WITH_PDG | POLAR_GRID,
    "polar grid of counts": ANY_SHOWER | POLAR_GRID,
    "irregular": WITH_PDG,
    "irregular, no overflow": ANY_SHOWER,
    "irregular, no energy": {"hits-root", "calochallenge-hdf5"},
    "one band": {"calochallenge-hdf5", "cosmos-fits"},
    "one band, no overflow": {"calochallenge-hdf5", "cosmos-fits"},
    "three bands": {"calochallenge-hdf5", "galaxy10-hdf5"},
    "three bands, no overflow": {"calochallenge-hdf5", "galaxy10-hdf5"},
    "three bands of fractions": {"calochallenge-hdf5"},
    "five bands": {"calochallenge-hdf5", "galaxiesml-hdf5"},
    "five bands, no overflow": {"calochallenge-hdf5", "galaxiesml-hdf5"},
    "points": {"calochallenge-hdf5", "toys-hdf5"},
    "points, nothing else": {"calochallenge-hdf5", "toys-hdf5"},
}
"""Which layouts hold which events."""

IRREGULAR = Detector.from_toml(
    """
    name = "irregular"
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
    [[layers]]
    kind = "polar"
    z = [4.0, 5.0]
    r = [0.0, 2.0]
    n_alpha = 1
    """
)
GRID = Detector.from_toml(
    """
    name = "grid"
    [[layers]]
    kind = "polar"
    repeat = 3
    z = [0.0, 2.5]
    r = [0.0, 1.0, 3.0]
    n_alpha = 4
    """
)
CALOGAN, PAR04 = load_detector("calogan"), load_detector("par04-9x16x45")


def image(n_bands: int) -> Detector:
    one = {"kind": "image", "rows": 4, "columns": 5, "pixel_scale": 0.2}
    layers = [{"name": f"band{k}", **one} for k in range(n_bands)]
    return Detector.model_validate({"name": "image", "cell_unit": "count", "layers": layers})


# Given events


def showers(
    detector: Detector, names: str = "", overflow: bool = True, energy: bool = True
) -> Events:
    """Return showers with these further conditions, one of them without any signal."""
    rng = np.random.default_rng(detector.n_cells)
    n = 5
    cells = rng.exponential(3.0, (n, detector.n_cells)).astype(np.float32)
    cells[rng.random(cells.shape) < 0.6] = 0
    cells[0, :2] = 1e-45, 1e-38
    cells[2] = 0
    response = detector.sampling.response if detector.sampling else 1.0
    to_mev = 1000.0 if detector.cell_unit == "GeV" else 1.0
    drawn = {
        "pdg": rng.permutation([22.0, -11, 11, 2212, -211]),
        "theta": rng.uniform(0, np.pi, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "mass": rng.normal(size=n) * 10.0 ** np.array([-300, -3, 0, 9, 300]),
    }
    conditions = {name: drawn[name] for name in names.split()}
    if energy:
        total = cells.sum(axis=1, dtype=float) * to_mev / response
        conditions["energy"] = np.where(total > 0, total, 50.0) * rng.uniform(0.8, 1.2, n)
    outside = rng.random((n, detector.n_layers)) if overflow else None
    return Events(cells, conditions, detector, outside, {"made": "by hand, £", "seed": ""})


def galaxies(n_bands: int, names: str, whole: bool = False, overflow: bool = True) -> Events:
    """Return images with these conditions."""
    rng, detector, n = np.random.default_rng(n_bands), image(n_bands), 4
    cells = rng.normal(size=(n, detector.n_cells))
    if whole:
        cells = rng.integers(0, 256, cells.shape)
        cells[0, :2] = 0, 255
    conditions = {name: rng.normal(size=n) * 1e30 for name in names.split()}
    if "ans" in conditions:
        conditions["ans"] = np.array([0.0, 255, 7, 7])
    outside = rng.normal(size=(n, n_bands)) if overflow else None
    return Events(cells, conditions, detector, outside, {"survey": "drawn\n£"})


def points(names: str = "", overflow: bool = True) -> Events:
    """Return points of the plane with these conditions."""
    rng, n = np.random.default_rng(7), 5
    conditions = {name: rng.random(n) for name in names.split()}
    outside = rng.normal(size=(n, 2)) if overflow else None
    cells = rng.normal(size=(n, 2)) * [[1e-30, 1e30]]
    return Events(cells, conditions, load_detector("toy-ring"), outside, {"made": "£"})


def in_unit(detector: Detector, unit: str) -> Detector:
    return detector.model_copy(update={"cell_unit": unit})


ALL = "pdg theta phi mass"
MADE: dict[str, Callable[[], Events]] = {
    "geant4": lambda: read(f"{SAMPLE}@e+")[:50],
    "calogan": lambda: showers(CALOGAN, "theta phi mass", overflow=False),
    "calogan in GeV": lambda: showers(in_unit(CALOGAN, "GeV"), "pdg"),
    "par04": lambda: showers(PAR04, ALL),
    "polar grid in GeV": lambda: showers(in_unit(GRID, "GeV"), ALL, overflow=False),
    "polar grid of counts": lambda: showers(in_unit(GRID, "count"), "theta phi mass"),
    "irregular": lambda: showers(IRREGULAR, ALL),
    "irregular, no overflow": lambda: showers(IRREGULAR, overflow=False),
    "irregular, no energy": lambda: showers(IRREGULAR, "theta mass", energy=False),
    "one band": lambda: galaxies(1, "mag flux ra mass"),
    "one band, no overflow": lambda: galaxies(1, "", overflow=False),
    "three bands": lambda: galaxies(3, "ans redshift mass", whole=True),
    "three bands, no overflow": lambda: galaxies(3, "", whole=True, overflow=False),
    "three bands of fractions": lambda: galaxies(3, "mass"),
    # Conditions by whose names other layouts are recognised.
    "five bands": lambda: galaxies(5, "specz_redshift mass images showers events layer_0 points"),
    "five bands, no overflow": lambda: galaxies(5, "", overflow=False),
    "points": lambda: points("mass energy"),
    "points, nothing else": lambda: points(overflow=False),
}
PAIRS = [
    pytest.param(content, first, second, id=f"{content}: {first} to {second}")
    for content, layouts in HOLDS.items()
    for first in sorted(layouts)
    for second in sorted(layouts)
]


@cache
def made(content: str) -> Events:
    return MADE[content]()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    folder = tmp_path_factory.mktemp("pairs")

    @cache
    def path(content: str, layout: str) -> Path:
        # The name of a file says nothing: content alone counts when it is read.
        target = folder / f"{content} {layout}"
        write(target, made(content), layout)
        return target

    return path


def test_the_tables_are_complete() -> None:
    assert set().union(*HOLDS.values()) == set(FORMATS)
    assert list(HOLDS) == list(MADE)


@pytest.mark.parametrize("content", HOLDS)
def test_which_layouts_hold_what(content: str, tmp_path: Path) -> None:
    events = made(content)
    refused = {name: layout.obstacles(events) for name, layout in FORMATS.items()}
    assert {name for name, why in refused.items() if not why} == HOLDS[content]
    for name in set(FORMATS) - HOLDS[content]:
        with pytest.raises(DataError, match=rf"format '{name}': (cells|energy) .*choose one of"):
            write(tmp_path / "refused", events, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "first", "second"), PAIRS)
def test_every_pair(
    written: Callable[[str, str], Path], tmp_path: Path, content: str, first: str, second: str
) -> None:
    events = made(content)
    if first == second:
        assert_same(events, read(written(content, first)))
    assert convert(written(content, first), tmp_path / "out", to=second) == len(events)
    assert_same(events, read(tmp_path / "out"))


@pytest.mark.parametrize(
    ("name", "layouts"),
    [
        ("calogan_eplus.h5@e+", WITH_PDG | CALOGAN_CELLS),
        ("calogan_photon.h5", ANY_SHOWER | CALOGAN_CELLS),
        ("calogan_eplus.root@e+", WITH_PDG | CALOGAN_CELLS),
        ("calochallenge2_electron.h5@e-", WITH_PDG | POLAR_GRID),
        ("par04_electron.root", ANY_SHOWER | POLAR_GRID),
    ],
)
def test_full_simulation_through_all(tmp_path: Path, name: str, layouts: set[str]) -> None:
    if not (SHARED / name.partition("@")[0]).exists():
        pytest.skip("the showers are not there")
    events = stream(SHARED / name, 10).events(range(10))
    assert events.cells.any(axis=1).all()
    write(tmp_path / "0", events, "calochallenge-hdf5")
    for number, layout in enumerate(sorted(layouts), start=1):
        convert(tmp_path / f"{number - 1}", tmp_path / f"{number}", to=layout)
        assert_same(events, read(tmp_path / f"{number}"))


# Random events

identifiers = st.one_of(
    st.text("abcdefgh_", min_size=1, max_size=8),
    st.sampled_from(["theta", "phi", "cell", "x", "overflow", "cell_unit", "θ", "SimTime", "MAG"]),
).filter(lambda name: name not in ("energy", "pdg", "ans"))
texts = st.text(st.characters(codec="utf-8"), max_size=30)
text_names = st.one_of(texts, st.sampled_from(["energy_unit", "phys_gan_format", "CLASS", "."]))


@st.composite
def random_events(draw: st.DrawFn, detector: Detector) -> Events:
    n = draw(st.integers(1, 4))

    def numbers(shape: tuple[int, ...]) -> np.ndarray:
        smallest = -1e5 if detector.is_image and detector.n_layers != 3 else 0
        elements = st.floats(smallest, 1e5, width=32, allow_subnormal=True)
        # Minus zero and zero are one number, which not every layout tells apart.
        return draw(hnp.arrays(np.float32, shape, elements=elements, fill=st.just(0.0))) + 0

    cells = numbers((n, detector.n_cells))
    wide = st.floats(-1e300, 1e300, allow_nan=False)
    # The columns of FITS have names in ASCII, without upper and lower case.
    fitting = identifiers.filter(str.isascii) if detector.is_image else identifiers
    kinds = st.lists(fitting, max_size=3, unique_by=str.lower)
    conditions = {name: draw(hnp.arrays(np.float64, n, elements=wide)) for name in draw(kinds)}
    if detector.is_image and detector.n_layers == 3:
        cells = np.floor(cells) % 256
    elif not detector.is_image:
        # An energy close to the deposits, so that no mistake of units is suspected.
        share = draw(hnp.arrays(np.float64, n, elements=st.floats(0.5, 2)))
        total = cells.sum(axis=1, dtype=float)
        conditions["energy"] = share * np.where(total > 0, total, 1.0)
        particles = st.sampled_from([22.0, -11.0, 211.0])
        conditions["pdg"] = draw(hnp.arrays(np.float64, n, elements=particles))
    overflow = numbers((n, detector.n_layers)) if draw(st.booleans()) else None
    provenance = draw(st.dictionaries(text_names, texts, max_size=3))
    return Events(cells, conditions, detector, overflow, provenance)


def random_pairs(detector: Detector, layouts: set[str]) -> st.SearchStrategy:
    one = st.sampled_from(sorted(layouts))
    return st.tuples(random_events(detector), one, one)


RANDOM: dict[str, tuple[st.SearchStrategy, int]] = {
    "calogan": (random_pairs(CALOGAN, WITH_PDG | CALOGAN_CELLS), 5),
    "grid": (random_pairs(GRID, WITH_PDG | POLAR_GRID), 25),
    "irregular": (random_pairs(IRREGULAR, WITH_PDG), 25),
    "one band": (random_pairs(image(1), HOLDS["one band"]), 25),
    "three bands": (random_pairs(image(3), HOLDS["three bands"]), 25),
    "five bands": (random_pairs(image(5), HOLDS["five bands"]), 25),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random_events(kind: str) -> None:
    strategy, examples = RANDOM[kind]

    @settings(max_examples=examples)
    @given(strategy)
    def check(drawn: tuple[Events, str, str]) -> None:
        events, first, second = drawn
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder) / "one", Path(folder) / "two"
            write(one, events, first)
            convert(one, two, to=second)
            assert_same(events, read(two))

    check()
