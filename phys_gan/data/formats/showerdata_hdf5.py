"""The HDF5 layout of the package showerdata: point clouds as lists of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, Reader
from phys_gan.data.formats import own_data_sets
from phys_gan.data.formats.points import (
    PointCloud,
    angles,
    directions_of,
    point_obstacles,
    points_of,
)
from phys_gan.data.mapping import HitMapping
from phys_gan.data.units import to_mev
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, MissingError
from phys_gan.events import Events
from phys_gan.particles import find_particle

__all__ = ["ShowerDataHDF5"]

_ENERGY = "energies"
_SHOWERS = "showers"
_NUMBERS = "shower_ids"
_WIDTHS = (4, 5)
_AXES = "xyz"


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
    needs: ClassVar[tuple[str, ...]] = (_ENERGY, _SHOWERS)
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
        energy = hdf5.column(file, _ENERGY) * unit
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
        native, used = _native(file, n_events), _used(file)
        cloud = PointCloud(_SHOWERS, _AXES, read, energy, native, used, notes)
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
                counts, points = points_of(events, _AXES)
                showers = np.empty(len(events), object)
                showers[:] = np.split(points.reshape(-1), 4 * np.cumsum(counts))[:-1]
                tables.put(_SHOWERS, showers, lists)
                tables.put(_ENERGY, events.energy[:, np.newaxis] / to_mev(self.energy_unit))
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
        raise hdf5.unequal(_SHOWERS, shape[0], f"'{_ENERGY}'", n_events)


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


def _native(file: OpenFile, n_events: int) -> dict[str, NDArray[np.float64]]:
    """Return the conditions that the layout itself has."""
    found = {"pdg": hdf5.column(file, "pdg")} if hdf5.has(file, "pdg") else {}
    if hdf5.has(file, "directions"):
        shape = hdf5.shape_of(file, "directions")
        if shape[1:] == (3,) and shape[0] != n_events:
            raise hdf5.unequal("directions", shape[0], f"'{_ENERGY}'", n_events)
        if shape != (n_events, 3):
            raise hdf5.wrong_shape("directions", shape, (n_events, 3), "store a vector per event")
        with damage_reported("HDF5"):
            found |= angles(file.handle["directions"][()])
    return found


def _used(file: OpenFile) -> tuple[str, ...]:
    """Return the data sets of the layout; the numbers of showers that just count are of no use."""
    used = (_ENERGY, _SHOWERS, "num_points", "pdg", "directions", "shape")
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
