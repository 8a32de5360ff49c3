"""Columns that people store beside a layout: they are kept, or it is said that they are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from astropy.io import fits
from typer.testing import CliRunner

from phys_gan.cli import app
from phys_gan.data import HitMapping, blocks, convert, inspect, join, read, split_files, stream
from phys_gan.data.writing import write
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError, PhysGanError
from phys_gan.events import Events

N = 6
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
Columns = dict[str, Any]
Made = tuple[Path, dict[str, Any]]
"""A file, and how it is read."""


def hdf5(path: Path, columns: Columns) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values
    return path


def tree(values: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what uproot wants to know of the branches of a TTree, and the branches."""

    def kind(array: Any) -> Any:
        if isinstance(array, ak.Array):
            return str(array.type.content)
        return np.dtype((array.dtype, array.shape[1:]))

    return {name: kind(array) for name, array in values.items()}, values


def root(path: Path, **trees: Columns) -> Path:
    with uproot.recreate(path) as file:
        for name, values in trees.items():
            kinds, branches = tree(values)
            file.mktree(name, kinds).extend(branches)
    return path


def cells(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).exponential(3.0, (N, *shape)).astype(np.float32)


def energies(deposits: np.ndarray, unit: float = 1.0) -> np.ndarray:
    return deposits.reshape(N, -1).sum(axis=1) * 1.1 * unit


# One file of each layout as other programs write it, with columns beside


def calogan_hdf5(folder: Path, beside: Columns) -> Made:
    layers = {f"layer_{k}": cells(*shape) for k, shape in enumerate([(3, 96), (12, 12), (12, 6)])}
    total = sum(layer.reshape(N, -1).sum(axis=1) for layer in layers.values())
    energy = total[:, np.newaxis] / 1000
    return hdf5(folder / "a.h5", {"energy": energy, **layers, **beside}), {}


def calochallenge(folder: Path, beside: Columns) -> Made:
    showers = cells(368)
    energy = energies(showers)[:, np.newaxis]
    columns = {"incident_energies": energy, "showers": showers, **beside}
    return hdf5(folder / "a.hdf5", columns), {}


def par04_hdf5(folder: Path, beside: Columns) -> Made:
    showers = cells(9, 16, 45)
    columns = {"incident_energy": energies(showers) * 30, "showers": showers, **beside}
    return hdf5(folder / "a.h5", columns), {}


def showerdata(folder: Path, beside: Columns) -> Made:
    path = hdf5(folder / "a.h5", {"energies": np.full((N, 1), 0.001), **beside})
    with h5py.File(path, "r+") as file:
        lists = file.create_dataset("showers", (N,), h5py.vlen_dtype(np.float32))
        for event in range(N):
            lists[event] = np.float32([-15, 5, 0, 0.0005, 5, -5, 1, 0.0003])
    return path, {"detector": BOX}


def caloclouds(folder: Path, beside: Columns) -> Made:
    points = np.tile(np.float32([[-15, 0, 5, 0.0005], [5, 1, -5, 0.0003]]), (N, 1, 1))
    columns = {"energy": np.full((N, 1), 0.001), "events": points, **beside}
    return hdf5(folder / "a.h5", columns), {"detector": BOX}


def toys(folder: Path, beside: Columns) -> Made:
    points = np.random.default_rng(2).normal(size=(N, 2))
    return hdf5(folder / "a.h5", {"points": points, **beside}), {"detector": "toy-grid"}


def galaxy10(folder: Path, beside: Columns) -> Made:
    images = np.random.default_rng(2).integers(0, 256, (N, 69, 69, 3)).astype(np.uint8)
    return hdf5(folder / "a.h5", {"images": images, "ans": np.arange(N) % 10, **beside}), {}


def galaxiesml(folder: Path, beside: Columns) -> Made:
    columns = {"image": cells(5, 8, 8), "specz_redshift": np.linspace(0, 4, N), **beside}
    return hdf5(folder / "a.hdf5", columns), {}


def fancy_tree() -> Columns:
    deposits = cells(504).astype(float)
    columns = {f"cell_{k}": deposits[:, k] for k in range(504)}
    return {**columns, "TotalEnergy": energies(deposits) / 1000}


def calogan_root(folder: Path, beside: Columns) -> Made:
    return root(folder / "a.root", fancy_tree={**fancy_tree(), **beside}), {}


def par04_readout() -> Columns:
    bins = {name: ak.Array([[0, 1, 2]] * N) for name in ("rhoCell", "phiCell", "zCell")}
    return {"EnergyCell": ak.Array([[1.0, 2.0, 3.0]] * N), **bins}


