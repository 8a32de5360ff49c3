"""Observables of images, per band: light, noise, structure at every scale, galaxies.

Most are quantities of :class:`~phys_gan.observables.stamps.Stamps`, which :func:`per_band`
registers. Importing this module registers all of them.

References:
    The optical morphologies of galaxies in the IllustrisTNG simulation: a comparison to Pan-STARRS
    observations (Rodriguez-Gomez et al., 2019), https://arxiv.org/abs/1809.08239
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import methodcaller

import numpy as np

from phys_gan.detectors import Detector, ImageLayer, Layer
from phys_gan.observables.photometry import BANDS, Floats
from phys_gan.observables.registry import Binning, first_line, observable
from phys_gan.observables.stamps import Stamps
from phys_gan.observables.sums import Numbers, Showers, ratio

_AUTO = Binning("auto")
_RINGS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Edges of the annuli in units of half the side of the image."""
_SKY_RING = 3
"""From this annulus on there is mostly noise around zero."""

Measure = Callable[[Stamps], Floats]


def _is_image(layer: Layer) -> bool:
    return isinstance(layer, ImageLayer)


def _one_band(detector: Detector) -> bool:
    return detector.n_layers == 1


def _stamps(showers: Showers) -> Stamps:
    """Return all bands of all images of a block, one after the other."""
    return Stamps(showers.events.cells.reshape(-1, *showers.detector.layers[0].shape))


def per_band(
    name: str,
    *,
    label: str,
    unit: str = "",
    binning: Binning | None = None,
    description: str = "",
    essential: bool = True,
) -> Callable[[Measure], Measure]:
    """Register a function of :class:`Stamps` with one value (N,) per image and band.

    Stamps are measured in pixels; where the unit has arcsec, values are converted. What is not
    finite becomes NaN.
    """

    def register(measure: Measure) -> Measure:
        def compute(showers: Showers) -> Numbers:
            values, layer = measure(showers.once(_stamps)), showers.detector.layers[0]
            assert isinstance(layer, ImageLayer)
            if unit == "arcsec":
                values = values * layer.pixel_scale
            elif unit.endswith("/arcsec²"):
                values = values / layer.pixel_scale**2
            defined = np.where(np.isfinite(values), values, np.nan)
            shape = len(showers), showers.detector.n_layers
            return np.asarray(defined.reshape(shape), np.float64)

        observable(
            name,
            label=label,
            unit=unit,
            binning=binning,
            description=description or first_line(measure),
            applies=_is_image,
            essential=essential,
        )(compute)
        return measure

    return register


# Light and noise


@per_band("flux_{k}", label=r"$F_{k}$", unit="{cell}", binning=_AUTO)
def flux(stamps: Stamps) -> Floats:
    """Sum of all pixels of band {k}."""
    return stamps.flux


@observable(
    "flux/flux_in",
    label=r"$F/F_\mathrm{in}$",
    applies=_is_image,
    exists=_one_band,
    conditions=("flux",),
)
def flux_response(showers: Showers) -> Numbers:
    """Sum of all pixels over the requested flux."""
    return ratio(showers.once(_stamps).flux, showers.events.condition("flux"))


@per_band("signal_to_noise_{k}", label=r"$(S/N)_{k}$", binning=_AUTO)
def signal_to_noise(stamps: Stamps) -> Floats:
    """Signal over noise of the flux within the Gaussian that matches band {k}."""
    return stamps.signal_to_noise


@per_band("noise_{k}", label=r"$\sigma_{\mathrm{sky},{k}}$", unit="{cell}")
def noise(stamps: Stamps) -> Floats:
    """Noise of a pixel in the corners of band {k}: 1.4826 median absolute deviations."""
    return stamps.noise


@per_band("sky_{k}", label=r"$I_{\mathrm{sky},{k}}$", unit="{cell}")
def sky(stamps: Stamps) -> Floats:
    """Median pixel in the corners of band {k}."""
    return stamps.level


@per_band("pixel_max_{k}", label=r"$I_{\max,{k}}$", unit="{cell}", binning=_AUTO)
def brightest_pixel(stamps: Stamps) -> Floats:
    """Brightest pixel of band {k}."""
    return stamps.sorted[:, -1]


for _percent in (5, 50, 95):
    per_band(
        f"pixel_q{_percent:02d}_{{k}}",
        label=rf"$I_{{{_percent}\%,{{k}}}}$",
        unit="{cell}",
        description=f"Pixel of band {{k}} that {_percent} % of its pixels do not exceed.",
        essential=False,
    )(methodcaller("pixel_quantile", _percent))


# Structure at every scale

