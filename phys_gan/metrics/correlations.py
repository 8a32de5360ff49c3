r"""Pearson correlations between values of events, and between cells against their distance.

:func:`compare_correlations` compares the correlations between layer energies (or any values),
:func:`compare_cell_correlations` those between cells of one layer. Both sum the values and their
products in groups of events, which are dealt out at random; the correlations of any set of groups
follow from these sums without another look at the events:

* errors by jackknife, :math:`\sqrt{\frac{G-1}{G} \sum_g (x_g - \bar x)^2}` over G samples that
  lack a group each,
* floors from random halves of the reference, scaled from n/2 and n/2 events to n and m by
  :math:`\sqrt{(1/n + 1/m) / (4/n)}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.metrics.result import Result, against_floor
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import Floats, Weights, effective_size
from phys_gan.randomness import stream

_N_HALVES = 50
_N_GROUPS = 50
_ROUNDING = 1e-12
"""A variance below this part of the mean square is a rounding error of a constant."""

_N_CELL_GROUPS = 20
_N_BINS = 12
_MAX_BANDS = 6
_MAX_CELLS = 256
_CHUNK_VALUES = 2**19


@dataclass(frozen=True)
class Correlations:
    """The correlation matrices of two samples, each (K, K); NaN where a value is constant.

    Attributes:
        names: What rows and columns are.
        reference: Correlations in the reference.
        candidate: Correlations in the candidate.
        reference_error: Their standard errors.
        candidate_error: The same.
        rms: Root mean square of the differences over all pairs.
        largest: The largest absolute difference of any pair.
    """

    names: tuple[str, ...]
    reference: Floats
    candidate: Floats
    reference_error: Floats
    candidate_error: Floats
    rms: Result
    largest: Result

    @property
    def difference(self) -> Floats:
        """Candidate minus reference."""
        return self.candidate - self.reference


def pearson(values: NDArray[np.floating], weights: Weights = None) -> Floats:
    """Return the correlations between the columns of values (N, K), shape (K, K).

    With weights (N,) of a positive sum, those of the distribution that they stand for.

    Example:
        >>> pearson(np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0], [3.0, 0.0, 5.0]])).round(2)
        array([[ 1. , -0.5,  nan],
               [-0.5,  1. ,  nan],
               [ nan,  nan,  nan]])
    """
    everything = [np.arange(len(values))]
    moments = _Moments.of(values, everything, *_mean_and_sigma(values), weights=weights)
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

    Where the incident energies vary, they alone make all layers rise together: give energies
    over the incident energy to see what a shower shares out between layers, or add the incident
    energy as a column.

    The values have shapes (n, K) and (m, K), the columns are called by their numbers unless
    ``names`` are given, and weights must have positive sums.

    Returns:
        The comparison; None where there are fewer than two columns of the reference that vary.

    Raises:
        DataError: The numbers of columns differ, a value is not finite, or a sample has fewer
            than two events.
    """
    if reference.ndim != 2 or reference.shape[1:] != candidate.shape[1:]:
        raise DataError(
            f"values of shapes {reference.shape} and {candidate.shape} cannot be compared",
            remedy="give the same columns of both samples",
            value=(reference.shape, candidate.shape),
        )
    _need_two_events(reference, candidate)
    if not (np.isfinite(reference).all() and np.isfinite(candidate).all()):
        raise DataError(
            "values are NaN or infinite in some events", remedy="leave these events out"
        )
    k = reference.shape[1]
    if k < 2:
        return None
    shift, scale = _mean_and_sigma(reference)
    n_groups = min(_N_GROUPS, len(reference), len(candidate))
    parts = _parts(n_groups, seed)
    pairs = np.triu_indices(k, 1)
    matrices, off_diagonal = [], []
    for values, own in zip((reference, candidate), weights, strict=True):
        groups = _deal(len(values), n_groups, seed)
        moments = _Moments.of(values, groups, shift, scale, weights=own)
        found = moments.correlations(parts)
        n = effective_size(len(values), own)
        matrices.append(_Replicated.of(n, found.reshape(len(found), k * k)))
        off_diagonal.append(_Replicated.of(n, found[:, pairs[0], pairs[1]]))
    if not np.isfinite(off_diagonal[0].value).any():
        return None
    return Correlations(
        tuple(names or map(str, range(k))),
        reference=matrices[0].value.reshape(k, k),
        candidate=matrices[1].value.reshape(k, k),
        reference_error=matrices[0].error.reshape(k, k),
        candidate_error=matrices[1].error.reshape(k, k),
        rms=_judge_difference(off_diagonal[0], off_diagonal[1], _rms),
        largest=_judge_difference(off_diagonal[0], off_diagonal[1], _largest),
    )


