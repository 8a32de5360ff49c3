"""Point clouds: what their layouts share, from the columns of a point to its direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.beside import Beside
from phys_gan.data.containers import hdf5
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Cells, Reader
from phys_gan.data.formats import own_data_sets
from phys_gan.data.frames import angles_of, unit_vectors
from phys_gan.data.hits import Hits, require_detector, summing
from phys_gan.data.mapping import LENGTHS, HitMapping
from phys_gan.data.metadata import choose_detector
from phys_gan.data.units import scale
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError
from phys_gan.events import Events

__all__ = [
    "PointCloud",
    "angles",
    "directions_of",
    "point_obstacles",
    "points_of",
]

# Less than this share across is rounding of single precision.
_ALONG = 1e-6


Points = Callable[[int, int], tuple[NDArray[np.int64], NDArray[np.floating]]]
"""Read the events ``start`` to ``stop - 1``: the number of points of each event, (N,), and all
points, (n_points, 4) or more, whose fourth number is the energy."""


@dataclass(frozen=True)
class PointCloud:
    """The points of an open file.

    Arguments:
        data_set: The data set that holds them.
        axes: Which shower axis each of the first three numbers of a point is, where the user says
            nothing: ``"xzy"`` where the second one is the depth z, as the number of a layer.
        read: Reads points.
        energy: Incident energies [MeV], shape (N,).
        native: The other conditions that the layout itself has; not used where the file is one of
            ours, which says exactly which conditions its events have.
        used: Names of the data sets that the layout is made of.
        notes: What the file has that events cannot hold, a sentence each.
    """

    data_set: str
    axes: str
    read: Points
    energy: NDArray[np.float64]
    native: Mapping[str, NDArray[np.float64]]
    used: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to sum the points into the cells of a detector.

        Raises:
            MissingError: There is no data set that the user names.
            DataError: A condition has not one value per event.
            DetectorError: There is no detector, or not the one that the file carries.
            ConfigError: The mapping says something that has no meaning for a point cloud.
        """
        meta, n_events = hdf5.metadata(file), len(self.energy)
        detector = require_detector(choose_detector(detector, meta.detector))
        unit = (mapping and mapping.hits.energy_unit) or meta.cell_unit
        factor = scale(unit, "GeV", detector)
        columns = _Columns.of(mapping, self.axes)

        def hits(start: int, stop: int) -> Hits:
            counts, points = self.read(start, stop)
            return columns.hits(counts, points, factor, start)

        sums = summing(hits, detector, hdf5.rows_at_once(file, self.data_set))
        stored = own_data_sets.Overflow(file, n_events, detector.n_layers, factor)
        # All points that phys_gan wrote are in cells.
        exact = bool(meta.format) and mapping is None

        def load(start: int, stop: int) -> Cells:
            cells, missed = sums(start, stop)
            known = stored.read(start, stop)
            if exact:
                return cells, known
            return cells, missed if known is None else missed + known

        found = self._beside(file, {} if meta.format else self.native, mapping)
        return Reader(
            detector,
            n_events,
            found.conditions,
            load,
            meta.provenance,
            hdf5.rows_per_chunk(file, self.data_set),
            (*self.notes, *found.notes),
            voxelised=not exact,
            hit_unit=unit or "GeV",
            weights=found.weights,
            optional=found.optional,
        )

    def _beside(
        self,
        file: OpenFile,
        native: Mapping[str, NDArray[np.float64]],
        mapping: HitMapping | None,
    ) -> Beside:
        mapping = mapping or HitMapping()
        named = {
            name: hdf5.column(file, entry.branch) * entry.scale
            for name, entry in mapping.conditions.items()
        }
        # A file of ours that has lost what it says of itself has directions and particles twice.
        native = {n: v for n, v in native.items() if not own_data_sets.has_condition(file, n)}
        layout = {"energy": self.energy, **native, **named}
        n_events, weights = len(self.energy), None
        if mapping.weights:
            weights = hdf5.column(file, mapping.weights)
            hdf5.require_length(n_events, {mapping.weights: weights})
        used = (*self.used, *mapping.branches)
        return own_data_sets.read_beside(file, n_events, layout, used, weights=weights)