for _ring, (_inner, _outer) in enumerate(pairwise(_RINGS)):
    per_band(
        f"brightness_{_ring}_{{k}}",
        label=rf"$\mu_{{{_ring},{{k}}}}$",
        unit="{cell}/arcsec²",
        binning=_AUTO if _ring < _SKY_RING else None,
        description=f"Mean brightness of band {{k}} between {_inner:g} and {_outer:g} half sides "
        "from its centre.",
        essential=False,
    )(methodcaller("brightness", _inner, _outer))

for _band, (_low, _high) in enumerate(pairwise(BANDS)):
    per_band(
        f"power_{_band}_{{k}}",
        label=rf"$\log_{{10}} P_{{{_band},{{k}}}}$",
        description=f"Log10 of the power of band {{k}} between {_low:g} and {_high:g} cycles per "
        "pixel, in squares of the pixel's unit.",
        essential=False,
    )(methodcaller("power_in", _band))


# Position and shape


@per_band("centroid_x_{k}", label=r"$x_{k}$", unit="arcsec")
def centroid_x(stamps: Stamps) -> Floats:
    """Centre of the Gaussian that matches band {k}, along the columns from the middle."""
    return stamps.where_found(stamps.adaptive.centres[:, 0] - stamps.middle[0])


@per_band("centroid_y_{k}", label=r"$y_{k}$", unit="arcsec")
def centroid_y(stamps: Stamps) -> Floats:
    """Centre of the Gaussian that matches band {k}, along the rows from the middle."""
    return stamps.where_found(stamps.adaptive.centres[:, 1] - stamps.middle[1])


@per_band("sigma_{k}", label=r"$\sigma_{k}$", unit="arcsec")
def sigma(stamps: Stamps) -> Floats:
    """Size of the Gaussian that matches band {k}: adaptive moments, det(M)^(1/4)."""
    return stamps.where_found(stamps.adaptive.sigma)


@per_band("g1_{k}", label=r"$g_{1,{k}}$")
def g1(stamps: Stamps) -> Floats:
    """Shape of band {k} along the axes: adaptive moments, |g| = (1 - q) / (1 + q)."""
    return stamps.where_found(stamps.adaptive.shear[0])


@per_band("g2_{k}", label=r"$g_{2,{k}}$")
def g2(stamps: Stamps) -> Floats:
    """Shape of band {k} along the diagonals: adaptive moments."""
    return stamps.where_found(stamps.adaptive.shear[1])


@per_band("g_{k}", label=r"$|g|_{k}$", binning=Binning(low=0.0))
def ellipticity(stamps: Stamps) -> Floats:
    """Ellipticity (1 - q) / (1 + q) of band {k}: adaptive moments."""
    return stamps.where_found(np.hypot(*stamps.adaptive.shear))


@per_band("axis_ratio_{k}", label=r"$q_{k}$", essential=False)
def axis_ratio(stamps: Stamps) -> Floats:
    """Minor over major axis of the Gaussian that matches band {k}."""
    return stamps.where_found(stamps.axis_ratio)


@per_band("rho4_{k}", label=r"$\rho_{4,{k}}$")
def rho4(stamps: Stamps) -> Floats:
    """Weighted fourth moment of band {k}: adaptive moments; 2 for a Gaussian."""
    return stamps.where_found(stamps.adaptive.rho4)


@per_band("half_light_radius_{k}", label=r"$r_{50,{k}}$", unit="arcsec")
def half_light_radius(stamps: Stamps) -> Floats:
    """Radius with half of the light within 1.5 Petrosian radii in band {k}."""
    return stamps.radius_of(0.5)


@per_band("petrosian_radius_{k}", label=r"$r_{P,{k}}$", unit="arcsec")
def petrosian_radius(stamps: Stamps) -> Floats:
    """Radius at which band {k} is 0.2 times as bright as within."""
    return stamps.petrosian


# Morphology


@per_band("concentration_{k}", label=r"$C_{k}$")
def concentration(stamps: Stamps) -> Floats:
    """Concentration 5 log10(r_80 / r_20) of band {k}."""
    return stamps.concentration


@per_band("asymmetry_{k}", label=r"$A_{k}$")
def asymmetry(stamps: Stamps) -> Floats:
    """Asymmetry of band {k} under a rotation by 180 degrees, above that of the sky."""
    return np.where(np.isfinite(stamps.petrosian), stamps.asymmetry.values, np.nan)


@per_band("smoothness_{k}", label=r"$S_{k}$")
def smoothness(stamps: Stamps) -> Floats:
    """Clumpiness of band {k} at a quarter of the Petrosian radius, above that of the sky."""
    return stamps.smoothness


@per_band("gini_{k}", label=r"$G_{k}$")
def gini(stamps: Stamps) -> Floats:
    """Gini coefficient of the pixels of band {k} above the Petrosian isophote."""
    return stamps.gini


@per_band("m20_{k}", label=r"$M_{20,{k}}$")
def m20(stamps: Stamps) -> Floats:
    """Second moment of the brightest pixels with 20 % of the light of band {k}, log10."""
    return stamps.m20
