"""Pixels and apertures: distances from a centre, and how much of a pixel an aperture covers.

The sky: boxes without a galaxy, its level and its noise.

Curves of growth: the light within every radius at once.

Radii of galaxies: Petrosian, and those with a given part of the light.

Azimuthally averaged power spectrum: how much structure there is at which scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = [
    "BANDS",
    "NODES_PER_PIXEL",
    "Distances",
    "Floats",
    "Growth",
    "band_power",
    "concentration",
    "corner_boxes",
    "coverage",
    "distances",
    "exact_petrosian",
    "fraction_radius",
    "petrosian_radius",
    "round_shape",
    "sky_level_noise",
]

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


NODES_PER_PIXEL = 4
_HALF = NODES_PER_PIXEL // 2


class Growth:
    r"""Light and area within the radii 0, 1/4, 1/2, ... pixels of N images.

    With the coverage :math:`\min(1, \max(0, r - d + 1/2))` of a pixel at distance d a sum is
    :math:`H(r + 1/2) - H(r - 1/2)` with :math:`H(t) = \sum_p v_p \max(0, t - d_p)`. H needs no
    sorting: each value is shared between the two nodes beside its distance, which leaves H at
    all nodes as it is, and H is a sum of sums.

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels from the centre.
        valid: Which pixels count; all when None.
        largest: Largest radius of interest; by default the diagonal of the image.
    """

    def __init__(
        self,
        images: Floats,
        distance: Distances,
        valid: NDArray[np.bool_] | None = None,
        largest: float | None = None,
    ) -> None:
        end = np.hypot(*images.shape[1:]) if largest is None else largest
        n_nodes = int(np.ceil(end * NODES_PER_PIXEL)) + 1
        self.radii = np.arange(n_nodes) / NODES_PER_PIXEL
        nodes = _Nodes(distance.values, n_nodes)
        self.light = nodes.within(images)
        self.area = nodes.within(None if valid is None else valid.astype(images.dtype))

    def brightness(self, inner: float, outer: float) -> NDArray[np.float64]:
        """Return the mean of the pixels between two radii, rounded to quarters, shape (N,)."""
        first, last = round(inner * NODES_PER_PIXEL), round(outer * NODES_PER_PIXEL)
        light = self.light[:, last] - self.light[:, first]
        return np.asarray(light / (self.area[:, last] - self.area[:, first]))

    def at(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the light within one radius per image, shape (N,); NaN where that is NaN.

        Between nodes it is linear in the area, as for a uniform brightness.
        """
        known = np.isfinite(radius)
        steps = np.where(known, radius, 0.0) * NODES_PER_PIXEL
        node = np.clip(steps.astype(np.intp), 0, len(self.radii) - 2)
        event = np.arange(len(self.light))
        part = (steps**2 - node**2) / (2 * node + 1)
        low, high = self.light[event, node], self.light[event, node + 1]
        return np.where(known, low + np.minimum(part, 1) * (high - low), np.nan)


class _Nodes:
    """Between which two nodes each pixel lies, and where.

    Arguments:
        distance: Shape (N, rows, columns).
        n_nodes: Number of radii, the first is 0.
    """

    def __init__(self, distance: Floats, n_nodes: int) -> None:
        n = len(distance)
        self._shape = n, n_nodes
        # Half a pixel behind the last radius counts too; what lies further out, not at all.
        self._columns = n_nodes + _HALF + 1
        steps = np.minimum(distance * distance.dtype.type(NODES_PER_PIXEL), self._columns - 2)
        whole = steps.astype(np.intp)
        self._upper = (steps - whole).ravel()
        whole += np.arange(0, n * self._columns, self._columns)[:, None, None]
        self._node = whole.ravel()

    def within(self, values: Floats | None) -> NDArray[np.float64]:
        """Return the sums of values within each radius, (N, n_nodes); of ones when None."""
        n, n_nodes = self._shape
        size = n * self._columns
        weights = None if values is None else values.ravel()
        upper = self._upper if weights is None else self._upper * weights
        both = np.bincount(self._node, weights, size)
        later = np.bincount(self._node, upper, size)
        shared = both - later
        shared[1:] += later[:-1]
        total = np.cumsum(shared.reshape(n, self._columns), axis=1)
        # H is the integral of the total, so a difference of H is a sum of totals.
        padded = np.pad(total, ((0, 0), (_HALF, 0)))
        blocks = [padded[:, k : k + n_nodes] for k in range(2 * _HALF)]
        return np.asarray(np.sum(blocks, axis=0) / NODES_PER_PIXEL)


_ETA = 0.2
_POLISHING = 4
_HALF_ANNULUS = NODES_PER_PIXEL // 2


