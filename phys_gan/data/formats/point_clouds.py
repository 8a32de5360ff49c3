"""Point clouds: what their layouts share, from the columns of a point to its direction.

CaloClouds' HDF5 layout: point clouds in a table, filled up with zeros.

The HDF5 layout of the package showerdata: point clouds as lists of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside
from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import LENGTHS, Append, Cells, Format, HitMapping, Reader, register_format
from phys_gan.data.formats import own_data_sets
from phys_gan.data.hits import Hits, angles_of, require_detector, summing, unit_vectors
from phys_gan.data.metadata import choose_detector, scale, to_mev
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events
from phys_gan.units import find_particle

__all__ = [
    "CaloCloudsHDF5",
    "PointCloud",
    "ShowerDataHDF5",
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
    if detector.kind != "calorimeter":
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


_ENERGY_showerdata_hdf5 = "energies"
_SHOWERS = "showers"
_NUMBERS = "shower_ids"
_WIDTHS = (4, 5)
_AXES_showerdata_hdf5 = "xyz"


@register_format
class ShowerDataHDF5(Format):
    """Read and write ``energies`` (N, 1) [GeV] and ``showers``, a list of points per event.

    Each list is (x, y, z, E) or (x, y, z, E, t) of one point after the other: x and y in mm, z the
    number of the layer, E in GeV where neither the file nor the user says otherwise. ``shape`` is
    (N, most points, numbers per point). Beside are ``num_points`` (N,), ``pdg`` (N,),
    ``directions`` (N, 3) and ``shower_ids`` (N,). Points are summed into the cells of a detector;
    times are not kept.

    Files of ours have a point in the middle of each cell with a signal, with its energy in the
    unit of the detector, as the attribute ``cell_unit`` says: as GeV in single precision it would
    not come back to the last bit. Overflow, weights and conditions stand beside.

    References:
        https://pypi.org/project/showerdata/
    """

    name: ClassVar[str] = "showerdata-hdf5"
    description: ClassVar[str] = (
        "ShowerData HDF5: energies [GeV], showers (lists of x, y [mm], layer, E [GeV])"
    )
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_ENERGY_showerdata_hdf5, _SHOWERS)
    energy_unit: ClassVar[str] = "GeV"
    has_hits: ClassVar[bool] = True
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has energies, and showers that are lists."""
        return (
            file.container == self.container
            and hdf5.has(file, *self.needs)
            and _base(file) is not None
        )

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        unit = to_mev(hdf5.metadata(file).energy_unit or self.energy_unit)
        energy = hdf5.column(file, _ENERGY_showerdata_hdf5) * unit
        n_events, width = len(energy), _width(file)
        _require_lists(file, n_events)
        known = hdf5.column(file, "num_points") if hdf5.has(file, "num_points") else None
        if known is not None:
            hdf5.require_length(n_events, {"num_points": known})

        def read(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
            with damage_reported("HDF5"):
                lists = file.handle[_SHOWERS][start:stop]
            lengths = np.fromiter(map(len, lists), np.int64, stop - start)
            counts = _counts(lengths, width, None if known is None else known[start:stop], start)
            points = np.concatenate([*lists, np.zeros(0, np.float32)]).reshape(-1, width)
            return counts, points

        notes = ("the times of the points are not kept",) if width > _WIDTHS[0] else ()
        native, used = _native_showerdata_hdf5(file, n_events), _used(file)
        cloud = PointCloud(_SHOWERS, _AXES_showerdata_hdf5, read, energy, native, used, notes)
        return cloud.reader(file, detector, mapping)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events."""
        return point_obstacles(events)

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; energies as float64, so that they come back as they were."""
        import h5py

        lists = h5py.vlen_dtype(np.float32)
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                shape = tables.get("shape")
                before, most, _ = (0, 0, 0) if shape is None else shape.tolist()
                counts, points = points_of(events, _AXES_showerdata_hdf5)
                showers = np.empty(len(events), object)
                showers[:] = np.split(points.reshape(-1), 4 * np.cumsum(counts))[:-1]
                tables.put(_SHOWERS, showers, lists)
                tables.put(
                    _ENERGY_showerdata_hdf5, events.energy[:, np.newaxis] / to_mev(self.energy_unit)
                )
                tables.put("num_points", counts.astype(np.int32))
                tables.put("pdg", _pdg(events))
                along = np.tile(np.array([0, 0, 1], np.float32), (len(events), 1))
                directions = directions_of(events)
                tables.put("directions", along if directions is None else directions)
                after = before + len(events)
                tables.put(_NUMBERS, np.arange(before, after, dtype=np.int32))
                tables.set("shape", np.array([after, max(most, *counts.tolist()), 4]))
                own_data_sets.put(tables, events)

            yield append


def _base(file: OpenFile) -> np.dtype[np.generic] | None:
    """Return the type of the numbers in the lists; None where there are no such lists."""
    import h5py

    with damage_reported("HDF5"):
        base: np.dtype[np.generic] | None = h5py.check_vlen_dtype(file.handle[_SHOWERS].dtype)
    return base if isinstance(base, np.dtype) and base.kind in "fiu" else None


def _require_lists(file: OpenFile, n_events: int) -> None:
    if not hdf5.has(file, _SHOWERS) or _base(file) is None:
        shape = hdf5.shape_of(file, _SHOWERS)
        raise hdf5.wrong_shape(_SHOWERS, shape, ("N",), "store a list of numbers per event")
    with damage_reported("HDF5"):
        shape = tuple(file.handle[_SHOWERS].shape)
    if len(shape) != 1:
        raise hdf5.wrong_shape(_SHOWERS, shape, (n_events,), "store one shower per energy")
    if shape[0] != n_events:
        raise hdf5.unequal(_SHOWERS, shape[0], f"'{_ENERGY_showerdata_hdf5}'", n_events)


def _width(file: OpenFile) -> int:
    """Return how many numbers each point has."""
    if not hdf5.has(file, "shape"):
        return _WIDTHS[0]
    shape = hdf5.column(file, "shape")
    if shape.shape != (3,) or shape[2] not in _WIDTHS:
        listed = f"({', '.join(f'{value:g}' for value in shape)})"
        raise DataError(
            f"data set 'shape' holds {listed}, but must hold the numbers of showers, of points and "
            f"of values per point, which is 4 or 5",
            remedy="correct it, or leave it out where there are 4",
            value=tuple(shape.tolist()),
            constraint=("N", "points", _WIDTHS),
        )
    return int(shape[2])


def _counts(
    lengths: NDArray[np.int64], width: int, known: NDArray[np.float64] | None, start: int
) -> NDArray[np.int64]:
    """Return the number of points of each event."""
    torn = np.flatnonzero(lengths % width)
    if len(torn):
        raise DataError(
            f"the shower of event {start + torn[0]} has {lengths[torn[0]]} numbers, which is not "
            f"a multiple of {width}",
            remedy="store all numbers of each point",
            value=int(lengths[torn[0]]),
            constraint=width,
        )
    counts = lengths // width
    wrong = np.flatnonzero(counts != known) if known is not None else torn
    if known is not None and len(wrong):
        raise DataError(
            f"the shower of event {start + wrong[0]} has {counts[wrong[0]]} points, but "
            f"'num_points' says {known[wrong[0]]:g}",
            remedy="copy or make the file again",
            value=int(counts[wrong[0]]),
            constraint=float(known[wrong[0]]),
        )
    return counts


def _native_showerdata_hdf5(file: OpenFile, n_events: int) -> dict[str, NDArray[np.float64]]:
    """Return the conditions that the layout itself has."""
    found = {"pdg": hdf5.column(file, "pdg")} if hdf5.has(file, "pdg") else {}
    if hdf5.has(file, "directions"):
        shape = hdf5.shape_of(file, "directions")
        if shape[1:] == (3,) and shape[0] != n_events:
            raise hdf5.unequal("directions", shape[0], f"'{_ENERGY_showerdata_hdf5}'", n_events)
        if shape != (n_events, 3):
            raise hdf5.wrong_shape("directions", shape, (n_events, 3), "store a vector per event")
        with damage_reported("HDF5"):
            found |= angles(file.handle["directions"][()])
    return found


def _used(file: OpenFile) -> tuple[str, ...]:
    """Return the data sets of the layout; the numbers of showers that just count are of no use."""
    used = (_ENERGY_showerdata_hdf5, _SHOWERS, "num_points", "pdg", "directions", "shape")
    if hdf5.metadata(file).format or not hdf5.has(file, _NUMBERS):
        return (*used, _NUMBERS)
    with damage_reported("HDF5"):
        numbers = file.handle[_NUMBERS]
        whole = numbers.ndim == 1 and numbers.dtype.kind in "iu"
        counts = whole and bool(np.all(np.diff(numbers[()]) == 1))
    return (*used, _NUMBERS) if counts else used


def _pdg(events: Events) -> NDArray[np.int32]:
    """Return the numbers of the particles for other programs; 0 where nobody knows."""
    try:
        number = find_particle(events.provenance.get("particle", "")).pdg
    except MissingError:
        number = 0
    values = events.conditions.get("pdg", np.full(len(events), float(number)))
    whole = (values == np.rint(values)) & (np.abs(values) < 2**31)
    return np.where(whole, values, 0).astype(np.int32)


_ENERGY = "energy"
_POINTS = "events"
_DIRECTION = "p_norm_local"
_AXES = "xzy"
_MIDDLE = 0.5
# Room that is made at once when a later event has more points than all before.
_MARGIN = 1.1


@register_format
class CaloCloudsHDF5(Format):
    """Read and write ``energy`` (N, 1) [GeV] and ``events`` (N, P, 4), points filled up with zeros.

    The columns of a point are x [mm], the depth as a number of layers (from 0, and anywhere within
    a layer), y [mm] and the energy, in GeV where neither the file nor the user says otherwise.
    ``events`` may also be (N, 4, P); points without energy are none. ``p_norm_local`` (3, N) or
    (N, 3) are directions whose third component points into the depth. Points are summed into the
    cells of a detector.

    Files of ours have a point in the middle of each cell with a signal, behind the zeros, with its
    energy in the unit of the detector, as the attribute ``cell_unit`` says. Overflow, weights and
    conditions stand beside.

    References:
        CaloClouds II: Ultra-Fast Geometry-Independent Highly-Granular Calorimeter Simulation
        (Buhmann et al., 2023), arXiv:2309.05704
    """

    name: ClassVar[str] = "caloclouds-hdf5"
    description: ClassVar[str] = (
        "CaloClouds HDF5: energy [GeV], events (N, P, 4) of x [mm], layer, y [mm], E [GeV]"
    )
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_ENERGY, _POINTS)
    energy_unit: ClassVar[str] = "GeV"
    has_hits: ClassVar[bool] = True
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has an energy and a table of points."""
        return file.container == self.container and hdf5.has(file, *self.needs)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        unit = to_mev(hdf5.metadata(file).energy_unit or self.energy_unit)
        energy = hdf5.column(file, _ENERGY) * unit
        n_events, shape = len(energy), hdf5.shape_of(file, _POINTS)
        if len(shape) != 3 or 4 not in shape[1:]:
            raise hdf5.wrong_shape(
                _POINTS, shape, (n_events, "P", 4), "store x, depth, y and energy of each point"
            )
        if shape[0] != n_events:
            raise hdf5.unequal(_POINTS, shape[0], f"'{_ENERGY}'", n_events)

        def read(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
            table = hdf5.rows(file, _POINTS, start, stop)
            if shape[2] != 4:
                table = table.transpose(0, 2, 1)
            filled = table[:, :, 3] != 0
            return np.count_nonzero(filled, axis=1), table[filled]

        used = (*self.needs, _DIRECTION)
        cloud = PointCloud(_POINTS, _AXES, read, energy, _native(file, n_events), used)
        return cloud.reader(file, detector, mapping)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events."""
        return point_obstacles(events)

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; energies as float64, so that they come back as they were."""
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                counts, points = points_of(events, _AXES, _MIDDLE)
                most = max(1, *counts.tolist())
                there = tables.width(_POINTS)
                if there is not None and there < most:
                    tables.widen(_POINTS, int(_MARGIN * most) + 1)
                table = np.zeros((len(events), tables.width(_POINTS) or most, 4), np.float32)
                table[np.arange(table.shape[1]) >= table.shape[1] - counts[:, np.newaxis]] = points
                tables.put(_POINTS, table)
                tables.put(_ENERGY, events.energy[:, np.newaxis] / to_mev(self.energy_unit))
                directions = directions_of(events)
                if directions is not None:
                    tables.put(_DIRECTION, directions)
                own_data_sets.put(tables, events)

            yield append


def _native(file: OpenFile, n_events: int) -> dict[str, NDArray[np.float64]]:
    """Return the conditions that the layout itself has."""
    if not hdf5.has(file, _DIRECTION):
        return {}
    shape = hdf5.shape_of(file, _DIRECTION)
    if len(shape) == 2 and 3 in shape and n_events not in shape:
        n_others = shape[0] if shape[1] == 3 else shape[1]
        raise hdf5.unequal(_DIRECTION, n_others, f"'{_ENERGY}'", n_events)
    if shape not in ((3, n_events), (n_events, 3)):
        raise hdf5.wrong_shape(_DIRECTION, shape, (3, n_events), "store a unit vector per event")
    with damage_reported("HDF5"):
        vectors = np.asarray(file.handle[_DIRECTION][()], np.float64)
    if shape == (3, 3):
        # Three events: of both ways to read it, the one that gives unit vectors.
        off = [np.abs(np.linalg.norm(vectors, axis=axis) - 1).max() for axis in (0, 1)]
        return angles(vectors if off[1] < off[0] else vectors.T)
    return angles(vectors if shape[1] == 3 else vectors.T)
