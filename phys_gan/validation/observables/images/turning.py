"""Turn images by 180 degrees around points between the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["Turned"]


class Turned:
    r"""Offer N images turned around any point near a given one, by bilinear interpolation.

    :math:`I_{180}(p) = I(2c - p)`: the fraction of 2c is the same for all pixels, so that
    an image is a block of the reflected image, averaged with its neighbours. Beyond the image
    there is nothing.

    Arguments:
        images: Shape (N, rows, columns).
        centres: Around these, (x, y), shape (N, 2).
        reach: Largest distance [pixel] of a point from its centre along x or y.
    """

    def __init__(self, images: Floats, centres: NDArray[np.float64], reach: float) -> None:
        rows, columns = images.shape[1:]
        ends = np.array([columns - 1, rows - 1])
        # How far blocks of the reflected image lie from it.
        far = np.abs(ends - 2 * centres).max(initial=0.0) + 2 * reach
        self._pad = int(np.ceil(far)) + 2
        padded = np.pad(images[:, ::-1, ::-1], ((0, 0), *((self._pad, self._pad),) * 2))
        self._ends = ends
        self._blocks = np.lib.stride_tricks.sliding_window_view(
            padded, (rows + 1, columns + 1), axis=(1, 2)
        )

    def around(self, which: NDArray[np.intp], points: NDArray[np.float64]) -> Floats:
        """Return the images of these numbers (n,), turned around points (n, 2)."""
        whole = np.floor(2 * points)
        part = (2 * points - whole).astype(self._blocks.dtype)[:, :, None, None]
        x, y = (self._pad - 1 + self._ends - whole).astype(np.intp).T
        block = self._blocks[which, y, x]
        across = block[:, 1:] + part[:, 1] * (block[:, :-1] - block[:, 1:])
        return np.asarray(across[:, :, 1:] + part[:, 0] * (across[:, :, :-1] - across[:, :, 1:]))
