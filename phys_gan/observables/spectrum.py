"""The spectrum of cell energies or pixels: one histogram per event, so events can be resampled.

:func:`open_edges` are those of a detector, :func:`spectrum_per_event` counts, and
:func:`plot_edges` chooses the edges that a plot needs. Cell energies have logarithmic bins; pixels,
of either sign, have such bins on both sides of zero, of which a plot shows those that are regular
in the inverse hyperbolic sine: linear in the noise, logarithmic where they are bright.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.observables.sums import Numbers, Showers, map_blocks
from phys_gan.units import MEV

SPECTRA = ("cell_energy", "pixels")
"""Names of the spectra of showers and of images."""

_BINS_PER_DECADE = 10
_LOWEST, _HIGHEST = 1e-9, 1e8
"""Energies [MeV] (or pixels in their own unit) beyond which no edge is needed: 1 meV, 100 TeV."""
_SOFTEST = 0.001
_ASINH_STEP = np.log(10) / _BINS_PER_DECADE
"""Width of a bin in the inverse hyperbolic sine: far from zero a tenth of a decade."""


def spectrum_name(detector: Detector) -> str | None:
    """Return the name of the spectrum of a detector; coordinates have none.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> [spectrum_name(load_detector(name)) for name in ("calogan", "galaxies-32", "toy-grid")]
        ['cell_energy', 'pixels', None]
    """
    if detector.is_toy:
        return None
    return "pixels" if detector.is_image else "cell_energy"


def open_edges(detector: Detector) -> Numbers:
    """Return logarithmic edges of cell energies that depend on the detector alone.

    Events that come in blocks can thus be counted in one pass: ten bins per decade from the
    read-out threshold, or, without one, from far below any energy that matters, to far above.
    :func:`plot_edges` chooses afterwards those that a plot needs. Edges of pixels have both signs,
    with zero in the middle.

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


def plot_edges(detector: Detector, edges: Numbers, counts: NDArray[np.generic]) -> Numbers:
    """Return those of :func:`open_edges` that a plot of the reference needs.

    Arguments:
        detector: The detector.
        edges: All edges, shape (n_bins + 1,).
        counts: Entries of the reference with under- and overflow, shape (n_bins + 2,).
    """
    if detector.is_image:
        return pixel_edges(edges, counts)
    return edges[trimmed(edges, counts, threshold=detector.threshold)]


def trimmed(edges: Numbers, counts: NDArray[np.generic], *, threshold: float = 0.0) -> slice:
    """Return the range of edges that a plot of the reference needs.

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
    events: Events, edges: Numbers, *, threads: int | None = None
) -> NDArray[np.unsignedinteger]:
    """Count the cells above the threshold per event and bin, shape (N, n_bins + 2).

    The first and last column are under- and overflow; cells at or below the read-out threshold
    are not entries, but all pixels of an image are. A bin holds its lower edge (for pixels the one
    nearer to zero). The integers suffice for one event; sums over events need
    ``dtype=np.float64`` or ``np.int64``.

    Arguments:
        events: The events.
        edges: Bin edges in the unit of the cells.
        threads: As in :func:`phys_gan.observables.sums.map_blocks`.
    """
    counts = np.empty((len(events), len(edges) + 1), _counter(events.detector))
    for rows, block in map_blocks(events, lambda s: spectrum_block(s, edges), threads):
        counts[rows] = block
    return counts


def spectrum_block(showers: Showers, edges: Numbers) -> NDArray[np.unsignedinteger]:
    """Return the spectrum of each event of one block; see :func:`spectrum_per_event`."""
    cells, n_columns = showers.events.cells, len(edges) + 1
    if showers.detector.is_image:
        columns = mirrored_bins(edges, cells)
        columns += np.arange(len(showers))[:, None] * n_columns
        columns = columns.reshape(-1)
    else:
        hits = np.flatnonzero(showers.above)
        columns = _bin_table(edges.tobytes()).find(cells.reshape(-1).take(hits))
        columns += hits // showers.detector.n_cells * n_columns
    counts = np.bincount(columns, minlength=len(showers) * n_columns)
    return counts.reshape(len(showers), n_columns).astype(_counter(showers.detector))


def _counter(detector: Detector) -> type[np.unsignedinteger]:
    return np.uint16 if detector.n_cells < 2**16 else np.uint32


# Pixels of either sign


def softening(edges: Numbers, counts: NDArray[np.generic]) -> float:
    """Return the median absolute value of the pixels that are not zero: about the noise of a sky.

    Arguments:
        edges: Edges that :func:`mirrored` made, shape (n_bins + 1,).
        counts: Pixels with under- and overflow, shape (n_bins + 2,).
    """
    middle = len(edges) // 2
    away = edges[middle + 1 :]
    entries = np.asarray(counts, np.float64)
    # Both signs together, from the first edge on: padding is exactly zero.
    entries = entries[middle + 2 :] + entries[:middle][::-1]
    if not entries.any():
        return 1.0
    half = int(np.searchsorted(np.cumsum(entries), entries.sum() / 2))
    return float(away[min(half, len(away) - 1)])


def pixel_edges(edges: Numbers, counts: NDArray[np.generic]) -> Numbers:
    r"""Keep those edges that are about regular in :math:`\mathrm{asinh}(x / s)`.

    The softening s and the range are those of the reference.

    Arguments:
        edges: Edges that :func:`mirrored` made, shape (n_bins + 1,).
        counts: Pixels of the reference with under- and overflow, shape (n_bins + 2,).
    """
    filled = np.flatnonzero(np.asarray(counts))
    if not len(filled):
        return edges[len(edges) // 2 - 1 : len(edges) // 2 + 2]
    first, last = max(int(filled[0]) - 1, 0), min(int(filled[-1]), len(edges) - 1)
    first = min(first, last - 1)
    places = np.arcsinh(edges / softening(edges, counts)) / _ASINH_STEP
    off = np.abs(places - np.round(places))
    # Of the edges that share a step, keep the nearest to it.
    order = np.lexsort((off, np.round(places)))
    _, best = np.unique(np.round(places)[order], return_index=True)
    kept = np.sort(order[best])
    inner = kept[(kept > first) & (kept < last)]
    return np.asarray(edges[np.concatenate([[first], inner, [last]])], np.float64)


def mirrored(edges: Numbers) -> Numbers:
    """Return edges of both signs, with zero between them.

    Example:
        >>> mirrored(np.array([1.0, 10.0])).tolist()
        [-10.0, -1.0, 0.0, 1.0, 10.0]
    """
    return np.concatenate([-edges[::-1], [0.0], edges])


def mirrored_bins(edges: Numbers, values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of edges below each value.

    A bin holds the edge that is nearer to zero; zero itself is on the positive side.

    Arguments:
        edges: Edges that :func:`mirrored` made.
        values: Finite numbers of any shape.
    """
    middle = len(edges) // 2
    table = _bin_table(edges[middle + 1 :].tobytes())
    away = table.find(np.abs(values).reshape(-1)).reshape(values.shape)
    return np.where(values < 0, middle - away, middle + 1 + away)


