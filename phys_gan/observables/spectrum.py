"""The spectrum of cells or pixels: one histogram per event, so that events can be resampled.

The bins of many positive numbers at once, by a table instead of a search.

Bins for pixels of either sign: linear in the noise, logarithmic where they are bright.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.observables.sums import Showers, map_blocks
from phys_gan.units import MEV

__all__ = [
    "SPECTRA",
    "BinTable",
    "bin_table",
    "mirrored",
    "mirrored_bins",
    "open_edges",
    "pixel_edges",
    "plot_edges",
    "softening",
    "spectrum_block",
    "spectrum_name",
    "spectrum_per_event",
    "trimmed",
]

_LEAST_BITS = 2
_MOST_BITS = 8


class BinTable:
    """Find bins exactly as ``np.searchsorted(edges, values, side="right")`` does, but faster.

    The bit pattern of a positive number of IEEE 754, read as an integer, rises with the number.
    Its leading bits (the exponent and a few of the mantissa) address a table whose cells are so
    narrow that an edge at most lies in each. An entry holds the number of edges below the cell
    in its upper half, and in its lower half what is missing from the edge inside it to 2^32:
    after the bit pattern is added, the upper half is the bin.

    Where edges lie too close to each other for a table, they are searched for.

    Arguments:
        edges: Bin edges in rising order.
    """

    def __init__(self, edges: NDArray[np.float64]) -> None:
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


def bin_table(edges: NDArray[np.float64]) -> BinTable:
    """Return the table of these edges, made once."""
    return _table(np.ascontiguousarray(edges, np.float64).tobytes())


@lru_cache(maxsize=8)
def _table(edges: bytes) -> BinTable:
    return BinTable(np.frombuffer(edges, np.float64))


def _first_bits(edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bit pattern of the smallest float32 that is not below each edge."""
    positive = np.where(edges > 0, edges, 0.0)
    with np.errstate(over="ignore"):
        rounded = positive.astype(np.float32)
    rounded = np.where(rounded < positive, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return rounded.astype(np.float32).view(np.uint32).astype(np.int64)


_STEP = np.log(10) / 10
"""Width of a bin in the inverse hyperbolic sine: far from zero a tenth of a decade."""


def mirrored(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges of both signs, with zero between them.

    Example:
        >>> mirrored(np.array([1.0, 10.0])).tolist()
        [-10.0, -1.0, 0.0, 1.0, 10.0]
    """
    return np.concatenate([-edges[::-1], [0.0], edges])


def mirrored_bins(edges: NDArray[np.float64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of edges below each value.

    A bin holds the edge that is nearer to zero; zero itself is on the positive side.

    Arguments:
        edges: Edges that :func:`mirrored` made.
        values: Finite numbers of any shape.
    """
    middle = len(edges) // 2
    away = bin_table(edges[middle + 1 :]).find(np.abs(values).reshape(-1)).reshape(values.shape)
    return np.where(values < 0, middle - away, middle + 1 + away)


def softening(edges: NDArray[np.float64], counts: NDArray[np.generic]) -> float:
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


def pixel_edges(edges: NDArray[np.float64], counts: NDArray[np.generic]) -> NDArray[np.float64]:
    r"""Keep those edges that are about regular in :math:`\mathrm{asinh}(x / s)`.

    The softening s is that of the reference. The range is that of its pixels.

    Arguments:
        edges: Edges that :func:`mirrored` made, shape (n_bins + 1,).
        counts: Pixels of the reference with under- and overflow, shape (n_bins + 2,).
    """
    filled = np.flatnonzero(np.asarray(counts))
    if not len(filled):
        return edges[len(edges) // 2 - 1 : len(edges) // 2 + 2]
    first, last = max(int(filled[0]) - 1, 0), min(int(filled[-1]), len(edges) - 1)
    first = min(first, last - 1)
    places = np.arcsinh(edges / softening(edges, counts)) / _STEP
    off = np.abs(places - np.round(places))
    # Of the edges that share a step the nearest to it stays.
    order = np.lexsort((off, np.round(places)))
    _, best = np.unique(np.round(places)[order], return_index=True)
    kept = np.sort(order[best])
    inner = kept[(kept > first) & (kept < last)]
    return np.asarray(edges[np.concatenate([[first], inner, [last]])], np.float64)


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
        threads: As in :func:`phys_gan.observables.sums.map_blocks`.
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
