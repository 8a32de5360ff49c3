"""Morphology of galaxies: asymmetry, smoothness, the Petrosian segment, Gini coefficient and M20.

The conventions are those of statmorph (Rodriguez-Gomez et al., 2019,
https://arxiv.org/abs/1809.08239). Images have the shape (N, rows, columns), points are (x, y) in
pixels, and all N images are measured at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phys_gan.observables.moments import centroids, margins
from phys_gan.observables.photometry import Distances, Flags, Floats, coverage, distances
from phys_gan.observables.sums import Numbers

EXTENT = 1.5
"""Radius of the galaxy, in Petrosian radii."""

# Asymmetry

_FARTHEST = 0.25
_FIRST_STEP = 0.05


@dataclass(frozen=True)
class Asymmetry:
    """Asymmetry of N images.

    Attributes:
        centres: Centre (x, y) of least asymmetry, shape (N, 2).
        values: Asymmetry around it, shape (N,).
    """

    centres: Numbers
    values: Numbers


def asymmetry(
    images: Floats,
    centres: Numbers,
    petrosian: Numbers,
    sky: Numbers,
    valid: Flags | None = None,
    *,
    tolerance: float,
    exact: bool = False,
) -> Asymmetry:
    r"""Minimise :math:`A = (\sum |I - I_{180}| - a B) / \sum |I|` over the centre of rotation.

    Sums run over a circle of 1.5 Petrosian radii around the centre, of a pixels; B is the same
    difference per pixel of the sky. The centre is sought within a quarter of the Petrosian
    radius along x and y.

    References:
        Conselice (2003), section 3.2, https://arxiv.org/abs/astro-ph/0303065
        Lotz, Primack, Madau (2004), eq. 10, https://arxiv.org/abs/astro-ph/0311352

    Arguments:
        images: Shape (N, rows, columns).
        centres: Where to start, shape (N, 2).
        petrosian: Petrosian radii [pixel] around these, shape (N,).
        sky: Asymmetry of the sky, from :func:`sky_asymmetry`, shape (N,).
        valid: Which pixels count; all when None. Those whose partner does not count do not either.
        tolerance: Accuracy of the centre [pixel].
        exact: Whether the aperture cuts pixels exactly.
    """
    best = centres.copy()
    values = np.full(len(images), np.nan)
    reach = (EXTENT + _FARTHEST) * petrosian + 1
    for window in _windows(images, centres, reach, valid):
        rows = window.rows
        start = centres[rows] - window.corner
        search = _Search(window, start, petrosian[rows], sky[rows], exact)
        found, values[rows] = minimise(search, start, _FIRST_STEP * petrosian[rows], tolerance)
        best[rows] = found + window.corner
    return Asymmetry(best, values)


def sky_asymmetry(boxes: Floats) -> Numbers:
    """Return the mean of |I - I_180| per pixel in boxes of sky, (N, n_boxes, side, side)."""
    difference = np.abs(boxes - boxes[:, :, ::-1, ::-1])
    return np.asarray(difference.mean(axis=(1, 2, 3), dtype=np.float64))


class _Search:
    """The asymmetry of windows as a function of the centre."""

    def __init__(
        self, window: _Windows, start: Numbers, petrosian: Numbers, sky: Numbers, exact: bool
    ) -> None:
        self._window, self._start, self._sky, self._exact = window, start, sky, exact
        self._farthest, self._radius = _FARTHEST * petrosian, EXTENT * petrosian
        farthest = float(self._farthest.max())
        self._size = np.abs(window.images)
        self._turned = Turned(window.images, start, farthest)
        self._masked = None
        if window.valid is not None:
            masked = (~window.valid).astype(window.images.dtype)
            self._masked = masked, Turned(masked, start, farthest)

    def __call__(self, which: NDArray[np.intp], points: Numbers) -> Numbers:
        """Return the asymmetry of some windows, one centre each; infinite for one too far away."""
        value = np.full(len(which), np.inf)
        near = np.abs(points - self._start[which]).max(axis=1) <= self._farthest[which]
        value[near] = self._near(which[near], points[near])
        return value

    def _near(self, which: NDArray[np.intp], points: Numbers) -> Numbers:
        images = self._window.images[which]
        weight = coverage(distances(images, points, exact=self._exact), self._radius[which])
        if self._window.inside is not None:
            weight *= self._window.inside[which]
        if self._masked is not None:
            masked, turned = self._masked
            weight *= (masked[which] == 0) & (turned.around(which, points) < 0.5)
        images -= self._turned.around(which, points)
        difference = _sum_of_products(weight, np.abs(images, out=images)).astype(np.float64)
        total = _sum_of_products(weight, self._size[which]).astype(np.float64)
        area = weight.sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0, (difference - area * self._sky[which]) / total, np.inf)


def _sum_of_products(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("nij,nij->n", first, second))


class Turned:
    r"""N images turned by 180 degrees around any point near a given one, interpolated bilinearly.

    :math:`I_{180}(p) = I(2c - p)`: the fraction of 2c is the same for all pixels, so that
    an image is a block of the reflected image, averaged with its neighbours. Images are zero
    outside.

    Arguments:
        images: Shape (N, rows, columns).
        centres: Around these, (x, y), shape (N, 2).
        reach: Largest distance [pixel] of a point from its centre along x or y.
    """

    def __init__(self, images: Floats, centres: Numbers, reach: float) -> None:
        rows, columns = images.shape[1:]
        self._ends = np.array([columns - 1, rows - 1])
        # How far blocks of the reflected image lie from it.
        far = np.abs(self._ends - 2 * centres).max(initial=0.0) + 2 * reach
        self._pad = int(np.ceil(far)) + 2
        padded = np.pad(images[:, ::-1, ::-1], ((0, 0), *((self._pad, self._pad),) * 2))
        self._blocks = np.lib.stride_tricks.sliding_window_view(
            padded, (rows + 1, columns + 1), axis=(1, 2)
        )

    def around(self, which: NDArray[np.intp], points: Numbers) -> Floats:
        """Return the images of these numbers (n,), turned around points (n, 2)."""
        whole = np.floor(2 * points)
        part = (2 * points - whole).astype(self._blocks.dtype)[:, :, None, None]
        x, y = (self._pad - 1 + self._ends - whole).astype(np.intp).T
        block = self._blocks[which, y, x]
        across = block[:, 1:] + part[:, 1] * (block[:, :-1] - block[:, 1:])
        return np.asarray(across[:, :, 1:] + part[:, 0] * (across[:, :, :-1] - across[:, :, 1:]))


_STEP = 16
"""Windows are multiples of this many pixels wide, so that there are few sizes."""


@dataclass(frozen=True)
class _Windows:
    """Windows of one size out of some of the images.

    Attributes:
        rows: Which images, shape (n,).
        images: The windows, zero beyond the image, shape (n, side, side).
        corner: Position (x, y) of their first pixel in the image, shape (n, 2).
        inside: Which of their pixels lie within the image, same shape; None where all do.
        valid: Which of them count; None where all do.
    """

    rows: NDArray[np.intp]
    images: Floats
    corner: NDArray[np.int64]
    inside: Flags | None
    valid: Flags | None


def _windows(
    images: Floats, centres: Numbers, reach: Numbers, valid: Flags | None
) -> Iterator[_Windows]:
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
        yield _Windows(rows, cut, corner, inside, counted)


_MOST_STEPS = 400
Function = Callable[[NDArray[np.intp], Numbers], Numbers]


def minimise(
    function: Function, start: Numbers, step: Numbers, tolerance: float
) -> tuple[Numbers, Numbers]:
    """Find a local minimum of each of N functions of a point by the downhill simplex method.

    Reflection, expansion, contraction and shrinking as usual (1, 2, 1/2, 1/2).

    References:
        A Simplex Method for Function Minimization (Nelder, Mead, 1965),
        https://doi.org/10.1093/comjnl/7.4.308

    Arguments:
        function: Given the numbers of n functions and one point each, shape (n, 2), returns
            their values, shape (n,).
        start: First points, shape (N, 2).
        step: Distance of the two other corners along x and y, shape (N,).
        tolerance: Largest distance between the corners at the end.

    Returns:
        The best points (N, 2) and their values (N,).
    """
    active = np.arange(len(start))
    corners = np.repeat(start[:, None, :], 3, axis=1)
    corners[:, 1, 0] += step
    corners[:, 2, 1] += step
    values = np.stack([function(active, corners[:, k]) for k in range(3)], axis=1)
    for _ in range(_MOST_STEPS):
        # Sort the corners from best to worst, and go on with the simplexes that are still large.
        order = np.argsort(values[active], axis=1, kind="stable")
        values[active] = np.take_along_axis(values[active], order, axis=1)
        corners[active] = np.take_along_axis(corners[active], order[:, :, None], axis=1)
        size = np.abs(corners[active, 1:] - corners[active, :1]).max(axis=(1, 2))
        active = active[size > tolerance]
        if not len(active):
            break
        # Reflect the worst corner; try another point on the same line: expansion, contraction
        # outside or inside, or none.
        best, middle, worst = values[active].T
        pivot = corners[active, :2].mean(axis=1)
        away = pivot - corners[active, 2]
        reflected = function(active, pivot + away)
        reach = np.where(reflected < best, 2.0, np.where(reflected < worst, 0.5, -0.5))
        again = (reflected < best) | (reflected >= middle)
        points = pivot + reach[:, None] * away
        second = np.full(len(active), np.inf)
        second[again] = function(active[again], points[again])
        # Take the second point, or the reflected one.
        inside, outside = reach < 0, (reach == 0.5) & again
        take_second = np.where(
            reflected < best,
            second < reflected,
            (inside & (second < worst)) | (outside & (second <= reflected)),
        )
        take_first = ~take_second & ((reflected < best) | ~again)
        for take, place, value in (
            (take_second, points, second),
            (take_first, pivot + away, reflected),
        ):
            corners[active[take], 2], values[active[take], 2] = place[take], value[take]
        # Where neither is better, draw both other corners towards the best one.
        shrink = active[~take_second & ~take_first]
        for k in (1, 2) if len(shrink) else ():
            corners[shrink, k] = (corners[shrink, k] + corners[shrink, 0]) / 2
            values[shrink, k] = function(shrink, corners[shrink, k])
    return corners[:, 0], values[:, 0]


# Smoothness

_FRACTION = 0.25


def smoothness(images: Floats, distance: Distances, petrosian: Numbers, sky: Floats) -> Numbers:
    r"""Return :math:`S = (\sum \max(0, I - I_S) - a B_S) / \sum I`, the clumpiness.

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
    inner, outer = _FRACTION * petrosian, EXTENT * petrosian
    ring = coverage(distance, outer) - coverage(distance, inner)
    square = np.maximum(size, 1)
    clumps = _sum_of_products(ring, _above_mean(images, square))
    light = _sum_of_products(ring, images)
    background = _above_mean(sky, square).mean(axis=(1, 2, 3), dtype=np.float64)
    area = np.pi * (outer**2 - inner**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = (clumps - area * background) / light
    return np.where((size > 1) & (light > 0), result, np.nan)


def _above_mean(images: Floats, size: NDArray[np.int64]) -> Floats:
    difference = images - boxcar(images, size)
    return np.maximum(difference, 0, out=difference)


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


@lru_cache(maxsize=512)
def _means(n: int, size: int) -> Numbers:
    """Return the matrix that averages n numbers, mirrored at the ends, over windows."""
    offsets = np.arange(size) - size // 2
    reached = (np.arange(n)[:, None] + offsets) % (2 * n)
    reached = np.where(reached < n, reached, 2 * n - 1 - reached)
    matrix = np.zeros((n, n))
    np.add.at(matrix, (np.arange(n)[:, None], reached), 1 / size)
    matrix.flags.writeable = False
    return matrix


# The pixels of the galaxy

_SMOOTHING = 0.2
_TRUNCATE = 4.0
_IN_PLANE = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))], dtype=bool)


