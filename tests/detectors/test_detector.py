"""Detectors: symmetries, look-up, TOML, images and toys."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.detectors import AxisLayer, Detector, load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "data" / "geant4"
SYMMETRIC = [
    ("calogan", 4),
    ("calochallenge-1-photons", 20),
    ("calochallenge-1-pions", 20),
    ("calochallenge-2", 32),
    ("calochallenge-3", 100),
    ("galaxies-32", 1),
]


@pytest.mark.parametrize(("name", "order"), SYMMETRIC)
def test_the_symmetries_are_a_group(name: str, order: int) -> None:
    group = load_detector(name).symmetry_group()
    n_cells = group.shape[1]
    np.testing.assert_array_equal(group[0], np.arange(n_cells))
    np.testing.assert_array_equal(np.sort(group, axis=1), np.tile(np.arange(n_cells), (order, 1)))
    elements = {element.tobytes() for element in group}
    assert len(elements) == order
    chosen = group if n_cells * order < 1e5 else group[:: order // 10]
    for one in chosen:
        assert all(one[two].tobytes() in elements for two in chosen)


@pytest.mark.parametrize("name", [name for name, _ in SYMMETRIC])
def test_symmetries_keep_layer_radius_and_area(name: str) -> None:
    detector = load_detector(name)
    radius = np.hypot(*detector.positions.T)
    for element in detector.symmetry_group()[:: max(1, 100_000 // detector.n_cells)]:
        np.testing.assert_array_equal(detector.layer_of_cell[element], detector.layer_of_cell)
        np.testing.assert_allclose(radius[element], radius, atol=1e-9)


def pulls(cells: np.ndarray, element: np.ndarray) -> np.ndarray:
    """Return (mean of cell - mean of its image) / error for cells that are hit often enough."""
    difference = cells - cells[:, element]
    often = (cells > 0).mean(axis=0) > 0.2
    moved = often & often[element] & (element != np.arange(len(element)))
    difference = difference[:, moved]
    return difference.mean(axis=0) / (difference.std(axis=0) / np.sqrt(len(cells)))


def check_invariance(cells: np.ndarray, detector: Detector) -> None:
    for element in detector.symmetry_group()[1:]:
        z = pulls(cells, element)
        assert len(z) > 20
        assert np.abs(z).max() < 5.5
        assert np.sqrt(np.mean(z**2)) < 1.6


def test_the_mean_geant4_shower_is_invariant() -> None:
    with h5py.File(REPOSITORY / "datasets" / "geant4_calogan_eplus.h5") as file:
        layers = [file[f"layer_{k}"][:] for k in range(3)]
    cells = np.concatenate([layer.reshape(len(layer), -1) for layer in layers], axis=1)
    detector = load_detector("calogan")
    check_invariance(cells, detector)
    # What is no symmetry is seen at once: a shift by one cell along y.
    assert np.abs(pulls(cells, np.roll(np.arange(504), 1))).max() > 20


def test_the_mean_geant4_shower_is_invariant_under_rotations() -> None:
    path = SHARED / "calochallenge2_electron.h5"
    if not path.exists():
        pytest.skip("needs the CaloChallenge sample")
    with h5py.File(path) as file:
        cells = file["showers"][:]
    detector = load_detector("calochallenge-2")
    for element in detector.symmetry_group()[[1, 4, 5, 17]]:
        z = pulls(cells, element)
        assert len(z) > 100
        assert np.sqrt(np.mean(z**2)) < 1.6


@pytest.mark.parametrize(
    "name", ["calogan", "calochallenge-1-pions", "calochallenge-2", "galaxies-32"]
)
def test_find_inverts_positions(name: str) -> None:
    detector = load_detector(name)
    (x, y), z = detector.positions.T, detector.depths[detector.layer_of_cell]
    undivided = np.array([getattr(layer, "n_alpha", 2) == 1 for layer in detector.layers])
    for k in np.flatnonzero(undivided):
        x = x.copy()
        x[detector.slice(int(k))] = detector.layers[k].radii
    np.testing.assert_array_equal(detector.find(x, y, z), np.arange(detector.n_cells))


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), name=st.sampled_from(["calogan", "calochallenge-1-photons"]))
def test_find_conserves_energy(seed: int, name: str) -> None:
    detector = load_detector(name)
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 150, (2, 2000))
    z = rng.uniform(-20, 1.1 * detector.layers[-1].z[1], 2000)
    deposits = rng.exponential(size=2000)
    cells = detector.find(x, y, z)
    inside = cells >= 0
    summed = np.bincount(cells[inside], weights=deposits[inside], minlength=detector.n_cells)
    assert summed.sum() + deposits[~inside].sum() == pytest.approx(deposits.sum(), rel=1e-12)
    for k, layer in enumerate(detector.layers):
        expected = (z >= layer.z[0]) & (z < layer.z[1]) & (layer.find(x, y) >= 0)
        assert summed[detector.slice(k)].sum() == pytest.approx(deposits[expected].sum(), rel=1e-12)


def test_find_at_the_edges_in_depth() -> None:
    text = """
    name = "gap"
    [[layers]]
    kind = "cartesian"
    z = [0.0, 1.0]
    x = [0.0, 1.0]
    y = [0.0, 1.0]
    [[layers]]
    kind = "cartesian"
    z = [2.0, 3.0]
    x = [0.0, 1.0]
    y = [0.0, 1.0]
    """
    z = [-0.1, 0.0, 0.99, 1.0, 1.5, 2.0, 2.99, 3.0, np.nan, np.inf]
    np.testing.assert_array_equal(
        Detector.from_toml(text).find(0.5, 0.5, z), [-1, 0, 0, -1, -1, 1, 1, -1, -1, -1]
    )


def test_find_after_positions_were_asked_for() -> None:
    detector = load_detector("calochallenge-2")
    assert detector.positions.shape == (6480, 2)
    assert detector.find(1.0, 1.0, 5.0) == 144 + 10 * 9


def test_same_cells_looks_at_cells_alone() -> None:
    detector = load_detector("calogan")
    other = detector.model_copy(update={"name": "mine", "threshold": 3.0, "symmetries": ()})
    assert detector.positions.shape == other.positions.shape
    assert detector.same_cells(other)
    assert detector != other
    assert not detector.same_cells(detector.model_copy(update={"cell_unit": "GeV"}))
    assert not detector.same_cells(load_detector("calochallenge-2"))


def numbers(low: float) -> st.SearchStrategy[list[float]]:
    edges = st.lists(st.floats(low, 1e4), min_size=2, max_size=6, unique=True)
    return edges.map(sorted)


layers = st.one_of(
    st.fixed_dictionaries({"kind": st.just("cartesian"), "x": numbers(-1e4), "y": numbers(-1e4)}),
    st.fixed_dictionaries(
        {"kind": st.just("polar"), "r": numbers(0), "n_alpha": st.integers(1, 9)}
    ),
)


@given(
    parts=st.lists(layers, min_size=1, max_size=4),
    thickness=st.floats(0.1, 100),
    threshold=st.floats(0, 10),
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=10),
)
def test_toml_round_trip_of_any_detector(
    parts: list[dict[str, object]], thickness: float, threshold: float, name: str
) -> None:
    stacked = [{**part, "z": (k * thickness, (k + 1) * thickness)} for k, part in enumerate(parts)]
    detector = Detector.model_validate({"name": name, "threshold": threshold, "layers": stacked})
    assert Detector.from_toml(detector.to_toml()) == detector


def test_save(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    detector = load_detector("calogan").model_copy(update={"description": "Kalorimeter für e⁺"})
    detector.save(path)
    assert load_detector(path) == detector


HEAD = 'name = "x"\n[[layers]]\n'
BANDS = '[[layers]]\nkind = "image"\nrows = {rows}\ncolumns = 3\npixel_scale = {scale}\n'
BAND = 'name = "x"\n' + BANDS.format(rows=2, scale=0.2)
POLAR = HEAD + 'kind = "polar"\nn_alpha = 1\n'
BOX = 'kind = "cartesian"\nx = [0.0, 1.0]\ny = [0.0, 1.0]\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name =", "is not TOML"),
        ("", "name: Field required"),
        ('name = ""\nlayers = []', "name: String should have at least 1"),
        ('name = "x"\nlayers = []', "layers: Tuple should have at least 1 item"),
        ('name = "x"\nlayers = 3', "layers: Input should be a valid tuple"),
        (HEAD + 'kind = "hexagonal"', "tag 'hexagonal' found"),
        (HEAD + BOX, "z: Field required"),
        (HEAD + BOX + "z = [1.0, 0.0]", r"z = \[1.0, 0.0\] does not run from the front"),
        (HEAD + BOX + "z = [nan, 0.0]", "finite number"),
        (HEAD + BOX + "z = [0.0, 1.0]\ncolour = 1", "colour: Extra inputs"),
        (HEAD + BOX + "repeat = 0\nz = [0.0, 1.0]", "repeat = 0 is not a whole number"),
        (HEAD + BOX + "repeat = 2", "a repeated layer needs z"),
        (HEAD + BOX + "repeat = 2\nz = 5", "a repeated layer needs z"),
        (HEAD + BOX + 'repeat = 2\nz = ["a", "b"]', "a repeated layer needs z"),
        (POLAR + "z = [0.0, 1.0]\nr = [0.0]", "at least two finite numbers in rising order"),
        (POLAR + "z = [0.0, 1.0]\nr = [0.0, 2.0, 1.0]", "rising order"),
        (POLAR + "z = [0.0, 1.0]\nr = [0.0, nan, 1.0]", "finite numbers"),
        (POLAR + 'z = [0.0, 1.0]\nr = [0.0, "a"]', "finite numbers"),
        (POLAR + "z = [0.0, 1.0]\nr = [-1.0, 1.0]", "radii are not negative"),
        (POLAR + "z = [0.0, 1.0]\nr = { start = 1.0, stop = 0.0, cells = 2 }", "rising order"),
        (POLAR + 'z = [0.0, 1.0]\nr = { start = "a", stop = 0.0, cells = 2 }', "are numbers"),
        (POLAR + "z = [0.0, 1.0]\nr = { start = 0.0, stop = 1.0, cells = 0 }", "cells = 0"),
        (POLAR + "z = [0.0, 1.0]\nr = { start = 0.0, stop = 1.0 }", "start, stop and cells"),
        ('symmetries = ["reflect-x"]\n' + POLAR + "z = [0.0, 1.0]\nr = [0.0, 1.0]", "does not ex"),
        ('symmetries = ["reflect-x"]\n' + HEAD + BOX + "z = [0.0, 1.0]", "is not symmetric in x"),
        (BAND + BANDS.format(rows=3, scale=0.2), "bands of an image are image layers of one shape"),
        (BAND + BANDS.format(rows=2, scale=0.3), "of one shape and pixel_scale"),
        (BAND + "[[layers]]\n" + BOX + "z = [0.0, 1.0]", "bands of an image are image layers of"),
        (BAND + "repeat = 3", "a repeated layer needs z"),
        ('symmetries = ["reflect-x"]\n' + BAND, "does not exist for image layers"),
        (
            HEAD + BOX + "z = [0.0, 1.0]\n[[layers]]\n" + BOX + "z = [0.5, 2.0]",
            "layer '1' begins before '0' ends",
        ),
    ],
)
def test_wrong_descriptions(text: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence) as caught:
        Detector.from_toml(text, "mine.toml")
    assert str(caught.value).startswith("'mine.toml' is not")
    assert "\n" not in str(caught.value)


def test_repeated_layers_follow_each_other() -> None:
    detector = Detector.from_toml(HEAD + BOX + "repeat = 3\nz = [1.0, 3.0]")
    assert [layer.z for layer in detector.layers] == [(1.0, 3.0), (3.0, 5.0), (5.0, 7.0)]
    assert [layer.name for layer in detector.layers] == ["0", "1", "2"]


def test_bands_of_an_image() -> None:
    text = BAND + BANDS.format(rows=2, scale=0.2) + 'name = "z"\n'
    detector = Detector.from_toml(text)
    assert detector.is_image
    assert [layer.name for layer in detector.layers] == ["0", "z"]
    assert (detector.n_cells, detector.offsets) == (12, (0, 6, 12))
    np.testing.assert_array_equal(detector.positions[:6], detector.positions[6:])
    np.testing.assert_array_equal(detector.layer_of_cell, [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(detector.depths, [0, 0])
    np.testing.assert_array_equal(detector.points[:, :2], detector.positions)
    assert detector.symmetry_group().shape == (1, 12)
    assert Detector.from_toml(detector.to_toml()) == detector
    # A point of the sky lies in every band: the first is found, unless another is asked for.
    (x, y), number = detector.positions.T, np.arange(12)
    np.testing.assert_array_equal(detector.find(x, y), number % 6)
    np.testing.assert_array_equal(detector.finder.cells(x, y, detector.layer_of_cell), number)


PLANE = load_detector("toy-grid")


def test_an_axis_is_one_number_without_a_place() -> None:
    layer = AxisLayer(name="x")
    assert (layer.shape, layer.n_cells) == ((1, 1), 1)
    np.testing.assert_array_equal(layer.positions, [[0.0, 0.0]])
    np.testing.assert_array_equal(layer.find([[0.0, 1.0]], 0.0), [[-1, -1]])


def test_a_toy_is_a_detector_of_axes() -> None:
    assert [layer.name for layer in PLANE.layers] == ["x", "y"]
    assert (PLANE.kind, PLANE.is_toy, PLANE.is_image, PLANE.n_cells) == ("points", True, False, 2)
    assert [load_detector(n).kind for n in ("calogan", "galaxies-32")] == ["calorimeter", "image"]
    assert [load_detector(n).is_toy for n in ("calogan", "galaxies-32")] == [False, False]
    np.testing.assert_array_equal(PLANE.depths, 0)
    np.testing.assert_array_equal(PLANE.find([0.0, 1.0], 0.0), -1)
    assert Detector.from_toml(PLANE.to_toml()) == PLANE


def test_events_of_a_toy_may_be_negative() -> None:
    events = Events([[-1.0, 2.0]], {}, PLANE)
    assert events.cells[0, 0] == -1
    assert repr(events) == "Events(1 x 2 cells, toy-grid, no conditions)"
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 1"):
        Events([[np.nan, 2.0]], {}, PLANE)


def test_axes_stand_alone_and_have_no_symmetries() -> None:
    text = 'name = "mixed"\n[[layers]]\nkind = "axis"\n[[layers]]\nkind = "image"\n'
    with pytest.raises(DetectorError, match="axis layers, without any other"):
        Detector.from_toml(text + "rows = 2\ncolumns = 2\npixel_scale = 1.0\n")
    with pytest.raises(DetectorError, match="does not exist for axis layers"):
        Detector.from_toml('name = "a"\nsymmetries = ["reflect-x"]\n[[layers]]\nkind = "axis"\n')


def test_toys_of_different_names_are_different_spaces() -> None:
    assert PLANE.same_cells(load_detector("toy-grid"))
    assert not PLANE.same_cells(load_detector("toy-ring"))
    with pytest.raises(DetectorError, match="cannot join events of 'toy-grid' and 'toy-ring'"):
        Events.concatenate([Events([[0, 0]], {}, d) for d in (PLANE, load_detector("toy-ring"))])
