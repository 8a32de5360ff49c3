"""The error of a metric, its floor (reference against reference) and the verdict on it.

Which events make up each replica: drawn once, and shared by all observables.

One observable of both samples, measurable between any replicas of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import gammaincc, gammainccinv

from phys_gan.metrics.distances import (
    METRICS,
    Pooled,
    Weights,
    binned,
    effective_size,
    mean_and_error,
    two_samples,
    variance,
)
from phys_gan.metrics.result import Result
from phys_gan.randomness import stream

__all__ = [
    "ALPHA",
    "Columns",
    "Counts",
    "Null",
    "Raw",
    "Replicas",
    "Sample",
    "Scalars",
    "Spectra",
    "assess",
    "draw_replicas",
    "effective_number",
    "global_p_value",
    "judge",
    "undefined",
]

_GROUPS = 2_000
_MIN_GROUPS = 100
_RATIO = 100
"""Of a sample that is larger by more, the replicas hold a random choice."""


@dataclass(frozen=True)
class Columns:
    """Where each kind of replica stands among the columns of the weights.

    Attributes:
        whole: The sample itself.
        bootstrap: Replicas of the sample, drawn with replacement.
        splits: First parts of random splits of both samples together; of weighted events, the
            bootstrap replicas.
        halves: First halves of random splits of the reference (empty for the candidate).
    """

    whole: slice
    bootstrap: slice
    splits: slice
    halves: slice


@dataclass(frozen=True)
class Replicas:
    """How often every group of events occurs in each replica.

    Groups are random: resampling them has the moments of resampling events, at a cost that hardly
    depends on the number of events. Up to 2,000 events of both samples together, each is its own
    group; of more, at least 100 groups are made of either sample. Of a sample with more than 100
    times the events of the other a random choice is enough: its own fluctuations hardly count. The
    last group then holds all others, and occurs in no replica.

    Attributes:
        reference_groups: Group of each reference event, shape (n,).
        candidate_groups: Group of each candidate event, shape (m,).
        share: Which part of the reference the replicas hold.
        reference: Weights of the groups of the reference, shape (G_n, R_n).
        candidate: Weights of the groups of the candidate, shape (G_m, R_m).
        columns: The kinds of replicas among the columns; those of the candidate end before
            the halves.
    """

    reference_groups: NDArray[np.int32]
    candidate_groups: NDArray[np.int32]
    reference: NDArray[np.float32]
    candidate: NDArray[np.float32]
    columns: Columns
    share: float = 1.0


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
    n_held, m_held = min(n, _RATIO * m), min(m, _RATIO * n)
    size = max(1, min(-(-(n_held + m_held) // _GROUPS), min(n, m) // _MIN_GROUPS))
    n_groups, m_groups = -(-n_held // size), -(-m_held // size)
    n_boot = 2 * number if weighted else number
    boot = [
        _bootstrap(groups, n_boot, stream(seed, f"validation/bootstrap-{name}"))
        for groups, name in ((n_groups, "reference"), (m_groups, "candidate"))
    ]
    n_splits = 0 if weighted else 2 * number
    splits = _parts(n_groups, n_groups + m_groups, n_splits, stream(seed, "validation/splits"))
    halves = _parts(n_groups // 2, n_groups, number, stream(seed, "validation/halves"))
    bootstrap = slice(1, 1 + n_boot)
    return Replicas(
        _groups(n, n_held, n_groups, stream(seed, "validation/groups-reference")),
        _groups(m, m_held, m_groups, stream(seed, "validation/groups-candidate")),
        _weights([_whole(n_groups), boot[0], splits[:n_groups], halves], n_held < n),
        _weights([_whole(m_groups), boot[1], splits[n_groups:]], m_held < m),
        Columns(
            whole=slice(0, 1),
            bootstrap=bootstrap,
            splits=bootstrap if weighted else slice(1 + number, 1 + 3 * number),
            halves=slice(1 + n_boot + n_splits, 1 + n_boot + n_splits + number),
        ),
        n_held / n,
    )


def _groups(n: int, held: int, n_groups: int, generator: np.random.Generator) -> NDArray[np.int32]:
    if n == n_groups:
        return np.arange(n, dtype=np.int32)
    # Files are often in the order of energy: neighbours must not be resampled together.
    order = generator.permutation(n)
    return np.asarray(np.where(order < held, order % n_groups, n_groups), np.int32)


def _weights(kinds: Sequence[NDArray[np.float32]], with_others: bool) -> NDArray[np.float32]:
    weights = np.concatenate(kinds, axis=1)
    return np.pad(weights, ((0, 1), (0, 0))) if with_others else weights


def _whole(n_groups: int) -> NDArray[np.float32]:
    return np.ones((n_groups, 1), np.float32)


def _bootstrap(n: int, number: int, generator: np.random.Generator) -> NDArray[np.float32]:
    draws = [np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(number)]
    return np.stack(draws, axis=1).astype(np.float32)


def _parts(
    part: int, total: int, number: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    result = np.zeros((total, number), np.float32)
    for column in range(number):
        result[generator.permutation(total)[:part], column] = 1
    return result


Counts = NDArray[np.float64]
"""Entries per bin of R replicas, shape (R, n_bins)."""

_MAX_BINS = 1024
_FILLED = 5


class Sample(Protocol):
    """One observable of n reference and m candidate events on a fixed binning.

    Entries with weights have the sums of their squares beside them, as n_bins further columns.
    """

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per bin of the replicas of the reference and of the candidate."""

    def distances(self, first: Counts, second: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""


class Scalars:
    """One number per event.

    Both samples themselves are compared without binning. Their replicas are compared on up to
    1,024 bins with equal numbers of entries, which refine the bins of the histogram: fine enough
    to change the Kolmogorov-Smirnov distance of equal samples by 2 % at most; with fewer
    different values, each has its own bin.

    Arguments:
        reference: Values of the reference, shape (n,).
        candidate: Values of the candidate, shape (m,).
        edges: Bin edges of the histogram.
        reference_rows: Numbers of these events among all of the reference; all when None.
        candidate_rows: The same for the candidate.
        weights: Weights of both, with the sums of weights as effective numbers; see
            :func:`~phys_gan.metrics.distances.scaled`.
    """

    def __init__(
        self,
        reference: NDArray[np.float64],
        candidate: NDArray[np.float64],
        edges: NDArray[np.float64],
        reference_rows: NDArray[np.int64] | None = None,
        candidate_rows: NDArray[np.int64] | None = None,
        weights: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> None:
        self.edges = edges
        self._sizes = len(reference), len(candidate)
        self._rows = reference_rows, candidate_rows
        self._weights = weights
        values, *self._picks = two_samples(reference, candidate, weights or (None, None))
        self._pool = Pooled(values)
        # A constant reference has no scale of its own.
        spread = variance(reference, None if weights is None else weights[0]) ** 0.5
        self._spread = spread or float(values.std()) or 1.0
        ordered = self._pool.ordered
        self._starts = _fine_starts(ordered, edges)
        ends = np.append(self._starts[1:], len(ordered)) - 1
        self._gaps = np.diff(ordered[ends])
        self._coarse = np.searchsorted(edges, ordered[self._starts], side="right")
        self._n_bins = len(edges) + 1
        if weights is not None:
            filled = [_join(sums, self._coarse, self._n_bins)[0] for sums in self._sums()]
            place = _filled_bins(np.array(filled))
            self._coarse, self._n_bins = place[self._coarse], int(place[-1]) + 1

    def _sums(self) -> list[Counts]:
        """Add up the weights of both samples in each fine bin, and then their squares."""
        picks = [pick[0, self._pool.order].astype(np.float64) for pick in self._picks]
        squares = [] if self._weights is None else [pick**2 for pick in picks]
        return [np.add.reduceat(pick, self._starts)[None] for pick in (*picks, *squares)]

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        largest, area = self._pool.distances(*self._picks)
        sums = self._sums()
        first, second = (np.concatenate(sums[side::2], axis=1) for side in (0, 1))
        # Rounding may add 1e-16 where the samples do not overlap.
        found = self._all(np.minimum(largest, 1.0), area, first, second)
        return {name: float(values[0]) for name, values in found.items()}

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per fine bin of the replicas of the reference and the candidate."""
        n = self._sizes[0]
        order = self._pool.order
        first, second = replicas.reference_groups, replicas.candidate_groups
        if self._rows[0] is not None:
            first = first[self._rows[0]]
        if self._rows[1] is not None:
            second = second[self._rows[1]]
        bins = np.empty(len(order), np.int32)
        bins[order] = np.repeat(
            np.arange(len(self._starts), dtype=np.int32), np.diff(self._starts, append=len(order))
        )
        weights = self._weights or (None, None)
        return (
            self._entries(bins[:n], first, replicas.reference, weights[0]),
            self._entries(bins[n:], second, replicas.candidate, weights[1]),
        )

    def distances(self, first: Counts, second: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        n_fine = len(self._starts)
        difference = np.cumsum(_unit(first[:, :n_fine]) - _unit(second[:, :n_fine]), axis=1)
        np.abs(difference, out=difference)
        area = np.einsum("ij,j->i", difference[:, :-1], self._gaps)
        return self._all(difference.max(axis=1), area, first, second)

    def _entries(
        self,
        bins: NDArray[np.int32],
        groups: NDArray[np.int32],
        replicas: NDArray[np.float32],
        weights: Weights,
    ) -> Counts:
        """Add up how often, or with which weight, each replica has the entries of each bin."""
        shape = len(replicas), len(self._starts)
        places = groups * np.int64(shape[1]) + bins
        size = shape[0] * shape[1]
        if weights is None:
            entries = np.bincount(places, minlength=size).reshape(shape)
            return np.asarray(replicas.T @ entries.astype(np.float32), np.float64)
        both = [np.bincount(places, w, size).reshape(shape) for w in (weights, weights**2)]
        return np.asarray(replicas.T.astype(np.float64) @ np.concatenate(both, axis=1))

    def _all(
        self,
        largest: NDArray[np.float64],
        area: NDArray[np.float64],
        first: Counts,
        second: Counts,
    ) -> dict[str, NDArray[np.float64]]:
        n_fine, n_bins = len(self._starts), self._n_bins
        p, q = (_join(counts[:, :n_fine], self._coarse, n_bins) for counts in (first, second))
        variances = None
        if self._weights is not None:
            first, second = first[:, n_fine:], second[:, n_fine:]
            variances = _join(first, self._coarse, n_bins), _join(second, self._coarse, n_bins)
        binwise = binned(p, q, variances)
        return {"ks": largest, "w1": area, "w1_scaled": area / self._spread, **binwise}


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
        positions: NDArray[np.float64],
        weights: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> None:
        self._histograms = reference, candidate
        self._positions = positions
        self._weights = weights
        inside = self._sum(0)[1 : reference.shape[1] - 1]
        centres = (positions[:-1] + positions[1:]) / 2
        spread = variance(centres, inside) ** 0.5 if inside.sum() > 0 else 0.0
        self._spread = spread or 1.0

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        first, second = self._sum(0)[None], self._sum(1)[None]
        return {name: float(v[0]) for name, v in self.distances(first, second).items()}

    def _sum(self, side: int) -> NDArray[np.float64]:
        """Add up the histograms of all events of a side, and those of squared weights."""
        histograms = self._histograms[side]
        if self._weights is None:
            return np.asarray(histograms.sum(axis=0, dtype=np.float64))
        w = self._weights[side]
        return np.concatenate([w @ histograms, w**2 @ histograms])

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per bin of the replicas of the reference and of the candidate."""
        groups = replicas.reference_groups, replicas.candidate_groups
        weights = replicas.reference, replicas.candidate
        found = []
        for side, (histograms, group, weight) in enumerate(
            zip(self._histograms, groups, weights, strict=True)
        ):
            starts = np.arange(len(group) + 1)
            own = [np.ones(len(group), np.float64)]
            if self._weights is not None:
                own = [self._weights[side], self._weights[side] ** 2]
            values, shape = histograms.astype(np.float64), (len(group), len(weight))
            sums = [
                np.asarray(csr_array((one, group, starts), shape=shape).T @ values) for one in own
            ]
            per_group = np.concatenate(sums, axis=1)
            # Counts beyond 2^24 would lose units in single precision.
            found.append(np.asarray(weight.T.astype(np.float64) @ per_group))
        return found[0], found[1]

    def distances(self, first: Counts, second: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        variances = None
        if self._weights is not None:
            (first, of_first), (second, of_second) = (
                np.split(sums, 2, axis=1) for sums in (first, second)
            )
            variances = of_first, of_second
        difference = np.abs(np.cumsum(_unit(first) - _unit(second), axis=1))[:, :-1]
        area = ((difference[:, :-1] + difference[:, 1:]) / 2) @ np.diff(self._positions)
        return {
            "ks": difference.max(axis=1),
            "w1": area,
            "w1_scaled": area / self._spread,
            **binned(first, second, variances),
        }


def _fine_starts(ordered: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where bins of equal values, or of about equal numbers of entries, begin."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if len(changes) < _MAX_BINS:
        return np.concatenate([[0], changes])
    cuts = changes[np.linspace(0, len(changes) - 1, _MAX_BINS).astype(np.int64)]
    # A coarse bin must be a whole number of fine ones.
    borders = np.searchsorted(ordered, edges, side="left")
    starts = np.unique(np.concatenate([[0], cuts, borders]))
    return starts[starts < len(ordered)]


def _filled_bins(sums: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the joint bin of each bin, joined with its neighbours until both samples fill it.

    Replicas know the fluctuations of weighted entries where a sample has some: in each joint bin
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


def _join(counts: Counts, coarse: NDArray[np.int64], n_bins: int) -> Counts:
    """Add up fine bins, whose coarse bins rise."""
    result = np.zeros((len(counts), n_bins))
    first = np.flatnonzero(np.diff(coarse, prepend=-1))
    result[:, coarse[first]] = np.add.reduceat(counts, first, axis=1)
    return result


def _unit(counts: Counts) -> Counts:
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1), np.float64)


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
