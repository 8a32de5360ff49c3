"""Point clouds in HDF5: ``ShowerDataHDF5``, lists of points; ``CaloCloudsHDF5``, tables of them.

A point is three positions and an energy; its depth is a number of layers, from 0. Points are summed
into the cells of a detector. Files of ours have a point in the middle of each cell with a signal,
with its energy in the unit of the detector, as the attribute ``cell_unit`` says: in single
precision it would not come back from GeV to the last bit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside
from phys_gan.data.containers import hdf5
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import LENGTHS, Cells, HitMapping, Reader, register_format
from phys_gan.data.formats.hdf5_layout import (
    CONDITIONS,
    HDF5Layout,
    read_beside,
    require_shape,
    stored_overflow,
)
from phys_gan.data.hits import Hits, angles_of, require_detector, summing, unit_vectors
from phys_gan.data.metadata import choose_detector, scale, to_mev
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events
from phys_gan.units import find_particle

# Directions with a smaller component across are along z, up to rounding in single precision.
_ALONG = 1e-6

_Points = Callable[[int, int], tuple[NDArray[np.int64], NDArray[np.floating]]]
"""Read the events ``start`` to ``stop - 1``: the number of points of each event, (N,), and all
points, (n_points, 4) or more, whose fourth number is the energy."""


@dataclass(frozen=True)
class _Cloud:
    """The points of an open file.

    Arguments:
        read: Reads points.
        native: The conditions that the layout itself has beside the energy, (N,) each.
        used: Names of the data sets of the layout.
        notes: What the file has that events cannot hold, a sentence each.
    """

    read: _Points
    native: Mapping[str, NDArray[np.float64]]
    used: tuple[str, ...]
    notes: tuple[str, ...] = ()


class _PointCloud(HDF5Layout):
    """A layout of point clouds, which needs a data set of energies and one of points.

    Attributes:
        axes: Which axis of the shower each of the first three numbers of a point is, where the
            user names no others.
    """

    energy_unit = "GeV"
    has_hits = True
    grows = True
    axes: ClassVar[str]

    @abstractmethod
    def cloud(self, file: OpenFile, n_events: int) -> _Cloud:
        """Return the points of a file, and what else its layout says of each event."""

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to sum the points into the cells of a detector."""
        meta, (energies, points_name) = hdf5.metadata(file), self.needs
        energy = self.energy(file, energies)
        cloud = self.cloud(file, len(energy))
        chosen = require_detector(choose_detector(detector, meta.detector))
        # All points that phys_gan wrote are in cells.
        exact = bool(meta.format) and mapping is None
        mapping = mapping or HitMapping()
        where = mapping.hits
        if mapping.tree or mapping.frame or where.collections or any(where.names[:3]):
            raise ConfigError(
                "the points of this layout have no names, and are in the frame of the shower",
                remedy="leave tree, frame, hits.collections and the names of branches out",
            )
        unit = where.energy_unit or meta.cell_unit
        factor, length = scale(unit, "GeV", chosen), LENGTHS[where.length_unit]
        axes, counts_layers = where.axes or self.axes, where.depth != "mm"

        def hits(start: int, stop: int) -> Hits:
            counts, points = cloud.read(start, stop)
            x, y, z = (points[:, axes.index(axis)] for axis in "xyz")
            if length != 1:
                x, y, z = x * length, y * length, z if counts_layers else z * length
            energy = points[:, 3] if factor == 1 else points[:, 3] * np.float64(factor)
            return Hits(counts, x, y, z, energy, counts_layers, start)

        sums = summing(hits, chosen, hdf5.rows_at_once(file, points_name))
        stored = stored_overflow(file, len(energy), chosen.n_layers, factor)

        def load(start: int, stop: int) -> Cells:
            cells, missed = sums(start, stop)
            known = stored(start, stop)
            if exact:
                return cells, known
            return cells, missed if known is None else missed + known

        beside = _beside(file, energy, cloud, mapping)
        return Reader(
            chosen,
            len(energy),
            beside.conditions,
            load,
            meta.provenance,
            hdf5.rows_per_chunk(file, points_name),
            (*cloud.notes, *beside.notes),
            voxelised=not exact,
            hit_unit=unit or "GeV",
            weights=beside.weights,
            optional=beside.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; cells must be larger than rounding."""
        found, detector = {}, events.detector
        if detector.kind != "calorimeter":
            what = "pixels" if detector.is_image else "coordinates"
            found["cells"] = f"are {what} of '{detector.name}', not points of a shower"
        else:
            x, y = detector.points[:, :2].astype(np.float32).T
            back = detector.finder.cells(x, y, detector.layer_of_cell)
            if not np.array_equal(back, np.arange(detector.n_cells)):
                found["cells"] = (
                    f"of '{detector.name}' are too small for single-precision positions"
                )
        if "energy" not in events.conditions:
            found["energy"] = "is needed"
        return {**found, **super().obstacles(events)}

    def points(
        self, events: Events, into_layer: float = 0.0
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return a point in the middle of each cell with a signal, as many as each event has.

        ``into_layer`` is added to the number of the layer.
        """
        event, cell = np.nonzero(events.cells)
        x, y = events.detector.points[cell, :2].T
        place = {"x": x, "y": y, "z": events.detector.layer_of_cell[cell] + into_layer}
        points = np.empty((len(cell), 4), np.float32)
        for column, axis in enumerate(self.axes):
            points[:, column] = place[axis]
        points[:, 3] = events.cells[event, cell]
        return np.bincount(event, minlength=len(events)), points


def _beside(
    file: OpenFile, energy: NDArray[np.float64], cloud: _Cloud, mapping: HitMapping
) -> Beside:
    """Return conditions and weights; those that the user names take precedence."""
    layout = {"energy": energy}
    # Files of ours have all conditions beside; one that has lost its attributes has them twice.
    if not hdf5.metadata(file).format:
        native = cloud.native.items()
        layout |= {n: v for n, v in native if not hdf5.has(file, CONDITIONS + n)}
    for name, entry in mapping.conditions.items():
        layout[name] = hdf5.column(file, entry.branch) * entry.scale
    weights = None
    if mapping.weights:
        weights = hdf5.column(file, mapping.weights)
        hdf5.require_length(len(energy), {mapping.weights: weights})
    used = (*cloud.used, *mapping.branches)
    return read_beside(file, len(energy), layout, used, weights=weights)


def _angles(directions: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return theta and phi [rad] of directions (N, 3); nothing where all are along z."""
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


def _directions(events: Events) -> NDArray[np.float32] | None:
    """Return unit vectors (N, 3) where the events have conditions theta and phi; else None."""
    if not {"theta", "phi"} <= set(events.conditions):
        return None
    return unit_vectors(events.condition("theta"), events.condition("phi")).astype(np.float32)


_ENERGIES, _SHOWERS, _NUMBERS = "energies", "showers", "shower_ids"
_WIDTHS = (4, 5)


@register_format
class ShowerDataHDF5(_PointCloud):
    """Read and write ``energies`` (N, 1) [GeV] and ``showers``, a list of points per event.

    Each list is (x, y, z, E) or (x, y, z, E, t) of one point after the other: x and y in mm, z the
    number of the layer, E in GeV where neither the file nor the user gives another unit. ``shape``
    is (N, most points, numbers per point). Beside are ``num_points`` (N,), ``pdg`` (N,),
    ``directions`` (N, 3) and ``shower_ids`` (N,). Times are not kept.

    References:
        https://pypi.org/project/showerdata/
    """

    name = "showerdata-hdf5"
    description = "ShowerData HDF5: energies [GeV], showers (lists of x, y [mm], layer, E [GeV])"
    needs = (_ENERGIES, _SHOWERS)
    axes = "xyz"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has energies, and showers that are lists."""
        return super().recognises(file) and _holds_lists(file)

    def cloud(self, file: OpenFile, n_events: int) -> _Cloud:
        """Return the lists of points, particles and directions."""
        width = _width(file)
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

        native = {"pdg": hdf5.column(file, "pdg")} if hdf5.has(file, "pdg") else {}
        if hdf5.has(file, "directions"):
            remedy = "store a vector per event"
            require_shape(file, "directions", (n_events, 3), remedy, f"'{_ENERGIES}'")
            with damage_reported("HDF5"):
                native |= _angles(file.handle["directions"][()])
        used = [*self.needs, "num_points", "pdg", "directions", "shape"]
        if hdf5.metadata(file).format or _just_count(file):
            used.append(_NUMBERS)
        notes = ("the times of the points are not kept",) if width > _WIDTHS[0] else ()
        return _Cloud(read, native, tuple(used), notes)

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append the points as lists of float32, and what the package showerdata reads beside."""
        import h5py

        shape = tables.get("shape")
        before, most, _ = (0, 0, 0) if shape is None else shape.tolist()
        after = before + len(events)
        counts, points = self.points(events)
        showers = np.empty(len(events), object)
        showers[:] = np.split(points.reshape(-1), 4 * np.cumsum(counts))[:-1]
        directions = _directions(events)
        if directions is None:
            directions = np.tile(np.array([0, 0, 1], np.float32), (len(events), 1))
        tables.put(_SHOWERS, showers, h5py.vlen_dtype(np.float32))
        tables.put(_ENERGIES, events.energy[:, np.newaxis] / to_mev(self.energy_unit))
        tables.put("num_points", counts.astype(np.int32))
        tables.put("pdg", _pdg(events))
        tables.put("directions", directions)
        tables.put(_NUMBERS, np.arange(before, after, dtype=np.int32))
        tables.set("shape", np.array([after, max(most, *counts.tolist()), 4]))
        return ("energy",)


def _holds_lists(file: OpenFile) -> bool:
    """Return whether the data set of showers holds lists of numbers."""
    import h5py

    with damage_reported("HDF5"):
        base = h5py.check_vlen_dtype(file.handle[_SHOWERS].dtype)
    return isinstance(base, np.dtype) and base.kind in "fiu"


def _require_lists(file: OpenFile, n_events: int) -> None:
    if not hdf5.has(file, _SHOWERS) or not _holds_lists(file):
        shape = hdf5.shape_of(file, _SHOWERS)
        raise hdf5.wrong_shape(_SHOWERS, shape, ("N",), "store a list of numbers per event")
    with damage_reported("HDF5"):
        shape = tuple(file.handle[_SHOWERS].shape)
    if len(shape) != 1:
        raise hdf5.wrong_shape(_SHOWERS, shape, (n_events,), "store one shower per energy")
    if shape[0] != n_events:
        raise hdf5.unequal(_SHOWERS, shape[0], f"'{_ENERGIES}'", n_events)


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
    if known is not None and len(wrong := np.flatnonzero(counts != known)):
        raise DataError(
            f"the shower of event {start + wrong[0]} has {counts[wrong[0]]} points, but "
            f"'num_points' says {known[wrong[0]]:g}",
            remedy="copy or make the file again",
            value=int(counts[wrong[0]]),
            constraint=float(known[wrong[0]]),
        )
    return counts


def _just_count(file: OpenFile) -> bool:
    """Return whether the numbers of showers are there and just count, so that they say nothing."""
    if not hdf5.has(file, _NUMBERS):
        return True
    with damage_reported("HDF5"):
        numbers = file.handle[_NUMBERS]
        whole = numbers.ndim == 1 and numbers.dtype.kind in "iu"
        return whole and bool(np.all(np.diff(numbers[()]) == 1))


def _pdg(events: Events) -> NDArray[np.int32]:
    """Return the PDG numbers of the particles for other programs; 0 where they are not known."""
    try:
        number = find_particle(events.provenance.get("particle", "")).pdg
    except MissingError:
        number = 0
    values = events.conditions.get("pdg", np.full(len(events), float(number)))
    whole = (values == np.rint(values)) & (np.abs(values) < 2**31)
    return np.where(whole, values, 0).astype(np.int32)


_ENERGY, _POINTS, _DIRECTION = "energy", "events", "p_norm_local"
_MIDDLE = 0.5
# Room that is made at once when a later event has more points than all before.
_MARGIN = 1.1


@register_format
class CaloCloudsHDF5(_PointCloud):
    """Read and write ``energy`` (N, 1) [GeV] and ``events`` (N, P, 4), points filled up with zeros.

    The columns of a point are x [mm], the depth as a number of layers (anywhere within a layer),
    y [mm] and the energy, in GeV where neither the file nor the user gives another unit.
    ``events`` may also be (N, 4, P); points without energy are none. ``p_norm_local`` (3, N) or
    (N, 3) are directions whose third component points into the depth. In files of ours the points
    are behind the zeros.

    References:
        CaloClouds II: Ultra-Fast Geometry-Independent Highly-Granular Calorimeter Simulation
        (Buhmann et al., 2023), arXiv:2309.05704
    """

    name = "caloclouds-hdf5"
    description = (
        "CaloClouds HDF5: energy [GeV], events (N, P, 4) of x [mm], layer, y [mm], E [GeV]"
    )
    needs = (_ENERGY, _POINTS)
    axes = "xzy"

    def cloud(self, file: OpenFile, n_events: int) -> _Cloud:
        """Return the points of the table, and directions."""
        shape = hdf5.shape_of(file, _POINTS)
        if len(shape) != 3 or 4 not in shape[1:]:
            remedy = "store x, depth, y and energy of each point"
            raise hdf5.wrong_shape(_POINTS, shape, (n_events, "P", 4), remedy)
        if shape[0] != n_events:
            raise hdf5.unequal(_POINTS, shape[0], f"'{_ENERGY}'", n_events)

        def read(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
            table = hdf5.rows(file, _POINTS, start, stop)
            if shape[2] != 4:
                table = table.transpose(0, 2, 1)
            filled = table[:, :, 3] != 0
            return np.count_nonzero(filled, axis=1), table[filled]

        native = _stored_angles(file, n_events) if hdf5.has(file, _DIRECTION) else {}
        return _Cloud(read, native, (*self.needs, _DIRECTION))

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append the points; the table is widened where they are more than it has room for."""
        counts, points = self.points(events, _MIDDLE)
        most = max(1, *counts.tolist())
        there = tables.width(_POINTS)
        if there is not None and there < most:
            tables.widen(_POINTS, int(_MARGIN * most) + 1)
        table = np.zeros((len(events), tables.width(_POINTS) or most, 4), np.float32)
        table[np.arange(table.shape[1]) >= table.shape[1] - counts[:, np.newaxis]] = points
        tables.put(_POINTS, table)
        tables.put(_ENERGY, events.energy[:, np.newaxis] / to_mev(self.energy_unit))
        directions = _directions(events)
        if directions is not None:
            tables.put(_DIRECTION, directions)
        return ("energy",)


def _stored_angles(file: OpenFile, n_events: int) -> dict[str, NDArray[np.float64]]:
    """Return theta and phi of the stored directions."""
    shape = hdf5.shape_of(file, _DIRECTION)
    if len(shape) == 2 and 3 in shape and n_events not in shape:
        n_others = shape[0] if shape[1] == 3 else shape[1]
        raise hdf5.unequal(_DIRECTION, n_others, f"'{_ENERGY}'", n_events)
    if shape not in ((3, n_events), (n_events, 3)):
        raise hdf5.wrong_shape(_DIRECTION, shape, (3, n_events), "store a unit vector per event")
    with damage_reported("HDF5"):
        vectors = np.asarray(file.handle[_DIRECTION][()], np.float64)
    rows = shape[1] == 3
    if shape == (3, 3):
        # Three events: of both ways to read it, the one that gives unit vectors.
        off = [np.abs(np.linalg.norm(vectors, axis=axis) - 1).max() for axis in (0, 1)]
        rows = off[1] < off[0]
    return _angles(vectors if rows else vectors.T)