@dataclass(frozen=True)
class _Columns:
    """Which shower axis each of the first three numbers of a point is.

    Arguments:
        axes: Such as ``"xzy"``, where the second number is the depth z.
        counts_layers: Whether the depth is a number of layers.
        unit: How many mm each unit of the positions is.
    """

    axes: str
    counts_layers: bool
    unit: float = 1.0

    @classmethod
    def of(cls, mapping: HitMapping | None, axes: str) -> _Columns:
        """Return the columns as the user says, else these axes and a depth in layers."""
        if mapping is None:
            return cls(axes, True)
        hits = mapping.hits
        if mapping.tree or mapping.frame or hits.collections or hits.x or hits.y or hits.z:
            raise ConfigError(
                "the points of this layout have no names, and are in the frame of the shower",
                remedy="leave tree, frame, hits.collections and the names of branches out",
            )
        return cls(hits.axes or axes, hits.depth != "mm", LENGTHS[hits.length_unit])

    def hits(
        self, counts: NDArray[np.int64], points: NDArray[np.floating], factor: float, start: int
    ) -> Hits:
        """Return the hits that points are; ``factor`` brings energies to the detector's unit."""
        x, y, z = (points[:, self.axes.index(axis)] for axis in "xyz")
        if self.unit != 1:
            x, y = x * self.unit, y * self.unit
            z = z if self.counts_layers else z * self.unit
        energy = points[:, 3] if factor == 1 else points[:, 3] * np.float64(factor)
        return Hits(counts, x, y, z, energy, self.counts_layers, start)


def points_of(
    events: Events, axes: str, into_layer: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return a point in the middle of each cell with a signal.

    Arguments:
        events: The events.
        axes: Which shower axis each of the first three columns is; z is the number of the layer.
        into_layer: What is added to that number.

    Returns:
        Number of points of each event (N,), and all points (n_points, 4), their energies last.
    """
    event, cell = np.nonzero(events.cells)
    detector = events.detector
    across = detector.points[cell]
    place = {"x": across[:, 0], "y": across[:, 1], "z": detector.layer_of_cell[cell] + into_layer}
    points = np.empty((len(cell), 4), np.float32)
    for column, axis in enumerate(axes):
        points[:, column] = place[axis]
    points[:, 3] = events.cells[event, cell]
    return np.bincount(event, minlength=len(events)), points


def point_obstacles(events: Events) -> dict[str, str]:
    """Return why layouts of point clouds cannot hold the events."""
    found, detector = {}, events.detector
    if detector.signed:
        what = "pixels" if detector.is_image else "coordinates"
        found["cells"] = f"are {what} of '{detector.name}', not points of a shower"
    else:
        x, y = detector.points[:, :2].astype(np.float32).T
        back = detector.finder.cells(x, y, detector.layer_of_cell)
        if not np.array_equal(back, np.arange(detector.n_cells)):
            found["cells"] = f"of '{detector.name}' are too small for single-precision positions"
    if "energy" not in events.conditions:
        found["energy"] = "is needed"
    return {**found, **own_data_sets.unfit_conditions(events)}


def angles(directions: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return theta and phi [rad] of directions; nothing where all run along z.

    Arguments:
        directions: Directions of any length but zero, shape (N, 3).

    Raises:
        DataError: A direction has no length, or is NaN or infinite.
    """
    x, y, z = np.asarray(directions, np.float64).T
    across = np.hypot(x, y)
    wrong = ~(np.isfinite(across) & np.isfinite(z)) | ((across == 0) & (z == 0))
    if wrong.any():
        raise DataError(
            f"{wrong.sum()} of {len(wrong)} events have no direction (first: event "
            f"{int(np.flatnonzero(wrong)[0])})",
            remedy="correct the directions, or remove their data set",
        )
    if np.all((across <= _ALONG * np.abs(z)) & (z > 0)):
        return {}
    theta, phi = angles_of(directions)
    return {"theta": theta, "phi": phi}


def directions_of(events: Events) -> NDArray[np.float32] | None:
    """Return unit vectors (N, 3) where the events have conditions theta and phi; else None."""
    if not {"theta", "phi"} <= set(events.conditions):
        return None
    return unit_vectors(events.condition("theta"), events.condition("phi")).astype(np.float32)