# Bins by a table instead of a search

_LEAST_BITS = 2
_MOST_BITS = 8


class BinTable:
    """Find bins exactly as ``np.searchsorted(edges, values, side="right")`` does, but faster.

    The bit pattern of a positive IEEE 754 number, read as an integer, rises with the number. Its
    leading bits (the exponent and a few of the mantissa) address a table whose cells are so narrow
    that each contains at most one edge. The upper half of an entry holds the number of edges below
    the cell, the lower half 2^32 minus the edge inside it: after adding the bit pattern, the upper
    half is the bin. Edges that are too close to each other for a table are searched.

    Arguments:
        edges: Bin edges in rising order.
    """

    def __init__(self, edges: Numbers) -> None:
        self._edges = edges
        cuts = _first_bits(edges)
        self._shift, self._table = 0, np.empty(0, np.int64)
        for bits in range(_LEAST_BITS, _MOST_BITS + 1):
            # Single precision has 8 bits of exponent and 23 of mantissa.
            width = 1 << (23 - bits)
            starts = np.arange(0, 1 << 31, width)
            below = np.searchsorted(cuts, starts, side="right")
            inside = np.searchsorted(cuts, starts + width, side="left") - below
            if inside.max() <= 1:
                cut = np.append(cuts, 0)[below]
                missing = np.where(inside == 1, (1 << 32) - cut, 0)
                self._shift, self._table = 23 - bits, (below << 32) + missing
                return

    def find(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the number of edges that are not above each value.

        Arguments:
            values: Finite numbers that are not negative, in one dimension.
        """
        if not self._shift:
            return np.searchsorted(self._edges, values, side="right").astype(np.int64)
        bits = values.view(np.uint32).astype(np.int64)
        # Every index is in the table: "clip" only spares the check.
        found = self._table.take(bits >> self._shift, mode="clip")
        found += bits
        found >>= 32
        return found


@lru_cache(maxsize=8)
def _bin_table(edges: bytes) -> BinTable:
    return BinTable(np.frombuffer(edges, np.float64))


def _first_bits(edges: Numbers) -> NDArray[np.int64]:
    """Return the bit pattern of the smallest float32 that is not below each edge."""
    positive = np.where(edges > 0, edges, 0.0)
    with np.errstate(over="ignore"):
        rounded = positive.astype(np.float32)
    rounded = np.where(rounded < positive, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return rounded.astype(np.float32).view(np.uint32).astype(np.int64)