def petrosian_radius(growth: Growth, eta: float = _ETA) -> NDArray[np.float64]:
    r"""Return the smallest radius r >= 1 [pixel] at which :math:`\mu(r) = \eta\,\bar\mu(<r)`.

    The brightness at r is the mean over an annulus one pixel wide. NaN where it never falls that
    far within the image, or is below already at r = 1.

    References:
        A New Nonparametric Approach to Galaxy Morphological Classification (Lotz, Primack,
        Madau, 2004), eq. 4, https://arxiv.org/abs/astro-ph/0311352
    """
    light, area = growth.light, growth.area
    inner, outer = slice(None, -2 * _HALF_ANNULUS), slice(2 * _HALF_ANNULUS, None)
    middle = slice(_HALF_ANNULUS, -_HALF_ANNULUS)
    with np.errstate(divide="ignore", invalid="ignore"):
        annulus = np.abs((light[:, outer] - light[:, inner]) / (area[:, outer] - area[:, inner]))
        ratio = annulus / np.abs(light[:, middle] / area[:, middle])
    # The node of the radius 1 comes first; an annulus without pixels has no brightness.
    first = NODES_PER_PIXEL - _HALF_ANNULUS
    return _crossing(np.nan_to_num(ratio[:, first:]) - eta, growth.radii[NODES_PER_PIXEL:])


def exact_petrosian(
    images: Floats, distance: Distances, valid: NDArray[np.bool_] | None, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Refine the Petrosian radius with apertures that cut pixels exactly, by secants.

    Arguments:
        images: Shape (N, rows, columns).
        distance: Of the pixels, with slopes.
        valid: Which pixels count; all when None.
        start: What :func:`petrosian_radius` gives, shape (N,).
    """
    counted = np.ones_like(images) if valid is None else valid.astype(images.dtype)

    def excess(radius: NDArray[np.float64]) -> NDArray[np.float64]:
        inner, disk, outer = (coverage(distance, radius + step) for step in (-0.5, 0.0, 0.5))
        ring = outer - inner
        means = [
            (w * images).sum(axis=(1, 2)) / (w * counted).sum(axis=(1, 2)) for w in (ring, disk)
        ]
        return np.asarray(np.abs(means[0] / means[1]) - _ETA, np.float64)

    known = np.isfinite(start)
    first = np.where(known, start, 2.0)
    second = first + 0.5 / NODES_PER_PIXEL
    before, behind = excess(first), excess(second)
    for _ in range(_POLISHING):
        flat = behind == before
        slope = np.where(flat, 1.0, behind - before)
        step = np.where(flat, 0.0, behind * (second - first) / slope)
        first, before, second = second, behind, second - step
        behind = excess(second)
    return np.where(known, second, np.nan)


def fraction_radius(
    growth: Growth, total: NDArray[np.float64], fraction: float
) -> NDArray[np.float64]:
    """Return the smallest radius [pixel] with this fraction of the total light; NaN if none.

    Arguments:
        growth: The curve of growth.
        total: The total light, shape (N,).
        fraction: Between 0 and 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        missing = (
            fraction - np.where(total > 0, 1.0, np.nan)[:, None] * growth.light / total[:, None]
        )
    return np.sqrt(_crossing(missing, growth.radii**2))


def concentration(r20: NDArray[np.float64], r80: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`C = 5 \log_{10}(r_{80} / r_{20})`.

    References:
        The Relationship between Stellar Light Distributions of Galaxies and Their Formation
        Histories (Conselice, 2003), section 3.1, https://arxiv.org/abs/astro-ph/0303065
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(5 * np.log10(r80 / r20))


def _crossing(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where values first fall from above to below zero, by linear interpolation; or NaN."""
    below = values < 0
    second = below.argmax(axis=1)
    found = below.any(axis=1) & (second > 0)
    second = np.where(found, second, 1)
    event = np.arange(len(values))
    before, behind = values[event, second - 1], values[event, second]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = before / (before - behind)
        result = at[second - 1] + part * (at[second] - at[second - 1])
    return np.where(found, result, np.nan)


BANDS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Wave numbers [cycles per pixel] between which power is averaged; 1/2 is Nyquist's."""


def band_power(images: Floats) -> NDArray[np.float64]:
    r"""Return :math:`\log_{10}` of the mean of :math:`|\tilde I(k)|^2 / n_{pixels}` in rings of k.

    White noise of standard deviation s has the power s^2 at every k; the mean of the image
    (k = 0) does not count.

    Arguments:
        images: Shape (N, rows, columns).

    Returns:
        Shape (N, 4), for wave numbers between 1/16, 1/8, 1/4 and 1/2 cycles per pixel.
    """
    n, rows, columns = images.shape
    modes = fft.rfft2(images)
    power = modes.real**2
    power += modes.imag**2
    means = power.reshape(n, -1) @ _rings(rows, columns).astype(power.dtype)
    return np.asarray(np.log10(np.where(means > 0, means, np.nan)), np.float64)


@lru_cache(maxsize=16)
def _rings(rows: int, columns: int) -> NDArray[np.float64]:
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
