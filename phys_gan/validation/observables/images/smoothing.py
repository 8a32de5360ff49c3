"""Smoothing with a different width for every image: two products with band matrices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["boxcar", "gaussian"]

_TRUNCATE = 4.0


def gaussian(images: Floats, sigma: Floats) -> Floats:
    """Convolve with Gaussians of unit sum, cut at 4 sigma; images are zero outside.

    Arguments:
        images: Shape (N, rows, columns).
        sigma: Standard deviations [pixel], positive, shape (N,).
    """
    across, along = (_gaussians(n, sigma, images.dtype) for n in images.shape[1:])
    return np.asarray(across @ images @ along.transpose(0, 2, 1))


def boxcar(images: Floats, size: NDArray[np.integer]) -> Floats:
    """Average over squares of ``size`` pixels; images are mirrored at their rim.

    An even square reaches one pixel further to the left and to the top.

    Arguments:
        images: Shape (N, ..., rows, columns).
        size: Sides of the squares [pixel], at least 1, shape (N,).
    """
    sizes, which = np.unique(size, return_inverse=True)
    wide = (slice(None), *(None,) * (images.ndim - 3))
    across, along = (
        np.stack([_means(n, int(s)) for s in sizes]).astype(images.dtype)[which][wide]
        for n in images.shape[-2:]
    )
    return np.asarray(across @ images @ np.swapaxes(along, -1, -2))


def _gaussians(n: int, sigma: Floats, dtype: np.dtype[np.floating]) -> Floats:
    """Return one matrix per width, shape (N, n, n)."""
    width = np.asarray(sigma, np.float64)[:, None]
    reach = np.floor(_TRUNCATE * width + 0.5)
    steps = np.arange(max(n, int(reach.max(initial=0)) + 1))
    kernel = np.where(steps <= reach, np.exp(-0.5 * (steps / width) ** 2), 0.0)
    kernel /= kernel[:, :1] + 2 * kernel[:, 1:].sum(axis=1, keepdims=True)
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.take(kernel.astype(dtype), apart, axis=1)


@lru_cache(maxsize=512)
def _means(n: int, size: int) -> NDArray[np.float64]:
    """Return the matrix that averages n numbers, mirrored at the ends, over windows."""
    offsets = np.arange(size) - size // 2
    reached = (np.arange(n)[:, None] + offsets) % (2 * n)
    reached = np.where(reached < n, reached, 2 * n - 1 - reached)
    matrix = np.zeros((n, n))
    np.add.at(matrix, (np.arange(n)[:, None], reached), 1 / size)
    matrix.flags.writeable = False
    return matrix
