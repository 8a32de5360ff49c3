"""Radii of galaxies: Petrosian, and those with a given part of the light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.images.grid import Distances, Floats, coverage
from phys_gan.validation.observables.images.growth import NODES_PER_PIXEL, Growth

__all__ = ["concentration", "exact_petrosian", "fraction_radius", "petrosian_radius"]

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
