"""One observable of both samples, measurable between any replicas of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from phys_gan.validation.statistics.metrics import binned
from phys_gan.validation.statistics.pooled import Pooled, two_samples
from phys_gan.validation.statistics.resampling import Replicas
from phys_gan.validation.statistics.weighting import Weights, variance

__all__ = ["Counts", "Sample", "Scalars", "Spectra"]

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
            :func:`~phys_gan.validation.statistics.weighting.scaled`.
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
        reference_rows: Numbers of these events among all of the reference; all when None.
        candidate_rows: The same for the candidate.
        weights: Weights of the events of both, as those of :class:`Scalars`.
    """

    def __init__(
        self,
        reference: NDArray[np.unsignedinteger],
        candidate: NDArray[np.unsignedinteger],
        positions: NDArray[np.float64],
        reference_rows: NDArray[np.int64] | None = None,
        candidate_rows: NDArray[np.int64] | None = None,
        weights: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> None:
        self._histograms = reference, candidate
        self._rows = reference_rows, candidate_rows
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
        for side, (histograms, rows, group, weight) in enumerate(
            zip(self._histograms, self._rows, groups, weights, strict=True)
        ):
            chosen = group if rows is None else group[rows]
            starts = np.arange(len(chosen) + 1)
            own = [np.ones(len(chosen), np.float64)]
            if self._weights is not None:
                own = [self._weights[side], self._weights[side] ** 2]
            values, shape = histograms.astype(np.float64), (len(chosen), len(weight))
            sums = [
                np.asarray(csr_array((one, chosen, starts), shape=shape).T @ values) for one in own
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
