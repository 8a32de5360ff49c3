"""From a block of events to its images, and from one value per image back to events and bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import ImageLayer, Layer
from phys_gan.validation.observables.images.grid import Floats
from phys_gan.validation.observables.images.stamps import Stamps
from phys_gan.validation.observables.showers import Showers

__all__ = ["is_image", "per_band", "pixel_scale", "stamps_of"]


def is_image(layer: Layer) -> bool:
    """Return whether a layer is a band of an image."""
    return isinstance(layer, ImageLayer)


def stamps_of(showers: Showers) -> Stamps:
    """Return all bands of all images of a block, one after the other; made once."""
    return showers.once(_stamps)


def per_band(showers: Showers, values: Floats) -> NDArray[np.float64]:
    """Return one value per image and band, (N, L); NaN where there is no finite number."""
    defined = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    return defined.reshape(len(showers), showers.detector.n_layers)


def pixel_scale(showers: Showers) -> float:
    """Return the side of a pixel [arcsec]."""
    layer = showers.detector.layers[0]
    assert isinstance(layer, ImageLayer)
    return layer.pixel_scale


def _stamps(showers: Showers) -> Stamps:
    return Stamps(showers.events.cells.reshape(-1, *showers.detector.layers[0].shape))
