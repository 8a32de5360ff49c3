"""Photometry of galaxies: apertures, the sky, curves of growth, radii, power spectra.

Distances and radii are in pixels. :class:`Growth` has the light within all radii at once, from
which Petrosian radii and those with a given fraction of the light follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from phys_gan.observables.sums import Numbers

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

# Apertures

CIRCLE = (1.0, 0.0, 1.0)
"""The shape (xx, xy, yy) of a circle."""
_PIXEL_VARIANCE = 1 / 12


@dataclass(frozen=True)
class Distances:
    """How far pixels are from a centre, in pixels along the major axis.

    Attributes:
        values: Distances d, shape (N, rows, columns).
        slopes: Size of the derivatives of d along x and y, same shapes; None where apertures
            need not be exact.
    """

    values: Floats
    slopes: tuple[Floats, Floats] | None = None


def distances(
    images: Floats, centres: Numbers, shape: Numbers | None = None, *, exact: bool = False
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
        exact: Whether to add the slopes, with which apertures cut pixels exactly.
    """
    dtype = images.dtype
    xx, xy, yy = (np.array([CIRCLE]) if shape is None else shape).T
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


def coverage(distance: Distances, radius: Numbers) -> Floats:
    r"""Return the fraction of each pixel within one radius per image.

    With slopes u and v it is the part of a unit square on one side of a straight line, the
    tangent: :math:`F(r - d)` with F the integral of the trapezoid that two boxes of the widths u
    and v have as their convolution. From three pixels on this agrees with the overlap of circle
    and squares to 1e-3 of a pixel. Without slopes it is :math:`r - d + 1/2`: right in the sum
    over a circle, and off by a few per cent of a pixel for those on the circle.
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


# The sky

_CORNER = 6
_MAD_TO_SIGMA = 1.482602218505602


def corner_boxes(images: Floats) -> Floats:
    """Return the four corners, a sixth of the image wide, shape (N, 4, side, side)."""
    side = max(2, min(images.shape[1:]) // _CORNER)
    first, last = slice(None, side), slice(-side, None)
    corners = [(first, first), (first, last), (last, first), (last, last)]
    return np.stack([images[:, row, column] for row, column in corners], axis=1)


def sky_level_noise(boxes: Floats) -> tuple[Numbers, Numbers]:
    """Return the median and 1.4826 times the median absolute deviation from it, (N,) each.

    For Gaussian noise the latter is its standard deviation, and a star in a corner hardly
    changes it.

    Arguments:
        boxes: Shape (N, n_boxes, side, side).
    """
    values = boxes.reshape(len(boxes), -1)
    level = np.median(values, axis=1)
    noise = _MAD_TO_SIGMA * np.median(np.abs(values - level[:, None]), axis=1)
    return level.astype(np.float64), noise.astype(np.float64)


# Curves of growth

_PER_PIXEL = 4
_HALF = _PER_PIXEL // 2
"""Half a pixel, in nodes."""


class Growth:
    r"""Light and area within the radii 0, 1/4, 1/2, ... pixels of N images.

    With the coverage :math:`\min(1, \max(0, r - d + 1/2))` of a pixel at distance d a sum is
    :math:`H(r + 1/2) - H(r - 1/2)` with :math:`H(t) = \sum_p v_p \max(0, t - d_p)`. H needs no
    sorting: each value is shared between the two nodes beside its distance, which does not change
    H at the nodes, and H is a sum of sums.

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels from the centre.
        valid: Which pixels count; all when None.

    Attributes:
        radii: The nodes, (n_nodes,), as far as the diagonal of the image.
        light: Sum of the pixels within each, (N, n_nodes).
        area: Number of the pixels within each, (N, n_nodes).
    """

    def __init__(self, images: Floats, distance: Distances, valid: Flags | None = None) -> None:
        n, n_nodes = len(images), int(np.ceil(np.hypot(*images.shape[1:]) * _PER_PIXEL)) + 1
        self.radii = np.arange(n_nodes) / _PER_PIXEL
        # Between which nodes a pixel lies, and how near to the upper one. Half a pixel beyond the
        # last radius counts too; what lies further out does not.
        n_columns = n_nodes + _HALF + 1
        steps = distance.values * distance.values.dtype.type(_PER_PIXEL)
        steps = np.minimum(steps, n_columns - 2)
        node = steps.astype(np.intp)
        upper = (steps - node).ravel()
        node = (node + np.arange(0, n * n_columns, n_columns)[:, None, None]).ravel()

        def within(values: Floats | None) -> Numbers:
            weights = None if values is None else values.ravel()
            both = np.bincount(node, weights, n * n_columns)
            later = np.bincount(node, upper if weights is None else upper * weights, n * n_columns)
            shared = both - later
            shared[1:] += later[:-1]
            total = np.cumsum(shared.reshape(n, n_columns), axis=1)
            # H is the integral of the total, so a difference of H is a sum of totals.
            padded = np.pad(total, ((0, 0), (_HALF, 0)))
            blocks = [padded[:, k : k + n_nodes] for k in range(2 * _HALF)]
            return np.asarray(np.sum(blocks, axis=0) / _PER_PIXEL)

        self.light = within(images)
        self.area = within(None if valid is None else valid.astype(images.dtype))

    def brightness(self, inner: float, outer: float) -> Numbers:
        """Return the mean of the pixels between two radii, rounded to quarters, shape (N,)."""
        first, last = round(inner * _PER_PIXEL), round(outer * _PER_PIXEL)
        light = self.light[:, last] - self.light[:, first]
        return np.asarray(light / (self.area[:, last] - self.area[:, first]))

    def at(self, radius: Numbers) -> Numbers:
        """Return the light within one radius per image, shape (N,); NaN where that is NaN.

        Between nodes it is linear in the area, as for a uniform brightness.
        """
        known = np.isfinite(radius)
        steps = np.where(known, radius, 0.0) * _PER_PIXEL
        node = np.clip(steps.astype(np.intp), 0, len(self.radii) - 2)
        event = np.arange(len(self.light))
        part = (steps**2 - node**2) / (2 * node + 1)
        low, high = self.light[event, node], self.light[event, node + 1]
        return np.where(known, low + np.minimum(part, 1) * (high - low), np.nan)


# Radii

_ETA = 0.2
_SECANTS = 4


def petrosian_radius(growth: Growth) -> Numbers:
    r"""Return the smallest radius r >= 1 [pixel] at which :math:`\mu(r) = 0.2\,\bar\mu(<r)`.

    The brightness at r is the mean over an annulus one pixel wide. NaN where it never falls that
    far within the image, or is below already at r = 1.

    References:
        A New Nonparametric Approach to Galaxy Morphological Classification (Lotz, Primack,
        Madau, 2004), eq. 4, https://arxiv.org/abs/astro-ph/0311352
    """
    light, area = growth.light, growth.area
    inner, outer, middle = slice(None, -2 * _HALF), slice(2 * _HALF, None), slice(_HALF, -_HALF)
    with np.errstate(divide="ignore", invalid="ignore"):
        annulus = np.abs((light[:, outer] - light[:, inner]) / (area[:, outer] - area[:, inner]))
        ratio = annulus / np.abs(light[:, middle] / area[:, middle])
    # From the radius 1 on; an annulus without pixels has no brightness.
    first = _PER_PIXEL - _HALF
    return _crossing(np.nan_to_num(ratio[:, first:]) - _ETA, growth.radii[_PER_PIXEL:])


def exact_petrosian(
    images: Floats, distance: Distances, valid: Flags | None, start: Numbers
) -> Numbers:
    """Refine the Petrosian radius with apertures that cut pixels exactly, by secants.

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels, with slopes.
        valid: Which pixels count; all when None.
        start: The result of :func:`petrosian_radius`, shape (N,).
    """
    counted = np.ones_like(images) if valid is None else valid.astype(images.dtype)

    def excess(radius: Numbers) -> Numbers:
        inner, disk, outer = (coverage(distance, radius + step) for step in (-0.5, 0.0, 0.5))
        ring, within = (
            (w * images).sum(axis=(1, 2)) / (w * counted).sum(axis=(1, 2))
            for w in (outer - inner, disk)
        )
        return np.asarray(np.abs(ring / within) - _ETA, np.float64)

    known = np.isfinite(start)
    first = np.where(known, start, 2.0)
    second = first + 0.5 / _PER_PIXEL
    at_first, at_second = excess(first), excess(second)
    for _ in range(_SECANTS):
        flat = at_second == at_first
        slope = np.where(flat, 1.0, at_second - at_first)
        step = np.where(flat, 0.0, at_second * (second - first) / slope)
        first, at_first, second = second, at_second, second - step
        at_second = excess(second)
    return np.where(known, second, np.nan)


def fraction_radius(growth: Growth, total: Numbers, fraction: float) -> Numbers:
    """Return the smallest radius [pixel] with this fraction of the total light, (N,), or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        missing = fraction - growth.light / np.where(total > 0, total, np.nan)[:, None]
    return np.sqrt(_crossing(missing, growth.radii**2))


