"""Distances to nearest neighbours, in blocks whose memory does not grow with the samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.multivariate.estimate import positive_scale

__all__ = ["close_counts", "distance_blocks", "nearest", "rounding", "standardised"]

_BLOCK_VALUES = 2**19


def standardised(
    reference: NDArray[np.float64], *others: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Shift and divide all samples by mean and standard deviation of the reference.

    Else a length in mm would outweigh a fraction. A feature that is constant in the reference
    keeps its unit.
    """
    centre, scale = reference.mean(axis=0), positive_scale(reference.std(axis=0))
    return [(features - centre) / scale for features in (reference, *others)]


def distance_blocks(
    rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield squared Euclidean distances in blocks of some rows to all columns.

    |x|² - 2 x·y + |y|² as one matrix product, in float64: the cancellation costs digits, which
    single precision would not have for near duplicates. See :func:`rounding`.

    Yields:
        Which rows, and their squared distances, shape (n_rows, n_columns); a new array.
    """
    left = np.column_stack([-2 * rows, (rows**2).sum(axis=1), np.ones(len(rows))])
    right = np.column_stack([columns, np.ones(len(columns)), (columns**2).sum(axis=1)]).T
    size = max(1, _BLOCK_VALUES // len(columns))
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        yield part, left[part] @ right


def rounding(*samples: NDArray[np.float64]) -> float:
    """Return how far squared distances may be off through rounding."""
    largest = max(float((features**2).sum(axis=1).max()) for features in samples)
    return float(1e-14 * samples[0].shape[1] * (1 + largest))


def nearest(
    queries: NDArray[np.float64],
    points: NDArray[np.float64],
    k: int,
    *,
    groups: int = 1,
    own: bool = False,
) -> NDArray[np.float64]:
    """Return the k smallest squared distances of each query to each group of points.

    The k nearest of a union of groups are among the k nearest of its groups, so that one pass
    serves every choice of groups.

    Arguments:
        queries: Features, shape (n, d).
        points: Features, shape (m, d); group g holds m/groups of them in their order.
        k: How many; infinite where a group has fewer.
        groups: Number of groups, a divisor of m.
        own: The queries are the points themselves: none is its own neighbour.

    Returns:
        Squared distances in ascending order, shape (n, groups, k).
    """
    size = len(points) // groups
    found = np.full((len(queries), groups, k), np.inf)
    kept = min(k, size)
    for part, squared in distance_blocks(queries, points):
        if own:
            squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        by_group = squared.reshape(len(squared), groups, size)
        if kept == 1:
            found[part, :, 0] = by_group.min(axis=2)
            continue
        by_group.partition(kept - 1, axis=2)
        found[part, :, :kept] = np.sort(by_group[:, :, :kept], axis=2)
    return np.asarray(np.maximum(found, 0))


def close_counts(
    features: NDArray[np.float64], radius: float, *, groups: int = 1
) -> NDArray[np.int64]:
    """Count the other events within a radius of each event, by group, shape (n, groups)."""
    limit = radius**2 * (1 + 1e-9) + rounding(features)
    counts = np.empty((len(features), groups), np.int64)
    for part, squared in distance_blocks(features, features):
        squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        close = (squared <= limit).reshape(len(squared), groups, -1)
        counts[part] = np.count_nonzero(close, axis=2)
    return counts
