"""Cut out what matters around a centre: galaxies that need windows of one size go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["Windows", "windows"]

_STEP = 16
"""Windows are multiples of this many pixels wide, so that there are few sizes."""


@dataclass(frozen=True)
class Windows:
    """Windows of one size out of some of the images.

    Attributes:
        rows: Which images, shape (n,).
        images: The windows, zero beyond the image, shape (n, side, side).
        corner: Position (x, y) of their first pixel in the image, shape (n, 2).
        inside: Which of their pixels lie within the image, same shape; None where all do.
        valid: Which of them count, where that is known.
    """

    rows: NDArray[np.intp]
    images: Floats
    corner: NDArray[np.int64]
    inside: NDArray[np.bool_] | None
    valid: NDArray[np.bool_] | None


def windows(
    images: Floats,
    centres: NDArray[np.float64],
    reach: NDArray[np.float64],
    valid: NDArray[np.bool_] | None = None,
) -> Iterator[Windows]:
    """Yield windows that reach at least this far [pixel] around each centre, or to the rim."""
    height, width = images.shape[1:]
    side = np.minimum(2 * np.ceil(reach) + 2, max(height, width))
    side = (np.ceil(side / _STEP) * _STEP).astype(np.int64)
    for size in np.unique(side):
        rows = np.flatnonzero(side == size)
        corner = np.floor(centres[rows] - (size - 1) / 2 + 0.5).astype(np.int64)
        # As much of the image as a window can hold.
        room = np.array([width, height]) - size
        corner = np.where(room >= 0, np.clip(corner, 0, np.maximum(room, 0)), 0)
        x, y = (corner[:, k, None] + np.arange(size) for k in (0, 1))
        inside = None
        if size > min(height, width):
            inside = (y < height)[:, :, None] & (x < width)[:, None, :]
            x, y = np.minimum(x, width - 1), np.minimum(y, height - 1)
        index = (rows[:, None] * height + y)[:, :, None] * width + x[:, None, :]
        cut = images.reshape(-1).take(index)
        if inside is not None:
            cut[~inside] = 0
        counted = None if valid is None else valid.reshape(-1).take(index)
        yield Windows(rows, cut, corner, inside, counted)