@dataclass(frozen=True)
class CellCorrelation:
    """Mean Pearson correlation between two cells of one layer, in bins of their distance.

    Attributes:
        layers: Numbers of the layers whose pairs are averaged; both cells lie in the same one.
        edges: Edges of the distance between cell centres [mm], shape (n_bins + 1,).
        mean: Mean correlation, shape (n_bins,); NaN where there are no pairs.
        error: Its standard error, shape (n_bins,).
        n_pairs: Number of pairs, shape (n_bins,).
    """

    layers: tuple[int, ...]
    edges: Floats
    mean: Floats
    error: Floats
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
    reference: Events, candidate: Events, *, seed: int = 0, most_cells: int = _MAX_CELLS
) -> CellCorrelations | None:
    r"""Compare the correlations of cells with their neighbours near and far.

    In every layer the ``most_cells`` cells with the largest mean energy in the reference are
    taken, of those that vary. A pair counts with the weight
    :math:`\sqrt{\langle E_i\rangle \langle E_j\rangle}` of the reference, so that cells that are
    hardly ever hit do not hide the others. A cell that is dead in the candidate correlates with
    nothing: 0. Up to 6 layers have a curve each; more are joined in 6 bands of neighbours.

    Memory grows with the cells of a layer, not with the number of events or layers.

    Weights of the events, if any, must have a positive sum.

    Returns:
        The comparison; None where no layer of the reference has two cells that vary.

    Raises:
        DetectorError: The detectors differ.
        DataError: A sample has fewer than two events.
    """
    need_same_cells(reference.detector, candidate.detector)
    _need_two_events(reference, candidate)
    detector = reference.detector
    layers = [_Pairs(reference, k, most_cells) for k in range(detector.n_layers)]
    distances = np.concatenate([pairs.distance for pairs in layers])
    if not len(distances):
        return None
    # Neighbours at the same distance must not fall apart by rounding.
    low, high = 0.999 * float(distances.min()), 1.001 * float(distances.max())
    edges = np.geomspace(low, high, _N_BINS + 1)
    bands = np.array_split(np.arange(detector.n_layers), min(detector.n_layers, _MAX_BANDS))
    n_groups = min(_N_CELL_GROUPS, len(reference), len(candidate))
    parts = _parts(n_groups, seed)
    curves, replicated = [], []
    for events in (reference, candidate):
        groups = _deal(len(events), n_groups, seed)
        found = [_band(events, [layers[k] for k in band], edges, groups, parts) for band in bands]
        values = np.concatenate([means for means, _ in found], axis=1)
        joined = _Replicated.of(events.effective_number, values)
        mean, error = (v.reshape(len(bands), _N_BINS) for v in (joined.value, joined.error))
        curves.append(
            tuple(
                CellCorrelation(tuple(band.tolist()), edges, mean[b], error[b], found[b][1])
                for b, band in enumerate(bands)
            )
        )
        replicated.append(joined)
    return CellCorrelations(
        curves[0], curves[1], _judge_difference(replicated[0], replicated[1], _rms)
    )


class _Pairs:
    """The pairs of cells of one layer that are looked at, chosen by the reference alone."""

    def __init__(self, reference: Events, k: int, most_cells: int) -> None:
        self.cells = reference.detector.slice(k)
        values = reference.cells[:, self.cells]
        mean, scale = _mean_and_sigma(values)
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


