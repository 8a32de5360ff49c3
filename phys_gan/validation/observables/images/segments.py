"""Which pixels belong to a galaxy: those brighter than its Petrosian isophote."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phys_gan.validation.observables.images.grid import Distances, Floats, coverage
from phys_gan.validation.observables.images.smoothing import gaussian

__all__ = ["connected", "petrosian_segment"]

_SMOOTHING = 0.2
_IN_PLANE = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))], dtype=bool)


def petrosian_segment(
    images: Floats,
    distance: Distances,
    radius: NDArray[np.float64],
    axis_ratio: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return the pixels above the brightness at the Petrosian ellipse in the smoothed image.

    The image is smoothed with a Gaussian of 0.2 Petrosian radii; the limit is its mean over the
    elliptical annulus one pixel wide. Of separate regions (pixels touch also at corners) the one
    with the brightest pixel is taken.

    References:
        The optical morphologies of galaxies in the IllustrisTNG simulation (Rodriguez-Gomez et
        al., 2019), section 4.1, https://arxiv.org/abs/1809.08239

    Arguments:
        images: Shape (N, rows, columns).
        distance: Elliptical distance of the pixels.
        radius: Petrosian semi-major axis [pixel], shape (N,).
        axis_ratio: Minor over major axis, shape (N,).
    """
    smooth = gaussian(images, _SMOOTHING * radius)
    ring = coverage(distance, radius + 0.5) - coverage(distance, radius - 0.5)
    limit = np.einsum("nij,nij->n", ring, smooth) / (2 * np.pi * radius * axis_ratio)
    return connected(smooth >= limit.astype(smooth.dtype)[:, None, None], smooth)


def connected(above: NDArray[np.bool_], images: Floats) -> NDArray[np.bool_]:
    """Return the region of each image that holds its brightest pixel; none if it is not above."""
    labels, _ = ndimage.label(above, _IN_PLANE)
    n = len(images)
    brightest = images.reshape(n, -1).argmax(axis=1)
    label = labels.reshape(n, -1)[np.arange(n), brightest]
    return np.asarray((labels == label[:, None, None]) & above)
