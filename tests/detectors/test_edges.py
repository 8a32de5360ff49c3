from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors.edges import Edges

numbers = st.floats(-1e6, 1e6)


def searched(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = np.searchsorted(edges, values, side="right") - 1
    return np.where((values >= edges[0]) & (values < edges[-1]), found, -1)


def around(edges: np.ndarray) -> np.ndarray:
    """Return values on the edges, next to them, between them and far away."""
    middle = (edges[1:] + edges[:-1]) / 2
    beside = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)]
    return np.concatenate([*beside, middle, [-1e308, 1e308, -np.inf, np.inf, np.nan]])


@given(low=numbers, width=st.floats(1e-3, 1e6), cells=st.integers(1, 100))
def test_equal_bins(low: float, width: float, cells: int) -> None:
    edges = np.linspace(low, low + width, cells + 1)
    values = around(edges)
    np.testing.assert_array_equal(Edges(edges.tolist()).find(values), searched(edges, values))


@given(width=st.floats(1e-3, 1e3), cells=st.integers(2, 100))
def test_bins_one_behind_the_other(width: float, cells: int) -> None:
    # Rounding adds up otherwise than in np.linspace.
    edges = np.cumsum(np.full(cells + 1, width))
    values = around(edges)
    np.testing.assert_array_equal(Edges(edges.tolist()).find(values), searched(edges, values))


@given(st.lists(numbers, min_size=2, max_size=12, unique=True))
def test_any_bins(edges: list[float]) -> None:
    rising = np.array(sorted(edges))
    values = around(rising)
    np.testing.assert_array_equal(Edges(rising.tolist()).find(values), searched(rising, values))


@pytest.mark.parametrize("n", [63, 64, 65, 66, 300])
def test_few_and_many_unequal_bins(n: int) -> None:
    edges = np.geomspace(1, 1000, n + 1)
    values = around(edges)
    np.testing.assert_array_equal(Edges(edges.tolist()).find(values), searched(edges, values))


def test_any_shape() -> None:
    for edges in ([0.0, 1.0, 2.0], [0.0, 1.0, 3.0], np.geomspace(1, 9, 99).tolist()):
        finder = Edges(edges)
        assert finder.find(1.5).shape == ()
        assert finder.find(np.full((2, 3), 1.5)).shape == (2, 3)
        assert finder.find(np.zeros(0)).shape == (0,)
