r"""Assess a two-sample metric: its error, its floor (reference against reference), its verdict.

:func:`assess` measures every metric of one observable between reference and candidate and between
replicas of them. Which events make up each replica is drawn once (:func:`draw_replicas`) and shared
by all observables. :func:`judge` gives the verdict, for which the number of independent metrics
(:func:`independent_number`) must be known.

* The **error** is the standard deviation over bootstrap replicas of both samples.
* The **floor** is the metric between random halves of the reference, scaled to the sizes n and m at
  hand by :math:`((1/n + 1/m) / (4/n))^{power}` with power 1/2 for KS and Wasserstein-1, 1 for the
  divergences, 0 for chi2/ndf. The same law gives the **equivalent number** of showers: the N at
  which two samples of the reference of N events each differ as much on average.
* The **null distribution** is that of the metric between random splits of the pooled events into n
  and m: could both samples be random parts of one? Such splits hold for any sizes and tails, where
  scaled halves do not.

Events with weights cannot be exchanged between samples whose weights differ. Their null is that of
the metric between bootstrap replicas of either sample, each shifted so that both fluctuate around
the pool of both (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sec. 16.4): the
fluctuations are those of each sample's own weights, wherever these are large or small. Its mean is
the floor, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import gammaincc, gammainccinv, ndtr

from phys_gan.metrics.distances import METRICS, Pooled, binned, fractions, two_samples
from phys_gan.metrics.result import LIMIT_SIGMAS, Result
from phys_gan.metrics.statistics import Floats, Weights, effective_size, mean_and_error, variance
from phys_gan.randomness import stream

ALPHA = 0.01
"""Probability that equal samples differ in any metric of a whole comparison."""

_MAX_GROUPS = 2_000
_MIN_GROUPS = 100
_LARGEST_RATIO = 100
"""Of a sample that is larger by more, the replicas hold a random choice."""

_MAX_BINS = 1024
_FILLED = 5
_FOLDS = 5

Counts = Floats
"""Entries per bin of R replicas, shape (R, n_bins).

Entries with weights have the sums of their squares beside them, as n_bins further columns.
"""


@dataclass(frozen=True)
class Replicas:
    """How often every group of events occurs in each replica.

    Groups are random: resampling them has the moments of resampling events, at a cost that hardly
    depends on the number of events. Up to 2,000 events of both samples together, each is its own
    group; of more, at least 100 groups are made of either sample. Of a sample with more than 100
    times the events of the other a random choice is enough: its own fluctuations hardly count. The
    last group then holds all others, and occurs in no replica.

    The first replica is the sample itself; of the others, slices tell the kinds.

    Attributes:
        groups: Group of each event of the reference and of the candidate, shapes (n,) and (m,).
        weights: Weights of the groups of both samples in each replica, shapes (G_n, R_n) and
            (G_m, R_m).
        bootstrap: Replicas of each sample, drawn with replacement.
        splits: First parts of random splits of both samples together; of weighted events, the
            bootstrap replicas.
        halves: First halves of random splits of the reference; the candidate has none.
        held: Fraction of the reference that the replicas hold.
    """

    groups: tuple[NDArray[np.int32], NDArray[np.int32]]
    weights: tuple[NDArray[np.float32], NDArray[np.float32]]
    bootstrap: slice
    splits: slice
    halves: slice
    held: float

    def among(self, reference: NDArray[np.bool_], candidate: NDArray[np.bool_]) -> Replicas:
        """Return the replicas of some of the events, those where these are true."""
        return replace(self, groups=(self.groups[0][reference], self.groups[1][candidate]))


def draw_replicas(
    n: int, m: int, seed: int, number: int = 100, *, weighted: bool = False
) -> Replicas:
    """Draw bootstrap replicas, random splits of the pool and random halves of the reference.

    Arguments:
        n: Events in the reference.
        m: Events in the candidate.
        seed: Seed.
        number: Number of bootstrap replicas and of halves; there are twice as many splits, because
            the verdict depends on their skewness.
        weighted: Whether events have weights. Exchanging events then exchanges weights too, so
            that nothing is split: there are twice as many bootstrap replicas, which serve both.
    """
    sizes = n, m
    held = min(n, _LARGEST_RATIO * m), min(m, _LARGEST_RATIO * n)
    size = max(1, min(-(-sum(held) // _MAX_GROUPS), min(n, m) // _MIN_GROUPS))
    n_groups = [-(-events // size) for events in held]
    n_boot, n_splits = (2 * number, 0) if weighted else (number, 2 * number)
    splits = _parts(n_groups[0], sum(n_groups), n_splits, stream(seed, "validation/splits"))
    halves = _parts(n_groups[0] // 2, n_groups[0], number, stream(seed, "validation/halves"))
    further = [splits[: n_groups[0]], halves], [splits[n_groups[0] :]]
    groups, weights = [], []
    for side, name in enumerate(("reference", "candidate")):
        g = n_groups[side]
        order = np.arange(sizes[side])
        if g < sizes[side]:
            # Files are often in the order of energy: neighbours must not be resampled together.
            order = stream(seed, f"validation/groups-{name}").permutation(sizes[side])
        groups.append(np.where(order < held[side], order % g, g).astype(np.int32))
        bootstrap = stream(seed, f"validation/bootstrap-{name}")
        draws = [np.bincount(bootstrap.integers(0, g, g), minlength=g) for _ in range(n_boot)]
        own = np.stack([np.ones(g), *draws], axis=1).astype(np.float32)
        replicas = np.concatenate([own, *further[side]], axis=1)
        left_over = int(held[side] < sizes[side])
        weights.append(np.pad(replicas, ((0, left_over), (0, 0))))
    starts = np.cumsum([1, n_boot, n_splits, number]).tolist()
    boot, split, half = (slice(*pair) for pair in pairwise(starts))
    return Replicas(
        groups=(groups[0], groups[1]),
        weights=(weights[0], weights[1]),
        bootstrap=boot,
        splits=boot if weighted else split,
        halves=half,
        held=held[0] / n,
    )


def _parts(
    part: int, total: int, number: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return random choices of ``part`` of ``total`` groups, shape (total, number)."""
    result = np.zeros((total, number), np.float32)
    for column in range(number):
        result[generator.permutation(total)[:part], column] = 1
    return result


