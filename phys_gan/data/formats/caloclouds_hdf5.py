"""CaloClouds' HDF5 layout: point clouds in a table, filled up with zeros."""

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
from phys_gan.events import Events

__all__ = ["CaloCloudsHDF5"]

_ENERGY = "energy"
_POINTS = "events"
_DIRECTION = "p_norm_local"
_AXES = "xzy"
_MIDDLE = 0.5
# Room that is made at once when a later event has more points than all before.
_MARGIN = 1.1


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
