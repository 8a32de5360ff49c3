"""Galaxies to noise-free pixels: Sersic profile x point spread function x pixel, by Fourier.

Sersic profiles of unit flux and half-light radius: brightness, flux outside, transform.

The point spread function of the simulated stamps: a Moffat profile, as a good night has it.

What the periodic images of a discrete Fourier transform add to a stamp.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.fft import fht, fhtoffset
from scipy.interpolate import BarycentricInterpolator
from scipy.special import gammaincc, gammaincinv, gammaln

from phys_gan.detectors import ImageLayer

__all__ = [
    "BETA",
    "FWHM",
    "LARGEST_INDEX",
    "SMALLEST_INDEX",
    "Stamps",
    "Tails",
    "TransformTable",
    "brightness",
    "flux_outside",
    "psf_transform",
    "steepness",
    "transform_table",
]

SMALLEST_INDEX = 0.5
"""A Gaussian."""
LARGEST_INDEX = 6.0

_N_INDICES = 200
_N_RADII = 4096
_LOG10_RADII = (-9.0, 9.0)
_LOG10_WAVES = (-4.0, 3.0)
"""The transform is 1 below this within 1e-6, and decided by the point spread function above."""


def steepness(index: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return b of Sersic indices n, which solves :math:`\gamma(2n, b) = \Gamma(2n) / 2`.

    Example:
        >>> steepness(np.array([0.5, 4.0])).round(4)
        array([0.6931, 7.6692])
    """
    return np.asarray(gammaincinv(2 * index, 0.5), np.float64)