class Scalars:
    """One number per event of both samples, on a fixed binning.

    Both samples themselves are compared without binning. Their replicas are compared on up to
    1,024 bins with equal numbers of entries, which refine the bins of the histogram: fine enough
    to change the Kolmogorov-Smirnov distance of equal samples by 2 % at most; with fewer
    different values, each has its own bin.

    Arguments:
        reference: Values of the reference, shape (n,).
        candidate: Values of the candidate, shape (m,).
        edges: Bin edges of the histogram.
        weights: Weights of both, with effective numbers as sums (``effective_weights``).
    """

    def __init__(
        self,
        reference: Floats,
        candidate: Floats,
        edges: Floats,
        weights: tuple[Floats, Floats] | None = None,
    ) -> None:
        self._n = len(reference)
        self._weights = weights
        values, *self._picks = two_samples(reference, candidate, weights or (None, None))
        self._pool = Pooled(values)
        # A constant reference has no scale of its own.
        sigma = variance(reference, None if weights is None else weights[0]) ** 0.5
        self._sigma = sigma or float(values.std()) or 1.0
        ordered = self._pool.ordered
        self._starts = _fine_starts(ordered, edges)
        ends = np.append(self._starts[1:], len(ordered)) - 1
        self._gaps = np.diff(ordered[ends])
        self._coarse = np.searchsorted(edges, ordered[self._starts], side="right")
        self._n_bins = len(edges) + 1
        if weights is not None:
            sums = np.concatenate([self._sum(0), self._sum(1)]).reshape(4, -1)
            # The sums of both samples, and then those of their squares.
            filled = _filled_bins(self._join(sums[[0, 2, 1, 3]]))
            self._coarse, self._n_bins = filled[self._coarse], int(filled[-1]) + 1

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        ks, w1 = self._pool.distances(*self._picks)
        # Rounding may add 1e-16 where the samples do not overlap.
        found = self._all(np.minimum(ks, 1.0), w1, self._sum(0), self._sum(1))
        return {name: float(values[0]) for name, values in found.items()}

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per fine bin of the replicas of the reference and the candidate."""
        order, n_bins = self._pool.order, len(self._starts)
        bins = np.empty(len(order), np.int32)
        bins[order] = np.repeat(
            np.arange(n_bins, dtype=np.int32), np.diff(self._starts, append=len(order))
        )
        found = []
        for side, own in enumerate((bins[: self._n], bins[self._n :])):
            replica = replicas.weights[side]
            shape, size = (len(replica), n_bins), len(replica) * n_bins
            places = replicas.groups[side] * np.int64(n_bins) + own
            if self._weights is None:
                entries = np.bincount(places, minlength=size).reshape(shape)
                found.append(np.asarray(replica.T @ entries.astype(np.float32), np.float64))
            else:
                w = self._weights[side]
                both = [np.bincount(places, v, size).reshape(shape) for v in (w, w**2)]
                found.append(replica.T.astype(np.float64) @ np.concatenate(both, axis=1))
        return found[0], found[1]

    def distances(self, first: Counts, second: Counts) -> dict[str, Floats]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        n_fine = len(self._starts)
        difference = np.cumsum(fractions(first[:, :n_fine]) - fractions(second[:, :n_fine]), axis=1)
        np.abs(difference, out=difference)
        w1 = np.einsum("ij,j->i", difference[:, :-1], self._gaps)
        return self._all(difference.max(axis=1), w1, first, second)

    def _sum(self, side: int) -> Counts:
        """Add up the weights of a sample in each fine bin, and their squares, as one row."""
        picked = self._picks[side][0, self._pool.order].astype(np.float64)
        powers = [picked] if self._weights is None else [picked, picked**2]
        return np.concatenate([np.add.reduceat(power, self._starts) for power in powers])[None]

    def _all(self, ks: Floats, w1: Floats, first: Counts, second: Counts) -> dict[str, Floats]:
        n = len(self._starts)
        variances = None
        if self._weights is not None:
            variances = self._join(first[:, n:]), self._join(second[:, n:])
        binwise = binned(self._join(first[:, :n]), self._join(second[:, :n]), variances)
        return {"ks": ks, "w1": w1, "w1_scaled": w1 / self._sigma, **binwise}

    def _join(self, counts: Counts) -> Counts:
        """Add up fine bins, whose coarse bins rise."""
        result = np.zeros((len(counts), self._n_bins))
        first = np.flatnonzero(np.diff(self._coarse, prepend=-1))
        result[:, self._coarse[first]] = np.add.reduceat(counts, first, axis=1)
        return result


def _fine_starts(ordered: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return where bins of equal values, or of about equal numbers of entries, begin."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if len(changes) < _MAX_BINS:
        return np.concatenate([[0], changes])
    cuts = changes[np.linspace(0, len(changes) - 1, _MAX_BINS).astype(np.int64)]
    # A coarse bin must be a whole number of fine ones.
    borders = np.searchsorted(ordered, edges, side="left")
    starts = np.unique(np.concatenate([[0], cuts, borders]))
    return starts[starts < len(ordered)]


def _filled_bins(sums: Floats) -> NDArray[np.int64]:
    """Return the joint bin of each bin, joined with its neighbours until both samples fill it.

    Replicas show the fluctuations of weighted entries where a sample has some: in each joint bin
    either has the error of at least 5 entries of equal weight.

    Arguments:
        sums: Sums of the weights of both samples per bin, and of their squares, shape (4, n_bins).
    """
    starts, waiting = [0], np.zeros(4)
    for place, entries in enumerate(sums.T):
        waiting = waiting + entries
        if waiting[:2].min() > 0 and np.all(waiting[:2] ** 2 >= _FILLED * waiting[2:]):
            starts.append(place + 1)
            waiting = np.zeros(4)
    # What is left at the end does not fill a bin of its own.
    firsts = np.zeros(sums.shape[1], np.int64)
    firsts[starts[1:-1]] = 1
    return np.cumsum(firsts)


class Spectra:
    """Many entries per event, such as the energies of its cells, kept as a histogram per event.

    Events, not entries, are resampled: the cells of a shower are not independent of each other.
    KS and Wasserstein-1 are taken on the histogram, the latter over the bins' ``positions``.

    Arguments:
        reference: Counts per event with under- and overflow, shape (n, n_bins + 2).
        candidate: The same of the candidate, shape (m, n_bins + 2).
        positions: Edges on the axis along which Wasserstein-1 is measured, shape (n_bins + 1,).
        weights: Weights of the events of both, as those of :class:`Scalars`.
    """

    def __init__(
        self,
        reference: NDArray[np.unsignedinteger],
        candidate: NDArray[np.unsignedinteger],
        positions: Floats,
        weights: tuple[Floats, Floats] | None = None,
    ) -> None:
        self._histograms = reference, candidate
        self._positions = positions
        self._weights = weights
        inside = self._sum(0)[0, 1 : reference.shape[1] - 1]
        centres = (positions[:-1] + positions[1:]) / 2
        self._sigma = (variance(centres, inside) ** 0.5 if inside.sum() > 0 else 0.0) or 1.0

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        return {name: float(v[0]) for name, v in self.distances(self._sum(0), self._sum(1)).items()}

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per bin of the replicas of the reference and of the candidate."""
        found = []
        for side, (group, replica) in enumerate(
            zip(replicas.groups, replicas.weights, strict=True)
        ):
            values = self._histograms[side].astype(np.float64)
            powers = [np.ones(len(group))]
            if self._weights is not None:
                powers = [self._weights[side], self._weights[side] ** 2]
            starts, shape = np.arange(len(group) + 1), (len(group), len(replica))
            sums = [
                np.asarray(csr_array((w, group, starts), shape=shape).T @ values) for w in powers
            ]
            # Counts beyond 2^24 would lose units in single precision.
            found.append(replica.T.astype(np.float64) @ np.concatenate(sums, axis=1))
        return found[0], found[1]

    def distances(self, first: Counts, second: Counts) -> dict[str, Floats]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        variances = None
        if self._weights is not None:
            (first, of_first), (second, of_second) = (
                np.split(sums, 2, axis=1) for sums in (first, second)
            )
            variances = of_first, of_second
        difference = np.abs(np.cumsum(fractions(first) - fractions(second), axis=1))[:, :-1]
        w1 = ((difference[:, :-1] + difference[:, 1:]) / 2) @ np.diff(self._positions)
        binwise = binned(first, second, variances)
        return {"ks": difference.max(axis=1), "w1": w1, "w1_scaled": w1 / self._sigma, **binwise}

    def _sum(self, side: int) -> Counts:
        """Add up the histograms of all events of a sample, and those of squared weights."""
        histograms = self._histograms[side]
        if self._weights is None:
            return np.asarray(histograms.sum(axis=0, dtype=np.float64))[None]
        w = self._weights[side]
        return np.concatenate([w @ histograms, w**2 @ histograms])[None]


