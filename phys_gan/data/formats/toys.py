"""The HDF5 layout of points in the plane, or in a space of any dimension."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, HitMapping, Reader, allocating, register_format
from phys_gan.data.formats import own_data_sets
from phys_gan.data.metadata import choose_detector, scale
from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["ToysHDF5"]

_POINTS = "points"


@register_format
class ToysHDF5(Format):
    """Read and write ``points`` (N, d), the coordinates of N points.

    Files of ours carry their detector; weights and further conditions stand beside. Those of
    other programs need a detector whose layers are axes, such as ``toy-grid``.
    """

    name: ClassVar[str] = "toys-hdf5"
    description: ClassVar[str] = "points in HDF5: points (N, d)"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_POINTS,)
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has points, and does not say that it is something else."""
        if file.container != self.container or not hdf5.has(file, *self.needs):
            return False
        return hdf5.metadata(file).format in ("", self.name)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta, shape = hdf5.metadata(file), hdf5.shape_of(file, _POINTS)
        if len(shape) != 2:
            raise hdf5.wrong_shape(
                _POINTS, shape, ("N", "d"), "store one row per point and a column per coordinate"
            )
        chosen = _require_axes(choose_detector(detector, meta.detector), shape[1])
        scale(meta.cell_unit, chosen.cell_unit, chosen)
        found = own_data_sets.read_beside(file, shape[0], {}, self.needs)
        overflow = own_data_sets.Overflow(file, shape[0], chosen.n_layers)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            hdf5.read_rows(file, _POINTS, out, start)
            return overflow.read(start, stop)

        block = hdf5.rows_per_chunk(file, _POINTS)
        load = allocating(fill, chosen.n_cells)
        return Reader(
            chosen,
            shape[0],
            found.conditions,
            load,
            meta.provenance,
            block,
            found.notes,
            fill,
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs coordinates."""
        found = {} if events.detector.is_toy else {"cells": "must be coordinates of points"}
        return {**found, **own_data_sets.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; conditions as float64, so that they come back as they were."""
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                tables.put(_POINTS, events.cells)
                own_data_sets.put(tables, events, known=())

            yield append


def _require_axes(detector: Detector | None, n_coordinates: int) -> Detector:
    """Require a detector of as many axes as the points have coordinates.

    Raises:
        DetectorError: There is none, or it is another.
    """
    if detector is None:
        raise DetectorError(
            f"the file has points of {n_coordinates} coordinates, but does not say what they are",
            remedy="name a detector of axes, such as 'toy-grid', or the path of a .toml file",
        )
    if not detector.is_toy or detector.n_cells != n_coordinates:
        raise DetectorError(
            f"data set '{_POINTS}' has {n_coordinates} coordinates, but detector "
            f"'{detector.name}' has {detector.n_cells} {'axes' if detector.is_toy else 'cells'}",
            remedy="name the detector that the points were made with",
            value=detector.name,
            constraint=n_coordinates,
        )
    return detector
