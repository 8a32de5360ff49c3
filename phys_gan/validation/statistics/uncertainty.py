"""The error of a metric, its floor (reference against reference) and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammainccinv

from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.resampling import Columns, Replicas
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.samples import Counts, Sample
from phys_gan.validation.statistics.weighting import Weights, effective_size, mean_and_error

__all__ = [
    "ALPHA",
    "Null",
    "Raw",
    "assess",
    "effective_number",
    "global_p_value",
    "judge",
    "undefined",
]

ALPHA = 0.01
"""Probability that equal samples differ in any metric of a whole comparison."""

_FOLDS = 5


@dataclass(frozen=True)
class Null:
    """How a metric is distributed between equal samples: a shifted gamma distribution.

    It has three given moments. Starting at zero, as a distance must, a gamma distribution has at
    least the skewness 2 spread / mean, which therefore bounds that of a few hundred draws. It is
    exact for sums of squares of Gaussians such as chi2, and falls more slowly than the
    distributions of KS and Wasserstein-1.

    Attributes:
        mean: Mean.
        spread: Standard deviation.
        skewness: Skewness.
    """

    mean: float
    spread: float
    skewness: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Null:
        """Return the distribution with the moments of these values."""
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        if spread <= 1e-12 * abs(mean):
            return cls(mean, 0.0, 0.0)
        return cls(mean, spread, float(np.mean(((values - mean) / spread) ** 3)))

    def p_value(self, value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability of a larger value."""
        value = np.asarray(value, np.float64)
        if self.spread <= 0 or self.mean <= 0:
            # Rounding must not tell equal samples apart.
            return np.where(value <= self.mean * (1 + 1e-9) + 1e-12, 1.0, 0.0)
        skewness = self._bounded_skewness
        x = (value - self.mean) / self.spread * 2 / skewness + 4 / skewness**2
        return np.asarray(gammaincc(4 / skewness**2, np.maximum(x, 0.0)), np.float64)

    def quantile(self, p_value: float) -> float:
        """Return the value that is exceeded with this probability."""
        if self.spread <= 0 or self.mean <= 0:
            return self.mean
        skewness = self._bounded_skewness
        x = float(gammainccinv(4 / skewness**2, p_value))
        return self.mean + self.spread * (x * skewness / 2 - 2 / skewness)

    @property
    def _bounded_skewness(self) -> float:
        return max(self.skewness, 2 * self.spread / self.mean)


