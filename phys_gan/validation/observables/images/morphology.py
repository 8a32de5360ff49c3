"""Gini coefficient and M20: how light is shared between pixels, and where the brightest lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["gini", "m20"]

_BRIGHTEST = 0.2


def gini(images: Floats, segment: NDArray[np.bool_]) -> NDArray[np.float64]:
    r"""Return :math:`G = \sum_i (2i - n - 1) |X_i| / ((n - 1) \sum_i |X_i|)`, X rising in \|X\|.

    0 if all pixels of the segment are equal, 1 if one has all the light; NaN below two pixels.

    References:
        Lotz, Primack, Madau (2004), eq. 6, https://arxiv.org/abs/astro-ph/0311352
    """
    n_images = len(images)
    # Pixels outside sort to the front as zeros, and a rank from the end does not see them.
    values = np.where(segment, np.abs(images), 0).reshape(n_images, -1)
    values.sort(axis=1)
    n_pixels = values.shape[1]
    n = segment.reshape(n_images, -1).sum(axis=1)
    ranks = np.arange(1, n_pixels + 1, dtype=np.float64)
    total = values.sum(axis=1, dtype=np.float64)
    ranked = values @ ranks.astype(values.dtype) - (n_pixels - n) * total
    with np.errstate(divide="ignore", invalid="ignore"):
        result = (2 * ranked - (n + 1) * total) / ((n - 1) * total)
    return np.where((n > 1) & (total > 0), result, np.nan)


def m20(images: Floats, segment: NDArray[np.bool_]) -> NDArray[np.float64]:
    r"""Return :math:`\log_{10}(\sum_{20} I r^2 / \sum I r^2)` about the centroid of the segment.

    The upper sum runs over the brightest pixels that together have 20 % of the light.

    References:
        Lotz, Primack, Madau (2004), eq. 8, https://arxiv.org/abs/astro-ph/0311352
    """
    n = len(images)
    inside = np.where(segment, images, 0)
    values = np.sort(inside.reshape(n, -1), axis=1)
    running = np.cumsum(values, axis=1, dtype=np.float64)
    total = running[:, -1:]
    limit = values[np.arange(n), (running >= (1 - _BRIGHTEST) * total).argmax(axis=1)]
    bright = np.where(inside >= limit[:, None, None], inside, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = _centroid(inside)
        ratio = _second(bright, x, y) / _second(inside, x, y)
        result = np.log10(np.where(ratio > 0, ratio, np.nan))
    return np.where(total[:, 0] > 0, result, np.nan)


def _centroid(images: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along_x, along_y = images.sum(axis=1, dtype=np.float64), images.sum(axis=2, dtype=np.float64)
    flux = along_x.sum(axis=1)
    x, y = (np.arange(n, dtype=np.float64) for n in (images.shape[2], images.shape[1]))
    return along_x @ x / flux, along_y @ y / flux


def _second(images: Floats, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    along_x, along_y = images.sum(axis=1, dtype=np.float64), images.sum(axis=2, dtype=np.float64)
    dx = np.arange(images.shape[2]) - x[:, None]
    dy = np.arange(images.shape[1]) - y[:, None]
    return np.asarray((along_x * dx**2).sum(axis=1) + (along_y * dy**2).sum(axis=1))