def par04_root(folder: Path, beside: Columns) -> Made:
    scalars = {"EnergyMC": np.full(N, 200.0), "SimTime": np.ones(N), **beside}
    trees = {"global": scalars, "virtualReadout": par04_readout()}
    return root(folder / "a.root", **trees), {}


def par04_ntuple(folder: Path, beside: Columns) -> Made:
    trees = {"global": {"EnergyMC": np.full(N, 200.0), **beside}, "virtualReadout": par04_readout()}
    with uproot.recreate(folder / "a.root") as file:
        for name, columns in trees.items():
            # Only awkward arrays become fields of fixed-size arrays.
            file.mkrntuple(name, {field: ak.Array(values) for field, values in columns.items()})
    return folder / "a.root", {}


def hits(folder: Path, beside: Columns) -> Made:
    points = {
        "hx": ak.Array([[-15.0, 5.0]] * N),
        "hy": ak.Array([[5.0, -5.0]] * N),
        "hz": ak.Array([[3.0, 12.0]] * N),
        "he": ak.Array([[0.5, 0.3]] * N),
    }
    path = root(folder / "a.root", showers={**points, "beam": np.ones(N), **beside})
    names = {"x": "hx", "y": "hy", "z": "hz", "energy": "he"}
    mapping = HitMapping.model_validate({"hits": names, "conditions": {"energy": "beam"}})
    return path, {"detector": BOX, "mapping": mapping}


def edm4hep(folder: Path, beside: Columns) -> Made:
    def lists(values: Any) -> ak.Array:
        return ak.Array([[value] for value in np.broadcast_to(values, N).tolist()])

    particle = {"PDG": 22, "generatorStatus": 1, "mass": 0.0}
    for axis, along, begin in zip("xyz", (0.0, 1.0, 0.0), (0.0, 1000.0, 0.0), strict=True):
        particle |= {f"momentum.{axis}": along, f"vertex.{axis}": begin}
    hit = {"energy": 0.5, "position.x": 0.0, "position.y": 1003.0, "position.z": 0.0}
    branches = {f"MCParticles.{name}": lists(value) for name, value in particle.items()}
    branches |= {f"ECal.{name}": lists(value) for name, value in hit.items()}
    branches |= {f"Tracks.{name}": lists(value) for name, value in {"chi2": 1.0}.items()}
    header = {"eventNumber": np.arange(N), "runNumber": 7}
    branches |= {f"EventHeader.{name}": lists(value) for name, value in header.items()}
    return root(folder / "a.root", events={**branches, **beside}), {"detector": BOX}


def cosmos(folder: Path, beside: Columns) -> Made:
    stamps = [cells(8, 8)[k] for k in range(N)]
    hdus = [fits.PrimaryHDU(stamps[0]), *(fits.ImageHDU(stamp) for stamp in stamps[1:])]
    fits.HDUList(hdus).writeto(folder / "stamps.fits")
    columns = {
        "IDENT": np.arange(N) + 100,
        "MAG": np.linspace(20, 24, N),
        "GAL_FILENAME": np.array(["stamps.fits"] * N),
        "GAL_HDU": np.arange(N),
        "PSF_HDU": np.arange(N),
        "PIXEL_SCALE": np.full(N, 0.03),
        **beside,
    }
    codes = {"f": "D", "i": "K", "u": "B", "b": "L", "U": "20A"}
    table = [
        fits.Column(
            name,
            (str(values.shape[1]) if values.ndim > 1 else "") + codes[values.dtype.kind],
            array=values,
        )
        for name, values in columns.items()
    ]
    fits.BinTableHDU.from_columns(table).writeto(folder / "a.fits")
    return folder / "a.fits", {}


Maker = Callable[[Path, Columns], Made]
IN_HDF5: list[Maker] = [
    calogan_hdf5,
    calochallenge,
    par04_hdf5,
    showerdata,
    caloclouds,
    toys,
    galaxy10,
    galaxiesml,
]
IN_ROOT: list[Maker] = [par04_root, par04_ntuple, hits, edm4hep]
every = pytest.mark.parametrize("make", [*IN_HDF5, *IN_ROOT, cosmos], ids=lambda m: m.__name__)
in_hdf5 = pytest.mark.parametrize("make", IN_HDF5, ids=lambda m: m.__name__)
in_root = pytest.mark.parametrize("make", IN_ROOT, ids=lambda m: m.__name__)

TILT = np.array([0.125, 0.5, -0.25, 1.5, 2.0, 0.75])
RUN = np.array([3, 1, 4, 1, 5, 9])
FLAG = np.array([True, False, True, True, False, False])
VERTEX = np.arange(3.0 * N).reshape(N, 3) / 8
WEIGHTS = np.array([0.5, 1.0, -0.25, 3.0, 1.5, 0.125])


