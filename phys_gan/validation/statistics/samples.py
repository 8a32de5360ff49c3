"""One observable of both samples, measurable between any replicas of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from phys_gan.validation.statistics.metrics import binned
from phys_gan.validation.statistics.pooled import Pooled, two_samples
from phys_gan.validation.statistics.resampling import Replicas

__all__ = ["Counts", "Sample", "Scalars", "Spectra"]

Counts = NDArray[np.float64]
"""Entries per bin of R replicas, shape (R, n_bins)."""

_MAX_BINS = 1024


class Sample(Protocol):
    """One observable of n reference and m candidate events on a fixed binning."""

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
    """

    def __init__(
        self,
        reference: NDArray[np.float64],
        candidate: NDArray[np.float64],
        edges: NDArray[np.float64],
        reference_rows: NDArray[np.int64] | None = None,
        candidate_rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.edges = edges
        self._sizes = len(reference), len(candidate)
        self._rows = reference_rows, candidate_rows
        values, *self._picks = two_samples(reference, candidate)
        self._pool = Pooled(values)
        # A constant reference has no scale of its own.
        self._spread = float(np.std(reference)) or float(values.std()) or 1.0
        ordered = self._pool.ordered
        self._starts = _fine_starts(ordered, edges)
        ends = np.append(self._starts[1:], len(ordered)) - 1
        self._gaps = np.diff(ordered[ends])
        self._coarse = np.searchsorted(edges, ordered[self._starts], side="right")

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        largest, area = self._pool.distances(*self._picks)
        first, second = (
            np.add.reduceat(pick[0, self._pool.order], self._starts, dtype=np.float64)[None]
            for pick in self._picks
        )
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
        return (
            self._weighted(bins[:n], first, replicas.reference),
            self._weighted(bins[n:], second, replicas.candidate),
        )

    def distances(self, first: Counts, second: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        difference = np.cumsum(_unit(first) - _unit(second), axis=1)
        np.abs(difference, out=difference)
        area = np.einsum("ij,j->i", difference[:, :-1], self._gaps)
        return self._all(difference.max(axis=1), area, first, second)

    def _weighted(
        self, bins: NDArray[np.int32], groups: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> Counts:
        """Add up the weights of the groups of the entries in each fine bin."""
        shape = len(weights), len(self._starts)
        places = groups * np.int64(shape[1]) + bins
        entries = np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)
        return np.asarray(weights.T @ entries.astype(np.float32), np.float64)

    def _all(
        self,
        largest: NDArray[np.float64],
        area: NDArray[np.float64],
        first: Counts,
        second: Counts,
    ) -> dict[str, NDArray[np.float64]]:
        p, q = (_join(counts, self._coarse, len(self.edges) + 1) for counts in (first, second))
        return {"ks": largest, "w1": area, "w1_scaled": area / self._spread, **binned(p, q)}


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
    """

    def __init__(
        self,
        reference: NDArray[np.unsignedinteger],
        candidate: NDArray[np.unsignedinteger],
        positions: NDArray[np.float64],
        reference_rows: NDArray[np.int64] | None = None,
        candidate_rows: NDArray[np.int64] | None = None,
    ) -> None:
        self._histograms = reference, candidate
        self._rows = reference_rows, candidate_rows
        self._positions = positions
        inside = reference.sum(axis=0, dtype=np.float64)[1:-1]
        centres = (positions[:-1] + positions[1:]) / 2
        if inside.sum() > 0:
            middle = np.average(centres, weights=inside)
            spread = float(np.sqrt(np.average((centres - middle) ** 2, weights=inside)))
        self._spread = spread if inside.sum() > 0 and spread > 0 else 1.0

    def measure(self) -> dict[str, float]:
        """Return every metric between both samples by name."""
        first, second = (h.sum(axis=0, dtype=np.float64)[None] for h in self._histograms)
        return {name: float(v[0]) for name, v in self.distances(first, second).items()}

    def replicas(self, replicas: Replicas) -> tuple[Counts, Counts]:
        """Return the entries per bin of the replicas of the reference and of the candidate."""
        groups = replicas.reference_groups, replicas.candidate_groups
        weights = replicas.reference, replicas.candidate
        found = []
        for histograms, rows, group, weight in zip(
            self._histograms, self._rows, groups, weights, strict=True
        ):
            chosen = group if rows is None else group[rows]
            starts = np.arange(len(chosen) + 1)
            ones = np.ones(len(chosen), np.float64)
            members = csr_array((ones, chosen, starts), shape=(len(chosen), len(weight)))
            per_group = members.T @ histograms.astype(np.float64)
            # Counts beyond 2^24 would lose units in single precision.
            found.append(np.asarray(weight.T.astype(np.float64) @ per_group))
        return found[0], found[1]

    def distances(self, first: Counts, second: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of replicas by name, shape (R,)."""
        difference = np.abs(np.cumsum(_unit(first) - _unit(second), axis=1))[:, :-1]
        area = ((difference[:, :-1] + difference[:, 1:]) / 2) @ np.diff(self._positions)
        return {
            "ks": difference.max(axis=1),
            "w1": area,
            "w1_scaled": area / self._spread,
            **binned(first, second),
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


def _join(counts: Counts, coarse: NDArray[np.int64], n_bins: int) -> Counts:
    """Add up fine bins, whose coarse bins rise."""
    result = np.zeros((len(counts), n_bins))
    first = np.flatnonzero(np.diff(coarse, prepend=-1))
    result[:, coarse[first]] = np.add.reduceat(counts, first, axis=1)
    return result


def _unit(counts: Counts) -> Counts:
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1), np.float64)
