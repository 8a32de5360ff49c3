"""What every layout must do: come back whole, say what it is, grow, stream, be inspected."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import uproot

from helpers import assert_same
from phys_gan.data import FORMATS, convert, inspect, read, stream, write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, PhysGanError
from phys_gan.events import Events

SAMPLE = Path(__file__).resolve().parents[2] / "datasets" / "geant4_calogan_eplus.h5"
CALOGAN = load_detector("calogan")
GRID = Detector.from_toml(
    """
    name = "grid"
    layers = [{ kind = "polar", repeat = 3, z = [0.0, 2.5], r = [0.0, 1.0, 3.0], n_alpha = 4 }]
    """
)


def image(n_bands: int) -> Detector:
    one = {"kind": "image", "rows": 4, "columns": 5, "pixel_scale": 0.2}
    layers = [{"name": f"band{k}", **one} for k in range(n_bands)]
    return Detector.model_validate({"name": "image", "cell_unit": "count", "layers": layers})


DETECTORS = {
    "calogan-hdf5": CALOGAN,
    "calogan-root": CALOGAN,
    "hits-root": GRID,
    "edm4hep-root": GRID,
    "toys-hdf5": load_detector("toy-grid"),
    "calochallenge-hdf5": GRID,
    "galaxy10-hdf5": image(3),
    "galaxiesml-hdf5": image(5),
    "cosmos-fits": image(1),
    "par04-root": GRID,
    "par04-hdf5": GRID,
    "showerdata-hdf5": GRID,
    "caloclouds-hdf5": GRID,
}
layouts = pytest.mark.parametrize("layout", DETECTORS)


def events_for(layout: str, n: int = 20, seed: int = 0, filled: float = 0.4) -> Events:
    """Return events that the layout holds, no two of them alike."""
    rng, detector = np.random.default_rng(seed), DETECTORS[layout]
    cells = rng.exponential(3.0, (n, detector.n_cells)).astype(np.float32)
    cells[rng.random(cells.shape) > filled] = 0
    conditions = {"mass": rng.normal(size=n) * 1e200, "number": np.arange(n) + 1000.0 * seed}
    # What vectors become, and names that mean something where another program wrote them.
    for name in ("vertex.0", "vertex.1", "incident_theta", "Weight", "event_weights"):
        conditions[name] = rng.normal(size=n)
    if detector.is_image:
        cells = np.minimum(np.round(cells * 20), 255)
        conditions["ans"] = rng.integers(0, 10, n).astype(float)
    else:
        conditions["energy"] = 1 + cells.sum(axis=1, dtype=float)
        conditions |= {"pdg": rng.choice([22.0, -11.0], n), "theta": rng.uniform(0, 1, n)}
        conditions["phi"] = rng.uniform(-3, 3, n)
    overflow = rng.random((n, detector.n_layers)) / 10
    said, weights = {"made": f"by seed {seed}"}, rng.normal(1, 1, n)
    return Events(cells, conditions, detector, overflow, said, weights)


def with_conditions(events: Events, **conditions: np.ndarray | float) -> Events:
    more = {name: np.full(len(events), values) for name, values in conditions.items()}
    return replace(events, conditions={**events.conditions, **more})


def without(events: Events, *names: str) -> dict[str, np.ndarray]:
    return {name: values for name, values in events.conditions.items() if name not in names}


def test_every_layout_is_tested() -> None:
    assert list(DETECTORS) == list(REFUSED) == list(FORMATS)


@layouts
def test_it_is_recognised_by_its_content(layout: str, tmp_path: Path) -> None:
    events, (ending, *_) = events_for(layout), FORMATS[layout].extensions
    (tmp_path / "one").mkdir()
    write(tmp_path / "one" / f"events{ending}", events, layout)
    # What a file names beside it, as a catalogue its stamps, goes along.
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / f"events{ending}").rename(tmp_path / "two" / "data")
    shutil.rmtree(tmp_path / "one")
    assert inspect(tmp_path / "two" / "data").format == layout
    assert_same(events, read(tmp_path / "two" / "data"))


@layouts
def test_it_can_be_inspected(layout: str, tmp_path: Path) -> None:
    events = events_for(layout)
    write(tmp_path / "data", events, layout)
    found = inspect(tmp_path / "data")
    assert (found.format, found.n_events, found.detector) == (layout, 20, events.detector)
    assert found.cell_range == (events.cells.min(), events.cells.max())
    assert set(found.conditions) == set(events.conditions)
    for name, values in events.conditions.items():
        assert found.conditions[name] == pytest.approx((values.min(), values.max()), rel=1e-12)
    outside, inside = events.overflow.sum(axis=1, dtype=float), events.total_energy()
    of_all = outside.sum() / (outside.sum() + inside.sum())
    assert found.overflow == pytest.approx((of_all, (outside / (outside + inside)).max()))
    assert found.provenance == events.provenance
    assert found.warnings == []
    assert found.notes == ()
    assert found.weights is not None
    assert found.weights.low == events.weights.min()
    assert found.weights.n_negative == (events.weights < 0).sum()
    assert found.weights.effective_number == pytest.approx(events.effective_number)
    lines = found.lines()
    assert all(line.strip() for line in lines)
    assert any(line.split() == ["events", "20"] for line in lines)
    assert any(layout in line for line in lines)


@layouts
def test_events_are_added(layout: str, tmp_path: Path) -> None:
    # Later events have more cells with a signal.
    parts = [events_for(layout, 6, seed, filled) for seed, filled in enumerate((0.2, 0.5, 0.9))]
    for part in parts[:2]:
        write(tmp_path / "data", part, layout, append=True)
    assert_same(read(tmp_path / "data"), Events.concatenate(parts[:2]))
    write(tmp_path / "more", parts[2], layout)
    convert(tmp_path / "more", tmp_path / "data", append=True)
    assert_same(read(tmp_path / "data"), Events.concatenate(parts))
    assert inspect(tmp_path / "data").format == layout


@layouts
def test_a_stream_gives_each_event_once(layout: str, tmp_path: Path) -> None:
    events = events_for(layout)
    write(tmp_path / "data", events, layout)
    batches = list(stream(tmp_path / "data", 7, epochs=1))
    assert [len(batch) for batch in batches] == [7, 7, 6]
    streamed = Events.concatenate(batches)
    order = np.argsort(streamed.conditions["number"])
    assert not np.array_equal(order, np.arange(20))
    assert_same(events, streamed[order])


@layouts
def test_many_blocks(layout: str, tmp_path: Path) -> None:
    n = 5200
    some = events_for(layout, 10)
    again = np.arange(n) % 10
    events = Events(
        some.cells[again],
        {name: values[again] for name, values in some.conditions.items()},
        some.detector,
        some.overflow[again],
        weights=np.arange(n) - 100.0,
    )
    events = with_conditions(events, number=np.arange(n, dtype=float))
    write(tmp_path / "data", events, layout)
    assert_same(events, read(tmp_path / "data"))
    chosen = [0, 999, 1000, 1001, 2047, 4096, 4999, 5000, 5199]
    assert_same(events[chosen], stream(tmp_path / "data", 9).events(chosen))


# What a layout refuses


ODD = {"ans": 300.0, "a b": 1.0, "a/b": 2.0, "a//b": 3.0, "/": 4.0, "": 5.0, ".": 6.0, "a\0b": 7.0}
"""Values of conditions that not every layout can hold, because of their names or in themselves."""

NO_LAYOUT = {"a//b", "/", "", ".", "a\0b"}
REFUSED = {
    "calogan-hdf5": NO_LAYOUT,
    "calogan-root": NO_LAYOUT | {"a b", "a/b"},
    "hits-root": NO_LAYOUT | {"a b", "a/b"},
    "edm4hep-root": NO_LAYOUT | {"a b", "a/b"},
    "toys-hdf5": NO_LAYOUT,
    "calochallenge-hdf5": NO_LAYOUT,
    "galaxy10-hdf5": NO_LAYOUT | {"ans"},
    "galaxiesml-hdf5": NO_LAYOUT,
    "cosmos-fits": NO_LAYOUT | {"a b", "a/b"},
    "par04-root": NO_LAYOUT | {"a b", "a/b"},
    "par04-hdf5": NO_LAYOUT,
    "showerdata-hdf5": NO_LAYOUT,
    "caloclouds-hdf5": NO_LAYOUT,
}


@layouts
def test_a_condition_comes_back_or_is_refused(layout: str, tmp_path: Path) -> None:
    events = events_for(layout, 3)
    for name in REFUSED[layout]:
        odd = with_conditions(events, **{name: ODD[name]})
        with pytest.raises(DataError, match=f"format '{layout}': '.*; leave it out with --drop "):
            write(tmp_path / "data", odd, layout)
    assert not list(tmp_path.iterdir())
    odd = with_conditions(events, **ODD)
    write(tmp_path / "data", odd, layout, drop=REFUSED[layout])
    conditions = without(odd, *REFUSED[layout])
    rest = replace(odd, conditions=conditions)
    assert_same(rest, read(tmp_path / "data"))


@layouts
def test_what_is_dropped_on_the_way(layout: str, tmp_path: Path) -> None:
    events = with_conditions(events_for(layout, 3), **{"ans": 300.0, "a b": 1.0})
    drop = {"ans", "a b"} & REFUSED[layout] | {"mass", "overflow"}
    write(tmp_path / "any", events, "calochallenge-hdf5")
    if len(drop) > 2:
        with pytest.raises(DataError, match="leave it out with --drop"):
            convert(tmp_path / "any", tmp_path / "data", to=layout)
    convert(tmp_path / "any", tmp_path / "data", to=layout, drop=drop)
    rest = replace(events, conditions=without(events, *drop), overflow=None)
    assert_same(rest, read(tmp_path / "data"))
    convert(tmp_path / "any", tmp_path / "data", to=layout, drop=drop | {"weights"})
    assert_same(replace(rest, weights=None), read(tmp_path / "data"))


@layouts
def test_weights_that_are_all_zero(layout: str, tmp_path: Path) -> None:
    events = replace(events_for(layout, 3), weights=np.zeros(3))
    write(tmp_path / "data", events, layout)
    assert_same(events, read(tmp_path / "data"))
    with pytest.raises(DataError, match="the new ones have"):
        write(tmp_path / "data", replace(events, weights=None), append=True)


def test_a_name_inside_of_another(tmp_path: Path) -> None:
    events = with_conditions(events_for("par04-hdf5", 2), **{"a": 1.0, "a/b": 2.0})
    with pytest.raises(DataError, match="'a/b' cannot be the name of a data set; leave it out"):
        write(tmp_path / "a.h5", events)


@pytest.mark.parametrize(
    ("layout", "spoilt"), [("galaxy10-hdf5", "cells"), ("edm4hep-root", "pdg")]
)
def test_what_a_later_event_has(layout: str, spoilt: str, tmp_path: Path) -> None:
    events = events_for(layout, 30)
    last = np.arange(30) == 29
    if spoilt == "cells":
        cells = events.cells + np.float32(0.5) * last[:, np.newaxis]
        events = Events(cells, events.conditions, events.detector)
    else:
        events = with_conditions(events, pdg=np.where(last, 1000020040, 22.0))
    write(tmp_path / "any", events, "calochallenge-hdf5")
    with pytest.raises(PhysGanError, match=r"from 0 to 255|'1000020040' is not a known particle"):
        convert(tmp_path / "any", tmp_path / "out", to=layout)
    assert [path.name for path in tmp_path.iterdir()] == ["any"]


def test_cells_and_energy_that_a_layout_cannot_hold(tmp_path: Path) -> None:
    events = events_for("par04-hdf5", 2)
    with pytest.raises(
        DataError, match=r"'calogan-root': cells must be those of 'calogan', not of 'grid'; choose"
    ):
        write(tmp_path / "a.root", events, "calogan-root")
    none = Events(np.ones((2, 504)), {}, CALOGAN)
    with pytest.raises(DataError, match=r"energy is needed; choose one of: hits-root \(.root\), c"):
        write(tmp_path / "a.root", none, "calogan-root")
    odd = Events(np.ones((2, 504)), {"": [1, 2]}, CALOGAN)
    with pytest.raises(DataError, match=r"energy is needed.*; choose one of: hits-root \(.root\)"):
        write(tmp_path / "a.root", odd, "calogan-root")
    assert list(tmp_path.iterdir()) == []


# Provenance


@layouts
def test_any_provenance_comes_back(layout: str, tmp_path: Path) -> None:
    events = events_for(layout, 2)
    texts = {
        "history": "λ" * 200_000,
        "nothing": "",
        "": "no name",
        "nul\0": "\0",
        "lone surrogate": "\udcff",
        "lines": "one\r\n\ttwo ",
        "energy_unit": "eV",
        "cell_unit": "GeV",
        "phys_gan_format": "calochallenge-hdf5",
        "phys_gan_detector": "none",
        "n" * 70_000: "long name",
    }
    said = replace(events, provenance=texts)
    write(tmp_path / "data", said, layout)
    assert_same(said, read(tmp_path / "data"))


def test_attributes_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", events_for("calogan-hdf5", 2))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["fixed"] = np.bytes_(b"a\xff\0b")
        file.attrs.create("vlen", b"a\xff", dtype=h5py.string_dtype("utf-8"))
    events = read(tmp_path / "a.h5")
    assert events.provenance["fixed"] == "a\ufffd\0b"
    assert events.provenance["vlen"] == "a\ufffd"
    convert(tmp_path / "a.h5", tmp_path / "b.h5")
    assert_same(events, read(tmp_path / "b.h5"))


def test_a_provenance_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", events_for("calogan-hdf5", 2))
    for text in ("{", "[1]", "3"):
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            file.attrs["phys_gan_provenance"] = text
        with pytest.raises(DataError, match=r"a.h5': 'phys_gan_provenance' does not hold what"):
            read(tmp_path / "a.h5")


# The layouts themselves


def test_the_layout_is_the_original_one(tmp_path: Path) -> None:
    geant4 = read(SAMPLE)[:100]
    write(tmp_path / "a.h5", geant4)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["energy"].shape == (100, 1)
        np.testing.assert_allclose(file["energy"][:, 0], geant4.energy / 1000, rtol=1e-15)
        assert [file[f"layer_{k}"].shape[1:] for k in range(3)] == [(3, 96), (12, 12), (12, 6)]
        assert file["layer_1"].compression == "gzip"
        assert file.attrs["energy_unit"] == b"GeV"
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
        assert Detector.from_toml(file.attrs["phys_gan_detector"].decode()) == CALOGAN