def new(path: Path, how: dict[str, Any]) -> dict[str, np.ndarray]:
    return dict(read(path, **how).conditions)


@every
def test_numbers_and_short_vectors_are_conditions(make: Maker, tmp_path: Path) -> None:
    beside = {"tilt": TILT, "run": RUN, "good": FLAG, "vertex": VERTEX}
    path, how = make(tmp_path, beside)
    conditions = new(path, how)
    np.testing.assert_array_equal(conditions["tilt"], TILT)
    np.testing.assert_array_equal(conditions["run"], RUN)
    np.testing.assert_array_equal(conditions["good"], FLAG)
    for k in range(3):
        np.testing.assert_array_equal(conditions[f"vertex.{k}"], VERTEX[:, k])
    found = inspect(path, **how)
    assert found.conditions["tilt"] == (-0.25, 2.0)
    assert found.conditions["vertex.2"] == (VERTEX[0, 2], VERTEX[-1, 2])
    assert {"tilt", "run", "good", "vertex.0", "vertex.1"} <= set(found.conditions)
    assert not any("tilt" in note or "vertex" in note for note in found.notes)
    # Streams and blocks give what reading does.
    parts = Events.concatenate(list(stream(path, N, epochs=1, **how)))
    assert set(parts.conditions) == set(conditions)
    (block,) = blocks(path, **how)
    np.testing.assert_array_equal(block.conditions["vertex.1"], VERTEX[:, 1])


@every
def test_the_weight_of_an_event(make: Maker, tmp_path: Path) -> None:
    path, how = make(tmp_path, {"weight": WEIGHTS})
    events = read(path, **how)
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    assert not any("weight" in condition.lower() for condition in events.conditions)
    found = inspect(path, **how)
    assert found.weights is not None
    assert (found.weights.low, found.weights.high, found.weights.n_negative) == (-0.25, 3.0, 1)
    assert found.weights.effective_number == pytest.approx(WEIGHTS.sum() ** 2 / (WEIGHTS**2).sum())
    (line,) = [line for line in found.lines() if line.startswith("weights")]
    assert "-0.25 to 3" in line
    assert "1 negative" in line
    streamed = Events.concatenate(list(stream(path, 4, epochs=1, **how)))
    assert streamed.weights is not None
    assert sorted(streamed.weights) == sorted(WEIGHTS)


@pytest.mark.parametrize("make", [calochallenge, hits, cosmos])
@pytest.mark.parametrize("name", ["Weights", "WEIGHT", "eventWeight", "event_weights"])
def test_what_weights_are_called(make: Maker, name: str, tmp_path: Path) -> None:
    path, how = make(tmp_path, {name: WEIGHTS})
    events = read(path, **how)
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    assert not any("weight" in condition.lower() for condition in events.conditions)


@every
def test_several_weights_are_conditions(make: Maker, tmp_path: Path) -> None:
    variations = np.stack([WEIGHTS, 2 * WEIGHTS], axis=1)
    path, how = make(tmp_path, {"weights": variations, "mcEventWeight_up": 3 * WEIGHTS})
    events = read(path, **how)
    assert events.weights is None
    np.testing.assert_array_equal(events.conditions["weights.1"], 2 * WEIGHTS)
    np.testing.assert_array_equal(events.conditions["mcEventWeight_up"], 3 * WEIGHTS)
    notes = inspect(path, **how).notes
    for name in ("weights", "mcEventWeight_up"):
        assert any(f"'{name}' became a condition: only one number" in note for note in notes)


@every
def test_the_nominal_weight_beside_its_variations(make: Maker, tmp_path: Path) -> None:
    variations = np.stack([WEIGHTS, 2 * WEIGHTS], axis=1)
    path, how = make(tmp_path, {"weight": WEIGHTS, "weights": variations})
    events = read(path, **how)
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    np.testing.assert_array_equal(events.conditions["weights.1"], 2 * WEIGHTS)


@every
def test_weights_that_are_there_twice(make: Maker, tmp_path: Path) -> None:
    path, how = make(tmp_path, {"weight": WEIGHTS, "event_weight": 2 * WEIGHTS})
    with pytest.raises(DataError, match=r"the weights \('.*'\) are there twice, the second time"):
        read(path, **how)


@every
def test_weights_that_nobody_has_set(make: Maker, tmp_path: Path) -> None:
    path, how = make(tmp_path, {"weight": np.zeros(N)})
    assert read(path, **how).weights is None
    assert any(
        "'weight' is not kept: it is 0 in all" in note for note in inspect(path, **how).notes
    )