@dataclass(frozen=True)
class Null:
    """How a metric is distributed between equal samples: a shifted gamma distribution.

    It has three given moments. Starting at zero, as a distance must, a gamma distribution has at
    least the skewness 2 sigma / mean, which therefore bounds that of a few hundred draws. It is
    exact for sums of squares of Gaussians such as chi2, and falls more slowly than the
    distributions of KS and Wasserstein-1.

    Attributes:
        mean: Mean.
        sigma: Standard deviation.
        skewness: Skewness.
    """

    mean: float
    sigma: float
    skewness: float

    @classmethod
    def of(cls, values: Floats) -> Null:
        """Return the distribution with the moments of these values."""
        mean, sigma = float(values.mean()), float(values.std(ddof=1))
        if sigma <= 1e-12 * abs(mean):
            return cls(mean, 0.0, 0.0)
        return cls(mean, sigma, float(np.mean(((values - mean) / sigma) ** 3)))

    def p_value(self, value: Floats | float) -> Floats:
        """Return the probability of a larger value."""
        value = np.asarray(value, np.float64)
        if self._constant:
            # Rounding must not tell equal samples apart.
            return np.where(value <= self.mean * (1 + 1e-9) + 1e-12, 1.0, 0.0)
        skewness = self._bounded_skewness
        x = (value - self.mean) / self.sigma * 2 / skewness + 4 / skewness**2
        return np.asarray(gammaincc(4 / skewness**2, np.maximum(x, 0.0)), np.float64)

    def quantile(self, p_value: float) -> float:
        """Return the value that is exceeded with this probability."""
        if self._constant:
            return self.mean
        skewness = self._bounded_skewness
        x = float(gammainccinv(4 / skewness**2, p_value))
        return self.mean + self.sigma * (x * skewness / 2 - 2 / skewness)

    @property
    def _constant(self) -> bool:
        return self.sigma <= 0 or self.mean <= 0

    @property
    def _bounded_skewness(self) -> float:
        return max(self.skewness, 2 * self.sigma / self.mean)


