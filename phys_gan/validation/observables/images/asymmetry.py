"""Asymmetry: what is left of an image when it is turned by 180 degrees and taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Floats, coverage, distances
from phys_gan.validation.observables.images.simplex import minimise
from phys_gan.validation.observables.images.turning import Turned
from phys_gan.validation.observables.images.windows import Windows, windows

__all__ = ["Asymmetry", "asymmetry", "sky_asymmetry"]

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
