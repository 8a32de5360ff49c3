r"""Events that do not count the same: means, quantiles and distances with weights of any sign.

Inside a comparison the weights of a sample are scaled to :math:`w' = w \sum w / \sum w^2`, so that
:math:`\sum w' = \sum w'^2 = n_\mathrm{eff}` (Kish, Survey Sampling, 1965, sec. 11.7): a histogram
of them has the errors, and a pseudo-count the meaning, that it has for this many events of weight
1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from phys_gan.events import effective_number

__all__ = [
    "effective_size",
    "ks_p_value",
    "mean_and_error",
    "quantile",
    "scaled",
    "taken",
    "variance",
]

Values = NDArray[np.float64]
Weights = NDArray[np.float64] | None
"""One number per event; None where all count the same."""


def effective_size(n: int, weights: Weights) -> float:
    """Return how many events of weight 1 say as much as these n; 0 where the weights cancel."""
    if weights is None:
        return float(n)
    return effective_number(weights) if weights.sum() > 0 else 0.0


def scaled(weights: Values) -> Values:
    """Return weights whose sum is the effective number; zeros where they cancel."""
    total, squares = float(weights.sum()), float(weights @ weights)
    return weights * (total / squares) if total > 0 else np.zeros_like(weights)


def taken(weights: Weights, rows: NDArray[np.int64] | NDArray[np.bool_] | None) -> Weights:
    """Return the weights of some events; of all when ``rows`` is None."""
    return weights if weights is None or rows is None else weights[rows]


def variance(values: Values, weights: Weights) -> float:
    """Return the variance of the distribution that weighted values stand for, shape (n,).

    Divided by n, or by the sum of the weights; not below 0, which signed weights may give.
    """
    if weights is None:
        return float(values.var())
    mean = np.average(values, weights=weights)
    return max(0.0, float(np.average((values - mean) ** 2, weights=weights)))


def mean_and_error(values: Values, weights: Weights) -> tuple[Values, Values]:
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


def quantile(values: Values, parts: NDArray[np.float64] | list[float], weights: Weights) -> Values:
    """Return quantiles; of weighted values the first one at which the weights reach that part."""
    if weights is None:
        return np.asarray(np.quantile(values, parts), np.float64)
    order = np.argsort(values)
    # Negative weights may let the sum fall again: what was reached stays reached.
    reached = np.maximum.accumulate(np.cumsum(weights[order]))
    wanted = np.asarray(parts) * weights.sum()
    place = np.searchsorted(reached, wanted - 1e-12 * abs(reached[-1]))
    return np.asarray(values[order][np.minimum(place, len(values) - 1)], np.float64)


def ks_p_value(distance: float, n: float, m: float) -> float:
    """Return the probability of a larger Kolmogorov-Smirnov distance, asymptotic in n and m.

    Arguments:
        distance: The distance.
        n: Effective number of one sample.
        m: The same of the other.
    """
    return float(kolmogorov(distance * np.sqrt(n * m / (n + m))))