def brightness(radius: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the surface brightness of profiles of unit flux and half-light radius.

    .. math:: I(r) = \frac{b^{2n}}{2 \pi n \Gamma(2n)} \exp(-b r^{1/n})

    References:
        Graham and Driver, A concise reference to (projected) Sersic R^{1/n} quantities, PASA 22
        (2005) 118, astro-ph/0503176, Eqs. (1), (2) and (4).

    Arguments:
        radius: Radii in half-light radii, any shape.
        index: Sersic indices, of a shape that broadcasts to it.
    """
    b = steepness(index)
    peak = 2 * index * np.log(b) - gammaln(2 * index) - np.log(2 * np.pi * index)
    value: NDArray[np.float64] = np.exp(peak - b * radius ** (1 / index))
    return value


def flux_outside(radius: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the share of the flux outside of radii [half-light radii].

    It is :math:`\Gamma(2n, b r^{1/n}) / \Gamma(2n)`.

    Example:
        >>> flux_outside(np.array([0.0, 1.0]), np.array([4.0, 4.0])).round(6)
        array([1. , 0.5])
    """
    return np.asarray(gammaincc(2 * index, steepness(index) * radius ** (1 / index)), np.float64)


@dataclass(frozen=True, eq=False)
class TransformTable:
    r"""Hold the Fourier transform of the profiles, :math:`2\pi \int I(r) J_0(kr) r \, dr`.

    It is flux-normalised and a function of k (in inverse half-light radii) and of n only:
    ellipticity and position angle are linear maps of k.

    Attributes:
        values: The transform, shape (n_indices, n_waves); the logarithms of both rise evenly.
        log_index: Logarithms of the Sersic indices, shape (n_indices,).
        log_wave: Logarithms of the wave numbers, shape (n_waves,).
    """

    values: NDArray[np.float64]
    log_index: NDArray[np.float64]
    log_wave: NDArray[np.float64]

    def curves(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transform of each Sersic index in ``index``, shape (N, n_waves)."""
        step = self.log_index[1] - self.log_index[0]
        place = (np.log(index) - self.log_index[0]) / step
        row = np.clip(place.astype(np.int64), 0, len(self.log_index) - 2)
        share = (place - row)[:, np.newaxis]
        curves: NDArray[np.float64] = self.values[row] * (1 - share) + self.values[row + 1] * share
        return curves

    def at(
        self, index: NDArray[np.float64], wave_squared: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the transform of N profiles at the squares of wave numbers, shape (N, ...).

        Both interpolations are linear, with an error of at most 2e-5.
        """
        curves = self.curves(index)
        n, size = curves.shape
        step = self.log_wave[1] - self.log_wave[0]
        # The floor under the argument of the logarithm only keeps k = 0 finite.
        place = np.log(np.maximum(wave_squared, np.exp(2 * self.log_wave[0])))
        place *= 0.5 / step
        place -= self.log_wave[0] / step
        np.clip(place, 0, size - 1.001, out=place)
        first = place.astype(np.int64)
        place -= first
        first += (np.arange(n) * size).reshape(n, *[1] * (wave_squared.ndim - 1))
        value: NDArray[np.float64] = curves.take(first)
        rise = np.diff(curves, axis=1, append=0.0).take(first)
        rise *= place
        value += rise
        return value


@cache
def transform_table() -> TransformTable:
    """Return the table of transforms, made with fast Hankel transforms (some 50 ms).

    References:
        Hamilton, Uncorrelated modes of the non-linear power spectrum, MNRAS 312 (2000) 257,
        astro-ph/9905191, appendix B (FFTLog).
    """
    index = np.geomspace(SMALLEST_INDEX, LARGEST_INDEX, _N_INDICES)
    log_radius = np.linspace(*_LOG10_RADII, _N_RADII) * np.log(10)
    step = log_radius[1] - log_radius[0]
    # The offset that makes the discrete transform free of ringing.
    offset = fhtoffset(step, mu=0.0)
    radius = np.exp(log_radius)
    profiles = brightness(radius, index[:, np.newaxis])
    log_wave = offset - log_radius[::-1]
    transform = 2 * np.pi * fht(profiles * radius, step, mu=0.0, offset=offset) / np.exp(log_wave)
    low, high = np.searchsorted(log_wave, np.multiply(_LOG10_WAVES, np.log(10)))
    return TransformTable(transform[:, low:high], np.log(index), log_wave[low:high])


FWHM = 0.7
"""Full width at half maximum [arcsec], typical of a good ground-based site."""
BETA = 3.5
"""Power of the wings, between 2.5 of old telescopes and 4.765 of turbulence theory."""

_SCALE = FWHM / (2 * math.sqrt(2 ** (1 / BETA) - 1))


def psf_transform(k: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the Fourier transform of the point spread function, which is 1 at k = 0.

    The profile and its transform at :math:`x = k r_d`, for :math:`\beta = 7/2`, are

    .. math:: I(r) = \frac{\beta - 1}{\pi r_d^2} \left(1 + \frac{r^2}{r_d^2}\right)^{-\beta},
        \quad \frac{2^{2 - \beta} x^{\beta - 1} K_{\beta - 1}(x)}{\Gamma(\beta - 1)}
        = \left(1 + x + \frac{x^2}{3}\right) e^{-x}

    since :math:`K_{5/2}` is elementary.

    References:
        Moffat, A theoretical investigation of focal stellar images in the photographic emulsion,
        A&A 3 (1969) 455; Trujillo et al., The effects of seeing on Sersic profiles II, MNRAS 328
        (2001) 977, astro-ph/0109067.

    Arguments:
        k: Wave numbers [rad/arcsec], any shape.

    Example:
        >>> bool(psf_transform(np.zeros(1)) == 1)
        True
    """
    x = k * _SCALE
    value: NDArray[np.float64] = (1 + x + x**2 / 3) * np.exp(-x)
    return value


_N_NODES = 7
_N_RAYS = 8
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""One of each pair of opposite neighbours."""


class Tails:
    r"""Sum up the wings of the galaxies that repeat with the period of a Fourier transform.

    The wings of a de Vaucouleurs profile reach far: padding alone would have to be an order of
    magnitude wider than the stamp. The eight nearest images are summed in real space, at
    Chebyshev nodes, between which they are smooth; there the point spread function changes
    nothing. What lies further out adds almost evenly, so its flux is spread over a period.

    Arguments:
        layer: The pixels.
        period: Distance of the images along y and x [arcsec].
    """

    def __init__(self, layer: ImageLayer, period: tuple[float, float]) -> None:
        self._area = layer.pixel_scale**2
        self._period = period
        rows, columns = layer.shape
        self._y, self._from_y = _nodes(rows, layer.pixel_scale)
        self._x, self._from_x = _nodes(columns, layer.pixel_scale)

    def render(self, galaxies: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the pixels that the images add, for unit flux, shape (N, rows, columns).

        Arguments:
            galaxies: Half-light radii, Sersic indices, axis ratios and position angles, (N,) each.
        """
        radius, index, q, angle = (
            galaxies[name][:, np.newaxis, np.newaxis]
            for name in ("half_light_radius", "sersic_index", "axis_ratio", "position_angle")
        )
        high, wide = self._period
        wings = np.zeros((len(radius), _N_NODES, _N_NODES))
        for down, right in _NEIGHBOURS:
            x, y = self._x + right * wide, self._y[:, np.newaxis] + down * high
            wings += brightness(_elliptical(x, y, q, angle) / radius, index)
        # A galaxy looks the same from both sides, and so do the nodes.
        wings = (wings + wings[:, ::-1, ::-1]) / radius**2
        wings += self._beyond(radius, index, q, angle) / (high * wide)
        pixels: NDArray[np.float64] = self._from_y @ wings @ self._from_x.T * self._area
        return pixels

    def _beyond(
        self,
        radius: NDArray[np.float64],
        index: NDArray[np.float64],
        q: NDArray[np.float64],
        angle: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the share of the flux outside of the nine periods, shape (N, 1, 1)."""
        # Rays at even steps of the eccentric angle hold equal shares of the flux.
        eccentric = np.pi * np.arange(_N_RAYS) / _N_RAYS
        along, across = np.cos(eccentric) / np.sqrt(q), np.sin(eccentric) * np.sqrt(q)
        x = along * np.cos(angle) - across * np.sin(angle)
        y = along * np.sin(angle) + across * np.cos(angle)
        high, wide = self._period
        border = 1.5 / np.maximum(np.abs(x) / wide, np.abs(y) / high)
        share = flux_outside(border / radius, index)
        return np.asarray(share.mean(axis=2, keepdims=True), np.float64)


def _elliptical(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    q: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the circularised radius of the ellipse on which a point lies."""
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return np.sqrt(along**2 * q + across**2 / q)


def _nodes(count: int, scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Chebyshev nodes [arcsec], and the matrix from them to the centres of the pixels."""
    nodes = np.cos(np.pi * (np.arange(_N_NODES) + 0.5) / _N_NODES) * count / 2 * scale
    centres = (np.arange(count) - (count - 1) / 2) * scale
    return nodes, BarycentricInterpolator(nodes, np.eye(_N_NODES))(centres)


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