@every
def test_a_weight_that_is_no_number(make: Maker, tmp_path: Path) -> None:
    # To leave it out would count events as if they had none.
    path, how = make(tmp_path, {"weight": np.where(FLAG, np.nan, 1.0)})
    for use in (read, inspect, stream):
        more = {"batch_size": 2} if use is stream else {}
        with pytest.raises(DataError, match=r"weights (hold|are) NaN or infinite.* in 3 of 6 ev"):
            use(path, **more, **how)


@every
def test_angles_of_the_incident_particle(make: Maker, tmp_path: Path) -> None:
    if make is edm4hep:
        pytest.skip("its particles have a direction")
    path, how = make(tmp_path, {"incident_theta": TILT, "incident_phi": -TILT})
    conditions = new(path, how)
    np.testing.assert_array_equal(conditions["theta"], TILT)
    np.testing.assert_array_equal(conditions["phi"], -TILT)
    assert not any(name.startswith("incident") for name in conditions)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (calogan_root, "energy"),
        (calochallenge, "energy"),
        (par04_hdf5, "energy"),
        (par04_root, "energy"),
        (showerdata, "energy"),
        (edm4hep, "theta"),
    ],
)
def test_what_the_layout_knows_already(make: Maker, name: str, tmp_path: Path) -> None:
    """A column beside does not replace the condition that the layout itself has."""
    plain = new(*make(tmp_path, {}))
    (tmp_path / "again").mkdir()
    path, how = make(tmp_path / "again", {name: 3 * plain[name]})
    np.testing.assert_array_equal(new(path, how)[name], plain[name])
    note = f"'{name}' is not kept: the condition '{name}' comes from elsewhere in the file"
    assert any(note in found for found in inspect(path, **how).notes)


@every
def test_gaps_are_noted(make: Maker, tmp_path: Path) -> None:
    gaps = np.where(RUN == 1, np.nan, TILT)
    path, how = make(tmp_path, {"tilt": gaps, "other": TILT, "far": np.where(FLAG, np.inf, 1)})
    conditions = new(path, how)
    assert {"tilt", "far"} & set(conditions) == set()
    assert "other" in conditions
    notes = inspect(path, **how).notes
    why = "is not kept: it is NaN or infinite in 2 of 6 events (first: event 1)"
    assert any(f"'tilt' {why}" in note for note in notes)
    assert any("'far' is not kept: it is NaN or infinite in 3 of 6" in note for note in notes)


@every
def test_what_no_condition_can_be(make: Maker, tmp_path: Path) -> None:
    wide, large = np.ones((N, 17)), np.arange(N) + 2**60
    path, how = make(tmp_path, {"pdfs": wide, "id64": large, "edge": np.ones((N, 16))})
    conditions = new(path, how)
    assert "edge.15" in conditions
    assert not any(name.startswith(("pdfs", "id64")) for name in conditions)
    notes = inspect(path, **how).notes
    assert any("'pdfs' is not kept: it holds more than 16 numbers per event" in n for n in notes)
    assert any("'id64' is not kept: it holds whole numbers beyond 2^53" in n for n in notes)


@in_hdf5
def test_what_else_hdf5_holds(make: Maker, tmp_path: Path) -> None:
    compound = np.zeros(N, [("charge", "i4"), ("name", "S3"), ("where", "f8", (3,))])
    compound["charge"], compound["where"] = RUN, VERTEX
    odd = {
        "comment": np.array([b"x"] * N),
        "label": ["λ"] * N,
        "wave": np.ones(N) * 1j,
        "truth": compound,
        "run/seed": RUN,
        "edges": np.arange(46.0),
        "short": TILT[:-1],
        "version": 3,
        "table": np.ones((N, 2, 3)),
        "column": TILT[:, np.newaxis],
        "half": TILT.astype(np.float16),
        "big_endian": TILT.astype(">f8"),
    }
    path, how = make(tmp_path, odd)
    with h5py.File(path, "r+") as file:
        jagged = file.create_dataset("jagged", (N,), h5py.vlen_dtype(np.float64))
        jagged[0] = [1.0, 2.0]
        layout = h5py.VirtualLayout((N,), float)
        layout[:] = h5py.VirtualSource(str(tmp_path / "b.h5"), "x", (N,))
        file.create_virtual_dataset("elsewhere", layout)
    conditions = new(path, how)
    for name, values in {
        "truth.charge": RUN,
        "truth.where.2": VERTEX[:, 2],
        "run.seed": RUN,
        "column": TILT,
        "half": TILT,
        "big_endian": TILT,
    }.items():
        np.testing.assert_array_equal(conditions[name], values)
    notes = inspect(path, **how).notes
    for names, why in {
        "sets 'comment', 'label', 'truth.name' are": "they hold text",
        "set 'wave' is": "it holds complex numbers",
        "sets 'edges', 'short', 'version' are": "they hold other than one entry per event",
        "set 'table' is": "it holds a table per event",
        "set 'jagged' is": "it holds lists of any length",
        "set 'elsewhere' is": "it takes its numbers from other files",
    }.items():
        assert any(note.startswith(f"data {names} not kept: {why}") for note in notes)
    assert not any(name in conditions for name in odd if name in " ".join(notes))


