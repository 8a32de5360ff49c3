"""The width of a response that has tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.statistics.weighting import Weights, taken, variance

__all__ = ["rms90", "rms90_error"]

_GROUPS = 40
_MIN_VALUES = 10


def rms90(values: NDArray[np.float64], weights: Weights = None) -> float:
    """Return RMS90, the standard deviation in the shortest interval with 90 % of the values.

    M. A. Thomson, Particle flow calorimetry and the PandoraPFA algorithm, arXiv:0907.3577. Of a
    Gaussian distribution it is 0.789 standard deviations.

    Arguments:
        values: Finite values, shape (n,); of fewer than two the width is 0.
        weights: Their weights, none of them negative.
    """
    if len(values) < 2:
        return 0.0
    if weights is not None:
        return _weighted(values, weights)
    ordered = np.sort(values)
    inside = max(2, int(np.ceil(0.9 * len(ordered))))
    first = int(np.argmin(ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]))
    return float(ordered[first : first + inside].std())


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    ordered, own = values[order], weights[order]
    reached = np.cumsum(own)
    before = reached - own
    # From each value to the first one at which 90 % of the weights are inside.
    last = np.searchsorted(reached, before + 0.9 * reached[-1] * (1 - 1e-12))
    starts = np.flatnonzero(last < len(ordered))
    first = starts[np.argmin(ordered[last[starts]] - ordered[starts])]
    inside = slice(first, last[first] + 1)
    return float(variance(ordered[inside], own[inside]) ** 0.5)


def rms90_error(values: NDArray[np.float64], weights: Weights = None) -> float:
    """Return the standard error of RMS90, from its spread over up to 40 groups of values.

    Arguments:
        values: Values in random order, shape (n,); of fewer than 20 the error is infinite.
        weights: As in :func:`rms90`.
    """
    n_groups = min(_GROUPS, len(values) // _MIN_VALUES)
    if n_groups < 2:
        return float("inf")
    parts = [np.arange(start, len(values), n_groups) for start in range(n_groups)]
    groups = [rms90(values[part], taken(weights, part)) for part in parts]
    return float(np.std(groups, ddof=1) / np.sqrt(n_groups))
