"""Correlations between the energies of cells of one layer against the distance between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.validation.comparable import need_same_cells
from phys_gan.validation.statistics.correlations import GroupedMoments, standard
from phys_gan.validation.statistics.grouping import (
    Parts,
    Replicated,
    deal,
    judge_difference,
    make_parts,
    rms,
)
from phys_gan.validation.statistics.result import Result

__all__ = ["CellCorrelation", "CellCorrelations", "compare_cell_correlations"]

_N_GROUPS = 20
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
    _check(reference, candidate)
    detector = reference.detector
    chosen = [_Pairs(reference, k, most_cells) for k in range(detector.n_layers)]
    distances = np.concatenate([pairs.distance for pairs in chosen])
    if not len(distances):
        return None
    edges = _edges(distances)
    bands = np.array_split(np.arange(detector.n_layers), min(detector.n_layers, _MOST_BANDS))
    n_groups = min(_N_GROUPS, len(reference), len(candidate))
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


def _check(reference: Events, candidate: Events) -> None:
    need_same_cells(reference.detector, candidate.detector)
    if min(len(reference), len(candidate)) < 2:
        raise DataError("correlations need at least two events", remedy="give more events")
