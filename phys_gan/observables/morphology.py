"""Gini coefficient and M20: how light is shared between pixels, and where the brightest lie.

The downhill simplex method in the plane, for many functions at once.

Turn images by 180 degrees around points between the pixels.

Cut out what matters around a centre: galaxies that need windows of one size go together.

Asymmetry: what is left of an image when it is turned by 180 degrees and taken away.

Smoothing with a different width for every image: two products with band matrices.

Smoothness, or clumpiness: what is left of an image when it is smoothed and taken away.

Which pixels belong to a galaxy: those brighter than its Petrosian isophote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phys_gan.observables.photometry import Distances, Floats, coverage, distances

__all__ = [
    "Asymmetry",
    "Turned",
    "Windows",
    "asymmetry",
    "boxcar",
    "connected",
    "gaussian",
    "gini",
    "m20",
    "minimise",
    "petrosian_segment",
    "sky_asymmetry",
    "smoothness",
    "windows",
]

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


_MOST_STEPS = 400
Function = Callable[[NDArray[np.intp], NDArray[np.float64]], NDArray[np.float64]]


def minimise(
    function: Function,
    start: NDArray[np.float64],
    step: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find a local minimum of each of N functions of a point (x, y).

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
    n = len(start)
    every = np.arange(n)
    corners = np.repeat(start[:, None, :], 3, axis=1)
    corners[:, 1, 0] += step
    corners[:, 2, 1] += step
    values = np.stack([function(every, corners[:, k]) for k in range(3)], axis=1)
    active = every
    for _ in range(_MOST_STEPS):
        order = np.argsort(values[active], axis=1, kind="stable")
        values[active] = np.take_along_axis(values[active], order, axis=1)
        corners[active] = np.take_along_axis(corners[active], order[:, :, None], axis=1)
        spread = np.abs(corners[active, 1:] - corners[active, :1]).max(axis=(1, 2))
        active = active[spread > tolerance]
        if not len(active):
            break
        _step(function, active, corners, values)
    return corners[:, 0], values[:, 0]


def _step(
    function: Function,
    active: NDArray[np.intp],
    corners: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Replace the worst corner, or draw both others towards the best one."""
    best, middle, worst = values[active].T
    pivot = corners[active, :2].mean(axis=1)
    away = pivot - corners[active, 2]
    reflected = function(active, pivot + away)
    # One of: expansion, contraction outside or inside, or no second try.
    reach = np.where(reflected < best, 2.0, np.where(reflected < worst, 0.5, -0.5))
    try_again = (reflected < best) | (reflected >= middle)
    second = np.full(len(active), np.inf)
    points = pivot + reach[:, None] * away
    second[try_again] = function(active[try_again], points[try_again])
    inside, outside = reach < 0, (reach == 0.5) & try_again
    take_second = np.where(
        reflected < best,
        second < reflected,
        (inside & (second < worst)) | (outside & (second <= reflected)),
    )
    take_first = ~take_second & ((reflected < best) | ~try_again)
    corners[active[take_second], 2] = points[take_second]
    values[active[take_second], 2] = second[take_second]
    corners[active[take_first], 2] = (pivot + away)[take_first]
    values[active[take_first], 2] = reflected[take_first]
    shrink = active[~take_second & ~take_first]
    for k in (1, 2) if len(shrink) else ():
        corners[shrink, k] = (corners[shrink, k] + corners[shrink, 0]) / 2
        values[shrink, k] = function(shrink, corners[shrink, k])


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


_EXTENT = 1.5
_FARTHEST = 0.25
_FIRST_STEP = 0.05


@dataclass(frozen=True)
class Asymmetry:
    """Asymmetry of N images.

    Attributes:
        centres: Centre (x, y) of least asymmetry, shape (N, 2).
        values: Asymmetry around it, shape (N,).
    """

    centres: NDArray[np.float64]
    values: NDArray[np.float64]


def asymmetry(
    images: Floats,
    centres: NDArray[np.float64],
    petrosian: NDArray[np.float64],
    sky: NDArray[np.float64],
    valid: NDArray[np.bool_] | None = None,
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
        sky: Asymmetry of the sky, as :func:`sky_asymmetry` gives it, shape (N,).
        valid: Which pixels count; all when None. Those whose partner does not count do not either.
        tolerance: Accuracy of the centre [pixel].
        exact: Whether the aperture cuts pixels exactly.
    """
    best = centres.copy()
    values = np.full(len(images), np.nan)
    reach = (_EXTENT + _FARTHEST) * petrosian + 1
    for window in windows(images, centres, reach, valid):
        rows = window.rows
        start = centres[rows] - window.corner
        search = _Search(window, start, petrosian[rows], sky[rows], exact)
        found, values[rows] = minimise(search, start, _FIRST_STEP * petrosian[rows], tolerance)
        best[rows] = found + window.corner
    return Asymmetry(best, values)


def sky_asymmetry(boxes: Floats) -> NDArray[np.float64]:
    """Return the mean of |I - I_180| per pixel in boxes of sky, (N, n_boxes, side, side)."""
    difference = np.abs(boxes - boxes[:, :, ::-1, ::-1])
    return np.asarray(difference.mean(axis=(1, 2, 3), dtype=np.float64))


class _Search:
    """The asymmetry of windows as a function of the centre."""

    def __init__(
        self,
        window: Windows,
        start: NDArray[np.float64],
        petrosian: NDArray[np.float64],
        sky: NDArray[np.float64],
        exact: bool,
    ) -> None:
        farthest = float(_FARTHEST * petrosian.max())
        self._window, self._start, self._sky, self._exact = window, start, sky, exact
        self._farthest = _FARTHEST * petrosian
        self._radius = _EXTENT * petrosian
        self._size = np.abs(window.images)
        self._turned = Turned(window.images, start, farthest)
        self._masked = None
        if window.valid is not None:
            masked = (~window.valid).astype(window.images.dtype)
            self._masked = masked, Turned(masked, start, farthest)

    def __call__(self, which: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the asymmetry of some windows, one centre each; infinite for one too far away."""
        value = np.full(len(which), np.inf)
        near = np.abs(points - self._start[which]).max(axis=1) <= self._farthest[which]
        value[near] = self._near(which[near], points[near])
        return value

    def _near(self, which: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.float64]:
        images = self._window.images[which]
        weight = coverage(distances(images, points, exact=self._exact), self._radius[which])
        if self._window.inside is not None:
            weight *= self._window.inside[which]
        if self._masked is not None:
            here, there = self._masked
            weight *= (here[which] == 0) & (there.around(which, points) < 0.5)
        images -= self._turned.around(which, points)
        difference = _dot(weight, np.abs(images, out=images))
        total = _dot(weight, self._size[which])
        area = weight.sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0, (difference - area * self._sky[which]) / total, np.inf)


def _dot(first: Floats, second: Floats) -> NDArray[np.float64]:
    return np.asarray(np.einsum("nij,nij->n", first, second), np.float64)


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


_FRACTION = 0.25


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
