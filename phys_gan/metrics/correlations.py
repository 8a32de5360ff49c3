"""Pearson correlations between layer energies, their errors, and how far two samples differ.

Numbers of a sample and of parts of it: errors by jackknife, floors from random halves.

Correlations between the energies of cells of one layer against the distance between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.metrics.result import Result, against_floor
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import Weights, effective_size
from phys_gan.randomness import stream

_N_HALVES = 50


@dataclass(frozen=True)
class Parts:
    """Which of G groups of events make up the parts of a sample, as weights 0 and 1.

    Attributes:
        left_out: All groups but one, shape (G, G).
        halves: Two random halves of the groups, R times, shape (2, R, G).
    """

    left_out: NDArray[np.float64]
    halves: NDArray[np.float64]

    @property
    def weights(self) -> NDArray[np.float64]:
        """The whole sample, all that lack a group, and all halves, shape (1 + G + 2R, G)."""
        whole = np.ones((1, len(self.left_out)))
        return np.concatenate([whole, self.left_out, self.halves[0], self.halves[1]])


@dataclass(frozen=True)
class Replicated:
    """M numbers that a sample gives, and the same numbers from parts of it.

    Attributes:
        n: Number of events, the effective one where they have weights.
        value: From the whole sample, shape (M,); NaN where not defined.
        left_out: From all groups of events but one, shape (G, M).
        halves: From pairs of random halves, shape (2, R, M).
    """

    n: float
    value: NDArray[np.float64]
    left_out: NDArray[np.float64]
    halves: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard errors by jackknife over groups of events, shape (M,)."""
        return _jackknife(self.left_out)

    @staticmethod
    def of(n: float, measured: NDArray[np.float64], parts: Parts) -> Replicated:
        """Sort what was measured with the rows of :attr:`Parts.weights`, shape (1 + G + 2R, M)."""
        g = len(parts.left_out)
        halves = measured[1 + g :].reshape(2, -1, measured.shape[1])
        return Replicated(n, measured[0], measured[1 : 1 + g], halves)


