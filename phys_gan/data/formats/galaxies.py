"""What the layouts of galaxy images share: their detectors, and which columns are complete.

The HDF5 layout of the GalaxiesML data set.

The HDF5 layout of the Galaxy10 data sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import comes_back
from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, HitMapping, Reader, allocating, register_format
from phys_gan.data.formats import own_data_sets
from phys_gan.data.metadata import choose_detector, scale
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

__all__ = [
    "GalaxiesMLHDF5",
    "Galaxy10HDF5",
    "band_obstacle",
    "complete",
    "image_detector",
    "require_bands",
]

Columns = dict[str, NDArray[np.float64]]


def image_detector(
    name: str,
    bands: Sequence[str],
    shape: tuple[int, int],
    pixel_scale: float,
    cell_unit: str,
    description: str = "",
    reference: str = "",
) -> Detector:
    """Return the detector of an image.

    Arguments:
        name: Name of the detector.
        bands: Names of the bands, each of which is a layer.
        shape: Rows and columns.
        pixel_scale: Side of a pixel [arcsec].
        cell_unit: Unit of a pixel.
        description: One line for people.
        reference: Where the images come from.
    """
    layers = tuple(
        ImageLayer(name=band, rows=shape[0], columns=shape[1], pixel_scale=pixel_scale)
        for band in bands
    )
    return Detector(
        name=name,
        description=description,
        reference=reference,
        cell_unit=cell_unit,
        layers=layers,
    )


def require_bands(detector: Detector, what: str, n_bands: int, shape: tuple[int, int]) -> None:
    """Require a detector that is an image of so many bands, rows and columns.

    Raises:
        DetectorError: It is another.
    """
    layers = detector.layers
    if not detector.is_image or len(layers) != n_bands or layers[0].shape != shape:
        raise DetectorError(
            f"{what} holds {_size(n_bands, shape)}, but detector '{detector.name}' has "
            f"{_cells(detector)}",
            remedy="name the detector that the images were taken with, or leave it out",
            value=detector.name,
            constraint=(n_bands, *shape),
        )


def band_obstacle(detector: Detector, n_bands: int) -> str:
    """Return why a layout of so many bands cannot hold such cells, as a clause, or nothing."""
    if detector.is_image and detector.n_layers == n_bands:
        return ""
    many = "one band" if n_bands == 1 else f"{n_bands} bands"
    return f"must be an image of {many}, not {_cells(detector)} of '{detector.name}'"


def _size(n_bands: int, shape: tuple[int, int]) -> str:
    bands = "one band" if n_bands == 1 else f"{n_bands} bands"
    return f"{bands} of {shape[0]} x {shape[1]} pixels"


def _cells(detector: Detector) -> str:
    if detector.is_image:
        return _size(detector.n_layers, detector.layers[0].shape)
    return f"{detector.n_cells} cells in {detector.n_layers} layers"


def complete(
    columns: Mapping[str, NDArray[np.float64]],
    missing: Mapping[str, NDArray[np.bool_]] | None = None,
) -> tuple[Columns, list[str]]:
    """Return the columns that have a value for every galaxy, and a sentence on each other.

    Arguments:
        columns: The columns, (N,) each.
        missing: Where a value is no measurement, (N,); NaN and infinite values never are.
    """
    kept, notes = {}, []
    for name, values in columns.items():
        lacks = ~np.isfinite(values)
        if missing and name in missing:
            lacks |= missing[name]
        if lacks.any():
            notes.append(
                f"{name} is missing for {lacks.sum()} of {len(lacks)} galaxies and is not kept as "
                f"a condition"
            )
        else:
            kept[name] = values
    return kept, notes


_IMAGES = "images"
_SCALE = "pxscale"
_NATIVE = ("ans", "ra", "dec", "redshift", _SCALE)
_SURVEYS = {(256, 256): ("decals", "grz", 0.262), (69, 69): ("sdss", "gri", 0.396)}


@register_format
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
        require_bands(chosen, f"data set '{_IMAGES}'", 3, size)
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
        bands = band_obstacle(events.detector, 3)
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
    return image_detector(
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


_IMAGE = "image"
_REDSHIFT = "specz_redshift"
_OTHERS = (_IMAGE, "overflow", "conditions")
# Data sets of these names would make the file look like one of another layout.
_ELSEWHERE = ("images", "showers", "events", "layer_0")
_BANDS = "grizy"
_PIXEL_SCALE = 0.168


@register_format
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
        chosen = choose_detector(detector, meta.detector) or image_detector(
            f"galaxiesml-{size[0]}" if size[0] == size[1] else f"galaxiesml-{size[0]}x{size[1]}",
            _BANDS,
            size,
            _PIXEL_SCALE,
            "count",
            "Coadded images of Hyper Suprime-Cam in the bands g, r, i, z, y",
            "arXiv:2410.00271",
        )
        require_bands(chosen, f"data set '{_IMAGE}'", len(_BANDS), size)
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
        bands = band_obstacle(events.detector, len(_BANDS))
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
