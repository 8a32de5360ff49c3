"""What the layouts of galaxy images share: their detectors, and which columns are conditions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.opening import OpenFile, listing
from phys_gan.data.formats import own_data_sets
from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DetectorError

__all__ = ["band_obstacle", "columns", "complete", "image_detector", "require_bands"]

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


def columns(
    file: OpenFile, n_events: int, images: str, skip: Collection[str], native: Collection[str] = ()
) -> tuple[Columns, list[str]]:
    """Return the data sets (N,) or (N, 1) of numbers in an HDF5 file, and sentences on the others.

    Arguments:
        file: The open file.
        n_events: Number of galaxies N.
        images: The data set with their images.
        skip: Names of other data sets that are no columns.
        native: Columns of the layout itself, which must have a value for each galaxy.

    Raises:
        DataError: The file is damaged, or a column of the layout has more or fewer values.
    """
    found: Columns = {}
    other: dict[str, list[str]] = {}
    for name, shape in hdf5.data_sets(file).items():
        if name in (images, *skip) or name.startswith(own_data_sets.CONDITION):
            continue
        if name in native and shape[1:] in ((), (1,)) and shape != () and shape[0] != n_events:
            raise hdf5.unequal(name, shape[0], f"'{images}'", n_events)
        with damage_reported("HDF5"):
            kind = file.handle[name].dtype.kind
            if kind not in "fiub":
                other.setdefault("hold no numbers", []).append(name)
            elif "/" in name or shape not in ((n_events,), (n_events, 1)):
                other.setdefault("do not hold one value per galaxy", []).append(name)
            else:
                values = np.asarray(file.handle[name][()]).reshape(-1)
                if kind in "iu" and not _exact(values):
                    other.setdefault("hold larger numbers than a condition can", []).append(name)
                else:
                    found[name] = values.astype(np.float64)
    notes = [
        f"the data sets {listing(names)} {why} and are not kept as conditions"
        for why, names in other.items()
    ]
    kept, missing = complete(found)
    return kept, [*missing, *notes]


def _exact(values: NDArray[np.integer]) -> bool:
    """Return whether double precision holds these whole numbers exactly."""
    limit = 1 << 53
    return not len(values) or (int(values.min()) >= -limit and int(values.max()) <= limit)
