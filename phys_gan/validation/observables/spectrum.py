"""The spectrum of cells or pixels: one histogram per event, so that events can be resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.units import MEV
from phys_gan.validation.observables.lookup import bin_table
from phys_gan.validation.observables.pixels import mirrored, mirrored_bins, pixel_edges
from phys_gan.validation.observables.showers import Showers, map_blocks

__all__ = [
    "SPECTRA",
    "open_edges",
    "plot_edges",
    "spectrum_block",
    "spectrum_name",
    "spectrum_per_event",
    "trimmed",
]

SPECTRA = ("cell_energy", "pixels")
"""What the spectrum is called, of showers and of images."""

_BINS_PER_DECADE = 10
_LOWEST, _HIGHEST = 1e-9, 1e8
"""Energies [MeV] (or pixels in their own unit) beyond which no edge is needed: 1 meV, 100 TeV."""
_SOFTEST = 0.001


def spectrum_name(detector: Detector) -> str | None:
    """Return what the spectrum of a detector is called; coordinates have none.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> [spectrum_name(load_detector(name)) for name in ("calogan", "galaxies-32", "toy-grid")]
        ['cell_energy', 'pixels', None]
    """
    if detector.is_toy:
        return None
    return "pixels" if detector.is_image else "cell_energy"


def open_edges(detector: Detector) -> NDArray[np.float64]:
    """Return logarithmic edges of cell energies that depend on the detector alone.

    Events that come in blocks can thus be counted in one pass: ten bins per decade from the
    read-out threshold, or, without one, from far below any energy that matters, to far above.
    :func:`plot_edges` says afterwards which of them a plot needs. Pixels have either sign, and so
    have their edges, with zero in the middle.

    Returns:
        Edges in the unit of the cells, shape (n_bins + 1,).

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> open_edges(load_detector("calochallenge-1-photons"))[[0, 10, 20]].tolist()
        [1.0, 10.0, 100.0]
    """
    unit = MEV.get(detector.cell_unit, 1.0)
    lowest = detector.threshold or _LOWEST / unit
    decades = max(1, int(np.ceil(np.log10(_HIGHEST / unit / lowest))))
    steps = np.arange(decades * _BINS_PER_DECADE + 1) / _BINS_PER_DECADE
    edges = np.asarray(lowest * 10.0**steps)
    return mirrored(edges) if detector.is_image else edges


def plot_edges(
    detector: Detector, edges: NDArray[np.float64], counts: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return those of :func:`open_edges` that show what there is.

    Arguments:
        detector: The detector.
        edges: All edges, shape (n_bins + 1,).
        counts: Entries of the reference with under- and overflow, shape (n_bins + 2,).
    """
    if detector.is_image:
        return pixel_edges(edges, counts)
    return edges[trimmed(edges, counts, threshold=detector.threshold)]


def trimmed(
    edges: NDArray[np.float64], counts: NDArray[np.generic], *, threshold: float = 0.0
) -> slice:
    """Return the range of edges between which a plot shows what there is.

    It begins at the read-out threshold, or, without one, below all but the softest 0.1 % of the
    hits, and ends above the hardest hit. Entries outside belong to the under- and overflow.

    Arguments:
        edges: Edges, shape (n_bins + 1,).
        counts: Hits of the reference with under- and overflow, shape (n_bins + 2,).
        threshold: Read-out threshold, at which ``edges`` then begin; 0 for none.

    Example:
        >>> edges = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
        >>> edges[trimmed(edges, np.array([0, 0, 7, 2, 0, 0]))].tolist()
        [10.0, 100.0, 1000.0]
    """
    entries = np.asarray(counts, np.float64)
    n_bins = len(edges) - 1
    if not entries[1:-1].any():
        return slice(0, 2)
    last = n_bins if entries[-1] else int(np.flatnonzero(entries[:-1])[-1])
    first = 0
    if not threshold:
        softer = np.cumsum(entries)[:-1]
        first = int(np.flatnonzero(softer <= _SOFTEST * entries.sum())[-1:].sum())
    return slice(min(first, last - 1), last + 1)


def spectrum_per_event(
    events: Events, edges: NDArray[np.float64], *, threads: int | None = None
) -> NDArray[np.unsignedinteger]:
    """Count the cells above the threshold per event and bin, shape (N, n_bins + 2).

    The first and last column are under- and overflow; cells at or below the read-out threshold
    are not entries, but all pixels of an image are. A bin holds its lower edge (of pixels the one
    nearer to zero). Small integers are enough for the cells of one event; sums over events need
    ``dtype=np.float64`` or ``np.int64``.

    Arguments:
        events: The events.
        edges: Bin edges in the unit of the cells.
        threads: As in :func:`phys_gan.validation.observables.showers.map_blocks`.
    """
    counts = np.empty((len(events), len(edges) + 1), _counter(events.detector))
    for rows, block in map_blocks(events, lambda s: spectrum_block(s, edges), threads):
        counts[rows] = block
    return counts


def spectrum_block(showers: Showers, edges: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
    """Do what :func:`spectrum_per_event` does for one block of showers."""
    n_columns = len(edges) + 1
    if showers.detector.is_image:
        columns = mirrored_bins(edges, showers.events.cells)
        columns += np.arange(len(showers))[:, None] * n_columns
        return _counted(showers, columns.reshape(-1), n_columns)
    hits = np.flatnonzero(showers.above)
    columns = bin_table(edges).find(showers.events.cells.reshape(-1).take(hits))
    columns += hits // showers.detector.n_cells * n_columns
    return _counted(showers, columns, n_columns)


def _counted(
    showers: Showers, columns: NDArray[np.int64], n_columns: int
) -> NDArray[np.unsignedinteger]:
    counts = np.bincount(columns, minlength=len(showers) * n_columns)
    return counts.reshape(len(showers), n_columns).astype(_counter(showers.detector))


def _counter(detector: Detector) -> type[np.unsignedinteger]:
    return np.uint16 if detector.n_cells < 2**16 else np.uint32