def _band(
    events: Events,
    layers: Sequence[_Pairs],
    edges: Floats,
    groups: Sequence[NDArray[np.int64]],
    parts: Floats,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the weighted mean per bin for every part, (P, n_bins), and the numbers of pairs."""
    n_bins = len(edges) - 1
    sums, norm = np.zeros((len(parts), n_bins)), np.zeros(n_bins)
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
        moments = _Moments.of(
            events.cells[:, pairs.cells],
            groups,
            pairs.mean,
            pairs.scale,
            pairs.columns,
            events.weights,
        )
        step = max(1, _CHUNK_VALUES // len(pairs.columns) ** 2)
        for start in range(0, len(parts), step):
            rows = slice(start, start + step)
            found = moments.correlations(parts[rows])[:, first, second]
            weighted = np.nan_to_num(found) * weight
            sums[rows, filled] += np.add.reduceat(weighted, starts, axis=1)
    with np.errstate(invalid="ignore"):
        return sums / norm, n_pairs


@dataclass(frozen=True)
class _Moments:
    """Sums of K values and of their products in G groups of events.

    Attributes:
        counts: Number of events, or the sum of their weights, shape (G,).
        first: Sums of the values, shape (G, K).
        second: Sums of their products, shape (G, K, K).
    """

    counts: Floats
    first: Floats
    second: Floats

    @staticmethod
    def of(
        values: NDArray[np.floating],
        groups: Sequence[NDArray[np.int64]],
        shift: Floats,
        scale: Floats,
        columns: NDArray[np.int64] | slice = slice(None),
        weights: Weights = None,
    ) -> _Moments:
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
        return _Moments(counts, first, second)

    def correlations(self, weights: Floats) -> Floats:
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


def _mean_and_sigma(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the columns; 1 instead of a deviation of 0."""
    shift = values.mean(axis=0, dtype=np.float64)
    # No temporary array; the correlations themselves do not depend on how exact this is.
    square = np.einsum("ij,ij->j", values, values, dtype=np.float64) / len(values)
    variance = square - shift**2
    return shift, np.sqrt(np.where(variance > _ROUNDING * square, variance, 1.0))


def _parts(n_groups: int, seed: int) -> Floats:
    """Return which of G groups of events make up each part of a sample, as weights 0 and 1.

    The whole sample, all groups but one, and R pairs of random halves (all first halves, then all
    second ones): shape (1 + G + 2R, G).
    """
    halves = np.zeros((_N_HALVES, n_groups))
    halves[:, : n_groups // 2] = 1
    halves = stream(seed, "validation/halves of groups").permuted(halves, axis=1)
    return np.concatenate([np.ones((1, n_groups)), 1 - np.eye(n_groups), halves, 1 - halves])


def _deal(n: int, n_groups: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal n events out to groups of equal size, at random: files may be sorted or periodic."""
    order = stream(seed, f"validation/groups of {n}").permutation(n)
    return [np.sort(order[group::n_groups]) for group in range(n_groups)]


@dataclass(frozen=True)
class _Replicated:
    """M numbers that a sample gives, and the same numbers from parts of it.

    Attributes:
        n: Number of events, the effective one where they have weights.
        value: From the whole sample, shape (M,); NaN where not defined.
        left_out: From all groups of events but one, shape (G, M).
        halves: From pairs of random halves, shape (2, R, M).
    """

    n: float
    value: Floats
    left_out: Floats
    halves: Floats

    @property
    def error(self) -> Floats:
        """Standard errors by jackknife, shape (M,)."""
        return _jackknife(self.left_out)

    @staticmethod
    def of(n: float, measured: Floats) -> _Replicated:
        """Sort what was measured in the parts of a sample, shape (1 + G + 2R, M)."""
        value, left_out, halves = np.split(measured, [1, len(measured) - 2 * _N_HALVES])
        return _Replicated(n, value[0], left_out, halves.reshape(2, _N_HALVES, -1))


def _judge_difference(
    reference: _Replicated, candidate: _Replicated, norm: Callable[[Floats], Floats]
) -> Result:
    """Judge the distance between the numbers of two samples, a norm over the last axis.

    Numbers that the whole reference does not define are left out; where only a part or the
    candidate does not define them, they count as 0.
    """
    known = np.isfinite(reference.value)

    def distance(first: Floats, second: Floats) -> Floats:
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


def _rms(differences: Floats) -> Floats:
    return np.asarray(np.sqrt(np.mean(differences**2, axis=-1)))


def _largest(differences: Floats) -> Floats:
    return np.asarray(np.abs(differences).max(axis=-1))


def _jackknife(left_out: Floats) -> Floats:
    n_groups = len(left_out)
    deviations = left_out - left_out.mean(axis=0)
    return np.asarray(np.sqrt((n_groups - 1) / n_groups * (deviations**2).sum(axis=0)))


def _need_two_events(reference: Sized, candidate: Sized) -> None:
    if min(len(reference), len(candidate)) < 2:
        raise DataError("correlations need at least two events", remedy="give more events")
