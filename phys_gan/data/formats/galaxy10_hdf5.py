"""The HDF5 layout of the Galaxy10 data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, Reader, allocating
from phys_gan.data.formats import galaxies, own_data_sets
from phys_gan.data.mapping import HitMapping
from phys_gan.data.metadata import choose_detector
from phys_gan.data.units import scale
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

__all__ = ["Galaxy10HDF5"]

_IMAGES = "images"
_SCALE = "pxscale"
_NATIVE = ("ans", "ra", "dec", "redshift", _SCALE)
_SURVEYS = {(256, 256): ("decals", "grz", 0.262), (69, 69): ("sdss", "gri", 0.396)}


class Galaxy10HDF5(Format):
    """Read and write ``images`` (N, rows, columns, 3), whole numbers from 0 to 255, and ``ans``.

    ``ans`` (N,) is the class of each galaxy; ``ra``, ``dec`` [deg], ``redshift`` and ``pxscale``
    [arcsec/pixel], (N,) each, are optional, and any other column of numbers is a condition too.
    Cells run through the bands, then rows, then columns. Where all pixels have one size, it is
    the detector's; else the detector has the median, and ``pxscale`` is a condition.

    References:
        Galaxy10 DECaLS (g, r and z): https://github.com/henrysky/Galaxy10
        Galaxy10 SDSS (g, r and i): https://astronn.readthedocs.io/en/latest/galaxy10sdss.html
    """

    name: ClassVar[str] = "galaxy10-hdf5"
    description: ClassVar[str] = "Galaxy10 HDF5: images (N, rows, columns, 3) from 0 to 255, ans"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_IMAGES, "ans")

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has images, and classes or a detector of its own."""
        if file.container != self.container or not hdf5.has(file, _IMAGES):
            return False
        return hdf5.has(file, "ans") or hdf5.metadata(file).detector is not None

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta, shape = hdf5.metadata(file), hdf5.shape_of(file, _IMAGES)
        if len(shape) != 4 or shape[3] != 3:
            raise hdf5.wrong_shape(
                _IMAGES, shape, ("N", "rows", "columns", 3), "put the three bands last"
            )
        n_events, size = shape[0], (shape[1], shape[2])
        found = own_data_sets.read_beside(file, n_events, {}, (_IMAGES,), native=_NATIVE)
        conditions, notes = dict(found.conditions), list(found.notes)
        chosen = meta.detector and choose_detector(detector, meta.detector)
        if chosen is None:
            chosen = _survey(detector, size, conditions, notes)
        galaxies.require_bands(chosen, f"data set '{_IMAGES}'", 3, size)
        scale(meta.cell_unit, "count", chosen)
        overflow = own_data_sets.Overflow(file, n_events, 3)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            bands = out.reshape(len(out), 3, *size)
            for part, block in hdf5.row_blocks(file, _IMAGES, start, stop):
                for band in range(3):
                    bands[part, band] = block[..., band]
            return overflow.read(start, stop)

        block = hdf5.rows_per_chunk(file, _IMAGES)
        load = allocating(fill, chosen.n_cells)
        return Reader(
            chosen,
            n_events,
            conditions,
            load,
            meta.provenance,
            block,
            tuple(notes),
            fill,
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events: it needs three bands of bytes."""
        found = {}
        bands = galaxies.band_obstacle(events.detector, 3)
        if bands or not _are_bytes(events.cells):
            found["cells"] = bands or "must be whole numbers from 0 to 255"
        if "ans" in events.conditions and not _are_bytes(events.conditions["ans"]):
            found["ans"] = "must be whole numbers from 0 to 255"
        return {**found, **own_data_sets.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; their images as bytes."""
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                for what, why in self.obstacles(events).items():
                    raise DataError(
                        f"cannot write these events into '{path}': format '{self.name}': "
                        f"{what} {why}",
                        remedy="choose another format, such as calochallenge-hdf5",
                        value=what,
                    )
                bands = events.cells.reshape(len(events), 3, *events.detector.layers[0].shape)
                tables.put(_IMAGES, np.moveaxis(bands, 1, 3).astype(np.uint8))
                for name in _NATIVE:
                    if name in events.conditions:
                        dtype = np.uint8 if name == "ans" else np.float64
                        tables.put(name, events.conditions[name].astype(dtype))
                own_data_sets.put(tables, events, known=_NATIVE)

            yield append


def _survey(
    given: Detector | None,
    size: tuple[int, int],
    conditions: dict[str, NDArray[np.float64]],
    notes: list[str],
) -> Detector:
    """Return the detector of a foreign file; take a size that all pixels share from conditions."""
    sizes = conditions.get(_SCALE)
    if sizes is not None and not np.all(sizes > 0):
        raise DataError(
            f"'{_SCALE}' is {sizes.min():g} arcsec for a galaxy, but must be positive",
            remedy="correct it",
            value=float(sizes.min()),
        )
    common = None
    if sizes is not None and len(sizes) and np.all(sizes == sizes[0]):
        common = float(conditions.pop(_SCALE)[0])
    if given is not None:
        layer = given.layers[0]
        if common and isinstance(layer, ImageLayer) and not np.isclose(layer.pixel_scale, common):
            raise DetectorError(
                f"the pixels are {common:g} arcsec wide, but those of detector '{given.name}' "
                f"are {layer.pixel_scale:g} arcsec",
                remedy="name the detector that the images were taken with, or leave it out",
                value=layer.pixel_scale,
                constraint=common,
            )
        return given
    survey, bands, usual = _SURVEYS.get(size, ("", "grz", 0.0))
    if sizes is not None and len(sizes):
        pixel_scale = common or float(np.median(sizes))
    elif survey:
        pixel_scale = usual
        notes.append(f"the file gives no {_SCALE}: pixels of {usual} arcsec are taken")
    else:
        raise DetectorError(
            f"the file does not say how large its pixels are, and {size[0]} x {size[1]} of them "
            f"tell no survey",
            remedy=f"name the detector, or add the data set '{_SCALE}' [arcsec/pixel]",
            value=size,
            constraint=tuple(_SURVEYS),
        )
    name = f"galaxy10-{survey}" if survey else f"galaxy10-{size[0]}x{size[1]}"
    return galaxies.image_detector(
        name, bands, size, pixel_scale, "count", f"Galaxy10 images in the bands {', '.join(bands)}"
    )


def _are_bytes(values: NDArray[np.floating]) -> bool:
    """Return whether bytes hold these numbers to the last bit."""
    if not values.size:
        return True
    if not (values.min() >= 0 and values.max() <= 255):
        return False
    # Minus zero is equal to zero, but no byte is minus zero.
    return bool(np.all(values == values.astype(np.uint8)) and not np.signbit(values).any())
