"""Hits summed into cells, and the frames of showers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.data import hits as hits_module
from phys_gan.data.hits import Hits, ShowerFrame, enter_cylinder, hits_of, voxelise
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

GAPS = Detector.from_toml(
    """
    name = "gaps"
    [[layers]]
    kind = "cartesian"
    z = [0.0, 1.0]
    x = [-1.0, 0.0, 1.0]
    y = [-1.0, 1.0]
    [[layers]]
    kind = "polar"
    z = [2.0, 3.0]
    r = [0.0, 1.0]
    n_alpha = 2
    """
)


def cloud(detector: Detector, counts: list[int], seed: int) -> Hits:
    rng = np.random.default_rng(seed)
    n, depth = sum(counts), detector.layers[-1].z[1]
    return Hits(
        np.array(counts),
        *rng.normal(0, 60, (2, n)),
        rng.uniform(-0.1 * depth, 1.1 * depth, n),
        rng.exponential(size=n).astype(np.float32),
    )


def one_by_one(hits: Hits, detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    """Sum hits as slowly and plainly as it can be done."""
    cells = np.zeros((len(hits), detector.n_cells))
    overflow = np.zeros((len(hits), detector.n_layers))
    event = np.repeat(np.arange(len(hits)), hits.counts)
    for i, x, y, z, energy in zip(event, hits.x, hits.y, hits.z, hits.energy, strict=True):
        distance = [max(layer.z[0] - z, z - layer.z[1], 0) for layer in detector.layers]
        inside = [k for k, layer in enumerate(detector.layers) if layer.z[0] <= z < layer.z[1]]
        found = int(detector.layers[inside[0]].find(x, y)) if inside else -1
        if found >= 0:
            cells[i, detector.offsets[inside[0]] + found] += energy
        else:
            overflow[i, inside[0] if inside else int(np.argmin(distance))] += energy
    return cells, overflow


@given(
    name=st.sampled_from(["calogan", "calochallenge-1-photons", "gaps"]),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    seed=st.integers(0, 10_000),
)
def test_against_a_plain_loop(name: str, counts: list[int], seed: int) -> None:
    detector = GAPS if name == "gaps" else load_detector(name)
    hits = cloud(detector, counts, seed)
    for found, expected in zip(voxelise(hits, detector), one_by_one(hits, detector), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = load_detector("calogan")
    hits = cloud(detector, [0, 300, 5, 0, 0, 70, 1], 1)
    whole = voxelise(hits, detector)
    for block in (1, 70, 10_000):
        monkeypatch.setattr(hits_module, "_BLOCK_HITS", block)
        monkeypatch.setattr(hits_module, "_BLOCK_CELLS", 504 * 2)
        for one, two in zip(whole, voxelise(hits, detector), strict=True):
            np.testing.assert_array_equal(one, two)


def test_nothing_is_lost() -> None:
    detector = load_detector("calochallenge-2")
    hits = cloud(detector, [5000, 0, 20_000], 2)
    cells, overflow = voxelise(hits, detector)
    total = np.add.reduceat(hits.energy, [0, 5000], dtype=np.float64)
    found = cells.sum(axis=1, dtype=float) + overflow.sum(axis=1, dtype=float)
    np.testing.assert_allclose(found, [total[0], 0, total[1]], rtol=1e-7)
    assert (cells.sum(axis=1) > 0).tolist() == [True, False, True]


def test_energy_in_no_layer_counts_with_the_nearest() -> None:
    z = np.array([-5, 0.5, 1.4, 1.6, 2.5, 99])
    at = np.full(6, 0.5)
    for x, in_cells in ((0.5, [2.0, 16.0]), (9.0, [0, 0])):
        hits = Hits(np.array([6]), at * 0 + x, at, z, 2.0 ** np.arange(6))
        cells, overflow = voxelise(hits, GAPS)
        by_layer = [cells[0, :2].sum(), cells[0, 2:].sum()]
        assert by_layer == in_cells
        assert (overflow[0] + by_layer).tolist() == [1 + 2 + 4, 8 + 16 + 32]


def test_no_hit_falls_between_repeated_layers() -> None:
    detector = load_detector("calochallenge-2")
    # The front of a layer and the back of the one before it may differ by a rounding error.
    edges = np.array([edge for layer in detector.layers for edge in layer.z])
    z = np.concatenate([edges, np.nextafter(edges, -1)])
    z = z[(z >= 0) & (z < detector.layers[-1].z[1])]
    hits = Hits(np.array([len(z)]), 0 * z + 1, 0 * z, z, 0 * z + 1)
    cells, overflow = voxelise(hits, detector)
    assert not overflow.any()
    assert cells.sum() == len(z)


def test_depth_as_a_number_of_layers() -> None:
    detector = load_detector("calochallenge-2")
    z = np.array([0, 16, 16.9999, 16.4, 44, 45, -1, -1e9, 1e300])
    x = np.ones(9)
    hits = Hits(np.array([9]), x, x, z, x, z_counts_layers=True)
    cells, overflow = voxelise(hits, detector)
    by_layer = cells.reshape(45, -1).sum(axis=1)
    assert {k: n for k, n in enumerate(by_layer) if n} == {0: 1, 16: 2, 17: 1, 44: 1}
    assert {k: n for k, n in enumerate(overflow[0]) if n} == {0: 2, 44: 2}


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-pions", "calochallenge-3"])
def test_cells_to_hits_and_back(name: str) -> None:
    detector = load_detector(name)
    rng = np.random.default_rng(3)
    cells = rng.random((4, detector.n_cells)) * (rng.random((4, detector.n_cells)) < 0.3)
    cells[1] = 0
    events = Events(cells, {}, detector)
    hits = hits_of(events)
    assert hits.counts.tolist() == np.count_nonzero(cells, axis=1).tolist()
    again, overflow = voxelise(hits, detector)
    np.testing.assert_array_equal(again, events.cells)
    assert not overflow.any()


def test_no_hits_at_all() -> None:
    nothing = np.zeros(0)
    cells, overflow = voxelise(Hits(np.zeros(3, int), *[nothing] * 4), GAPS)
    assert (cells.shape, cells.any(), overflow.shape, overflow.any()) == (
        (3, 4),
        False,
        (3, 2),
        False,
    )
    cells, overflow = voxelise(Hits(np.zeros(0, int), *[nothing] * 4), GAPS)
    assert (cells.shape, overflow.shape) == ((0, 4), (0, 2))


@pytest.mark.parametrize(
    ("which", "value", "sentence"),
    [
        ("x", np.nan, r"hits have NaN or infinite values of x in 1 of 3 events \(first: event 12"),
        ("z", -np.inf, "hits have NaN or infinite values of z in 1 of 3 events"),
        ("energy", np.inf, "hits have NaN or infinite values of energy"),
        ("energy", -1e-9, "hits have negative energies in 1 of 3 events"),
    ],
)
def test_wrong_hits(which: str, value: float, sentence: str) -> None:
    columns = {name: np.ones(5) for name in ("x", "y", "z", "energy")}
    columns[which][3] = value
    with pytest.raises(DataError, match=sentence):
        Hits(np.array([2, 0, 3]), **columns, first_event=10)


def test_columns_of_another_length() -> None:
    columns = {name: np.ones(5) for name in ("x", "y", "z")}
    with pytest.raises(DataError, match="the events have 5 hits, but 4 values of energy"):
        Hits(np.array([2, 3]), **columns, energy=np.ones(4))


ONE = np.array([1])


def column(*point: float) -> np.ndarray:
    return np.array(point, float)[:, np.newaxis]


@pytest.mark.parametrize(
    ("direction", "point", "local"),
    [
        # Along the beam: as the experiment has it; against it: turned around x.
        ((0, 0, 2), (1, 2, 3), (1, 2, 3)),
        ((0, 0, -1), (1, 2, 3), (1, -2, -3)),
        # At right angles: x around the beam, y along it.
        ((1, 0, 0), (5, 2, 3), (2, 3, 5)),
        ((0, 1, 0), (5, 2, 3), (-5, 3, 2)),
        ((-4, 0, 0), (5, 2, 3), (-2, 3, -5)),
    ],
)
def test_axes(direction: tuple, point: tuple, local: tuple) -> None:
    frame = ShowerFrame(np.zeros((1, 3)), np.array([direction], float))
    np.testing.assert_allclose(frame.to_local(ONE, column(*point))[:, 0], local, atol=1e-15)


vectors = st.tuples(*[st.floats(-2000, 2000)] * 3)


@given(entry=vectors, direction=vectors, points=st.lists(vectors, min_size=1, max_size=5))
def test_a_frame_is_a_rotation(entry: tuple, direction: tuple, points: list) -> None:
    if np.linalg.norm(direction) < 1e-100:
        return
    frame = ShowerFrame(np.array([entry]), np.array([direction]))
    np.testing.assert_allclose(frame.axes[0] @ frame.axes[0].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame.axes[0]) == pytest.approx(1, abs=1e-12)
    cloud, counts = np.array(points).T, np.array([len(points)])
    local = frame.to_local(counts, cloud)
    np.testing.assert_allclose(frame.to_global(counts, local), cloud, atol=1e-8)
    # What lies on the way of the particle lies on the axis.
    ahead = np.array(entry) + 3 * np.array(direction) / np.linalg.norm(direction)
    np.testing.assert_allclose(frame.to_local(ONE, ahead[:, None])[:, 0], [0, 0, 3], atol=1e-9)


def test_each_event_has_its_own_frame() -> None:
    entry = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0]], float)
    direction = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)
    frame, counts = ShowerFrame(entry, direction), np.array([2, 0, 1])
    points = np.array([[1, 2, 3], [4, 5, 6], [7, 28, 9]], float).T
    expected = [[1, 2, 3], [4, 5, 6], [-7, 9, 8]]
    np.testing.assert_allclose(frame.to_local(counts, points).T, expected, atol=1e-14)
    # The same, begun at a later event.
    later = frame.to_local(counts[1:], points[:, 2:], first=1)
    np.testing.assert_allclose(later.T, expected[2:], atol=1e-14)
    np.testing.assert_allclose(frame.to_global(counts[1:], later, first=1), points[:, 2:])


@pytest.mark.parametrize("wrong", [(0, 0, 0), (np.nan, 0, 1), (np.inf, 0, 0)])
def test_no_direction(wrong: tuple) -> None:
    direction = np.array([[0, 0, 1], wrong], float)
    with pytest.raises(DataError, match=r"1 of 2 events have no direction .*first: event 1"):
        ShowerFrame(np.zeros((2, 3)), direction)
    with pytest.raises(DataError, match="1 of 1 events have no direction or point of entry"):
        ShowerFrame(np.array([[0, np.nan, 0]]), np.array([[0, 0, 1.0]]))


@pytest.mark.parametrize(
    ("point", "direction", "entry"),
    [
        ((0, 0, 0), (2, 0, 0), (100, 0, 0)),
        ((0, 0, 7), (0, -0.1, 0), (0, -100, 7)),
        ((-50, 0, 0), (1, 0, 0), (100, 0, 0)),
        ((0, 60, 0), (1, 0, 1), (80, 60, 80)),
        # To an endcap, exactly along the beam and not.
        ((1, 2, 0), (0, 0, 3), (1, 2, 200)),
        ((1, 2, 0), (0, 0, -3), (1, 2, -200)),
        ((0, 0, 0), (1, 0, 4), (50, 0, 200)),
        # On the surface already.
        ((0, 100, 0), (0, 1, 0), (0, 100, 0)),
        ((0, 100.0005, 0), (0, 1, 0), (0, 100, 0)),
        ((0, 0, 200), (0, 0, 1), (0, 0, 200)),
    ],
)
def test_where_a_line_enters(point: tuple, direction: tuple, entry: tuple) -> None:
    found = enter_cylinder(np.array([point]), np.array([direction]), 100, 200)
    np.testing.assert_allclose(found, [entry], atol=1e-9)


@given(point=vectors, direction=vectors)
def test_the_entry_lies_ahead_on_the_surface(point: tuple, direction: tuple) -> None:
    if np.linalg.norm(direction) < 1e-3:
        return
    found = enter_cylinder(np.array([point]), np.array([direction]), 3000, 2500)[0]
    radius, height = np.hypot(*found[:2]), abs(found[2])
    assert max(radius / 3000, height / 2500) == pytest.approx(1, abs=1e-9)
    way = found - np.array(point)
    assert way @ np.array(direction) > 0
    np.testing.assert_allclose(np.cross(way, direction) / np.linalg.norm(direction), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("point", "direction", "half_length"),
    [
        ((101, 0, 0), (1, 0, 0), 200),
        ((0, 0, 201), (1, 0, 0), 200),
        ((0, 0, 0), (0, 0, 1), None),
        ((0, 0, 0), (0, 0, 0), 200),
    ],
)
def test_lines_that_do_not_enter(point: tuple, direction: tuple, half_length: float | None) -> None:
    points, directions = np.array([(0, 0, 0), point]), np.array([(1, 0, 0), direction])
    with pytest.raises(DataError, match=r"1 of 2 particles .* radius 100 mm \(first: event 1"):
        enter_cylinder(points, directions, 100, half_length)
