"""Galaxies to noise-free pixels: Sersic profile x point spread function x pixel, by Fourier."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from phys_gan.detectors import ImageLayer
from phys_gan.simulators.galaxies.psf import FWHM, psf_transform
from phys_gan.simulators.galaxies.sersic import transform_table
from phys_gan.simulators.galaxies.tails import Tails

__all__ = ["Stamps"]

_LARGEST_STEP = 0.25
"""Distance of samples [arcsec] at which the point spread function is still sampled well."""
_SMALLEST_PERIOD = 10 * FWHM
_BLOCK_WAVES = 1 << 18
_LARGEST_BLOCK = 32


class Stamps:
    r"""Make stamps of galaxies, many at once.

    A pixel holds the integral of the convolved image over its square. In Fourier space
    everything is a product:

    .. math:: \hat p(\vec k) = F \, S(\kappa; n) \, P(k) \,
        \mathrm{sinc}(k_x d / 2) \, \mathrm{sinc}(k_y d / 2) \, d^2, \quad
        \kappa^2 = R^2 \left(\frac{k_\parallel^2}{q} + q k_\perp^2\right)

    with the transforms S of the Sersic profile and P of the point spread function, the component
    of k along the major axis :math:`k_\parallel` and the side d of a pixel. The discrete
    transform repeats the image with a period of twice the stamp; :class:`Tails` takes the
    repeated images away.

    Arguments:
        layer: The pixels.
    """

    def __init__(self, layer: ImageLayer) -> None:
        self.shape = layer.shape
        # Several samples per pixel where the pixels are too wide to sample what they integrate.
        self._per_pixel = math.ceil(layer.pixel_scale / _LARGEST_STEP)
        step = layer.pixel_scale / self._per_pixel
        self._size = tuple(_padded(n * layer.pixel_scale, step) for n in layer.shape)
        self._k_y = 2 * np.pi * fft.fftfreq(self._size[0], step)[:, np.newaxis]
        self._k_x = 2 * np.pi * fft.rfftfreq(self._size[1], step)
        self._optics = _optics(self._k_y, self._k_x, layer)
        # The inverse transform sums over the density of waves 1 / step^2.
        self._optics *= (layer.pixel_scale / step) ** 2
        self._tails = Tails(layer, (self._size[0] * step, self._size[1] * step))

    @property
    def block(self) -> int:
        """How many galaxies fit the cache, and are best made at once."""
        return max(1, min(_LARGEST_BLOCK, _BLOCK_WAVES // self._optics.size))

    def render(self, galaxies: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the pixels of galaxies without noise, shape (N, rows, columns).

        Arguments:
            galaxies: The conditions of the galaxies but the noise, (N,) each.
        """
        radius, q = galaxies["half_light_radius"], galaxies["axis_ratio"]
        cos, sin = np.cos(galaxies["position_angle"]), np.sin(galaxies["position_angle"])
        xx = radius**2 * (cos**2 / q + sin**2 * q)
        yy = radius**2 * (sin**2 / q + cos**2 * q)
        xy = 2 * radius**2 * cos * sin * (1 / q - q)
        wave_squared = _column(xy) * self._k_x * self._k_y
        wave_squared += _column(xx) * self._k_x**2
        wave_squared += _column(yy) * self._k_y**2
        waves = transform_table().at(galaxies["sersic_index"], wave_squared) * self._optics
        (rows, columns), step = self.shape, self._per_pixel
        strips = fft.ifft(waves, axis=1, overwrite_x=True)[:, : rows * step : step]
        pixels = fft.irfft(strips, self._size[1], axis=2)[:, :, : columns * step : step]
        return _column(galaxies["flux"]) * (pixels - self._tails.render(galaxies))


def _padded(side: float, step: float) -> int:
    return fft.next_fast_len(math.ceil(max(2 * side, _SMALLEST_PERIOD) / step), real=True)


def _optics(
    k_y: NDArray[np.float64], k_x: NDArray[np.float64], layer: ImageLayer
) -> NDArray[np.complex128]:
    """Return what all galaxies share: seeing, pixels, and the shift to the centre of the stamp."""
    scale = layer.pixel_scale
    pixel = np.sinc(k_x * scale / (2 * np.pi)) * np.sinc(k_y * scale / (2 * np.pi))
    centre_y, centre_x = ((n - 1) / 2 * scale for n in layer.shape)
    shift: NDArray[np.complex128] = np.exp(-1j * (k_x * centre_x + k_y * centre_y))
    return psf_transform(np.hypot(k_x, k_y)) * pixel * shift


def _column(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:, np.newaxis, np.newaxis]