@in_root
def test_what_else_root_holds(make: Maker, tmp_path: Path) -> None:
    beside: Columns = {"list": ak.Array([[1.0], [], [2.0, 3.0], [], [], []])}
    if make is not par04_ntuple:
        beside["matrix"] = np.ones((N, 2, 2))
    path, how = make(tmp_path, beside)
    notes = " ".join(inspect(path, **how).notes)
    if make is edm4hep:
        assert "further collections are not read: 'Tracks', 'list'" in notes
    else:
        assert "'list' is not kept: it holds lists of any length" in notes
    assert "matrix" not in beside or "'matrix' is not kept: it holds a table per event" in notes
    # What counts the numbers in lists belongs to them.
    assert "nlist" not in notes
    assert not {"nlist", "list", "nhx", "nEnergyCell"} & set(new(path, how))


def test_leaves_of_one_branch(tmp_path: Path) -> None:
    """``tree.Branch("p", &p, "px/D:py/D")`` makes one branch with several leaves."""
    momentum = ak.zip({"px": ak.Array(TILT), "py": ak.Array(-TILT)})
    path, how = par04_ntuple(tmp_path, {"p": momentum})
    conditions = new(path, how)
    np.testing.assert_array_equal(conditions["p.px"], TILT)
    np.testing.assert_array_equal(conditions["p.py"], -TILT)


def test_other_trees_are_noted(tmp_path: Path) -> None:
    columns = {"tilt": TILT, "vertex": VERTEX, "weights": WEIGHTS, "list": ak.Array([[1.0]] * N)}
    trees = {"fancy_tree": {**fancy_tree(), **columns}, "truth": {"theta": TILT}}
    path = root(tmp_path / "a.root", **trees)
    events = read(path)
    assert set(events.conditions) == {"energy", "tilt", "vertex.0", "vertex.1", "vertex.2"}
    np.testing.assert_array_equal(events.conditions["vertex.1"], VERTEX[:, 1])
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    lists = "branch 'list' is not kept: it holds lists of any length"
    assert inspect(path).notes == (lists, "tree 'truth' is not read")
    assert inspect(f"{path}:fancy_tree").notes == (lists,)


def test_columns_of_both_trees_of_par04(tmp_path: Path) -> None:
    readout = {**par04_readout(), "weight": WEIGHTS, "tilt": TILT}
    trees = {"global": {"EnergyMC": np.full(N, 200.0)}, "virtualReadout": readout}
    events = read(root(tmp_path / "a.root", **trees))
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    np.testing.assert_array_equal(events.conditions["tilt"], TILT)


def test_cells_are_no_columns(tmp_path: Path) -> None:
    """A fourth layer, or a cell more, belongs to another detector."""
    path, _ = calogan_hdf5(tmp_path, {"layer_3": np.ones((N, 12))})
    with pytest.raises(DetectorError, match="data set 'layer_3', but the layers of detector 'calo"):
        read(path)
    beside = {f"cell_{k}": np.ones(N) for k in range(504, 510)}
    path, _ = calogan_root(tmp_path, beside)
    with pytest.raises(DetectorError, match="3 branches of cells after 'cell_506', the last of"):
        read(path)
    path, _ = calogan_root(tmp_path, {"cell_504": np.ones(N)})
    assert read(path).overflow is None
    assert any("'cell_504' is not kept: the overflow is" in note for note in inspect(path).notes)


@in_hdf5
def test_a_condition_is_there_twice(make: Maker, tmp_path: Path) -> None:
    if make in (showerdata, caloclouds, par04_hdf5, calochallenge, calogan_hdf5, toys):
        path, how = make(tmp_path, {"theta": TILT, "incident_theta": TILT})
        with pytest.raises(DataError, match="the condition 'theta' is there twice, the second ti"):
            read(path, **how)
    path, how = make(tmp_path, {"tilt": TILT, "conditions/tilt": TILT})
    with pytest.raises(DataError, match="the condition 'tilt' is there twice, the second time as"):
        read(path, **how)


