r"""Estimates with standard errors, from events with weights of any sign.

Weights stand for a distribution: means, quantiles and distances are those of that distribution, and
their errors are those of :math:`n_\mathrm{eff} = (\sum w)^2 / \sum w^2` events of weight 1 (Kish,
Survey Sampling, 1965, sec. 11.7). Scaled to :math:`w' = w \sum w / \sum w^2`, so that
:math:`\sum w' = \sum w'^2 = n_\mathrm{eff}`, they give a histogram the errors, and a pseudo-count
the meaning, that these have for so many events.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.events import as_weights, effective_number

Floats = NDArray[np.float64]
Weights = Floats | None
"""One number per event, shape (n,); None where all count the same."""


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def fraction(count: float, n: int) -> Estimate:
    """Return count/n with its binomial error, which is that of (k + 1)/(n + 2) (Laplace).

    A count of zero therefore has an error, too.

    Example:
        >>> fraction(0, 98).value, round(fraction(0, 98).error, 3)
        (0.0, 0.01)
    """
    expected = (count + 1) / (n + 2)
    return Estimate(count / n, float(np.sqrt(expected * (1 - expected) / n)))


def relative_weights(name: str, weights: ArrayLike | None, n: int, least: float) -> Weights:
    """Return weights (n,) of any sign over their largest modulus; None where all are equal.

    Raises:
        DataError: There is not one finite weight per event.
        RangeError: The effective number of events is smaller than ``least``.
    """
    array = as_weights(weights, n, f"the {name} weights")
    if array is None:
        return None
    largest = np.abs(array).max(initial=0.0)
    array = array / (largest if largest > 0 else 1.0)
    number = effective_number(array)
    if number < least:
        raise RangeError(
            f"the {name} has {n} events, but by their weights they count as {number:.3g} of equal "
            f"weight, and at least {least:g} are needed",
            remedy="give more events, or events with more even weights",
            value=number,
            constraint=least,
        )
    return None if np.ptp(array) == 0 else array


def effective_size(n: int, weights: Weights) -> float:
    """Return the effective number of n events; 0 where their weights cancel."""
    if weights is None:
        return float(n)
    return effective_number(weights) if weights.sum() > 0 else 0.0


def effective_weights(weights: Floats) -> Floats:
    """Return weights whose sum is the effective number; zeros where they cancel."""
    total, squares = float(weights.sum()), float(weights @ weights)
    return weights * (total / squares) if total > 0 else np.zeros_like(weights)


def taken(weights: Weights, rows: NDArray[np.int64] | NDArray[np.bool_] | None) -> Weights:
    """Return the weights of some events; of all when ``rows`` is None."""
    return weights if weights is None or rows is None else weights[rows]


def variance(values: Floats, weights: Weights) -> float:
    """Return the variance of values (n,), divided by n or by the sum of the weights.

    Not below 0, which signed weights may give.
    """
    if weights is None:
        return float(values.var())
    mean = np.average(values, weights=weights)
    return max(0.0, float(np.average((values - mean) ** 2, weights=weights)))


def mean_and_error(values: Floats, weights: Weights) -> tuple[Floats, Floats]:
    r"""Return the mean over events and its standard error, of values (n, *).

    With weights the error is that of a ratio of sums, :math:`\sqrt{\sum w^2 (x - \bar x)^2} /
    \sum w` (Cochran, Sampling Techniques, 1977, sec. 6.3).
    """
    if weights is None:
        return values.mean(axis=0), values.std(axis=0) / len(values) ** 0.5
    columns = weights.reshape(-1, *[1] * (values.ndim - 1))
    total = weights.sum()
    mean = (columns * values).sum(axis=0) / total
    error = np.sqrt((columns**2 * (values - mean) ** 2).sum(axis=0)) / total
    return mean, error


def quantile(values: Floats, levels: Floats | list[float], weights: Weights) -> Floats:
    """Return quantiles; with weights, the first value at which their sum reaches that fraction."""
    if weights is None:
        return np.asarray(np.quantile(values, levels), np.float64)
    order = np.argsort(values)
    # Negative weights may let the sum fall again: what was reached stays reached.
    reached = np.maximum.accumulate(np.cumsum(weights[order]))
    needed = np.asarray(levels) * weights.sum()
    place = np.searchsorted(reached, needed - 1e-12 * abs(reached[-1]))
    return np.asarray(values[order][np.minimum(place, len(values) - 1)], np.float64)


class ExactSum:
    """Add up arrays with twice the digits of a double, so that the order of terms does not matter.

    The rounding error of each addition, which is a double itself, is added up too.

    References:
        A floating-point technique for extending the available precision (Dekker, 1971),
        https://doi.org/10.1007/BF01397083

    Arguments:
        shape: Shape of the arrays.

    Example:
        >>> total = ExactSum(())
        >>> for term in (1e16, 1.0, 1.0):
        ...     total.add(term)
        >>> float(total.value) - 1e16
        2.0
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self._high, self._low = np.zeros(shape), np.zeros(shape)

    def add(self, term: ArrayLike) -> None:
        """Add an array."""
        term = np.asarray(term, np.float64)
        # Knuth: high + error is exactly the sum, whichever of both is larger.
        high = self._high + term
        seen = high - self._high
        self._low = self._low + ((self._high - (high - seen)) + (term - seen))
        self._high = high

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self.add(other._high)
        self._low = self._low + other._low

    def plus(self, other: ExactSum) -> ExactSum:
        """Return the sum of both, and leave both as they are."""
        total = ExactSum(self._high.shape)
        total.merge(self)
        total.merge(other)
        return total

    @property
    def value(self) -> Floats:
        """The sum, rounded once."""
        return np.asarray(self._high + self._low)