def _crossing(values: Numbers, at: Numbers) -> Numbers:
    """Return where values first fall from above to below zero, by linear interpolation; or NaN."""
    below = values < 0
    second = below.argmax(axis=1)
    found = below.any(axis=1) & (second > 0)
    second = np.where(found, second, 1)
    event = np.arange(len(values))
    high, low = values[event, second - 1], values[event, second]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = high / (high - low)
        result = at[second - 1] + part * (at[second] - at[second - 1])
    return np.where(found, result, np.nan)


# Power spectra

BANDS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Wave numbers [cycles per pixel] between which power is averaged, up to Nyquist's 1/2."""


def band_power(images: Floats) -> Numbers:
    r"""Return :math:`\log_{10}` of the mean of :math:`|\tilde I(k)|^2 / n_{pixels}` in rings of k.

    White noise of standard deviation s has the power s^2 at every k; the mean of the image
    (k = 0) does not count.

    Arguments:
        images: Shape (N, rows, columns).

    Returns:
        Shape (N, 4), one for each interval of :data:`BANDS`.
    """
    n, rows, columns = images.shape
    modes = fft.rfft2(images)
    power = modes.real**2
    power += modes.imag**2
    means = power.reshape(n, -1) @ _ring_means(rows, columns).astype(power.dtype)
    return np.asarray(np.log10(np.where(means > 0, means, np.nan)), np.float64)


@lru_cache(maxsize=16)
def _ring_means(rows: int, columns: int) -> Numbers:
    """Return the matrix that averages modes over rings, shape (n_modes, n_bands)."""
    ky, kx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
    k = np.hypot(kx, ky).ravel()
    # Modes that stand for their complex conjugates too.
    twice = np.broadcast_to(np.where((kx > 0) & (kx < 0.5), 2.0, 1.0), (rows, len(kx))).ravel()
    in_ring = (k[:, None] > BANDS[:-1]) & (k[:, None] <= np.array(BANDS[1:]))
    weights = np.where(in_ring, twice[:, None], 0.0)
    # A small image may have no mode in a ring, and then no power there either.
    sums = np.where(in_ring.any(axis=0), weights.sum(axis=0), np.nan)
    weights = np.asarray(weights / sums / (rows * columns), np.float64)
    weights.flags.writeable = False
    return weights