def petrosian_segment(
    images: Floats, distance: Distances, radius: Numbers, axis_ratio: Numbers
) -> Flags:
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
    limit = _sum_of_products(ring, smooth) / (2 * np.pi * radius * axis_ratio)
    return connected(smooth >= limit.astype(smooth.dtype)[:, None, None], smooth)


def connected(above: Flags, images: Floats) -> Flags:
    """Return the region of each image that holds its brightest pixel; none if it is not above."""
    labels, _ = ndimage.label(above, _IN_PLANE)
    n = len(images)
    brightest = images.reshape(n, -1).argmax(axis=1)
    label = labels.reshape(n, -1)[np.arange(n), brightest]
    return np.asarray((labels == label[:, None, None]) & above)


def gaussian(images: Floats, sigma: Floats) -> Floats:
    """Convolve with Gaussians of unit sum, cut at 4 sigma; images are zero outside.

    Arguments:
        images: Shape (N, rows, columns).
        sigma: Standard deviations [pixel], positive, shape (N,).
    """
    # Two products with one band matrix per width, shape (N, n, n).
    width = np.asarray(sigma, np.float64)[:, None]
    reach = np.floor(_TRUNCATE * width + 0.5)
    steps = np.arange(max(*images.shape[1:], int(reach.max(initial=0)) + 1))
    kernel = np.where(steps <= reach, np.exp(-0.5 * (steps / width) ** 2), 0.0)
    kernel /= kernel[:, :1] + 2 * kernel[:, 1:].sum(axis=1, keepdims=True)
    across, along = (
        np.take(
            kernel.astype(images.dtype),
            np.abs(np.subtract.outer(np.arange(n), np.arange(n))),
            axis=1,
        )
        for n in images.shape[1:]
    )
    return np.asarray(across @ images @ along.transpose(0, 2, 1))


