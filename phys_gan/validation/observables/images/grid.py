"""Pixels and apertures: distances from a centre, and how much of a pixel an aperture covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distances", "Floats", "coverage", "distances", "round_shape"]

Floats = NDArray[np.floating]

_PIXEL_VARIANCE = 1 / 12


@dataclass(frozen=True)
class Distances:
    """How far pixels are from a centre, in units of pixels along the major axis.

    Attributes:
        values: Distances d, shape (N, rows, columns).
        slopes: Size of the derivatives of d along x and y, same shapes; None where apertures
            need not be exact.
    """

    values: Floats
    slopes: tuple[Floats, Floats] | None = None


def round_shape(n: int) -> NDArray[np.float64]:
    """Return the shapes (xx, xy, yy) of n circles, shape (n, 3)."""
    return np.tile([1.0, 0.0, 1.0], (n, 1))


def distances(
    images: Floats,
    centres: NDArray[np.float64],
    shape: NDArray[np.float64] | None = None,
    *,
    exact: bool = False,
) -> Distances:
    r"""Return the distance of each pixel from a centre, in the precision of the images.

    :math:`d^2 = \lambda_1 (p - c)^T M^{-1} (p - c)` with the larger eigenvalue :math:`\lambda_1`
    of M: ellipses of the shape M are lines of equal d, and d is the semi-major axis. The mean of
    the distance over a pixel is larger than the distance of its middle, by the variance 1/12
    across the direction to the centre, which is added under the root.

    Arguments:
        images: Shape (N, rows, columns).
        centres: (x, y), shape (N, 2).
        shape: M as (xx, xy, yy) up to a factor, shape (N, 3); circles when None.
        exact: Whether apertures shall know in which direction they cut a pixel.
    """
    dtype = images.dtype
    xx, xy, yy = (round_shape(len(images)) if shape is None else shape).T
    larger = (xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
    scale = larger / (xx * yy - xy**2)
    a, b, c = ((p * scale).astype(dtype)[:, None, None] for p in (yy, -xy, xx))
    dx = (np.arange(images.shape[2]) - centres[:, :1]).astype(dtype)[:, None, :]
    dy = (np.arange(images.shape[1]) - centres[:, 1:]).astype(dtype)[:, :, None]
    across = (a + c) * dtype.type(_PIXEL_VARIANCE / 2)
    squares = np.asarray((c * dy**2 + across) + a * dx**2)
    if b.any():
        squares += (2 * b * dy) * dx
    d = np.sqrt(squares, out=squares)
    if not exact:
        return Distances(d)
    return Distances(d, (np.abs(a * dx + b * dy) / d, np.abs(b * dx + c * dy) / d))


def coverage(distance: Distances, radius: NDArray[np.float64]) -> Floats:
    r"""Return the part of each pixel within a radius, between 0 and 1.

    With slopes u and v it is the part of a unit square on one side of a straight line, the
    tangent: :math:`F(r - d)` with F the integral of the trapezoid that two boxes of the widths u
    and v have as their convolution. From three pixels on this agrees with the overlap of circle
    and squares to 1e-3 of a pixel. Without slopes it is :math:`r - d + 1/2`: right in the sum
    over a circle, and off by a few per cent of a pixel for those on the circle.

    Arguments:
        distance: Of the pixels, shape (N, rows, columns).
        radius: Radii [pixel along the major axis], shape (N,).
    """
    r = np.asarray(radius, distance.values.dtype)[:, None, None]
    if distance.slopes is None:
        covered = (r + distance.values.dtype.type(0.5)) - distance.values
        return np.clip(covered, 0, 1, out=covered)
    beyond = r - distance.values
    u, v = distance.slopes
    wide, narrow = np.maximum(u, v), np.minimum(u, v)
    missing = np.maximum((wide + narrow) / 2 - np.abs(beyond), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        corner = np.where(missing < narrow, missing**2 / (2 * wide * narrow), 0)
    outside = np.where(missing < narrow, corner, 0.5 - np.abs(beyond) / wide)
    return np.where(beyond > 0, 1 - outside, outside)