# The files that people have


def test_lemurs(tmp_path: Path) -> None:
    path, _ = par04_hdf5(tmp_path, {"incident_theta": TILT + 1, "incident_phi": -TILT})
    events = read(path)
    assert list(events.conditions) == ["energy", "phi", "theta"]
    np.testing.assert_array_equal(events.conditions["theta"], TILT + 1)
    convert(path, tmp_path / "b.h5", to="calochallenge-hdf5")
    again = read(tmp_path / "b.h5")
    np.testing.assert_array_equal(again.conditions["phi"], -TILT)


@pytest.mark.parametrize("weights", [WEIGHTS, np.ones(N), np.zeros(N)])
def test_the_header_of_edm4hep(weights: np.ndarray, tmp_path: Path) -> None:
    lists = ak.Array([[weight] for weight in weights])
    path, how = edm4hep(tmp_path, {"EventHeader.weight": lists})
    events = read(path, **how)
    if weights.any():
        np.testing.assert_array_equal(events.weights, weights)
    else:
        assert events.weights is None
        note = "branch 'EventHeader.weight' is not kept: it is 0 in all events"
        assert any(note in found for found in inspect(path, **how).notes)
    np.testing.assert_array_equal(events.conditions["EventHeader.eventNumber"], np.arange(N))
    assert set(events.conditions["EventHeader.runNumber"]) == {7}


def test_weights_in_lists_of_one(tmp_path: Path) -> None:
    path, how = hits(tmp_path, {"weight": ak.Array([[weight] for weight in WEIGHTS])})
    np.testing.assert_array_equal(read(path, **how).weights, WEIGHTS)
    path, how = hits(tmp_path, {"weight": ak.Array([[1.0, 2.0]] * N)})
    assert read(path, **how).weights is None
    assert any("'weight' is not kept: it holds lists" in n for n in inspect(path, **how).notes)


def test_weights_by_a_mapping(tmp_path: Path) -> None:
    names = '[hits]\nx = "hx"\ny = "hy"\nz = "hz"\nenergy = "he"\n'
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(f'weights = "mcEventWeight"\n{names}[conditions]\nangle = "tilt"\n')
    path, how = hits(tmp_path, {"mcEventWeight": WEIGHTS, "weight": RUN, "tilt": TILT})
    how["mapping"] = mapping
    events = read(path, **how)
    np.testing.assert_array_equal(events.weights, WEIGHTS)
    assert set(events.conditions) == {"angle", "beam"}
    note = "branch 'weight' is not kept: the weights were said to be others"
    assert note in inspect(path, **how).notes
    mapping.write_text(f'{names}[conditions]\nweight = "mcEventWeight"\n')
    with pytest.raises(PhysGanError, match="write weights = 'mcEventWeight' above all tables"):
        read(path, **how)
    path, how = showerdata(tmp_path, {"w": WEIGHTS})
    how["mapping"] = HitMapping.model_validate({"weights": "w"})
    np.testing.assert_array_equal(read(path, **how).weights, WEIGHTS)
    path, how = edm4hep(tmp_path, {"w": WEIGHTS})
    how["mapping"] = HitMapping.model_validate({"weights": "w"})
    np.testing.assert_array_equal(read(path, **how).weights, WEIGHTS)


def test_an_energy_that_no_mapping_explains(tmp_path: Path) -> None:
    """A branch of this name may be in any unit, and of anything."""
    path, how = hits(tmp_path, {"energy": TILT})
    how["mapping"] = how["mapping"].model_copy(update={"conditions": {}})
    events = read(path, **how)
    assert set(events.conditions) == {"beam"}
    assert any("'energy' is not kept: a mapping must" in n for n in inspect(path, **how).notes)


def test_what_turns_hits_is_kept(tmp_path: Path) -> None:
    path, how = hits(tmp_path, {f"p{axis}": TILT + 3 for axis in "xyz"})
    frame = {"direction": ["px", "py", "pz"]}
    content = {**how["mapping"].model_dump(), "frame": frame}
    how["mapping"] = HitMapping.model_validate(content)
    assert set(read(path, **how).conditions) == {"energy", "px", "py", "pz"}


def test_showers_that_are_numbered(tmp_path: Path) -> None:
    path, how = showerdata(tmp_path, {"shower_ids": np.arange(N) + 600})
    assert set(new(path, how)) == {"energy"}
    assert inspect(path, **how).notes == ()
    path, how = showerdata(tmp_path, {"shower_ids": RUN})
    np.testing.assert_array_equal(new(path, how)["shower_ids"], RUN)


