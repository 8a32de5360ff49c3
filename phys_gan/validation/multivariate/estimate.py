"""A number with its standard error, as every function of this room gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import DataError, RangeError

__all__ = ["Estimate", "as_features", "positive_scale", "share"]


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def as_features(least: int, /, **matrices: ArrayLike) -> list[NDArray[np.float64]]:
    """Return feature matrices as float64 after a check of their shapes and values.

    Arguments:
        least: Smallest number of events in each.
        matrices: Matrices of shape (n, d) with one d, by the names that errors call them.

    Raises:
        DataError: A matrix has not two axes, is empty, holds NaN or infinite values, or has
            another number of features than the first.
        RangeError: A matrix has fewer events than that.
    """
    checked: list[NDArray[np.float64]] = []
    for name, matrix in matrices.items():
        array = np.asarray(matrix, np.float64)
        width = checked[0].shape[1] if checked else (array.shape[1] if array.ndim == 2 else 0)
        if array.ndim != 2 or array.shape[1] != width or not array.size:
            raise DataError(
                f"the {name} features have shape {array.shape}, not (n, {width or 'd'})",
                remedy="give one row per event and the same features for all samples",
                value=array.shape,
            )
        if len(array) < least:
            raise RangeError(
                f"the {name} has {len(array)} event{'s' * (len(array) > 1)}, but at least {least} "
                "are needed",
                remedy="give more events",
                value=len(array),
                constraint=least,
            )
        if not np.isfinite(array.sum()) and not np.isfinite(array).all():
            raise DataError(
                f"the {name} features hold NaN or infinite values",
                remedy="replace what is not defined, as features.feature_matrix does",
                value=float("nan"),
            )
        checked.append(array)
    return checked


def positive_scale(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a divisor per feature: 1 where the reference is constant, which leaves it as it is."""
    return np.where(scale > 0, scale, 1.0)


def share(count: float, n: int) -> Estimate:
    """Return a fraction count/n with its binomial error, which zero counts have, too.

    The error is that of the expectation (k + 1)/(n + 2) (Laplace).

    Example:
        >>> share(0, 98).value, round(share(0, 98).error, 3)
        (0.0, 0.01)
    """
    expected = (count + 1) / (n + 2)
    return Estimate(count / n, float(np.sqrt(expected * (1 - expected) / n)))