@dataclass(frozen=True)
class Statistic:
    """A metric before the verdict, for which the number of all others must be known.

    Attributes:
        value: The metric.
        error: Its standard error.
        floor: Mean between samples of these sizes from the reference.
        floor_error: Standard deviation of the same.
        null: Distribution between random parts of the pooled samples.
        split_p_values: p-values of these random parts themselves, (R,); empty without any.
        n_equivalent: As in :class:`Result`.
        sizes: Events of reference and candidate.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    null: Null
    split_p_values: Floats
    n_equivalent: float | None
    sizes: tuple[int, int]

    @property
    def p_value(self) -> float:
        """Probability of a larger value between equal samples."""
        return float(self.null.p_value(self.value))


def assess(
    sample: Scalars | Spectra,
    sizes: tuple[int, int],
    replicas: Replicas,
    effective: tuple[float, float] | None = None,
) -> dict[str, Statistic]:
    """Return every metric between reference and candidate with error, floor and null distribution.

    Arguments:
        sample: The observable of both samples.
        sizes: Numbers of events of both.
        replicas: How often every event counts.
        effective: Effective numbers, which take the place of these where events have weights.
    """
    n, m = effective or sizes
    halved = n * replicas.held
    values = sample.measure()
    first, second = sample.replicas(replicas)
    whole, half = first[:1], first[replicas.halves]
    boot = sample.distances(first[replicas.bootstrap], second[replicas.bootstrap])
    floors = sample.distances(half, whole - half)
    if effective is None:
        part = first[replicas.splits] + second[replicas.splits]
        splits = sample.distances(part, whole + second[:1] - part)
    else:
        splits = sample.distances(*_around_pool(first, second, replicas.splits))
    found = {}
    for name, metric in METRICS.items():
        null = Null.of(splits[name])
        scale = ((1 / n + 1 / m) / (4 / halved)) ** metric.power
        typical = float(floors[name].mean())
        floor, floor_error = scale * typical, scale * float(floors[name].std(ddof=1))
        if effective is not None:
            floor, floor_error = null.mean, null.sigma
        n_equivalent = None
        if metric.power > 0 and values[name] > 0 and typical > 0:
            # The floor between halves falls as (2/N)^power.
            n_equivalent = float(halved / 2 * (typical / values[name]) ** (1 / metric.power))
        found[name] = Statistic(
            value=values[name],
            error=float(boot[name].std(ddof=1)),
            floor=floor,
            floor_error=floor_error,
            null=null,
            split_p_values=_p_values_of_others(splits[name]),
            n_equivalent=n_equivalent,
            sizes=sizes,
        )
    return found


def _around_pool(first: Counts, second: Counts, boot: slice) -> tuple[Counts, Counts]:
    """Return the bootstrap replicas of weighted entries, shifted to the pool of both samples."""
    n_bins = first.shape[1] // 2
    totals = [float(sums[0, :n_bins].sum()) for sums in (first, second)]
    common = (first[0, :n_bins] + second[0, :n_bins]) / sum(totals)
    shifted = []
    for sums, total in zip((first, second), totals, strict=True):
        sizes = sums[boot, :n_bins].sum(axis=1, keepdims=True)
        scale = total / np.where(sizes > 0, sizes, total)
        moved = total * common + scale * sums[boot, :n_bins] - sums[0, :n_bins]
        shifted.append(np.concatenate([moved, scale**2 * sums[boot, n_bins:]], axis=1))
    return shifted[0], shifted[1]


def _p_values_of_others(values: Floats) -> Floats:
    """Return p-values of random splits by distributions that were fitted to other splits.

    A distribution fitted to a few hundred values is uncertain. Values that were not fitted lie in
    its tails as often as those of the samples that are judged.
    """
    result = np.empty(len(values))
    for start in range(_FOLDS):
        others = np.arange(len(values)) % _FOLDS != start
        result[start::_FOLDS] = Null.of(values[others]).p_value(values[start::_FOLDS])
    return result


def undefined(
    reference: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
    weights: tuple[Weights, Weights] = (None, None),
) -> Statistic:
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
    null = Null(sigma * (2 / np.pi) ** 0.5, sigma * (1 - 2 / np.pi) ** 0.5, 0.0)
    value = abs(first - second)
    return Statistic(value, error, null.mean, null.sigma, null, np.empty(0), None, sizes)


def independent_number(metrics: Sequence[Statistic]) -> float:
    """Return how many independent metrics have the smallest p-value that these have.

    Metrics of one observable are nearly equivalent, and observables are correlated. The same random
    splits serve all of them, so the smallest p-value of each split shows by how much: for k
    independent metrics -ln(1 - p) falls as exp(-k x) (the idea of Westfall and Young,
    Resampling-Based Multiple Testing, 1993). k is fitted to the lowest fifth, because correlated
    metrics are the less so the farther in their tails. Metrics without splits count as
    independent.
    """
    drawn = [metric.split_p_values for metric in metrics if len(metric.split_p_values)]
    alone = len(metrics) - len(drawn)
    if not drawn:
        return float(max(1, alone))
    smallest = np.sort(-np.log1p(-np.minimum(np.min(drawn, axis=0), 1 - 1e-12)))
    low = max(2, len(smallest) // 5)
    # Maximum likelihood of an exponential distribution that is cut off after the lowest ones.
    exposure = float(smallest[:low].sum() + (len(smallest) - low) * smallest[low - 1])
    return float(np.clip((low - 1) / max(exposure, 1e-12), 1, len(drawn))) + alone


def judge(metric: Statistic, n_comparisons: float) -> Result:
    """Return a metric with its verdict: within the floor where p >= ALPHA / n_comparisons."""
    threshold = ALPHA / n_comparisons
    return Result(
        value=metric.value,
        error=metric.error,
        floor=metric.floor,
        floor_error=metric.floor_error,
        limit=metric.null.quantile(threshold),
        n_reference=metric.sizes[0],
        n_candidate=metric.sizes[1],
        within_floor=metric.p_value >= threshold,
        p_value=metric.p_value,
        n_equivalent=metric.n_equivalent,
    )


def judge_by_null(
    value: float,
    error: float,
    null: Null,
    sizes: tuple[int, int],
    *,
    effective: tuple[float, float] | None = None,
    power: float = 0.0,
) -> Result:
    """Judge a test of whole events by its null distribution, whose mean is the floor.

    Its limit is exceeded as rarely as three standard deviations of a Gaussian are, like the limits
    of other metrics of whole events.

    Arguments:
        value: The metric.
        error: Its standard error.
        null: How it is distributed between equal samples of these sizes.
        sizes: Events of reference and candidate.
        effective: Their effective numbers, where events have weights.
        power: The floor falls as 1/N to this power; 0 where it does not fall.
    """
    n, m = effective or sizes
    threshold = float(ndtr(-LIMIT_SIGMAS))
    p_value = float(null.p_value(value))
    n_equivalent = None
    if power > 0 and value > 0 and null.mean > 0:
        n_equivalent = float(2 / (1 / n + 1 / m) * (null.mean / value) ** (1 / power))
    return Result(
        value=value,
        error=error,
        floor=null.mean,
        floor_error=null.sigma,
        limit=null.quantile(threshold),
        n_reference=sizes[0],
        n_candidate=sizes[1],
        within_floor=p_value >= threshold,
        p_value=p_value,
        n_equivalent=n_equivalent,
    )


def global_p_value(metrics: Mapping[str, Mapping[str, Result]], n_comparisons: float) -> float:
    """Return the probability that equal samples differ this much in any metric."""
    smallest = min(
        (r.p_value for found in metrics.values() for r in found.values() if r.p_value is not None),
        default=1.0,
    )
    return float(-np.expm1(n_comparisons * np.log1p(-min(smallest, 1 - 1e-12))))
