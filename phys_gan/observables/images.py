"""Observables of the light in an image: how much, above what noise, at which scale; per band.

From a block of events to its images, and from one value per image back to events and bands.

Observables of a galaxy: where it is, how large, of which shape; for each band of an image.

References:
    The optical morphologies of galaxies in the IllustrisTNG simulation: a comparison to Pan-STARRS
    observations (Rodriguez-Gomez et al., 2019), https://arxiv.org/abs/1809.08239

The observables of images: importing this module registers all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer, Layer
from phys_gan.observables.photometry import BANDS, Floats, band_power
from phys_gan.observables.registry import Binning, Compute, observable
from phys_gan.observables.stamps import Stamps
from phys_gan.observables.sums import Showers, ratio

__all__ = ["is_image", "per_band", "pixel_scale", "stamps_of"]


def is_image(layer: Layer) -> bool:
    """Return whether a layer is a band of an image."""
    return isinstance(layer, ImageLayer)


def stamps_of(showers: Showers) -> Stamps:
    """Return all bands of all images of a block, one after the other; made once."""
    return showers.once(_stamps)


def per_band(showers: Showers, values: Floats) -> NDArray[np.float64]:
    """Return one value per image and band, (N, L); NaN where there is no finite number."""
    defined = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    return defined.reshape(len(showers), showers.detector.n_layers)


def pixel_scale(showers: Showers) -> float:
    """Return the side of a pixel [arcsec]."""
    layer = showers.detector.layers[0]
    assert isinstance(layer, ImageLayer)
    return layer.pixel_scale


def _stamps(showers: Showers) -> Stamps:
    return Stamps(showers.events.cells.reshape(-1, *showers.detector.layers[0].shape))


_RINGS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Edges of the annuli in units of half the side of the image."""
_SKY_RING = 3
"""From this annulus on there is mostly noise around zero."""
_QUANTILES = (5, 50, 95)

Numbers = NDArray[np.float64]


def _one_band(detector: Detector) -> bool:
    return detector.n_layers == 1


@observable("flux_{k}", label=r"$F_{k}$", unit="{cell}", applies=is_image, binning=Binning("auto"))
def flux(showers: Showers) -> Numbers:
    """Sum of all pixels of band {k}."""
    return per_band(showers, stamps_of(showers).flux)


@observable(
    "flux/flux_in",
    label=r"$F/F_\mathrm{in}$",
    applies=is_image,
    exists=_one_band,
    conditions=("flux",),
)
def flux_response(showers: Showers) -> Numbers:
    """Sum of all pixels over the flux that was asked for."""
    return ratio(stamps_of(showers).flux, showers.events.condition("flux"))


@observable(
    "signal_to_noise_{k}",
    label=r"$(S/N)_{k}$",
    applies=is_image,
    binning=Binning("auto"),
)
def signal_to_noise(showers: Showers) -> Numbers:
    """Signal over noise of the flux within the Gaussian that matches band {k}."""
    return per_band(showers, stamps_of(showers).signal_to_noise)


@observable("noise_{k}", label=r"$\sigma_{\mathrm{sky},{k}}$", unit="{cell}", applies=is_image)
def noise(showers: Showers) -> Numbers:
    """Noise of a pixel in the corners of band {k}: 1.4826 median absolute deviations."""
    return per_band(showers, stamps_of(showers).noise)


@observable("sky_{k}", label=r"$I_{\mathrm{sky},{k}}$", unit="{cell}", applies=is_image)
def sky(showers: Showers) -> Numbers:
    """Median pixel in the corners of band {k}."""
    return per_band(showers, stamps_of(showers).level)


@observable(
    "pixel_max_{k}",
    label=r"$I_{\max,{k}}$",
    unit="{cell}",
    applies=is_image,
    binning=Binning("auto"),
)
def brightest_pixel(showers: Showers) -> Numbers:
    """Brightest pixel of band {k}."""
    return per_band(showers, stamps_of(showers).sorted[:, -1])


def _quantile(percent: int) -> Compute:
    def quantile(showers: Showers) -> Numbers:
        values = stamps_of(showers).sorted
        return per_band(showers, values[:, round(percent / 100 * (values.shape[1] - 1))])

    quantile.__doc__ = f"Pixel of band {{k}} that {percent} % of its pixels do not exceed."
    return quantile


for _percent in _QUANTILES:
    observable(
        f"pixel_q{_percent:02d}_{{k}}",
        label=rf"$I_{{{_percent}\%,{{k}}}}$",
        unit="{cell}",
        applies=is_image,
        essential=False,
    )(_quantile(_percent))


# Structure at every scale


def _brightness(ring: int) -> Compute:
    def brightness(showers: Showers) -> Numbers:
        stamps = stamps_of(showers)
        half = min(stamps.images.shape[1:]) / 2
        values = stamps.growth.brightness(half * _RINGS[ring], half * _RINGS[ring + 1])
        return per_band(showers, values / pixel_scale(showers) ** 2)

    brightness.__doc__ = (
        f"Mean brightness of band {{k}} between {_RINGS[ring]:g} and {_RINGS[ring + 1]:g} "
        f"half sides from its centre."
    )
    return brightness


for _ring in range(len(_RINGS) - 1):
    observable(
        f"brightness_{_ring}_{{k}}",
        label=rf"$\mu_{{{_ring},{{k}}}}$",
        unit="{cell}/arcsec²",
        applies=is_image,
        binning=Binning("auto" if _ring < _SKY_RING else "linear"),
        essential=False,
    )(_brightness(_ring))


def _powers(showers: Showers) -> Numbers:
    return band_power(stamps_of(showers).images)


def _power(band: int) -> Compute:
    def power(showers: Showers) -> Numbers:
        return per_band(showers, showers.once(_powers)[:, band])

    power.__doc__ = (
        f"Log10 of the power of band {{k}} between {BANDS[band]:g} and {BANDS[band + 1]:g} "
        f"cycles per pixel, in squares of the pixel's unit."
    )
    return power


for _band in range(len(BANDS) - 1):
    observable(
        f"power_{_band}_{{k}}",
        label=rf"$\log_{{10}} P_{{{_band},{{k}}}}$",
        applies=is_image,
        essential=False,
    )(_power(_band))


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
