"""The bins of many positive numbers at once, by a table instead of a search."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BinTable", "bin_table"]

_LEAST_BITS = 2
_MOST_BITS = 8


class BinTable:
    """Find bins exactly as ``np.searchsorted(edges, values, side="right")`` does, but faster.

    The bit pattern of a positive number of IEEE 754, read as an integer, rises with the number.
    Its leading bits (the exponent and a few of the mantissa) address a table whose cells are so
    narrow that an edge at most lies in each. An entry holds the number of edges below the cell
    in its upper half, and in its lower half what is missing from the edge inside it to 2^32:
    after the bit pattern is added, the upper half is the bin.

    Where edges lie too close to each other for a table, they are searched for.

    Arguments:
        edges: Bin edges in rising order.
    """

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self._edges = edges
        cuts = _first_bits(edges)
        self._shift, self._table = 0, np.empty(0, np.int64)
        for bits in range(_LEAST_BITS, _MOST_BITS + 1):
            # Single precision has 8 bits of exponent and 23 of mantissa.
            width = 1 << (23 - bits)
            starts = np.arange(0, 1 << 31, width)
            below = np.searchsorted(cuts, starts, side="right")
            inside = np.searchsorted(cuts, starts + width, side="left") - below
            if inside.max() <= 1:
                cut = np.append(cuts, 0)[below]
                missing = np.where(inside == 1, (1 << 32) - cut, 0)
                self._shift, self._table = 23 - bits, (below << 32) + missing
                return

    def find(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the number of edges that are not above each value.

        Arguments:
            values: Finite numbers that are not negative, in one dimension.
        """
        if not self._shift:
            return np.searchsorted(self._edges, values, side="right").astype(np.int64)
        bits = values.view(np.uint32).astype(np.int64)
        # Every index is in the table: "clip" only spares the check.
        found = self._table.take(bits >> self._shift, mode="clip")
        found += bits
        found >>= 32
        return found


def bin_table(edges: NDArray[np.float64]) -> BinTable:
    """Return the table of these edges, made once."""
    return _table(np.ascontiguousarray(edges, np.float64).tobytes())


@lru_cache(maxsize=8)
def _table(edges: bytes) -> BinTable:
    return BinTable(np.frombuffer(edges, np.float64))


def _first_bits(edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bit pattern of the smallest float32 that is not below each edge."""
    positive = np.where(edges > 0, edges, 0.0)
    with np.errstate(over="ignore"):
        rounded = positive.astype(np.float32)
    rounded = np.where(rounded < positive, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return rounded.astype(np.float32).view(np.uint32).astype(np.int64)
