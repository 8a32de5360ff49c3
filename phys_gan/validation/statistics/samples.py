"""One observable of a pool of events, measurable between any two weightings of the events."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.statistics.metrics import binned
from phys_gan.validation.statistics.pooled import Pooled

__all__ = ["Sample", "Scalars", "Spectra", "Weights"]

Weights = NDArray[np.uint8]


class Sample(Protocol):
    """One observable of N events on a fixed binning."""

    def measure(self, first: Weights, second: Weights) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of weightings (R, N), by name, shape (R,)."""

    def __getitem__(self, index: slice) -> Sample:
        """Return the chosen events."""

    def __len__(self) -> int:
        """Return N."""


class Scalars:
    """One number per event.

    Arguments:
        values: Finite values, shape (N,).
        edges: Bin edges.
        spread: Standard deviation of the reference, the scale of ``w1_scaled``; where it is 0,
            that of all values takes its place.
    """

    def __init__(
        self, values: NDArray[np.float64], edges: NDArray[np.float64], spread: float
    ) -> None:
        self.values, self.edges = values, edges
        self.spread = spread or float(values.std()) or 1.0
        self._pooled = Pooled(values)
        self._bins = np.searchsorted(edges, values, side="right")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice) -> Scalars:
        return Scalars(self.values[index], self.edges, self.spread)

    def measure(self, first: Weights, second: Weights) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of weightings (R, N), by name, shape (R,)."""
        largest, area = self._pooled.distances(first, second)
        p, q = self._histograms(first), self._histograms(second)
        return _all(largest, area, self.spread, p, q)

    def _histograms(self, weights: Weights) -> NDArray[np.float64]:
        n_columns = len(self.edges) + 1
        return np.stack([np.bincount(self._bins, row, minlength=n_columns) for row in weights])


class Spectra:
    """Many entries per event, such as the energies of its cells, kept as a histogram per event.

    Events, not entries, are weighted: the cells of a shower are not independent of each other.
    KS and Wasserstein-1 are taken on the histogram, the latter over the bins' ``positions``.

    Arguments:
        histograms: Counts per event with under- and overflow, shape (N, n_bins + 2).
        positions: Edges on the axis along which Wasserstein-1 is measured, shape (n_bins + 1,).
        spread: Standard deviation of the reference on that axis, the scale of ``w1_scaled``.
    """

    def __init__(
        self, histograms: NDArray[np.float32], positions: NDArray[np.float64], spread: float
    ) -> None:
        self.histograms, self.positions, self.spread = histograms, positions, spread or 1.0

    def __len__(self) -> int:
        return len(self.histograms)

    def __getitem__(self, index: slice) -> Spectra:
        return Spectra(self.histograms[index], self.positions, self.spread)

    def measure(self, first: Weights, second: Weights) -> dict[str, NDArray[np.float64]]:
        """Return every metric between R pairs of weightings (R, N), by name, shape (R,)."""
        # Counts beyond 2^24 would lose units in float32.
        histograms = self.histograms.astype(np.float64)
        p, q = (weights.astype(np.float64) @ histograms for weights in (first, second))
        cumulated = [np.cumsum(h, axis=1) / h.sum(axis=1, keepdims=True) for h in (p, q)]
        difference = np.abs(cumulated[0] - cumulated[1])[:, :-1]
        area = ((difference[:, :-1] + difference[:, 1:]) / 2) @ np.diff(self.positions)
        return _all(difference.max(axis=1), area, self.spread, p, q)


def _all(
    largest: NDArray[np.float64],
    area: NDArray[np.float64],
    spread: float,
    p: NDArray[np.float64],
    q: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    return {"ks": largest, "w1": area, "w1_scaled": area / spread, **binned(p, q)}
