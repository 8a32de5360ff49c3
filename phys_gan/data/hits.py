"""Hits, energies at points (:class:`Hits`), summed into cells (:func:`voxelise`).

:class:`ShowerFrame` turns points from the frame of the experiment into that of each shower: the
origin where the particle enters, z along its direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

_BLOCK_CELLS = 1 << 19
_BLOCK_HITS = 1 << 16
# Events whose hits are in memory together.
_EVENTS = 1000


@dataclass(frozen=True, eq=False)
class Hits:
    """Energies at points of many events, one event after the other.

    Arguments:
        counts: Number of hits of each event, shape (N,).
        x: Positions across the shower axis [mm], shape (n_hits,).
        y: Positions across [mm], shape (n_hits,).
        z: Depth along the axis [mm], or numbers of layers, shape (n_hits,).
        energy: Energies in the unit of the detector, shape (n_hits,).
        z_counts_layers: Whether the whole part of ``z`` is the number of a layer.
        first_event: Number of the first event in its file, for messages.

    Raises:
        DataError: The arrays differ in length, or a position or energy is NaN, infinite, or an
            energy negative.
    """

    counts: NDArray[np.int64]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    z: NDArray[np.floating]
    energy: NDArray[np.floating]
    z_counts_layers: bool = False
    first_event: int = 0

    def __post_init__(self) -> None:
        total = int(self.counts.sum())
        for name in ("x", "y", "z", "energy"):
            values = getattr(self, name)
            if values.shape != (total,):
                raise DataError(
                    f"the events have {total} hits, but {len(values)} values of {name}",
                    remedy="give each hit a position and an energy",
                    value=len(values),
                    constraint=total,
                )
            # The smallest and largest value suffice, without a temporary array.
            if total and not np.isfinite([values.min(), values.max()]).all():
                raise self._wrong(~np.isfinite(values), f"NaN or infinite values of {name}")
        if total and self.energy.min() < 0:
            raise self._wrong(self.energy < 0, "negative energies")

    def _wrong(self, which: NDArray[np.bool_], what: str) -> DataError:
        events = np.unique(np.repeat(np.arange(len(self)), self.counts)[which])
        return DataError(
            f"hits have {what} in {len(events)} of {len(self)} events (first: event "
            f"{self.first_event + events[0]})",
            remedy="find out what the simulation did there, or remove these hits",
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.counts)


def voxelise(hits: Hits, detector: Detector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sum hits into cells, without a loop over events or hits.

    Sums are taken in double precision. Energy outside every cell is counted with the layer at its
    depth, or with the nearest one where there is none: before the first, after the last or
    in a gap between two. Cells and overflow of an event add up to its hits, which are in the frame
    of the shower.

    Returns:
        Cells of shape (N, n_cells) and overflow of shape (N, n_layers), in the unit of the hits.
    """
    n, n_cells, n_layers = len(hits), detector.n_cells, detector.n_layers
    cells = np.empty((n, n_cells), np.float32)
    overflow = np.zeros((n, n_layers), np.float32)
    ends = np.concatenate([[0], np.cumsum(hits.counts)])

    start = 0
    while start < n:
        # As many events as keep hits and cells in the cache of the processor, and at least one.
        stop = int(np.searchsorted(ends, ends[start] + _BLOCK_HITS, side="right")) - 1
        stop = min(max(stop, start + 1), start + max(1, _BLOCK_CELLS // n_cells), n)
        part = slice(ends[start], ends[stop])
        index, layer = _locate(hits, part, detector)
        energy = np.asarray(hits.energy[part], np.float64)
        # In front of the cells of each event, one bin more takes what is outside (-1).
        shape = (stop - start, n_cells + 1)
        index += np.repeat(1 + shape[1] * np.arange(shape[0]), hits.counts[start:stop])
        sums = np.bincount(index, energy, shape[0] * shape[1]).reshape(shape)
        cells[start:stop] = sums[:, 1:]
        if sums[:, 0].any():
            missed = np.flatnonzero(index % shape[1] == 0)
            bins = index[missed] // shape[1] * n_layers + layer[missed]
            outside = np.bincount(bins, energy[missed], shape[0] * n_layers)
            overflow[start:stop] = outside.reshape(shape[0], n_layers)
        start = stop
    return cells, overflow


def _locate(
    hits: Hits, part: slice, detector: Detector
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cell of each hit (-1 in none) and the layer that it counts for."""
    x, y = np.asarray(hits.x[part], np.float64), np.asarray(hits.y[part], np.float64)
    z = np.asarray(hits.z[part], np.float64)
    finder = detector.finder
    if hits.z_counts_layers:
        # Layer numbers may have been stored as 16.99999.
        layer = np.clip(np.floor(z + 1e-3), -1, detector.n_layers).astype(np.int64)
        return finder.cells(x, y, layer), np.clip(layer, 0, detector.n_layers - 1)
    layer = finder.layers(z)
    outside = layer < 0
    flat = finder.cells(x, y, layer)
    if outside.any():
        layer = np.where(outside, finder.nearest_layers(z), layer)
    return flat, layer


def hits_of(events: Events) -> Hits:
    """Return one hit in the middle of each cell with a signal; the inverse of :func:`voxelise`.

    Overflow is not among them, as its position is not known.
    """
    event, cell = np.nonzero(events.cells)
    x, y, z = events.detector.points[cell].T
    counts = np.bincount(event, minlength=len(events))
    return Hits(counts, x, y, z, events.cells[event, cell])


def summing(
    read: Callable[[int, int], Hits], detector: Detector, block: int = 1
) -> Callable[[int, int], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return a function that reads the hits of a range of events and sums them into cells.

    Arguments:
        read: Reads the hits of the events ``start`` to ``stop - 1``.
        detector: The detector.
        block: Events that are stored together.
    """
    rows = -(-_EVENTS // block) * block

    def load(start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        cells = np.empty((stop - start, detector.n_cells), np.float32)
        overflow = np.empty((stop - start, detector.n_layers), np.float32)
        first = start
        while first < stop:
            last = min((first // rows + 1) * rows, stop)
            here = slice(first - start, last - start)
            cells[here], overflow[here] = voxelise(read(first, last), detector)
            first = last
        return cells, overflow

    return load


def require_detector(detector: Detector | None) -> Detector:
    """Return the detector into whose cells hits are summed.

    Raises:
        DetectorError: There is none.
    """
    if detector is None:
        raise DetectorError(
            "it holds hits, which can be summed into the cells of any detector, but none is named",
            remedy="name one, such as 'ild-ecal', or the path of a .toml file",
        )
    return detector


class ShowerFrame:
    """The frames of N showers: the origin where the particle enters, z along its direction.

    Across, x runs around the beam axis (along the azimuth of the direction) and y completes the
    right-handed frame: for a particle at right angles to the beam, y runs along the beam. For a
    particle along the beam, x is the x of the experiment.

    Arguments:
        entry: Points of entry in the frame of the experiment [mm], shape (N, 3).
        direction: Directions of any length but zero, shape (N, 3).

    Raises:
        DataError: A direction has no length, or something is NaN.

    Example:
        >>> frame = ShowerFrame(np.array([[0.0, 1800, 0]]), np.array([[0.0, 1, 0]]))
        >>> frame.to_local(np.array([1]), np.array([[0.0], [1810], [5]])).round(6).T
        array([[ 0.,  5., 10.]])
    """

    def __init__(self, entry: NDArray[np.floating], direction: NDArray[np.floating]) -> None:
        length = np.linalg.norm(direction, axis=1, keepdims=True)
        wrong = ~(np.isfinite(entry).all(axis=1) & np.isfinite(length[:, 0]) & (length[:, 0] > 0))
        if wrong.any():
            raise DataError(
                f"{wrong.sum()} of {len(wrong)} events have no direction or point of entry "
                f"(first: event {int(np.flatnonzero(wrong)[0])})",
                remedy="check the branches of the incident particle",
            )
        self.entry = np.asarray(entry, np.float64)
        axis = direction / length
        across = np.cross([0.0, 0.0, 1.0], axis)
        size = np.linalg.norm(across, axis=1, keepdims=True)
        # The azimuth of a particle along the beam is undefined within rounding.
        along_beam = size < 1e-12
        across = np.where(along_beam, [1.0, 0.0, 0.0], across / np.where(along_beam, 1.0, size))
        self.axes = np.stack([across, np.cross(axis, across), axis], axis=1)
        """Unit vectors x, y, z of each frame in the frame of the experiment, shape (N, 3, 3)."""

    def to_local(
        self, counts: NDArray[np.int64], points: NDArray[np.floating], first: int = 0
    ) -> NDArray[np.float64]:
        """Return points of the experiment in the frames of their events.

        Arguments:
            counts: Number of points of each event, shape (n,).
            points: The points of all events [mm], shape (3, n_points), as what is returned.
            first: Number of the first of these n events.
        """
        here = slice(first, first + len(counts))
        moved = points - np.repeat(self.entry[here].T, counts, axis=1)
        return _turned(self.axes[here], counts, moved)

    def to_global(
        self, counts: NDArray[np.int64], points: NDArray[np.floating], first: int = 0
    ) -> NDArray[np.float64]:
        """Return points of shower frames in that of the experiment; the inverse of `to_local`."""
        here = slice(first, first + len(counts))
        turned = _turned(self.axes[here].transpose(0, 2, 1), counts, points)
        return turned + np.repeat(self.entry[here].T, counts, axis=1)


def _turned(
    matrices: NDArray[np.float64], counts: NDArray[np.int64], points: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the points (3, n_points) times the matrix of their event (n, 3, 3)."""
    turned = np.zeros((3, points.shape[1]))
    # Nine products of long columns are faster than one of many small matrices.
    for i in range(3):
        for j in range(3):
            turned[i] += np.repeat(matrices[:, i, j], counts) * points[j]
    return turned


def enter_cylinder(
    point: NDArray[np.floating],
    direction: NDArray[np.floating],
    radius: float,
    half_length: float | None = None,
) -> NDArray[np.float64]:
    """Return where straight lines first meet a barrel around the beam axis and its endcaps.

    Lines are followed forward from points inside; magnetic fields are not considered.

    Arguments:
        point: A point on each line [mm], shape (N, 3), as what is returned.
        direction: Its direction, shape (N, 3).
        radius: Inner radius of the barrel [mm].
        half_length: Distance of the endcaps from the origin [mm]; by default there are none.

    Raises:
        DataError: A line begins outside, or never leaves the barrel.
    """
    end_z = np.inf if half_length is None else half_length
    p, d = np.asarray(point, np.float64), np.asarray(direction, np.float64)
    a = (d[:, :2] ** 2).sum(axis=1)
    b = (p[:, :2] * d[:, :2]).sum(axis=1)
    c = (p[:, :2] ** 2).sum(axis=1) - radius**2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        barrel = np.where(a > 0, (-b + np.sqrt(b**2 - a * c)) / a, np.inf)
        end = np.where(d[:, 2] != 0, (np.sign(d[:, 2]) * end_z - p[:, 2]) / d[:, 2], np.inf)
    step = np.minimum(barrel, end)
    # A micrometre of slack, so that a particle may begin on the surface itself.
    wrong = ~(np.isfinite(step) & (c <= 2e-3 * radius) & (np.abs(p[:, 2]) <= end_z + 1e-3))
    if wrong.any():
        raise DataError(
            f"{wrong.sum()} of {len(wrong)} particles do not come from inside a barrel of radius "
            f"{radius:g} mm (first: event {int(np.flatnonzero(wrong)[0])})",
            remedy="correct the radius, or name another point of entry",
            value=radius,
        )
    return p + d * step[:, np.newaxis]


def angles_of(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the polar angle theta and the azimuth phi [rad] of vectors (N, 3), (N,) each."""
    x, y, z = np.asarray(vectors, np.float64).T
    return np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)


def unit_vectors(theta: NDArray[np.floating], phi: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the unit vectors (N, 3) of polar angles theta and azimuths phi [rad], (N,) each."""
    across = np.sin(theta)
    return np.stack([across * np.cos(phi), across * np.sin(phi), np.cos(theta)], axis=1)
