"""Layouts of galaxy images in HDF5: ``Galaxy10HDF5`` and ``GalaxiesMLHDF5``.

A band is a layer of the detector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, comes_back
from phys_gan.data.containers import hdf5
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, HitMapping, Reader, register_format
from phys_gan.data.formats.hdf5_layout import HDF5Layout, read_beside, require_shape
from phys_gan.data.metadata import choose_detector
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

_IMAGES, _ANSWER, _SCALE = "images", "ans", "pxscale"
_NATIVE = (_ANSWER, "ra", "dec", "redshift", _SCALE)
_SURVEYS = {(256, 256): ("decals", "grz", 0.262), (69, 69): ("sdss", "gri", 0.396)}

_IMAGE, _REDSHIFT = "image", "specz_redshift"
_BANDS = "grizy"
_PIXEL_SCALE = 0.168
# Columns of these names would stand for something else here, or for another layout.
_RESERVED = (_IMAGE, "overflow", "conditions", "images", "showers", "events", "layer_0")


@register_format
class Galaxy10HDF5(HDF5Layout):
    """Read and write ``images`` (N, rows, columns, 3), whole numbers from 0 to 255, and ``ans``.

    ``ans`` (N,) is the class of each galaxy; ``ra``, ``dec`` [deg], ``redshift`` and ``pxscale``
    [arcsec/pixel], (N,) each, are optional. Cells run through the bands, then rows, then columns.
    Where all pixels have one size, it is that of the detector; else the detector has the median,
    and ``pxscale`` is a condition.

    References:
        Galaxy10 DECaLS (g, r and z): https://github.com/henrysky/Galaxy10
        Galaxy10 SDSS (g, r and i): https://astronn.readthedocs.io/en/latest/galaxy10sdss.html
    """

    name = "galaxy10-hdf5"
    description = "Galaxy10 HDF5: images (N, rows, columns, 3) from 0 to 255, ans"
    needs = (_IMAGES, _ANSWER)

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has images, and classes or a detector of its own."""
        if not hdf5.has(file, _IMAGES):
            return False
        return hdf5.has(file, _ANSWER) or hdf5.metadata(file).detector is not None

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the images; their size may tell the survey."""
        stored, remedy = hdf5.metadata(file).detector, "put the three bands last"
        shape = require_shape(file, _IMAGES, ("N", "rows", "columns", 3), remedy)
        size = (shape[1], shape[2])
        beside = read_beside(file, shape[0], {}, (_IMAGES,), native=_NATIVE)
        chosen = stored and choose_detector(detector, stored)
        if chosen is None:
            chosen, beside = _survey(detector, size, beside)
        _require_bands(chosen, _IMAGES, 3, size)

        def read(start: int, out: NDArray[np.float32]) -> None:
            bands = out.reshape(len(out), 3, *size)
            for part, block in hdf5.row_blocks(file, _IMAGES, start, start + len(out)):
                for band in range(3):
                    bands[part, band] = block[..., band]

        return self.events(file, chosen, _IMAGES, beside, read, unit="count")

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs three bands of bytes."""
        found, bands = {}, band_obstacle(events.detector, 3)
        if bands or not _are_bytes(events.cells):
            found["cells"] = bands or "must be whole numbers from 0 to 255"
        if _ANSWER in events.conditions and not _are_bytes(events.conditions[_ANSWER]):
            found[_ANSWER] = "must be whole numbers from 0 to 255"
        return {**found, **super().obstacles(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events, their images as bytes; those that are not like the sample are refused."""
        with super().writer(path, sample, grow) as append:

            def checked(events: Events) -> None:
                for what, why in self.obstacles(events).items():
                    raise DataError(
                        f"cannot write these events into '{path}': format '{self.name}': "
                        f"{what} {why}",
                        remedy="choose another format, such as calochallenge-hdf5",
                        value=what,
                    )
                append(events)

            yield checked

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append images and classes as bytes, and the other columns as float64."""
        bands = events.cells.reshape(len(events), 3, *events.detector.layers[0].shape)
        tables.put(_IMAGES, np.moveaxis(bands, 1, 3).astype(np.uint8))
        for name in _NATIVE:
            if name in events.conditions:
                dtype = np.uint8 if name == _ANSWER else np.float64
                tables.put(name, events.conditions[name].astype(dtype))
        return _NATIVE


def _survey(
    given: Detector | None, size: tuple[int, int], beside: Beside
) -> tuple[Detector, Beside]:
    """Return the detector of a file of others, and the conditions without a size of all pixels."""
    conditions = dict(beside.conditions)
    sizes = conditions.get(_SCALE, np.zeros(0))
    if not np.all(sizes > 0):
        raise DataError(
            f"'{_SCALE}' is {sizes.min():g} arcsec for a galaxy, but must be positive",
            remedy="correct it",
            value=float(sizes.min()),
        )
    common = None
    if len(sizes) and np.all(sizes == sizes[0]):
        common = float(conditions.pop(_SCALE)[0])
        beside = replace(beside, conditions=conditions)
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
        return given, beside
    survey, bands, usual = _SURVEYS.get(size, (f"{size[0]}x{size[1]}", "grz", 0.0))
    if len(sizes):
        pixel_scale = common or float(np.median(sizes))
    elif usual:
        pixel_scale = usual
        note = f"the file gives no {_SCALE}: pixels of {usual} arcsec are taken"
        beside = replace(beside, notes=(*beside.notes, note))
    else:
        raise DetectorError(
            f"the file does not say how large its pixels are, and {size[0]} x {size[1]} of them "
            f"tell no survey",
            remedy=f"name the detector, or add the data set '{_SCALE}' [arcsec/pixel]",
            value=size,
            constraint=tuple(_SURVEYS),
        )
    said = f"Galaxy10 images in the bands {', '.join(bands)}"
    return image_detector(f"galaxy10-{survey}", bands, size, pixel_scale, "count", said), beside


def _are_bytes(values: NDArray[np.floating]) -> bool:
    """Return whether bytes hold these numbers to the last bit."""
    if not values.size:
        return True
    if not (values.min() >= 0 and values.max() <= 255):
        return False
    # Minus zero is equal to zero, but no byte is minus zero.
    return bool(np.all(values == values.astype(np.uint8)) and not np.signbit(values).any())


@register_format
class GalaxiesMLHDF5(HDF5Layout):
    """Read and write ``image`` (N, 5, rows, columns), the bands g, r, i, z, y [count].

    Every column of numbers beside (``specz_redshift``, ``specz_mag_i``, ``g_ellipticity``, ...)
    is a condition by its name and in its unit; lengths are in pixels of 0.168 arcsec, those of
    Hyper Suprime-Cam. Images have 64 x 64 or 127 x 127 pixels.

    References:
        GalaxiesML: a dataset of galaxy images, photometry, redshifts, and structural parameters
        for machine learning (Do et al., 2024), https://arxiv.org/abs/2410.00271
    """

    name = "galaxiesml-hdf5"
    description = "GalaxiesML HDF5: image (N, 5, rows, columns), specz_redshift, ..."
    needs = (_IMAGE, _REDSHIFT)

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has images with the bands first, or declares this layout."""
        if not hdf5.has(file, _IMAGE):
            return False
        shape = tuple(file.handle[_IMAGE].shape or ())
        if len(shape) == 4 and shape[1] == len(_BANDS):
            return True
        # The reader complains about the images.
        return hdf5.has(file, _REDSHIFT) or hdf5.metadata(file).format == self.name

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the images."""
        meta, remedy = hdf5.metadata(file), "put the five bands second"
        shape = require_shape(file, _IMAGE, ("N", len(_BANDS), "rows", "columns"), remedy)
        rows, columns = size = shape[2], shape[3]
        chosen = choose_detector(detector, meta.detector) or image_detector(
            f"galaxiesml-{rows}" if rows == columns else f"galaxiesml-{rows}x{columns}",
            _BANDS,
            size,
            _PIXEL_SCALE,
            "count",
            "Coadded images of Hyper Suprime-Cam in the bands g, r, i, z, y",
            "arXiv:2410.00271",
        )
        _require_bands(chosen, _IMAGE, len(_BANDS), size)
        native = _written(file) if meta.format else [_REDSHIFT]
        beside = read_beside(file, shape[0], {}, (_IMAGE,), native=native)
        return self.events(file, chosen, _IMAGE, beside, unit="count")

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs an image of five bands."""
        bands = band_obstacle(events.detector, len(_BANDS))
        return {**({"cells": bands} if bands else {}), **super().obstacles(events)}

    def put(self, tables: Tables, events: Events) -> list[str]:
        """Append the images, and conditions with fitting names as columns of float64."""
        shape = events.detector.layers[0].shape
        tables.put(_IMAGE, events.cells.reshape(len(events), len(_BANDS), *shape))
        native = [name for name in events.conditions if _is_column(name)]
        for name in native:
            tables.put(name, events.conditions[name])
        return native


def _is_column(name: str) -> bool:
    """Return whether a condition is a column of this name beside the images."""
    return name.isidentifier() and name not in _RESERVED and comes_back(name)


def _written(file: OpenFile) -> list[str]:
    """Return the columns that phys_gan wrote, in a file of ours."""
    with damage_reported("HDF5"):
        return [
            name
            for name, shape in hdf5.data_sets(file).items()
            if _is_column(name) and len(shape) == 1 and file.handle[name].dtype == np.float64
        ]


def image_detector(
    name: str,
    bands: Sequence[str],
    shape: tuple[int, int],
    pixel_scale: float,
    cell_unit: str,
    description: str = "",
    reference: str = "",
) -> Detector:
    """Return the detector of images of so many rows and columns, with a layer for each band.

    ``pixel_scale`` is the side of a pixel [arcsec].
    """
    rows, columns = shape
    layers = tuple(
        ImageLayer(name=band, rows=rows, columns=columns, pixel_scale=pixel_scale) for band in bands
    )
    return Detector(
        name=name,
        description=description,
        reference=reference,
        cell_unit=cell_unit,
        layers=layers,
    )


def _require_bands(detector: Detector, name: str, n_bands: int, shape: tuple[int, int]) -> None:
    """Require a detector that is an image of so many bands, rows and columns."""
    layers = detector.layers
    if not detector.is_image or len(layers) != n_bands or layers[0].shape != shape:
        raise DetectorError(
            f"data set '{name}' holds {_size(n_bands, shape)}, but detector '{detector.name}' has "
            f"{_cells(detector)}",
            remedy="name the detector that the images were taken with, or leave it out",
            value=detector.name,
            constraint=(n_bands, *shape),
        )


def band_obstacle(detector: Detector, n_bands: int) -> str:
    """Return why a layout of so many bands cannot hold such cells, as a clause, or nothing."""
    if detector.is_image and detector.n_layers == n_bands:
        return ""
    return f"must be an image of {_many(n_bands)}, not {_cells(detector)} of '{detector.name}'"


def _many(n_bands: int) -> str:
    return "one band" if n_bands == 1 else f"{n_bands} bands"


def _size(n_bands: int, shape: tuple[int, int]) -> str:
    return f"{_many(n_bands)} of {shape[0]} x {shape[1]} pixels"


def _cells(detector: Detector) -> str:
    if detector.is_image:
        return _size(detector.n_layers, detector.layers[0].shape)
    return f"{detector.n_cells} cells in {detector.n_layers} layers"
