r"""One-dimensional distances between a reference p and a candidate q, as pure functions.

"Events that do not count the same: means, quantiles and distances with weights of any sign.

Inside a comparison the weights of a sample are scaled to :math:`w' = w \sum w / \sum w^2`, so that
:math:`\sum w' = \sum w'^2 = n_\mathrm{eff}` (Kish, Survey Sampling, 1965, sec. 11.7): a histogram
of them has the errors, and a pseudo-count the meaning, that it has for this many events of weight
1.

Values sorted once, so that any two weightings of them are compared by one cumulative sum.

Sums whose value does not depend on the order of their terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov, rel_entr

from phys_gan.events import effective_number

__all__ = [
    "METRICS",
    "ExactSum",
    "Metric",
    "Pooled",
    "chi2_ndf",
    "effective_size",
    "js",
    "kl",
    "ks",
    "ks_p_value",
    "mean_and_error",
    "quantile",
    "scaled",
    "separation_power",
    "taken",
    "two_samples",
    "variance",
    "wasserstein1",
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


@dataclass(frozen=True)
class Metric:
    """How a metric is named, and how it falls with the sizes of the samples.

    Attributes:
        label: Name for people.
        power: Between samples of one distribution it scales as (1/n + 1/m) to this power.
        description: One or two sentences for the glossary.
    """

    label: str
    power: float
    description: str


METRICS = {
    "ks": Metric(
        "KS",
        0.5,
        "Kolmogorov-Smirnov distance: the largest difference of the two cumulative "
        "distributions, from 0 to 1. It uses no binning.",
    ),
    "w1": Metric(
        "W1",
        0.5,
        "Wasserstein-1 distance in the unit of the observable: the area between the two "
        "cumulative distributions, or how far probability has to be moved on average.",
    ),
    "w1_scaled": Metric(
        "W1/σ",
        0.5,
        "Wasserstein-1 distance over the standard deviation of the reference.",
    ),
    "kl": Metric(
        "KL",
        1.0,
        "Kullback-Leibler divergence of the candidate from the reference, sum p ln(p/q), in "
        "nats. Every bin of both histograms gets a pseudo-count of 1/2 (Jeffreys), so that an "
        "empty bin of the candidate costs much, but not infinitely much.",
    ),
    "kl_reverse": Metric(
        "KL reverse", 1.0, "The same the other way round, sum q ln(q/p), in nats."
    ),
    "js": Metric(
        "JS",
        1.0,
        "Jensen-Shannon divergence in nats: the mean divergence of both from their average, "
        "from 0 to ln 2 = 0.693.",
    ),
    "separation": Metric(
        "separation",
        1.0,
        "Separation power, sum (p - q)²/(p + q) / 2 over bins: 0 for equal histograms, 1 for "
        "histograms without overlap.",
    ),
    "chi2_ndf": Metric(
        "χ²/ndf",
        0.0,
        "χ² per degree of freedom between the normalised histograms with the statistical errors "
        "of both; 1 is expected for independent entries. It grows with the number of events.",
    ),
}
"""The metrics that a comparison holds, by the name they have in metrics.json."""

PSEUDO_COUNT = 0.5


def ks(
    reference: ArrayLike, candidate: ArrayLike, weights: tuple[Weights, Weights] = (None, None)
) -> float:
    r"""Return the Kolmogorov-Smirnov distance :math:`\sup_x |F_p(x) - F_q(x)|`.

    Arguments:
        reference: Values, in any unit.
        candidate: Values in the same unit.
        weights: Weights of both, of any sign but of positive sum; None where all count the same.
    """
    pool, first, second = two_samples(reference, candidate, weights)
    return float(Pooled(pool).distances(first, second)[0][0])


def wasserstein1(
    reference: ArrayLike,
    candidate: ArrayLike,
    weights: tuple[Weights, Weights] = (None, None),
    *,
    scaled: bool = False,
) -> float:
    r"""Return the Wasserstein-1 distance :math:`\int |F_p(x) - F_q(x)|\,dx`.

    Arguments:
        reference: Values, in any unit.
        candidate: Values in the same unit.
        weights: As in :func:`ks`.
        scaled: Divide by the standard deviation of the reference; 0/0 is 0.
    """
    pool, first, second = two_samples(reference, candidate, weights)
    distance = float(Pooled(pool).distances(first, second)[1][0])
    if not scaled or distance == 0:
        return distance
    spread = variance(np.ravel(np.asarray(reference, np.float64)), weights[0]) ** 0.5
    return distance / spread if spread > 0 else float("inf")


def kl(p: ArrayLike, q: ArrayLike, *, pseudo_count: float = 0.0) -> NDArray[np.float64]:
    r"""Return the Kullback-Leibler divergence :math:`\sum_i p_i \ln(p_i / q_i)` in nats.

    Infinite when a bin of q is empty where p is not, unless a pseudo-count prevents it. The
    other direction is ``kl(q, p)``.

    Arguments:
        p: Counts of the reference per bin, under- and overflow included, shape (*, n_bins).
        q: Counts of the candidate, same shape.
        pseudo_count: Added to every bin of both before normalisation; 1/2 is Jeffreys' prior.

    Returns:
        The divergence, shape (*,).
    """
    p, q = _normalised(p, pseudo_count), _normalised(q, pseudo_count)
    return np.asarray(rel_entr(p, q).sum(axis=-1), np.float64)


def js(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    r"""Return the Jensen-Shannon divergence in nats, :math:`0 \le JS \le \ln 2`.

    :math:`(KL(p\|m) + KL(q\|m)) / 2` with :math:`m = (p + q) / 2`. Arguments as in :func:`kl`.
    """
    p, q = _normalised(p), _normalised(q)
    middle = (p + q) / 2
    both = rel_entr(p, middle).sum(axis=-1) + rel_entr(q, middle).sum(axis=-1)
    # Rounding may leave -1e-17 between equal histograms.
    return np.asarray(np.maximum(both, 0) / 2, np.float64)


def separation_power(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    r"""Return the separation power :math:`\frac12 \sum_i (p_i - q_i)^2 / (p_i + q_i)`.

    Definition of the CaloChallenge (arXiv:2410.21611). Arguments as in :func:`kl`.
    """
    p, q = _normalised(p), _normalised(q)
    total = p + q
    terms = np.divide((p - q) ** 2, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(terms.sum(axis=-1) / 2, np.float64)


def chi2_ndf(
    p: ArrayLike, q: ArrayLike, variances: tuple[ArrayLike, ArrayLike] | None = None
) -> NDArray[np.float64]:
    r"""Return :math:`\chi^2` per degree of freedom of two histograms of counts.

    :math:`\chi^2 = \sum_i (\sqrt{M/N}\,n_i - \sqrt{N/M}\,m_i)^2 / (n_i + m_i)` with the Poisson
    errors of both and N, M entries (Numerical Recipes, eq. 14.3.3); bins empty in both are left
    out, and one degree of freedom goes to the normalisation; 0 where a histogram is empty.
    Arguments as in :func:`kl`.

    Histograms of weights have the sums of their squares as ``variances``, of the same shapes: of
    both, as they are (Gagunashvili, physics/0605123), so that bins are to have some entries.
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    product = _total(p) * _total(q)
    scale = np.sqrt(np.divide(_total(q), _total(p), out=np.ones_like(product), where=product > 0))
    total = p + q
    if variances is not None:
        total = scale**2 * np.asarray(variances[0]) + np.asarray(variances[1]) / scale**2
    terms = np.divide(
        (scale * p - q / scale) ** 2,
        total,
        out=np.zeros_like(total),
        where=(total > 0) & (product > 0),
    )
    ndf = np.maximum(1, (total > 0).sum(axis=-1) - 1)
    return np.asarray(terms.sum(axis=-1) / ndf, np.float64)


