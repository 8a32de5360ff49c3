"""The spectrum of cell energies: one histogram per event, so that events can be resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.validation.observables.showers import blocks

__all__ = ["open_edges", "spectrum_edges", "spectrum_per_event", "trimmed"]

_BINS_PER_DECADE = 10
_MAX_DECADES = 8


def spectrum_edges(events: Events) -> NDArray[np.float64]:
    """Return regular logarithmic edges [MeV] that cover the hits of the reference.

    They start at the read-out threshold, or, without one, below all but the softest 0.1 % of the
    hits, and end above the hardest hit. Softer entries go to the underflow.
    """
    threshold = events.detector.threshold
    _, first = next(blocks(events))
    hits = first.events.cells[first.events.cells > threshold].astype(np.float64)
    highest = float(events.cells.max()) if len(events) else 0.0
    if not len(hits) or highest <= threshold:
        return np.array([0.1, 1.0])
    low = threshold or float(np.quantile(hits, 0.001))
    high = max(highest, 1.5 * low)
    stop = int(np.ceil(_BINS_PER_DECADE * np.log10(high) + 1e-9))
    if threshold:
        n_bins = min(stop - _BINS_PER_DECADE * np.log10(low), _BINS_PER_DECADE * _MAX_DECADES)
        return np.geomspace(low, 10 ** (stop / _BINS_PER_DECADE), int(max(1, round(n_bins))) + 1)
    start = int(np.floor(_BINS_PER_DECADE * np.log10(low)))
    start = max(start, stop - _BINS_PER_DECADE * _MAX_DECADES)
    return np.asarray(10.0 ** (np.arange(start, stop + 1) / _BINS_PER_DECADE))


def open_edges(detector: Detector) -> NDArray[np.float64]:
    """Return fixed logarithmic edges [MeV] that reach far beyond the hits of any sample."""
    low = detector.threshold or 1e-6
    return np.asarray(low * 10.0 ** (np.arange(13 * _BINS_PER_DECADE) / _BINS_PER_DECADE))


def trimmed(edges: NDArray[np.float64], counts: NDArray[np.generic]) -> slice:
    """Return which edges to keep: those around the filled bins, counts of shape (n_bins + 2,)."""
    filled = np.flatnonzero(counts[1:-1])
    return slice(filled[0], filled[-1] + 2) if len(filled) else slice(0, 2)


def spectrum_per_event(events: Events, edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Count the cells above the threshold per event and bin, shape (N, n_bins + 2).

    The first and last column are under- and overflow; cells at or below the read-out threshold
    are not entries.
    """
    n_columns = len(edges) + 1
    result = np.empty((len(events), n_columns), np.float32)
    for rows, showers in blocks(events):
        event, cell = np.nonzero(showers.events.cells > events.detector.threshold)
        energy = showers.events.cells[event, cell]
        column = np.searchsorted(edges, energy, side="right")
        n_events = rows.stop - rows.start
        flat = np.bincount(event * n_columns + column, minlength=n_events * n_columns)
        result[rows] = flat.reshape(n_events, n_columns)
    return result
