"""Smoothness, or clumpiness: what is left of an image when it is smoothed and taken away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Distances, Floats, coverage
from phys_gan.validation.observables.images.smoothing import boxcar

__all__ = ["smoothness"]

_FRACTION = 0.25
_EXTENT = 1.5


def smoothness(
    images: Floats,
    distance: Distances,
    petrosian: NDArray[np.float64],
    sky: Floats,
) -> NDArray[np.float64]:
    r"""Return :math:`S = (\sum \max(0, I - I_S) - a B_S) / \sum I`.

    :math:`I_S` is the image averaged over squares of 0.25 Petrosian radii, sums run from 0.25 to
    1.5 Petrosian radii, over a pixels, and :math:`B_S` is the mean of the same difference in
    boxes of sky. NaN where these squares have less than two pixels.

    References:
        Lotz, Primack, Madau (2004), eq. 11, https://arxiv.org/abs/astro-ph/0311352; Conselice
        (2003) has ten times this, https://arxiv.org/abs/astro-ph/0303065

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels from the centre of least asymmetry.
        petrosian: Petrosian radii [pixel], shape (N,).
        sky: Boxes of sky, shape (N, n_boxes, side, side).
    """
    size = (_FRACTION * petrosian).astype(np.int64)
    inner, outer = _FRACTION * petrosian, _EXTENT * petrosian
    ring = coverage(distance, outer) - coverage(distance, inner)
    square = np.maximum(size, 1)
    clumps = np.einsum("nij,nij->n", ring, _above_mean(images, square))
    light = np.einsum("nij,nij->n", ring, images)
    background = _above_mean(sky, square).mean(axis=(1, 2, 3), dtype=np.float64)
    area = np.pi * (outer**2 - inner**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = (clumps - area * background) / light
    return np.where((size > 1) & (light > 0), result, np.nan)


def _above_mean(images: Floats, size: NDArray[np.int64]) -> Floats:
    difference = images - boxcar(images, size)
    return np.maximum(difference, 0, out=difference)
