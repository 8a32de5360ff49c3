"""The width of a response that has tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rms90", "rms90_error"]

_GROUPS = 40
_MIN_VALUES = 10


def rms90(values: NDArray[np.float64]) -> float:
    """Return RMS90, the standard deviation in the shortest interval with 90 % of the values.

    M. A. Thomson, Particle flow calorimetry and the PandoraPFA algorithm, arXiv:0907.3577. Of a
    Gaussian distribution it is 0.789 standard deviations.

    Arguments:
        values: Finite values, shape (n,); of fewer than two the width is 0.
    """
    if len(values) < 2:
        return 0.0
    ordered = np.sort(values)
    inside = max(2, int(np.ceil(0.9 * len(ordered))))
    first = int(np.argmin(ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]))
    return float(ordered[first : first + inside].std())


def rms90_error(values: NDArray[np.float64]) -> float:
    """Return the standard error of RMS90, from its spread over up to 40 groups of values.

    Arguments:
        values: Values in random order, shape (n,); of fewer than 20 the error is infinite.
    """
    n_groups = min(_GROUPS, len(values) // _MIN_VALUES)
    if n_groups < 2:
        return float("inf")
    groups = [rms90(values[start::n_groups]) for start in range(n_groups)]
    return float(np.std(groups, ddof=1) / np.sqrt(n_groups))