def test_two_catalogues(tmp_path: Path) -> None:
    path, _ = cosmos(tmp_path, {"SIZE": TILT})
    table = [fits.Column("IDENT", "K", array=np.arange(N) + 100)]
    table += [fits.Column("size", "D", array=2 * TILT), fits.Column("HSC_g", "D", array=TILT)]
    fits.BinTableHDU.from_columns(table).writeto(tmp_path / "a_fits.fits")
    conditions = read(path).conditions
    np.testing.assert_array_equal(conditions["SIZE"], TILT)
    np.testing.assert_array_equal(conditions["HSC_g"], TILT)
    notes = inspect(path).notes
    assert "column 'size' is not kept: the first catalogue has another column of this name" in notes
    assert "column 'IDENT' is not kept: identifiers are not conditions" in notes
    assert "column 'PSF_HDU' is not kept: point spread functions are not read" in notes


def test_more_columns_than_memory_should_hold(tmp_path: Path) -> None:
    path, how = calochallenge(tmp_path, {f"x{k:03}": TILT for k in range(260)})
    assert len(new(path, how)) == 1 + 256
    (note,) = inspect(path, **how).notes
    assert note == (
        "data sets 'x256', 'x257', 'x258', 'x259' are not kept: no more than 256 columns become "
        "conditions"
    )


# Files of ours, to which somebody added something


@pytest.mark.parametrize("layout", ["calochallenge-hdf5", "caloclouds-hdf5", "showerdata-hdf5"])
def test_columns_added_to_files_of_ours(layout: str, tmp_path: Path) -> None:
    events = Events(cells(BOX.n_cells), {"energy": np.full(N, 300.0), "mass": TILT}, BOX)
    path = tmp_path / "a.h5"
    write(path, events, layout)
    assert inspect(path).notes == ()
    with h5py.File(path, "r+") as file:
        file.create_dataset("tilt", data=TILT, maxshape=(None,))
        file["weight"] = WEIGHTS
    found = read(path)
    assert set(found.conditions) == {"energy", "mass", "tilt"}
    np.testing.assert_array_equal(found.weights, WEIGHTS)
    # A column of another program does not grow by itself.
    write(path, found, append=True)
    both = read(path)
    np.testing.assert_array_equal(both.conditions["tilt"], np.tile(TILT, 2))
    np.testing.assert_array_equal(both.weights, np.tile(WEIGHTS, 2))
    with h5py.File(path, "r+") as file:
        file["comment"] = ["what would be lost"] * len(both)
    before = path.read_bytes()
    with pytest.raises(
        DataError, match=r"would have to be written anew, but data set 'comment' is"
    ):
        write(path, found, append=True)
    assert path.read_bytes() == before