def make_parts(n_groups: int, seed: int) -> Parts:
    """Choose the parts of a sample of ``n_groups`` groups of events."""
    halves = np.zeros((_N_HALVES, n_groups))
    halves[:, : n_groups // 2] = 1
    halves = stream(seed, "validation/halves of groups").permuted(halves, axis=1)
    return Parts(1 - np.eye(n_groups), np.stack([halves, 1 - halves]))


def deal(n: int, n_groups: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal n events out to groups of equal size, at random: files may be sorted or periodic."""
    order = stream(seed, f"validation/groups of {n}").permutation(n)
    return [np.sort(order[group::n_groups]) for group in range(n_groups)]


def judge_difference(
    reference: Replicated,
    candidate: Replicated,
    norm: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Result:
    r"""Judge how far the numbers of two samples differ as a whole.

    The error is that of a jackknife over groups of events of both samples. The floor is the same
    norm between random halves of the reference, scaled from n/2 and n/2 events to n and m by
    :math:`\sqrt{(1/n + 1/m) / (4/n)}`. Numbers that the whole reference does not define are left
    out; where only a part or the candidate does not define them, they count as 0.

    Arguments:
        reference: The numbers of the reference.
        candidate: Those of the candidate.
        norm: Differences of shape (*, M) to a distance of shape (*,).
    """
    known = np.isfinite(reference.value)

    def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        return norm(np.nan_to_num(second[..., known]) - np.nan_to_num(first[..., known]))

    n, m = reference.n, candidate.n
    moved = (
        distance(reference.left_out, candidate.value),
        distance(reference.value, candidate.left_out),
    )
    error = float(np.hypot(*(_jackknife(values[:, None])[0] for values in moved)))
    floors = np.sqrt((1 / n + 1 / m) / (4 / n)) * distance(*reference.halves)
    value = float(distance(reference.value, candidate.value))
    return against_floor(value, error, floors, round(n), round(m))


def rms(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root of the mean square over the last axis."""
    return np.asarray(np.sqrt(np.mean(differences**2, axis=-1)))


def largest(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest absolute value over the last axis."""
    return np.asarray(np.abs(differences).max(axis=-1))


def _jackknife(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`\sqrt{\frac{G-1}{G} \sum_g (x_g - \bar x)^2}` over the first axis."""
    n_groups = len(left_out)
    deviations = left_out - left_out.mean(axis=0)
    return np.asarray(np.sqrt((n_groups - 1) / n_groups * (deviations**2).sum(axis=0)))


_N_GROUPS = 50
_ROUNDING = 1e-12
"""A variance below this part of the mean square is a rounding error of a constant."""


@dataclass(frozen=True)
class GroupedMoments:
    """Sums of K values and of their products in G groups of events.

    They give the correlations of any set of groups without another look at the events.

    Attributes:
        counts: Number of events, or the sum of their weights, shape (G,).
        first: Sums of the values, shape (G, K).
        second: Sums of their products, shape (G, K, K).
    """

    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @staticmethod
    def of(
        values: NDArray[np.floating],
        groups: Sequence[NDArray[np.int64]],
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        columns: NDArray[np.int64] | slice = slice(None),
        weights: Weights = None,
    ) -> GroupedMoments:
        """Sum ``(values[:, columns] - shift) / scale``, of shape (N, K), in double precision.

        A shift near the mean and a scale near the standard deviation keep the precision.
        """
        k = len(shift)
        first, second = np.empty((len(groups), k)), np.empty((len(groups), k, k))
        counts = np.array([len(g) for g in groups], np.float64)
        for g, rows in enumerate(groups):
            part = (values[rows][:, columns].astype(np.float64) - shift) / scale
            if weights is None:
                first[g], second[g] = part.sum(axis=0), part.T @ part
            else:
                own = weights[rows]
                counts[g], first[g], second[g] = own.sum(), own @ part, (part.T * own) @ part
        return GroupedMoments(counts, first, second)

    def correlations(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return :math:`r_{ij} = \mathrm{cov}_{ij} / \sqrt{\mathrm{cov}_{ii} \mathrm{cov}_{jj}}`.

        NaN where a value is constant.

        Arguments:
            weights: How often each group counts, shape (R, G).

        Returns:
            Correlations, shape (R, K, K).
        """
        n = weights @ self.counts
        mean = weights @ self.first / n[:, None]
        square = np.tensordot(weights, self.second, 1) / n[:, None, None]
        covariance = square - mean[:, :, None] * mean[:, None, :]
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        constant = variance <= _ROUNDING * np.diagonal(square, axis1=1, axis2=2)
        sigma = np.sqrt(np.where(constant, np.nan, variance))
        covariance /= sigma[:, :, None]
        covariance /= sigma[:, None, :]
        return np.asarray(np.clip(covariance, -1, 1))


@dataclass(frozen=True)
class Correlations:
    """The correlation matrices of two samples, each (K, K); NaN where a value is constant.

    Attributes:
        names: What rows and columns are.
        reference: Correlations in the reference.
        candidate: Correlations in the candidate.
        reference_error: Their standard errors by jackknife over groups of events.
        candidate_error: The same.
        rms: Root mean square of the differences over all pairs.
        largest: The largest absolute difference of any pair.
    """

    names: tuple[str, ...]
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    candidate_error: NDArray[np.float64]
    rms: Result
    largest: Result

    @property
    def difference(self) -> NDArray[np.float64]:
        """Candidate minus reference."""
        return self.candidate - self.reference


def pearson(values: NDArray[np.floating], weights: Weights = None) -> NDArray[np.float64]:
    """Return the correlations between the columns of values (N, K), shape (K, K).

    With weights (N,) of a positive sum, those of the distribution that they stand for.

    Example:
        >>> pearson(np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0], [3.0, 0.0, 5.0]])).round(2)
        array([[ 1. , -0.5,  nan],
               [-0.5,  1. ,  nan],
               [ nan,  nan,  nan]])
    """
    everything = [np.arange(len(values))]
    moments = GroupedMoments.of(values, everything, *standard(values), weights=weights)
    return np.asarray(moments.correlations(np.ones((1, 1)))[0])


def compare_correlations(
    reference: NDArray[np.floating],
    candidate: NDArray[np.floating],
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
    weights: tuple[Weights, Weights] = (None, None),
) -> Correlations | None:
    """Compare the correlations between layer energies, or any other values of events.

    Where the incident energies spread, they alone make all layers rise together: give energies
    over the incident energy to see what a shower shares out between layers, or add the incident
    energy as a column.

    Arguments:
        reference: Values of the reference, shape (n, K).
        candidate: Values of the candidate, shape (m, K).
        names: What the columns are called; their numbers by default.
        seed: Seed of the groups of events.
        weights: Weights of the events of both, with positive sums.

    Returns:
        The comparison; None where there are fewer than two columns of the reference that vary.

    Raises:
        DataError: The numbers of columns differ, a value is not finite, or a sample has fewer
            than two events.
    """
    _check(reference, candidate)
    if reference.shape[1] < 2:
        return None
    shift, scale = standard(reference)
    pairs = np.triu_indices(reference.shape[1], 1)
    n_groups = min(_N_GROUPS, len(reference), len(candidate))
    parts = make_parts(n_groups, seed)
    whole = []
    replicated = []
    for values, own in zip((reference, candidate), weights, strict=True):
        groups = deal(len(values), n_groups, seed)
        moments = GroupedMoments.of(values, groups, shift, scale, weights=own)
        found = moments.correlations(parts.weights)
        whole.append((found[0], _errors(found, parts)))
        n = effective_size(len(values), own)
        replicated.append(Replicated.of(n, found[:, pairs[0], pairs[1]], parts))
    if not np.isfinite(replicated[0].value).any():
        return None
    return Correlations(
        tuple(names or map(str, range(reference.shape[1]))),
        reference=whole[0][0],
        candidate=whole[1][0],
        reference_error=whole[0][1],
        candidate_error=whole[1][1],
        rms=judge_difference(replicated[0], replicated[1], rms),
        largest=judge_difference(replicated[0], replicated[1], largest),
    )


def standard(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the columns; 1 instead of a deviation of 0."""
    shift = values.mean(axis=0, dtype=np.float64)
    # No temporary array; the correlations themselves do not depend on how exact this is.
    square = np.einsum("ij,ij->j", values, values, dtype=np.float64) / len(values)
    variance = square - shift**2
    return shift, np.sqrt(np.where(variance > _ROUNDING * square, variance, 1.0))


def _errors(found: NDArray[np.float64], parts: Parts) -> NDArray[np.float64]:
    flat = Replicated.of(0, found.reshape(len(found), -1), parts)
    return flat.error.reshape(found.shape[1:])


def _check(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> None:
    if reference.ndim != 2 or reference.shape[1:] != candidate.shape[1:]:
        raise DataError(
            f"values of shapes {reference.shape} and {candidate.shape} cannot be compared",
            remedy="give the same columns of both samples",
            value=(reference.shape, candidate.shape),
        )
    if min(len(reference), len(candidate)) < 2:
        raise DataError("correlations need at least two events", remedy="give more events")
    if not (np.isfinite(reference).all() and np.isfinite(candidate).all()):
        raise DataError(
            "values are NaN or infinite in some events", remedy="leave these events out"
        )


_N_GROUPS_cell_correlations = 20
_N_BINS = 12
_MOST_BANDS = 6
_MOST_CELLS = 256
_CHUNK_VALUES = 2**19


@dataclass(frozen=True)
class CellCorrelation:
    """Mean Pearson correlation between two cells of one layer, in bins of their distance.

    Attributes:
        layers: Numbers of the layers whose pairs are averaged; both cells lie in the same one.
        edges: Edges of the distance between cell centres [mm], shape (n_bins + 1,).
        mean: Mean correlation, shape (n_bins,); NaN where there are no pairs.
        error: Its standard error, by jackknife over groups of events, shape (n_bins,).
        n_pairs: Number of pairs, shape (n_bins,).
    """

    layers: tuple[int, ...]
    edges: NDArray[np.float64]
    mean: NDArray[np.float64]
    error: NDArray[np.float64]
    n_pairs: NDArray[np.int64]


@dataclass(frozen=True)
class CellCorrelations:
    """The cell-to-cell correlations of two samples.

    Attributes:
        reference: One curve for each band of layers of the reference.
        candidate: The same for the candidate.
        rms: Root mean square of the differences over all bands and bins.
    """

    reference: tuple[CellCorrelation, ...]
    candidate: tuple[CellCorrelation, ...]
    rms: Result


def compare_cell_correlations(
    reference: Events, candidate: Events, *, seed: int = 0, most_cells: int = _MOST_CELLS
) -> CellCorrelations | None:
    r"""Compare the correlations of cells with their neighbours near and far.

    In every layer the ``most_cells`` cells with the largest mean energy in the reference are
    taken, of those that vary. A pair counts with the weight
    :math:`\sqrt{\langle E_i\rangle \langle E_j\rangle}` of the reference, so that cells that are
    hardly ever hit do not drown the others. A cell that is dead in the candidate correlates with
    nothing: 0. Up to 6 layers have a curve each; more are joined in 6 bands of neighbours.

    Memory grows with the cells of a layer, not with the number of events or layers.

    Arguments:
        reference: Events in memory, such as a random choice of a large sample; their weights
            count, and must have a positive sum.
        candidate: Events of the same detector.
        seed: Seed of the groups of events.
        most_cells: Number of cells per layer.

    Returns:
        The comparison; None where no layer of the reference has two cells that vary.

    Raises:
        DetectorError: The detectors differ.
        DataError: A sample has fewer than two events.
    """
    _check_cell_correlations(reference, candidate)
    detector = reference.detector
    chosen = [_Pairs(reference, k, most_cells) for k in range(detector.n_layers)]
    distances = np.concatenate([pairs.distance for pairs in chosen])
    if not len(distances):
        return None
    edges = _edges(distances)
    bands = np.array_split(np.arange(detector.n_layers), min(detector.n_layers, _MOST_BANDS))
    n_groups = min(_N_GROUPS_cell_correlations, len(reference), len(candidate))
    parts = make_parts(n_groups, seed)
    curves, replicated = [], []
    for events in (reference, candidate):
        groups = deal(len(events), n_groups, seed)
        found = [_band(events, [chosen[k] for k in band], edges, groups, parts) for band in bands]
        values = np.concatenate([f for f, _ in found], axis=1)
        together = Replicated.of(events.effective_number, values, parts)
        replicated.append(together)
        curves.append(_curves(bands, edges, together, [n for _, n in found]))
    return CellCorrelations(
        curves[0], curves[1], judge_difference(replicated[0], replicated[1], rms)
    )


class _Pairs:
    """The pairs of cells of one layer that are looked at, chosen by the reference alone."""

    def __init__(self, reference: Events, k: int, most_cells: int) -> None:
        self.cells = reference.detector.slice(k)
        values = reference.cells[:, self.cells]
        mean, scale = standard(values)
        mean = np.where(values.max(axis=0) > values.min(axis=0), np.abs(mean), 0.0)
        brightest = np.argsort(mean, kind="stable")[::-1][:most_cells]
        self.columns = np.sort(brightest[mean[brightest] > 0])
        # What a reference is measured by must not depend on the candidate.
        self.scale = scale[self.columns]
        self.mean = mean[self.columns]
        self.first, self.second = np.triu_indices(len(self.columns), 1)
        places = reference.detector.points[self.cells][self.columns, :2]
        self.distance = np.hypot(*(places[self.first] - places[self.second]).T)
        self.weight = np.sqrt(self.mean[self.first] * self.mean[self.second])

    def moments(self, events: Events, groups: Sequence[NDArray[np.int64]]) -> GroupedMoments:
        """Sum the energies of the chosen cells and their products in groups of events."""
        values = events.cells[:, self.cells]
        return GroupedMoments.of(
            values, groups, self.mean, self.scale, self.columns, events.weights
        )


def _band(
    events: Events,
    layers: Sequence[_Pairs],
    edges: NDArray[np.float64],
    groups: Sequence[NDArray[np.int64]],
    parts: Parts,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the weighted mean per bin for every part, (P, n_bins), and the numbers of pairs."""
    weights = parts.weights
    n_bins = len(edges) - 1
    sums, norm = np.zeros((len(weights), n_bins)), np.zeros(n_bins)
    n_pairs = np.zeros(n_bins, np.int64)
    for pairs in layers:
        if not len(pairs.distance):
            continue
        place = np.searchsorted(edges, pairs.distance, side="right") - 1
        order = np.argsort(place, kind="stable")
        first, second, weight = (a[order] for a in (pairs.first, pairs.second, pairs.weight))
        counts = np.bincount(place, minlength=n_bins)
        filled = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[filled]
        norm[filled] += np.add.reduceat(weight, starts)
        n_pairs += counts
        moments = pairs.moments(events, groups)
        step = max(1, _CHUNK_VALUES // len(pairs.columns) ** 2)
        for start in range(0, len(weights), step):
            rows = slice(start, start + step)
            found = moments.correlations(weights[rows])[:, first, second]
            weighted = np.nan_to_num(found) * weight
            sums[rows, filled] += np.add.reduceat(weighted, starts, axis=1)
    with np.errstate(invalid="ignore"):
        return sums / norm, n_pairs


def _curves(
    bands: Sequence[NDArray[np.int64]],
    edges: NDArray[np.float64],
    together: Replicated,
    n_pairs: Sequence[NDArray[np.int64]],
) -> tuple[CellCorrelation, ...]:
    shape = (len(bands), len(edges) - 1)
    mean, error = together.value.reshape(shape), together.error.reshape(shape)
    return tuple(
        CellCorrelation(tuple(band.tolist()), edges, mean[b], error[b], n_pairs[b])
        for b, band in enumerate(bands)
    )


def _edges(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithmic edges from the smallest to the largest distance."""
    low, high = float(distances.min()), float(distances.max())
    # Neighbours at the same distance must not fall apart by rounding.
    return np.geomspace(0.999 * low, 1.001 * high, _N_BINS + 1)


def _check_cell_correlations(reference: Events, candidate: Events) -> None:
    need_same_cells(reference.detector, candidate.detector)
    if min(len(reference), len(candidate)) < 2:
        raise DataError("correlations need at least two events", remedy="give more events")
