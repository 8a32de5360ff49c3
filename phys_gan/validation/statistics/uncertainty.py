"""The error of a metric, its floor (reference against reference) and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv

from phys_gan.randomness import stream
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.samples import Sample, Weights

__all__ = ["ALPHA", "Replicas", "assess", "draw_replicas", "undefined"]

ALPHA = 0.01
"""Probability that equal samples differ in any metric of a whole comparison."""

_CHUNK_VALUES = 2**20


@dataclass(frozen=True)
class Replicas:
    """Weights of the pooled events, reference first, shared by observables of the same sizes.

    Attributes:
        reference: How often each reference event occurs in each replica, shape (R, n).
        candidate: The same for the candidate, shape (R, m).
        halves: 1 for the reference events of the first half, 0 for the others, shape (R, n).
        shuffles: 1 for n of the pooled events, 0 for the others, shape (2R, n + m):
            the verdict depends on their skewness, which needs more of them.
    """

    reference: Weights
    candidate: Weights
    halves: Weights
    shuffles: Weights


def draw_replicas(n: int, m: int, seed: int, number: int = 100) -> Replicas:
    """Draw bootstrap replicas, random halves of the reference and random splits of the pool.

    Arguments:
        n: Events in the reference.
        m: Events in the candidate.
        seed: Seed.
        number: R, the number of replicas and of halves.
    """
    return Replicas(
        _bootstrap(n, number, stream(seed, "validation/bootstrap-reference")),
        _bootstrap(m, number, stream(seed, "validation/bootstrap-candidate")),
        _splits(n // 2, n, number, stream(seed, "validation/halves")),
        _splits(n, n + m, 2 * number, stream(seed, "validation/shuffles")),
    )


def assess(
    pool: Sample, sizes: tuple[int, int], replicas: Replicas, n_comparisons: int
) -> dict[str, Result]:
    r"""Return every metric between reference and candidate with error, floor and verdict.

    The **error** is the standard deviation over bootstrap replicas of both samples. The **floor**
    is the metric between random halves of the reference, scaled to the sizes at hand by
    :math:`((1/n + 1/m) / (4/n))^{power}` with power 1/2 for KS and Wasserstein-1, 1 for the
    divergences, 0 for chi2/ndf. The **limit** asks whether both samples could be random parts
    of one: it is the quantile :math:`1 - \alpha / n_\mathrm{comparisons}` (Bonferroni) of the
    shifted gamma distribution that has the mean, the standard deviation and the skewness of the
    metric over random splits of the pooled events into n and m. Such splits hold for any sizes
    and tails, where scaled halves do not; the gamma distribution is exact for sums of squares of
    Gaussians such as chi2, and falls more slowly than those of KS and Wasserstein-1.

    Arguments:
        pool: The observable of the n reference events, followed by the m candidate events.
        sizes: n and m.
        replicas: Weights of these events.
        n_comparisons: Number of metrics judged in the whole comparison.
    """
    n, m = sizes
    first = np.repeat(np.array([1, 0], np.uint8), sizes)[None]
    plain = pool.measure(first, 1 - first)
    boot = _measure(pool, *_padded(replicas))
    halves = _measure(pool[:n], replicas.halves, 1 - replicas.halves)
    splits = _measure(pool, replicas.shuffles, 1 - replicas.shuffles)
    results = {}
    for name, metric in METRICS.items():
        scale = ((1 / n + 1 / m) / (4 / n)) ** metric.power
        results[name] = _judged(
            float(plain[name][0]),
            float(boot[name].std(ddof=1)),
            float(scale * halves[name].mean()),
            float(scale * halves[name].std(ddof=1)),
            _limit(*_moments(splits[name]), n_comparisons),
            sizes,
        )
    return results


def undefined(
    reference: NDArray[np.bool_], candidate: NDArray[np.bool_], n_comparisons: int
) -> Result:
    """Return the difference of the fractions of events for which an observable is not defined.

    Its floor is that of two binomial fractions with a common expectation, which is estimated
    from both samples by (k + 1)/(n + 2), so that zero counts have an error too.

    Arguments:
        reference: True where not defined, shape (n,).
        candidate: The same, shape (m,).
        n_comparisons: As in :func:`assess`.
    """
    n, m = len(reference), len(candidate)
    first, second = float(reference.mean()), float(candidate.mean())
    error = float(np.sqrt(first * (1 - first) / n + second * (1 - second) / m))
    common = float(reference.sum() + candidate.sum() + 1) / (n + m + 2)
    sigma = float(np.sqrt(common * (1 - common) * (1 / n + 1 / m)))
    # Mean and standard deviation of |x| for a Gaussian x of width sigma.
    floor, spread = sigma * (2 / np.pi) ** 0.5, sigma * (1 - 2 / np.pi) ** 0.5
    limit = _limit(floor, spread, 0.0, n_comparisons)
    return _judged(abs(first - second), error, floor, spread, limit, (n, m))


def _limit(mean: float, spread: float, skewness: float, n_comparisons: int) -> float:
    """Return the quantile of the shifted gamma distribution with these three moments."""
    if mean <= 0 or spread <= 0:
        return mean
    # Starting at zero, as a distance must, the gamma distribution has this skewness at least.
    skewness = max(skewness, 2 * spread / mean)
    quantile = float(gammainccinv(4 / skewness**2, ALPHA / n_comparisons))
    return mean + spread * (quantile * skewness / 2 - 2 / skewness)


def _moments(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return mean, standard deviation and skewness."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= 0:
        return mean, 0.0, 0.0
    return mean, spread, float(np.mean(((values - mean) / spread) ** 3))


def _judged(
    value: float, error: float, floor: float, spread: float, limit: float, sizes: tuple[int, int]
) -> Result:
    # Rounding must not decide between equal samples, where value and limit are both 0.
    within = bool(value <= limit * (1 + 1e-9) + 1e-12)
    return Result(value, error, floor, spread, limit, *sizes, within)


def _bootstrap(n: int, number: int, generator: np.random.Generator) -> Weights:
    draws = (np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(number))
    return np.stack([draw.astype(np.uint8) for draw in draws])


def _splits(part: int, total: int, number: int, generator: np.random.Generator) -> Weights:
    row = np.zeros(total, np.uint8)
    row[:part] = 1
    return generator.permuted(np.tile(row, (number, 1)), axis=1)


def _padded(replicas: Replicas) -> tuple[Weights, Weights]:
    """Return the bootstrap weights of either sample as weights of the pool."""
    reference, candidate = replicas.reference, replicas.candidate
    return (
        np.pad(reference, ((0, 0), (0, candidate.shape[1]))),
        np.pad(candidate, ((0, 0), (reference.shape[1], 0))),
    )


def _measure(pool: Sample, first: Weights, second: Weights) -> dict[str, NDArray[np.float64]]:
    """Measure all replicas, few enough at a time to stay in bounded memory."""
    rows = max(1, _CHUNK_VALUES // len(pool))
    measured = [
        pool.measure(first[start : start + rows], second[start : start + rows])
        for start in range(0, len(first), rows)
    ]
    return {name: np.concatenate([part[name] for part in measured]) for name in METRICS}
