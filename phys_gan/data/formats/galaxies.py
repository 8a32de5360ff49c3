"""What the layouts of galaxy images share: their detectors, and which columns are complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer
from phys_gan.errors import DetectorError

__all__ = ["band_obstacle", "complete", "image_detector", "require_bands"]

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
