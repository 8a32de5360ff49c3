"""Observables of a galaxy: where it is, how large, of which shape; for each band of an image.

References:
    The optical morphologies of galaxies in the IllustrisTNG simulation: a comparison to Pan-STARRS
    observations (Rodriguez-Gomez et al., 2019), https://arxiv.org/abs/1809.08239
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables.binning import Binning
from phys_gan.validation.observables.images.access import (
    is_image,
    per_band,
    pixel_scale,
    stamps_of,
)
from phys_gan.validation.observables.registry import observable
from phys_gan.validation.observables.showers import Showers

__all__: list[str] = []

Numbers = NDArray[np.float64]


@observable("centroid_x_{k}", label=r"$x_{k}$", unit="arcsec", applies=is_image)
def centroid_x(showers: Showers) -> Numbers:
    """Centre of the Gaussian that matches band {k}, along the columns from the middle."""
    middle = (showers.detector.layers[0].shape[1] - 1) / 2
    return per_band(showers, (_found(showers, 0) - middle) * pixel_scale(showers))


@observable("centroid_y_{k}", label=r"$y_{k}$", unit="arcsec", applies=is_image)
def centroid_y(showers: Showers) -> Numbers:
    """Centre of the Gaussian that matches band {k}, along the rows from the middle."""
    middle = (showers.detector.layers[0].shape[0] - 1) / 2
    return per_band(showers, (_found(showers, 1) - middle) * pixel_scale(showers))


def _found(showers: Showers, axis: int) -> Numbers:
    return _visible(showers, stamps_of(showers).adaptive.centres[:, axis])


def _visible(showers: Showers, values: Numbers) -> Numbers:
    return np.where(stamps_of(showers).found, values, np.nan)


@observable("sigma_{k}", label=r"$\sigma_{k}$", unit="arcsec", applies=is_image)
def sigma(showers: Showers) -> Numbers:
    """Size of the Gaussian that matches band {k}: adaptive moments, det(M)^(1/4)."""
    return per_band(
        showers, _visible(showers, stamps_of(showers).adaptive.sigma) * pixel_scale(showers)
    )


@observable("g1_{k}", label=r"$g_{1,{k}}$", applies=is_image)
def g1(showers: Showers) -> Numbers:
    """Shape of band {k} along the axes: adaptive moments, |g| = (1 - q) / (1 + q)."""
    return per_band(showers, _visible(showers, stamps_of(showers).adaptive.shear[0]))


@observable("g2_{k}", label=r"$g_{2,{k}}$", applies=is_image)
def g2(showers: Showers) -> Numbers:
    """Shape of band {k} along the diagonals: adaptive moments."""
    return per_band(showers, _visible(showers, stamps_of(showers).adaptive.shear[1]))


@observable("g_{k}", label=r"$|g|_{k}$", applies=is_image, binning=Binning(low=0.0))
def ellipticity(showers: Showers) -> Numbers:
    """Ellipticity (1 - q) / (1 + q) of band {k}: adaptive moments."""
    return per_band(showers, _visible(showers, np.hypot(*stamps_of(showers).adaptive.shear)))


@observable("axis_ratio_{k}", label=r"$q_{k}$", applies=is_image, essential=False)
def axis_ratio(showers: Showers) -> Numbers:
    """Minor over major axis of the Gaussian that matches band {k}."""
    return per_band(showers, _visible(showers, stamps_of(showers).axis_ratio))


@observable("rho4_{k}", label=r"$\rho_{4,{k}}$", applies=is_image)
def rho4(showers: Showers) -> Numbers:
    """Weighted fourth moment of band {k}: adaptive moments; 2 for a Gaussian."""
    return per_band(showers, _visible(showers, stamps_of(showers).adaptive.rho4))


@observable("half_light_radius_{k}", label=r"$r_{50,{k}}$", unit="arcsec", applies=is_image)
def half_light_radius(showers: Showers) -> Numbers:
    """Radius with half of the light within 1.5 Petrosian radii in band {k}."""
    return per_band(showers, stamps_of(showers).radius_of(0.5) * pixel_scale(showers))


@observable("petrosian_radius_{k}", label=r"$r_{P,{k}}$", unit="arcsec", applies=is_image)
def petrosian_radius(showers: Showers) -> Numbers:
    """Radius at which band {k} is 0.2 times as bright as within."""
    return per_band(showers, stamps_of(showers).petrosian * pixel_scale(showers))


# Morphology


@observable("concentration_{k}", label=r"$C_{k}$", applies=is_image)
def concentration(showers: Showers) -> Numbers:
    """Concentration 5 log10(r_80 / r_20) of band {k}."""
    return per_band(showers, stamps_of(showers).concentration)


@observable("asymmetry_{k}", label=r"$A_{k}$", applies=is_image)
def asymmetry(showers: Showers) -> Numbers:
    """Asymmetry of band {k} when it is turned by 180 degrees, above that of the sky."""
    stamps = stamps_of(showers)
    known = np.isfinite(stamps.petrosian)
    return per_band(showers, np.where(known, stamps.asymmetry.values, np.nan))


@observable("smoothness_{k}", label=r"$S_{k}$", applies=is_image)
def smoothness(showers: Showers) -> Numbers:
    """Clumpiness of band {k} at a quarter of the Petrosian radius, above that of the sky."""
    return per_band(showers, stamps_of(showers).smoothness)


@observable("gini_{k}", label=r"$G_{k}$", applies=is_image)
def gini(showers: Showers) -> Numbers:
    """Gini coefficient of the pixels of band {k} above the Petrosian isophote."""
    return per_band(showers, stamps_of(showers).gini)


@observable("m20_{k}", label=r"$M_{20,{k}}$", applies=is_image)
def m20(showers: Showers) -> Numbers:
    """Second moment of the brightest pixels with 20 % of the light of band {k}, log10."""
    return per_band(showers, stamps_of(showers).m20)
