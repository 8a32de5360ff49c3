"""Observables of the light in an image: how much, above what noise, at which scale; per band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.validation.observables.binning import Binning
from phys_gan.validation.observables.images.access import (
    is_image,
    per_band,
    pixel_scale,
    stamps_of,
)
from phys_gan.validation.observables.images.spectra import BANDS, band_power
from phys_gan.validation.observables.registry import Compute, observable
from phys_gan.validation.observables.showers import Showers, ratio

__all__: list[str] = []

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
