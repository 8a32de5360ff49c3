"""``ToysHDF5``: points in the plane, or in a space of any dimension."""

from __future__ import annotations

from phys_gan.data.containers import hdf5
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import HitMapping, Reader, register_format
from phys_gan.data.formats.hdf5_layout import HDF5Layout, read_beside, require_shape
from phys_gan.data.metadata import choose_detector
from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

_POINTS = "points"


@register_format
class ToysHDF5(HDF5Layout):
    """Read and write ``points`` (N, d), the coordinates of N points.

    Files of other programs need a detector whose layers are axes, such as ``toy-grid``.
    """

    name = "toys-hdf5"
    description = "points in HDF5: points (N, d)"
    needs = (_POINTS,)
    grows = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has points, and does not declare another layout."""
        return super().recognises(file) and hdf5.metadata(file).format in ("", self.name)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the points, of as many coordinates as the detector has axes."""
        remedy = "store one row per point and a column per coordinate"
        shape = require_shape(file, _POINTS, ("N", "d"), remedy)
        chosen = choose_detector(detector, hdf5.metadata(file).detector)
        if chosen is None:
            raise DetectorError(
                f"the file has points of {shape[1]} coordinates, but does not say what they are",
                remedy="name a detector of axes, such as 'toy-grid', or the path of a .toml file",
            )
        if not chosen.is_toy or chosen.n_cells != shape[1]:
            raise DetectorError(
                f"data set '{_POINTS}' has {shape[1]} coordinates, but detector '{chosen.name}' "
                f"has {chosen.n_cells} {'axes' if chosen.is_toy else 'cells'}",
                remedy="name the detector that the points were made with",
                value=chosen.name,
                constraint=shape[1],
            )
        beside = read_beside(file, shape[0], {}, self.needs)
        return self.events(file, chosen, _POINTS, beside, unit=chosen.cell_unit)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs coordinates."""
        found = {} if events.detector.is_toy else {"cells": "must be coordinates of points"}
        return {**found, **super().obstacles(events)}

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append the points; all conditions stand beside."""
        tables.put(_POINTS, events.cells)
        return ()
