"""The sky: boxes without a galaxy, its level and its noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["corner_boxes", "sky_level_noise"]

_PART = 6
_MAD_TO_SIGMA = 1.482602218505602


def corner_boxes(images: Floats) -> Floats:
    """Return the four corners, a sixth of the image wide: what lies farthest from its middle.

    Returns:
        Shape (N, 4, side, side).
    """
    side = max(2, min(images.shape[1:]) // _PART)
    first, last = slice(None, side), slice(-side, None)
    corners = [(first, first), (first, last), (last, first), (last, last)]
    return np.stack([images[:, row, column] for row, column in corners], axis=1)


def sky_level_noise(boxes: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median and 1.4826 times the median absolute deviation from it.

    For Gaussian noise the latter is its standard deviation, and a star in a corner hardly
    changes it.

    Arguments:
        boxes: Shape (N, n_boxes, side, side).
    """
    values = boxes.reshape(len(boxes), -1)
    level = np.median(values, axis=1)
    noise = _MAD_TO_SIGMA * np.median(np.abs(values - level[:, None]), axis=1)
    return level.astype(np.float64), noise.astype(np.float64)