_BRIGHTEST = 0.2


def gini(images: Floats, segment: Flags) -> Numbers:
    r"""Return :math:`G = \sum_i (2i - n - 1) |X_i| / ((n - 1) \sum_i |X_i|)`, X rising in \|X\|.

    0 if all pixels of the segment are equal, 1 if one has all the light; NaN below two pixels.

    References:
        Lotz, Primack, Madau (2004), eq. 6, https://arxiv.org/abs/astro-ph/0311352
    """
    # Pixels outside are zeros at the front, which a rank counted from the end ignores.
    values = np.where(segment, np.abs(images), 0).reshape(len(images), -1)
    values.sort(axis=1)
    n_pixels = values.shape[1]
    n = segment.reshape(len(images), -1).sum(axis=1)
    ranks = np.arange(1, n_pixels + 1).astype(values.dtype)
    total = values.sum(axis=1, dtype=np.float64)
    ranked = values @ ranks - (n_pixels - n) * total
    with np.errstate(divide="ignore", invalid="ignore"):
        result = (2 * ranked - (n + 1) * total) / ((n - 1) * total)
    return np.where((n > 1) & (total > 0), result, np.nan)


def m20(images: Floats, segment: Flags) -> Numbers:
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
        about = centroids(inside)
        ratio = _second_moment(bright, about) / _second_moment(inside, about)
        result = np.log10(np.where(ratio > 0, ratio, np.nan))
    return np.where(total[:, 0] > 0, result, np.nan)


def _second_moment(images: Floats, about: Numbers) -> Numbers:
    along_x, along_y = margins(images)
    dx = np.arange(images.shape[2]) - about[:, :1]
    dy = np.arange(images.shape[1]) - about[:, 1:]
    return np.asarray((along_x * dx**2).sum(axis=1) + (along_y * dy**2).sum(axis=1))
