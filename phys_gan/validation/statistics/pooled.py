"""Values sorted once, so that any two weightings of them are compared by one cumulative sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.validation.statistics.weighting import Weights

__all__ = ["Pooled", "two_samples"]


class Pooled:
    """Measure the distances between two weightings of the same values.

    Reference against candidate, bootstrap replicas and random halves are all weightings of one
    pool of values: it is sorted once, and each comparison takes a gather and a cumulative sum.

    Arguments:
        values: Finite values, shape (N,).

    Attributes:
        order: Numbers of the values in rising order, shape (N,).
        ordered: The values in that order, shape (N,).
    """

    def __init__(self, values: ArrayLike) -> None:
        values = np.ravel(np.asarray(values, np.float64))
        self.order = np.argsort(values)
        self.ordered = ordered = values[self.order]
        # Of equal values only the last one shows the cumulative distribution.
        last = np.append(ordered[1:] != ordered[:-1], True)
        self._ends = None if last.all() else np.flatnonzero(last)
        self._gaps = np.diff(ordered[last])

    def distances(
        self, first: NDArray[np.generic], second: NDArray[np.generic]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the KS and the Wasserstein-1 distance between R pairs of weightings.

        Arguments:
            first: Weights, shape (R, N).
            second: The weights that each of them is compared with, shape (R, N).

        Returns:
            Two arrays of shape (R,).
        """
        difference = np.take(_unit(first) - _unit(second), self.order, axis=1)
        np.cumsum(difference, axis=1, out=difference)
        if self._ends is not None:
            difference = difference[:, self._ends]
        np.abs(difference, out=difference)
        # BLAS would wake its own threads, which then compete with those of the caller.
        return difference.max(axis=1), np.einsum("ij,j->i", difference[:, :-1], self._gaps)


def two_samples(
    reference: ArrayLike, candidate: ArrayLike, weights: tuple[Weights, Weights] = (None, None)
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    """Join two samples; return the pool, and the weights (1, N) that pick either from it."""
    parts = [np.ravel(np.asarray(part, np.float64)) for part in (reference, candidate)]
    first = np.repeat(np.array([1, 0], np.uint8), [len(part) for part in parts])[None]
    second = 1 - first
    if weights[0] is None and weights[1] is None:
        return np.concatenate(parts), first, second
    everything = np.concatenate(
        [np.ones(len(p)) if w is None else w for p, w in zip(parts, weights, strict=True)]
    )
    return np.concatenate(parts), first * everything, second * everything


def _unit(weights: NDArray[np.generic]) -> NDArray[np.float64]:
    total = weights.sum(axis=1, keepdims=True, dtype=np.float64)
    return np.asarray(weights / total, np.float64)
