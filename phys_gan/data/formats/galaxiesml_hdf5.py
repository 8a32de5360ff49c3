"""The HDF5 layout of the GalaxiesML data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.beside import comes_back
from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, Reader, allocating
from phys_gan.data.formats import galaxies, own_data_sets
from phys_gan.data.mapping import HitMapping
from phys_gan.data.metadata import choose_detector
from phys_gan.data.units import scale
from phys_gan.detectors import Detector
from phys_gan.events import Events

__all__ = ["GalaxiesMLHDF5"]

_IMAGE = "image"
_REDSHIFT = "specz_redshift"
_OTHERS = (_IMAGE, "overflow", "conditions")
# Data sets of these names would make the file look like one of another layout.
_ELSEWHERE = ("images", "showers", "events", "layer_0")
_BANDS = "grizy"
_PIXEL_SCALE = 0.168


class GalaxiesMLHDF5(Format):
    """Read and write ``image`` (N, 5, rows, columns), the bands g, r, i, z, y [count].

    Every column of numbers beside (``specz_redshift``, ``specz_mag_i``, ``g_ellipticity``, ...)
    is a condition by its name and in its unit; lengths are in pixels of
    0.168 arcsec, those of Hyper Suprime-Cam. Images have 64 x 64 or 127 x 127 pixels.

    References:
        GalaxiesML: a dataset of galaxy images, photometry, redshifts, and structural parameters
        for machine learning (Do et al., 2024), https://arxiv.org/abs/2410.00271
    """

    name: ClassVar[str] = "galaxiesml-hdf5"
    description: ClassVar[str] = "GalaxiesML HDF5: image (N, 5, rows, columns), specz_redshift, ..."
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_IMAGE, _REDSHIFT)

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has images with the bands first, or says what it is."""
        if file.container != self.container or not hdf5.has(file, _IMAGE):
            return False
        shape = tuple(file.handle[_IMAGE].shape or ())
        if len(shape) == 4 and shape[1] == len(_BANDS):
            return True
        # The reader says what is wrong with the images.
        return hdf5.has(file, *self.needs) or hdf5.metadata(file).format == self.name

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta, shape = hdf5.metadata(file), hdf5.shape_of(file, _IMAGE)
        if len(shape) != 4 or shape[1] != len(_BANDS):
            raise hdf5.wrong_shape(
                _IMAGE, shape, ("N", len(_BANDS), "rows", "columns"), "put the five bands second"
            )
        n_events, size = shape[0], (shape[2], shape[3])
        chosen = choose_detector(detector, meta.detector) or galaxies.image_detector(
            f"galaxiesml-{size[0]}" if size[0] == size[1] else f"galaxiesml-{size[0]}x{size[1]}",
            _BANDS,
            size,
            _PIXEL_SCALE,
            "count",
            "Coadded images of Hyper Suprime-Cam in the bands g, r, i, z, y",
            "arXiv:2410.00271",
        )
        galaxies.require_bands(chosen, f"data set '{_IMAGE}'", len(_BANDS), size)
        scale(meta.cell_unit, "count", chosen)
        native = _written(file) if meta.format else [_REDSHIFT]
        found = own_data_sets.read_beside(file, n_events, {}, (_IMAGE,), native=native)
        overflow = own_data_sets.Overflow(file, n_events, len(_BANDS))

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            hdf5.read_rows(file, _IMAGE, out, start)
            return overflow.read(start, stop)

        block = hdf5.rows_per_chunk(file, _IMAGE)
        load = allocating(fill, chosen.n_cells)
        return Reader(
            chosen,
            n_events,
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
        """Return why this layout cannot hold the events; it needs an image of five bands."""
        bands = galaxies.band_obstacle(events.detector, len(_BANDS))
        return {**({"cells": bands} if bands else {}), **own_data_sets.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; conditions as float64, so that they come back as they were."""
        native = [name for name in sample.conditions if _is_column(name)]
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                shape = events.detector.layers[0].shape
                tables.put(_IMAGE, events.cells.reshape(len(events), len(_BANDS), *shape))
                for name in native:
                    tables.put(name, events.conditions[name])
                own_data_sets.put(tables, events, known=native)

            yield append


def _is_column(name: str) -> bool:
    """Return whether a condition is a column of this name beside the images."""
    return name.isidentifier() and name not in (*_OTHERS, *_ELSEWHERE) and comes_back(name)


def _written(file: OpenFile) -> list[str]:
    """Return the columns that phys_gan wrote, in a file of ours."""
    with damage_reported("HDF5"):
        return [
            name
            for name, shape in hdf5.data_sets(file).items()
            if _is_column(name) and len(shape) == 1 and file.handle[name].dtype == np.float64
        ]