def binned(
    p: ArrayLike, q: ArrayLike, variances: tuple[ArrayLike, ArrayLike] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return all metrics of histograms by name. Arguments as in :func:`chi2_ndf`.

    A bin of a negative sum of weights counts as empty: no density is negative.
    """
    if variances is not None:
        p, q = np.maximum(p, 0), np.maximum(q, 0)
    return {
        "kl": kl(p, q, pseudo_count=PSEUDO_COUNT),
        "kl_reverse": kl(q, p, pseudo_count=PSEUDO_COUNT),
        "js": js(p, q),
        "separation": separation_power(p, q),
        "chi2_ndf": chi2_ndf(p, q, variances),
    }


def _normalised(counts: ArrayLike, pseudo_count: float = 0.0) -> NDArray[np.float64]:
    counts = np.asarray(counts, np.float64) + pseudo_count
    total = _total(counts)
    # Random parts of few events may be empty: they have no entries in any bin.
    return np.asarray(counts / np.where(total > 0, total, 1), np.float64)


def _total(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts.sum(axis=-1, keepdims=True), np.float64)


class ExactSum:
    """Add up arrays with twice the digits of a double.

    The error of each addition, which is a double itself, is added up too. What is left of the
    order of the terms is some 2^53 times smaller than the last digit of the sum.

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
        self._add(np.asarray(term, np.float64))

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self._add(other._high)
        self._low = self._low + other._low

    def plus(self, other: ExactSum) -> ExactSum:
        """Return the sum of both, and leave both as they are."""
        total = ExactSum(self._high.shape)
        total.merge(self)
        total.merge(other)
        return total

    @property
    def value(self) -> NDArray[np.float64]:
        """The sum, rounded once."""
        return np.asarray(self._high + self._low)

    def _add(self, term: NDArray[np.float64]) -> None:
        # Knuth: high + error is exactly the sum, whichever of both is larger.
        high = self._high + term
        seen = high - self._high
        self._low = self._low + ((self._high - (high - seen)) + (term - seen))
        self._high = high
