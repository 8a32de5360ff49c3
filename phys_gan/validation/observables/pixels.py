"""Bins for pixels of either sign: linear in the noise, logarithmic where they are bright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.lookup import bin_table

__all__ = ["mirrored", "mirrored_bins", "pixel_edges", "softening"]

_STEP = np.log(10) / 10
"""Width of a bin in the inverse hyperbolic sine: far from zero a tenth of a decade."""


def mirrored(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of both signs, with zero between them.

    Example:
        >>> mirrored(np.array([1.0, 10.0])).tolist()
        [-10.0, -1.0, 0.0, 1.0, 10.0]
    """
    return np.concatenate([-edges[::-1], [0.0], edges])


def mirrored_bins(edges: NDArray[np.float64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of edges below each value.

    A bin holds the edge that is nearer to zero; zero itself is on the positive side.

    Arguments:
        edges: Edges that :func:`mirrored` made.
        values: Finite numbers of any shape.
    """
    middle = len(edges) // 2
    away = bin_table(edges[middle + 1 :]).find(np.abs(values).reshape(-1)).reshape(values.shape)
    return np.where(values < 0, middle - away, middle + 1 + away)


def softening(edges: NDArray[np.float64], counts: NDArray[np.generic]) -> float:
    """Return the median absolute value of the pixels that are not zero: about the noise of a sky.

    Arguments:
        edges: Edges that :func:`mirrored` made, shape (n_bins + 1,).
        counts: Pixels with under- and overflow, shape (n_bins + 2,).
    """
    middle = len(edges) // 2
    away = edges[middle + 1 :]
    entries = np.asarray(counts, np.float64)
    # Both signs together, from the first edge on: padding is exactly zero.
    entries = entries[middle + 2 :] + entries[:middle][::-1]
    if not entries.any():
        return 1.0
    half = int(np.searchsorted(np.cumsum(entries), entries.sum() / 2))
    return float(away[min(half, len(away) - 1)])


def pixel_edges(edges: NDArray[np.float64], counts: NDArray[np.generic]) -> NDArray[np.float64]:
    r"""Keep those edges that are about regular in :math:`\mathrm{asinh}(x / s)`.

    The softening s is that of the reference. The range is that of its pixels.

    Arguments:
        edges: Edges that :func:`mirrored` made, shape (n_bins + 1,).
        counts: Pixels of the reference with under- and overflow, shape (n_bins + 2,).
    """
    filled = np.flatnonzero(np.asarray(counts))
    if not len(filled):
        return edges[len(edges) // 2 - 1 : len(edges) // 2 + 2]
    first, last = max(int(filled[0]) - 1, 0), min(int(filled[-1]), len(edges) - 1)
    first = min(first, last - 1)
    places = np.arcsinh(edges / softening(edges, counts)) / _STEP
    off = np.abs(places - np.round(places))
    # Of the edges that share a step the nearest to it stays.
    order = np.lexsort((off, np.round(places)))
    _, best = np.unique(np.round(places)[order], return_index=True)
    kept = np.sort(order[best])
    inner = kept[(kept > first) & (kept < last)]
    return np.asarray(edges[np.concatenate([[first], inner, [last]])], np.float64)