@dataclass(frozen=True)
class Raw:
    """A metric before the verdict, which needs to know how many others there are.

    Attributes:
        value: The metric.
        error: Its standard error.
        floor: Mean between samples of these sizes from the reference.
        floor_error: Standard deviation of the same.
        null: Distribution between random parts of the pooled samples.
        draws: p-values of these random parts themselves, shape (R,); empty when there were none.
        n_equivalent: As in :class:`Result`.
        sizes: Events of reference and candidate.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    null: Null
    draws: NDArray[np.float64]
    n_equivalent: float | None
    sizes: tuple[int, int]

    @property
    def p_value(self) -> float:
        """Probability of a larger value between equal samples."""
        return float(self.null.p_value(self.value))


def assess(
    sample: Sample,
    sizes: tuple[int, int],
    replicas: Replicas,
    effective: tuple[float, float] | None = None,
) -> dict[str, Raw]:
    r"""Return every metric between reference and candidate with error, floor and null.

    The **error** is the standard deviation over bootstrap replicas of both samples. The **floor**
    is the metric between random halves of the reference, scaled to the sizes at hand by
    :math:`((1/n + 1/m) / (4/n))^{power}` with power 1/2 for KS and Wasserstein-1, 1 for the
    divergences, 0 for chi2/ndf. The same law gives the **equivalent number** of showers: the N at
    which two samples of the reference of N events each differ as much on average. The **null**
    asks whether both samples could be random parts of one: it is fitted to the metric between
    random splits of the pooled events into n and m. Such splits hold for any sizes and tails,
    where scaled halves do not.

    Events with weights cannot be exchanged between samples whose weights differ. Their null is the
    metric between bootstrap replicas of either sample, each shifted so that both fluctuate around
    the pool of both (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sec. 16.4): the
    fluctuations are those of each sample's own weights, wherever these are large or small. Its
    mean is the floor, too.

    Arguments:
        sample: The observable of both samples.
        sizes: n and m.
        replicas: How often every event counts.
        effective: Effective numbers, which take the place of n and m where events have weights.
    """
    n, m = effective or sizes
    halved = n * replicas.share
    values = sample.measure()
    first, second = sample.replicas(replicas)
    columns = replicas.columns
    boot = sample.distances(first[columns.bootstrap], second[columns.bootstrap])
    half, whole = first[columns.halves], first[columns.whole]
    floors = sample.distances(half, whole - half)
    if effective is None:
        part = first[columns.splits] + second[columns.splits]
        splits = sample.distances(part, whole + second[columns.whole] - part)
    else:
        splits = sample.distances(*_around_common(first, second, columns))
    found = {}
    for name, metric in METRICS.items():
        null = Null.of(splits[name])
        scale = ((1 / n + 1 / m) / (4 / halved)) ** metric.power
        typical = float(floors[name].mean())
        floor, spread = scale * typical, scale * float(floors[name].std(ddof=1))
        if effective is not None:
            floor, spread = null.mean, null.spread
        found[name] = Raw(
            value=values[name],
            error=float(boot[name].std(ddof=1)),
            floor=floor,
            floor_error=spread,
            null=null,
            draws=_p_values_of_others(splits[name]),
            n_equivalent=_equivalent(values[name], typical, halved, metric.power),
            sizes=sizes,
        )
    return found


def _around_common(first: Counts, second: Counts, columns: Columns) -> tuple[Counts, Counts]:
    """Return bootstrap replicas of weighted entries, shifted to what both samples have in common.

    Arguments:
        first: Sums of weights per bin and then those of their squares, of all replicas of the
            reference, shape (R, 2 n_bins).
        second: The same of the candidate.
        columns: Which replicas are which.
    """
    n_bins = first.shape[1] // 2
    wholes = [sums[columns.whole] for sums in (first, second)]
    totals = [float(whole[0, :n_bins].sum()) for whole in wholes]
    common = (wholes[0] + wholes[1])[0, :n_bins] / sum(totals)
    shifted = []
    for sums, whole, total in zip((first, second), wholes, totals, strict=True):
        replicas = sums[columns.splits]
        sizes = replicas[:, :n_bins].sum(axis=1, keepdims=True)
        scale = total / np.where(sizes > 0, sizes, total)
        moved = total * common + scale * replicas[:, :n_bins] - whole[0, :n_bins]
        shifted.append(np.concatenate([moved, scale**2 * replicas[:, n_bins:]], axis=1))
    return shifted[0], shifted[1]


def undefined(
    reference: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
    weights: tuple[Weights, Weights] = (None, None),
) -> Raw:
    """Return the difference of the fractions of events for which an observable is not defined.

    Its floor is that of two binomial fractions with a common expectation, which is estimated
    from both samples by (k + 1)/(n + 2), so that zero counts have an error too.

    Arguments:
        reference: True where not defined, shape (n,).
        candidate: The same, shape (m,).
        weights: Weights of both, with positive sums. Their fractions have the errors of ratios of
            sums, and the floor is at least as wide.
    """
    sizes = len(reference), len(candidate)
    n, m = (effective_size(size, w) for size, w in zip(sizes, weights, strict=True))
    (first, first_error), (second, second_error) = (
        (float(part) for part in mean_and_error(values.astype(np.float64), w))
        for values, w in zip((reference, candidate), weights, strict=True)
    )
    error = float(np.hypot(first_error, second_error))
    counted = max(0.0, first * n) + max(0.0, second * m)
    common = min((counted + 1) / (n + m + 2), 1.0)
    sigma = float(np.sqrt(common * (1 - common) * (1 / n + 1 / m)))
    if any(w is not None for w in weights):
        sigma = max(sigma, error)
    # Mean and standard deviation of |x| for a Gaussian x of width sigma.
    floor, spread = sigma * (2 / np.pi) ** 0.5, sigma * (1 - 2 / np.pi) ** 0.5
    null = Null(floor, spread, 0.0)
    return Raw(abs(first - second), error, floor, spread, null, np.empty(0), None, sizes)


def effective_number(metrics: Sequence[Raw]) -> float:
    """Return how many independent metrics have the smallest p-value that these have.

    Metrics of one observable say nearly the same, and observables are correlated. The same random
    splits serve all of them, so the smallest p-value of each split shows by how much: for k
    independent metrics -ln(1 - p) falls as exp(-k x) (the idea of Westfall and Young,
    Resampling-Based Multiple Testing, 1993). k is fitted to the lowest fifth, because correlated
    metrics are the less so the farther in their tails. Metrics without splits count as
    independent.
    """
    drawn = [raw.draws for raw in metrics if len(raw.draws)]
    alone = len(metrics) - len(drawn)
    if not drawn:
        return float(max(1, alone))
    smallest = np.sort(-np.log1p(-np.minimum(np.min(drawn, axis=0), 1 - 1e-12)))
    low = max(2, len(smallest) // 5)
    # Maximum likelihood of an exponential distribution that is cut off behind the lowest ones.
    exposure = float(smallest[:low].sum() + (len(smallest) - low) * smallest[low - 1])
    return float(np.clip((low - 1) / max(exposure, 1e-12), 1, len(drawn))) + alone


def judge(raw: Raw, n_comparisons: float) -> Result:
    """Return a metric with its verdict: within the floor up to p = ALPHA / n_comparisons.

    Arguments:
        raw: The metric.
        n_comparisons: Effective number of metrics that are judged together (Bonferroni).
    """
    p_value = raw.p_value
    return Result(
        value=raw.value,
        error=raw.error,
        floor=raw.floor,
        floor_error=raw.floor_error,
        limit=raw.null.quantile(ALPHA / n_comparisons),
        n_reference=raw.sizes[0],
        n_candidate=raw.sizes[1],
        within_floor=p_value >= ALPHA / n_comparisons,
        p_value=p_value,
        n_equivalent=raw.n_equivalent,
    )


def global_p_value(metrics: Mapping[str, Mapping[str, Result]], n_comparisons: float) -> float:
    """Return the probability that equal samples differ this much in any metric."""
    smallest = min(
        (r.p_value for found in metrics.values() for r in found.values() if r.p_value is not None),
        default=1.0,
    )
    return float(-np.expm1(n_comparisons * np.log1p(-min(smallest, 1 - 1e-12))))


def _p_values_of_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values of random splits by distributions that were fitted to other splits.

    A few hundred values know their distribution only so well. What was not fitted meets its tails
    as often as the samples that are judged do.
    """
    result = np.empty(len(values))
    for start in range(_FOLDS):
        others = np.arange(len(values)) % _FOLDS != start
        result[start::_FOLDS] = Null.of(values[others]).p_value(values[start::_FOLDS])
    return result


def _equivalent(value: float, typical: float, n: float, power: float) -> float | None:
    """Return N from the floor between halves of n events, which falls as (2/N)^power."""
    if power == 0 or value <= 0 or typical <= 0:
        return None
    return float(n / 2 * (typical / value) ** (1 / power))
