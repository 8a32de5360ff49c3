r"""One-dimensional distances between a reference p and a candidate q, as pure functions.

Kolmogorov-Smirnov and Wasserstein-1 distances are those of the values themselves, the others those
of histograms with under- and overflow. Weights have any sign, but a positive sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov, rel_entr

from phys_gan.metrics.statistics import Floats, Weights, variance


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

_PSEUDO_COUNT = 0.5


def ks(
    reference: ArrayLike, candidate: ArrayLike, weights: tuple[Weights, Weights] = (None, None)
) -> float:
    r"""Return the Kolmogorov-Smirnov distance :math:`\sup_x |F_p(x) - F_q(x)|` of two samples."""
    pool, first, second = two_samples(reference, candidate, weights)
    return float(Pooled(pool).distances(first, second)[0][0])


def ks_p_value(distance: float, n: float, m: float) -> float:
    """Return the probability of a larger KS distance, asymptotic in effective numbers n and m."""
    return float(kolmogorov(distance * np.sqrt(n * m / (n + m))))


def wasserstein1(
    reference: ArrayLike,
    candidate: ArrayLike,
    weights: tuple[Weights, Weights] = (None, None),
    *,
    scaled: bool = False,
) -> float:
    r"""Return the Wasserstein-1 distance :math:`\int |F_p(x) - F_q(x)|\,dx` of two samples.

    Arguments:
        reference: Values, in any unit.
        candidate: Values in the same unit.
        weights: Weights of both; None where all events count the same.
        scaled: Divide by the standard deviation of the reference; 0/0 is 0.
    """
    pool, first, second = two_samples(reference, candidate, weights)
    distance = float(Pooled(pool).distances(first, second)[1][0])
    if not scaled or distance == 0:
        return distance
    sigma = variance(np.ravel(np.asarray(reference, np.float64)), weights[0]) ** 0.5
    return distance / sigma if sigma > 0 else float("inf")


class Pooled:
    """Measure the distances between two weightings of the same values.

    A reference and a candidate are two weightings of one pool of values, which is sorted once;
    each comparison takes a gather and a cumulative sum.

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
    ) -> tuple[Floats, Floats]:
        """Return the KS and the Wasserstein-1 distances, (R,), of R pairs of weightings (R, N)."""
        difference = np.take(fractions(first) - fractions(second), self.order, axis=1)
        np.cumsum(difference, axis=1, out=difference)
        if self._ends is not None:
            difference = difference[:, self._ends]
        np.abs(difference, out=difference)
        # BLAS would start its own threads, which then compete with those of the caller.
        return difference.max(axis=1), np.einsum("ij,j->i", difference[:, :-1], self._gaps)


def two_samples(
    reference: ArrayLike, candidate: ArrayLike, weights: tuple[Weights, Weights] = (None, None)
) -> tuple[Floats, NDArray[Any], NDArray[Any]]:
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


def kl(p: ArrayLike, q: ArrayLike, *, pseudo_count: float = 0.0) -> Floats:
    r"""Return the Kullback-Leibler divergence :math:`\sum_i p_i \ln(p_i / q_i)` in nats.

    Infinite when a bin of q is empty where p is not, unless a pseudo-count prevents it.

    Arguments:
        p: Counts of the reference per bin, under- and overflow included, shape (*, n_bins).
        q: Counts of the candidate, same shape.
        pseudo_count: Added to every bin of both before normalisation; 1/2 is Jeffreys' prior.

    Returns:
        The divergence, shape (*,).
    """
    p, q = (fractions(np.asarray(counts, np.float64) + pseudo_count) for counts in (p, q))
    return np.asarray(rel_entr(p, q).sum(axis=-1), np.float64)


def js(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Return the Jensen-Shannon divergence in nats, :math:`0 \le JS \le \ln 2`.

    :math:`(KL(p\|m) + KL(q\|m)) / 2` with :math:`m = (p + q) / 2`. Arguments as in :func:`kl`.
    """
    p, q = fractions(p), fractions(q)
    middle = (p + q) / 2
    both = rel_entr(p, middle).sum(axis=-1) + rel_entr(q, middle).sum(axis=-1)
    # Rounding may leave -1e-17 between equal histograms.
    return np.asarray(np.maximum(both, 0) / 2, np.float64)


def separation_power(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Return the separation power :math:`\frac12 \sum_i (p_i - q_i)^2 / (p_i + q_i)`.

    Definition of the CaloChallenge (arXiv:2410.21611). Arguments as in :func:`kl`.
    """
    p, q = fractions(p), fractions(q)
    total = p + q
    terms = np.divide((p - q) ** 2, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(terms.sum(axis=-1) / 2, np.float64)


def chi2_ndf(
    p: ArrayLike, q: ArrayLike, variances: tuple[ArrayLike, ArrayLike] | None = None
) -> Floats:
    r"""Return :math:`\chi^2` per degree of freedom of two histograms of counts.

    :math:`\chi^2 = \sum_i (\sqrt{M/N}\,n_i - \sqrt{N/M}\,m_i)^2 / (n_i + m_i)` with the Poisson
    errors of both and N, M entries (Numerical Recipes, eq. 14.3.3); bins empty in both are left
    out, and one degree of freedom goes to the normalisation; 0 where a histogram is empty.
    Arguments as in :func:`kl`.

    For histograms of weights, ``variances`` are the sums of their squares, of the same shapes
    (Gagunashvili, physics/0605123); bins must have some entries.
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    n, m = p.sum(axis=-1, keepdims=True), q.sum(axis=-1, keepdims=True)
    scale = np.sqrt(np.divide(m, n, out=np.ones_like(n), where=n * m > 0))
    total = p + q
    if variances is not None:
        total = scale**2 * np.asarray(variances[0]) + np.asarray(variances[1]) / scale**2
    terms = np.divide(
        (scale * p - q / scale) ** 2,
        total,
        out=np.zeros_like(total),
        where=(total > 0) & (n * m > 0),
    )
    ndf = np.maximum(1, (total > 0).sum(axis=-1) - 1)
    return np.asarray(terms.sum(axis=-1) / ndf, np.float64)


def binned(
    p: ArrayLike, q: ArrayLike, variances: tuple[ArrayLike, ArrayLike] | None = None
) -> dict[str, Floats]:
    """Return all metrics of histograms by name. Arguments as in :func:`chi2_ndf`.

    A bin of a negative sum of weights counts as empty: no density is negative.
    """
    if variances is not None:
        p, q = np.maximum(p, 0), np.maximum(q, 0)
    return {
        "kl": kl(p, q, pseudo_count=_PSEUDO_COUNT),
        "kl_reverse": kl(q, p, pseudo_count=_PSEUDO_COUNT),
        "js": js(p, q),
        "separation": separation_power(p, q),
        "chi2_ndf": chi2_ndf(p, q, variances),
    }


def fractions(counts: ArrayLike) -> Floats:
    """Divide by the sum over the last axis; a random part of few events may have no entries."""
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1), np.float64)
