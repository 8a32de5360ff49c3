"""Point clouds: what their layouts share, from the columns of a point to its direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Cells, Load
from phys_gan.data.hits import Hits, voxelise
from phys_gan.data.mapping import LENGTHS, HitMapping
from phys_gan.data.metadata import choose_detector, joined
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, DetectorError
from phys_gan.events import Events

__all__ = [
    "Columns",
    "angles",
    "directions_of",
    "loader",
    "point_obstacles",
    "points_of",
    "require_detector",
    "scalars",
]

_BLOCK_EVENTS = 1000
# Less than this share across is rounding of single precision.
_ALONG = 1e-6


@dataclass(frozen=True)
class Columns:
    """Which shower axis each of the first three columns of a point is; the fourth is its energy.

    Arguments:
        axes: Such as ``"xzy"``, where the second column is the depth z.
        counts_layers: Whether the depth is a number of layers.
        unit: How many mm each unit of the positions is.
    """

    axes: str
    counts_layers: bool
    unit: float = 1.0

    @classmethod
    def of(cls, mapping: HitMapping | None, axes: str) -> Columns:
        """Return the columns as the user says, else these axes and a depth in layers.

        Raises:
            ConfigError: The mapping says something that has no meaning for a point cloud.
        """
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
        """Return the hits that points are.

        Arguments:
            counts: Number of points of each event, shape (N,).
            points: All points, shape (n_points, 4) or more.
            factor: From the unit of their energies to that of the detector.
            start: Number of the first event.

        Raises:
            DataError: A value is NaN or infinite, or an energy negative.
        """
        x, y, z = (points[:, self.axes.index(axis)] for axis in "xyz")
        if self.unit != 1:
            x, y = x * self.unit, y * self.unit
            z = z if self.counts_layers else z * self.unit
        energy = points[:, 3] if factor == 1 else points[:, 3] * np.float64(factor)
        return Hits(counts, x, y, z, energy, self.counts_layers, start)


def require_detector(given: Detector | None, stored: Detector | None) -> Detector:
    """Return the detector that the user gave, or that the file carries.

    Raises:
        DetectorError: There is none, or both have different cells.
    """
    detector = choose_detector(given, stored)
    if detector is None:
        raise DetectorError(
            "the file has points, but does not say which cells to sum them into",
            remedy="name a detector, such as 'ild-ecal', or the path of a .toml file",
        )
    return detector


def scalars(
    file: OpenFile,
    energy: NDArray[np.float64],
    native: Mapping[str, NDArray[np.float64]],
    mapping: HitMapping | None,
) -> dict[str, NDArray[np.float64]]:
    """Return the conditions of all events.

    Arguments:
        file: The open file.
        energy: Incident energies [MeV], shape (N,).
        native: What the layout itself has; not used where the file is one of ours, which says
            exactly which conditions its events have.
        mapping: What the user names besides.

    Raises:
        MissingError: There is no data set that the user names.
        DataError: A condition has not one value per event.
    """
    own = bool(hdf5.metadata(file).format)
    named = mapping.conditions.items() if mapping else ()
    conditions = {
        "energy": energy,
        **({} if own else native),
        **joined({"energy": energy}, hdf5.read_conditions(file), "conditions/"),
        **{name: hdf5.column(file, entry.branch) * entry.scale for name, entry in named},
    }
    hdf5.require_length(len(energy), conditions)
    return conditions


def loader(
    read: Callable[[int, int], Hits], detector: Detector, stored: hdf5.Overflow, exact: bool
) -> Load:
    """Return what reads points of some events and sums them into cells.

    Arguments:
        read: Reads the hits of the events ``start`` to ``stop - 1``.
        detector: The detector.
        stored: The overflow in the file.
        exact: Whether phys_gan wrote the points, so that all of them are in cells.
    """

    def load(start: int, stop: int) -> Cells:
        cells = np.empty((stop - start, detector.n_cells), np.float32)
        missed = np.empty((stop - start, detector.n_layers), np.float32)
        for first in range(start, stop, _BLOCK_EVENTS):
            last = min(first + _BLOCK_EVENTS, stop)
            part = slice(first - start, last - start)
            cells[part], missed[part] = voxelise(read(first, last), detector)
        known = stored.read(start, stop)
        if exact:
            return cells, known
        return cells, missed if known is None else missed + known

    return load


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
    return {**found, **hdf5.unfit_conditions(events)}


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
    return {"theta": np.arctan2(across, z), "phi": np.arctan2(y, x)}


def directions_of(events: Events) -> NDArray[np.float32] | None:
    """Return unit vectors (N, 3) where the events have conditions theta and phi; else None."""
    if not {"theta", "phi"} <= set(events.conditions):
        return None
    theta, phi = events.conditions["theta"], events.conditions["phi"]
    across = np.sin(theta)
    vectors = [across * np.cos(phi), across * np.sin(phi), np.cos(theta)]
    return np.stack(vectors, axis=1).astype(np.float32)
