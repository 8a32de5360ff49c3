from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import CartesianLayer, ImageLayer, PolarLayer


def rising(low: int = -100) -> st.SearchStrategy[tuple[float, ...]]:
    """Edges on a grid of quarters, so that comparisons in the test are exact."""
    whole = st.lists(st.integers(low, 100), min_size=2, max_size=6, unique=True)
    return whole.map(lambda edges: tuple(edge / 4 for edge in sorted(edges)))


points = st.lists(
    st.tuples(st.integers(-120, 120), st.integers(-120, 120)), min_size=1, max_size=20
).map(lambda pairs: np.array(pairs, float) / 4)


@given(x=rising(), y=rising(), where=points)
def test_cartesian_find_against_every_cell(
    x: tuple[float, ...], y: tuple[float, ...], where: np.ndarray
) -> None:
    layer = CartesianLayer(z=(0.0, 1.0), x=x, y=y)
    cells = [(i, j) for i in range(len(x) - 1) for j in range(len(y) - 1)]
    for (px, py), found in zip(where, layer.find(*where.T), strict=True):
        inside = [
            n for n, (i, j) in enumerate(cells) if x[i] <= px < x[i + 1] and y[j] <= py < y[j + 1]
        ]
        assert [found] == (inside or [-1])


@given(x=rising(), y=rising())
def test_cartesian_find_inverts_positions(x: tuple[float, ...], y: tuple[float, ...]) -> None:
    layer = CartesianLayer(z=(0.0, 1.0), x=x, y=y)
    np.testing.assert_array_equal(layer.find(*layer.positions.T), np.arange(layer.n_cells))


@given(r=rising(0), n_alpha=st.integers(1, 12))
def test_polar_find_inverts_positions(r: tuple[float, ...], n_alpha: int) -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=r, n_alpha=n_alpha)
    x, y = layer.positions.T if n_alpha > 1 else (layer.radii, np.zeros(layer.n_cells))
    np.testing.assert_array_equal(layer.find(x, y), np.arange(layer.n_cells))


@given(
    r=rising(0),
    n_alpha=st.integers(1, 12),
    radius=st.floats(0, 30),
    alpha=st.floats(-np.pi, np.pi),
)
def test_polar_find_gives_a_cell_that_holds_the_point(
    r: tuple[float, ...], n_alpha: int, radius: float, alpha: float
) -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=r, n_alpha=n_alpha)
    found = int(layer.find(radius * np.cos(alpha), radius * np.sin(alpha)))
    if found == -1:
        assert radius < r[0] + 1e-9 or radius > r[-1] - 1e-9
        return
    sector, ring = divmod(found, len(r) - 1)
    assert r[ring] - 1e-9 <= radius <= r[ring + 1] + 1e-9
    if radius > 0.01:
        width = 2 * np.pi / n_alpha
        distance = (alpha + np.pi - (sector + 0.5) * width + np.pi) % (2 * np.pi) - np.pi
        assert abs(distance) <= width / 2 + 1e-6


def test_polar_edges_of_the_angle() -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0), n_alpha=4)
    np.testing.assert_array_equal(
        layer.find([-0.5, -0.5, 0.5, 0.0], [-0.0, 0.0, 0.0, 0.5]), [0, 3, 2, 3]
    )


def test_an_undivided_ring_is_centred_on_the_axis() -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0, 3.0), n_alpha=1)
    np.testing.assert_array_equal(layer.positions, np.zeros((2, 2)))
    np.testing.assert_array_equal(layer.radii, [0.5, 2.0])


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), scale=st.floats(0.01, 10))
def test_image_find_inverts_positions(rows: int, columns: int, scale: float) -> None:
    image = ImageLayer(rows=rows, columns=columns, pixel_scale=scale)
    np.testing.assert_array_equal(image.find(*image.positions.T), np.arange(rows * columns))
    np.testing.assert_allclose(image.positions.mean(axis=0), 0, atol=1e-9 * scale)


def test_image_columns_are_fastest() -> None:
    image = ImageLayer(rows=2, columns=4, pixel_scale=0.5)
    np.testing.assert_allclose(image.positions[1] - image.positions[0], [0.5, 0.0])
    assert image.find(0.99, 0.49) == 7
    assert image.find(1.01, 0.49) == -1
    assert image.find(0.0, 0.51) == -1


@pytest.mark.parametrize(
    "layer",
    [
        CartesianLayer(z=(0.0, 1.0), x=(-1.0, 1.0), y=(-1.0, 1.0)),
        PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0), n_alpha=3),
        ImageLayer(rows=2, columns=2, pixel_scale=1.0),
    ],
)
def test_points_that_are_nowhere(layer: CartesianLayer | PolarLayer | ImageLayer) -> None:
    x = np.array([np.nan, 0.0, np.inf, 1e300])
    y = np.array([0.0, np.nan, 0.0, 0.0])
    np.testing.assert_array_equal(layer.find(x, y), -1)


def test_rotation_and_reflection_of_one_ring() -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0), n_alpha=4)
    np.testing.assert_array_equal(layer.rotated(1), [3, 0, 1, 2])
    np.testing.assert_array_equal(layer.reflected(), [3, 2, 1, 0])


@given(n_alpha=st.integers(2, 12), steps=st.integers(0, 12), r=rising(0))
def test_rotation_moves_positions_by_the_angle(
    n_alpha: int, steps: int, r: tuple[float, ...]
) -> None:
    layer = PolarLayer(z=(0.0, 1.0), r=r, n_alpha=n_alpha)
    turn = 2 * np.pi * steps / n_alpha
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    np.testing.assert_allclose(
        layer.positions, layer.positions[layer.rotated(steps)] @ matrix.T, atol=1e-9
    )


def test_equality_does_not_depend_on_what_was_computed() -> None:
    one, two = (PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0, 2.0), n_alpha=3) for _ in range(2))
    assert one.positions.shape == two.positions.shape
    assert one == two
    assert one != PolarLayer(z=(0.0, 1.0), r=(0.0, 1.0, 2.0), n_alpha=4)