def test_weights_that_were_a_condition(tmp_path: Path) -> None:
    """Files that phys_gan wrote before events had weights."""
    events = Events(cells(BOX.n_cells), {"energy": np.full(N, 300.0)}, BOX)
    write(tmp_path / "a.h5", events, "calochallenge-hdf5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["conditions/weight"] = WEIGHTS[:, np.newaxis]
    np.testing.assert_array_equal(read(tmp_path / "a.h5").weights, WEIGHTS)
    assert set(read(tmp_path / "a.h5").conditions) == {"energy"}


# Several files, and files to files


def test_files_that_differ_in_columns(tmp_path: Path) -> None:
    """Reading takes what all have; what writes them anew refuses to lose the rest."""
    gaps = np.where(FLAG, np.nan, TILT)
    (tmp_path / "one").mkdir()
    one, _ = calochallenge(tmp_path / "one", {"tilt": TILT, "run": RUN, "far": TILT})
    two, _ = calochallenge(tmp_path, {"tilt": gaps, "far": TILT})
    files = [one, two]
    assert set(read(files).conditions) == {"energy", "far"}
    for events in blocks(files):
        assert set(events.conditions) == {"energy", "far"}
    assert set(next(iter(stream(files, 4, epochs=1))).conditions) == {"energy", "far"}
    out = tmp_path / "out.h5"
    remedy = r"leave it out of all with phys-gan convert --drop run --drop tilt"
    with pytest.raises(DataError, match=f"only some of the 2 files have 'run', 'tilt'.*{remedy}"):
        convert(files, out)
    with pytest.raises(DataError, match="only some of the 2 files"):
        split_files(files, [out, tmp_path / "out2.h5"], [0.5, 0.5])
    assert not out.exists()
    notes: list[str] = []
    assert convert(files, out, drop=["run", "tilt"], tell=notes.append) == 2 * N
    assert set(read(out).conditions) == {"energy", "far"}
    assert [note.startswith(f"'{two}': data set 'tilt' is not kept") for note in notes] == [True]
    with pytest.raises(LookupError, match="have no condition 'spin' to leave out"):
        convert(files, out, drop=["spin"])


def test_weights_of_some_files_only(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    one, _ = calochallenge(tmp_path / "one", {"weight": WEIGHTS})
    two, _ = calochallenge(tmp_path, {})
    files = [one, two]
    sentence = rf"weights \('{one}'\) and events without \('{two}'\); .*convert --drop weights"
    with pytest.raises(DataError, match=sentence):
        read(files)
    out = tmp_path / "out.h5"
    with pytest.raises(DataError, match=sentence):
        convert(files, out)
    convert(files, out, drop=["weights"])
    assert read(out).weights is None
    assert len(read(out)) == 2 * N


@every
def test_convert_keeps_or_says(make: Maker, tmp_path: Path) -> None:
    beside = {"tilt": TILT, "vertex": VERTEX, "weight": WEIGHTS, "pdfs": np.ones((N, 40))}
    path, how = make(tmp_path, beside)
    events, notes = read(path, **how), list[str]()
    out = tmp_path / "out.h5"
    if events.detector.kind == "calorimeter":
        # Names with points are names of branches, too.
        convert(path, tmp_path / "out.root", to="hits-root", **how)
        in_root = read(tmp_path / "out.root")
        assert set(in_root.conditions) == set(events.conditions)
        np.testing.assert_array_equal(in_root.weights, WEIGHTS)
    convert(path, out, to="calochallenge-hdf5", tell=notes.append, **how)
    assert any("'pdfs' is not kept: it holds more than 16 numbers per event" in n for n in notes)
    again = read(out)
    assert set(again.conditions) == set(events.conditions)
    for name, values in events.conditions.items():
        np.testing.assert_array_equal(again.conditions[name], values)
    np.testing.assert_array_equal(again.weights, WEIGHTS)
    convert(path, out, to="calochallenge-hdf5", drop=["weights", "vertex.1"], **how)
    rest = read(out)
    assert rest.weights is None
    assert set(events.conditions) - set(rest.conditions) == {"vertex.1"}


def test_the_command_line(tmp_path: Path) -> None:
    beside = {"tilt": TILT, "a b": RUN, "comment": ["x"] * N, "weight": WEIGHTS}
    path, _ = calogan_hdf5(tmp_path, beside)

    def run(*arguments: Any) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    seen = run("inspect", path)
    assert seen.exit_code == 0
    rows = {line.split()[0]: line for line in seen.stdout.splitlines()}
    assert {"tilt", "a", "weights", "note"} <= set(rows)
    assert rows["note"].split(maxsplit=1)[1] == "data set 'comment' is not kept: it holds text"
    kept = run("convert", path, tmp_path / "b.h5")
    assert kept.exit_code == 0
    assert kept.stderr == "note: data set 'comment' is not kept: it holds text\n"
    assert "note" not in kept.stdout
    parts = run("split", path, tmp_path / "c.h5", tmp_path / "d.h5", "--shares", "0.5,0.5")
    assert parts.stderr == kept.stderr
    assert sum(len(read(tmp_path / name)) for name in ("c.h5", "d.h5")) == N
    refused = run("convert", path, tmp_path / "b.root")
    assert refused.exit_code == 2
    assert "'a b' cannot be the name of a branch; leave it out with --drop 'a b'" in refused.stderr
    assert not (tmp_path / "b.root").exists()
    to = ("--to", "hits-root", "--drop", "a b")
    assert run("convert", path, tmp_path / "b.root", *to).exit_code == 0
    np.testing.assert_array_equal(read(tmp_path / "b.root").weights, WEIGHTS)


def test_files_of_ours_are_joined(tmp_path: Path) -> None:
    energy, calogan = {"energy": np.full(N, 2000.0)}, load_detector("calogan")
    events = Events(cells(504), energy, calogan, weights=WEIGHTS)
    for number in range(2):
        write(tmp_path / f"{number}.h5", events)
        write(tmp_path / f"{number}.root", events, "hits-root")
    for ending in (".h5", ".root"):
        join(str(tmp_path / f"?{ending}"), tmp_path / f"all{ending}")
        np.testing.assert_array_equal(read(tmp_path / f"all{ending}").weights, np.tile(WEIGHTS, 2))
    with h5py.File(tmp_path / "1.h5", "r+") as file:
        file["comment"] = ["x"] * N
    notes: list[str] = []
    join(str(tmp_path / "?.h5"), tmp_path / "all.h5", tell=notes.append)
    assert notes == ["data set 'comment' is not kept: it holds text"]
