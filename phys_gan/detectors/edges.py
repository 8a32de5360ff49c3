"""Find the bin of many values at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges"]


class Edges:
    """Bin edges, prepared for many look-ups.

    Bins of equal width are computed, and corrected where rounding put a value beyond an edge:
    faster than a search, with the same result.

    Arguments:
        edges: Bin edges in rising order.

    Example:
        >>> Edges([0.0, 1.0, 3.0]).find(np.array([-1.0, 0.0, 2.9, 3.0]))
        array([-1,  0,  1, -1])
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.asarray(edges, np.float64)
        self._n = len(self._edges) - 1
        low, high = self._edges[0], self._edges[-1]
        regular = np.linspace(low, high, self._n + 1)
        # The correction reaches one bin to either side.
        self._scale = self._n / (high - low)
        self._regular = bool(np.all(np.abs(self._edges - regular) * self._scale < 0.5))

    def find(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the half-open bin [low, high) of each value; -1 outside and for NaN."""
        low, high = self._edges[0], self._edges[-1]
        inside = (values >= low) & (values < high)
        if self._regular:
            index = ((np.where(inside, values, low) - low) * self._scale).astype(np.int64)
            index = np.minimum(index, self._n - 1)
            index = index - (values < self._edges[index])
            index = index + (values >= self._edges[index + 1])
        else:
            index = np.searchsorted(self._edges, values, side="right") - 1
        return np.where(inside, index, -1)
