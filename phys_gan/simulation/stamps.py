"""Noise-free stamps of galaxies: Sersic profile x point spread function x pixel.

:class:`Stamps` multiplies the three in Fourier space; :func:`galsim_pixels` has GalSim, an
independent program, do the same. Radii of profiles are in units of the half-light radius, of
stamps in arcsec; a pixel holds the flux that falls on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.fft import fht, fhtoffset
from scipy.interpolate import BarycentricInterpolator
from scipy.special import gammaincc, gammaincinv, gammaln

from phys_gan.detectors import ImageLayer
from phys_gan.errors import MissingError

# Sersic profiles of unit flux and half-light radius

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
    r"""Return the surface brightness at some radii, for Sersic indices that broadcast to them.

    .. math:: I(r) = \frac{b^{2n}}{2 \pi n \Gamma(2n)} \exp(-b r^{1/n})

    References:
        Graham and Driver, A concise reference to (projected) Sersic R^{1/n} quantities, PASA 22
        (2005) 118, astro-ph/0503176, Eqs. (1), (2) and (4).
    """
    b = steepness(index)
    peak = 2 * index * np.log(b) - gammaln(2 * index) - np.log(2 * np.pi * index)
    return np.asarray(np.exp(peak - b * radius ** (1 / index)), np.float64)


def flux_outside(radius: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the fraction of the flux outside of radii.

    It is :math:`\Gamma(2n, b r^{1/n}) / \Gamma(2n)`.

    Example:
        >>> flux_outside(np.array([0.0, 1.0]), np.array([4.0, 4.0])).round(6)
        array([1. , 0.5])
    """
    return np.asarray(gammaincc(2 * index, steepness(index) * radius ** (1 / index)), np.float64)


def sersic_transform(
    index: NDArray[np.float64], wave_squared: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Return the Fourier transform of N profiles at squares of wave numbers, shape (N, ...).

    .. math:: S(k; n) = 2\pi \int I(r) J_0(kr) r \, dr

    is flux-normalised and a function of k (in inverse half-light radii) and of n only: ellipticity
    and position angle are linear maps of k. It is interpolated linearly in ln n and ln k, with an
    error of at most 2e-5.
    """
    values, log_index, log_wave = _transform_table()
    # A curve in ln k for each index.
    place = (np.log(index) - log_index[0]) / (log_index[1] - log_index[0])
    row = np.clip(place.astype(np.int64), 0, len(log_index) - 2)
    upper = (place - row)[:, np.newaxis]
    curves = values[row] * (1 - upper) + values[row + 1] * upper
    # Its value at each wave number; the floor under the logarithm only keeps k = 0 finite.
    n, size = curves.shape
    step = log_wave[1] - log_wave[0]
    place = np.log(np.maximum(wave_squared, np.exp(2 * log_wave[0])))
    place *= 0.5 / step
    place -= log_wave[0] / step
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
def _transform_table() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return transforms (n_indices, n_waves), and ln n and ln k, both of which rise evenly.

    Made with fast Hankel transforms (some 50 ms; Hamilton, Uncorrelated modes of the non-linear
    power spectrum, MNRAS 312 (2000) 257, astro-ph/9905191, appendix B, FFTLog).
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
    return transform[:, low:high], np.log(index), log_wave[low:high]


# The point spread function: a Moffat profile, as a good night has it

FWHM = 0.7
"""Full width at half maximum [arcsec], typical of a good ground-based site."""
BETA = 3.5
"""Power of the wings, between 2.5 of old telescopes and 4.765 of turbulence theory."""

_SCALE = FWHM / (2 * math.sqrt(2 ** (1 / BETA) - 1))


def psf_transform(k: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the Fourier transform of the point spread function at wave numbers [rad/arcsec].

    The profile and its transform at :math:`x = k r_d`, for :math:`\beta = 7/2`, are

    .. math:: I(r) = \frac{\beta - 1}{\pi r_d^2} \left(1 + \frac{r^2}{r_d^2}\right)^{-\beta},
        \quad \frac{2^{2 - \beta} x^{\beta - 1} K_{\beta - 1}(x)}{\Gamma(\beta - 1)}
        = \left(1 + x + \frac{x^2}{3}\right) e^{-x}

    since :math:`K_{5/2}` is elementary.

    References:
        Moffat, A theoretical investigation of focal stellar images in the photographic emulsion,
        A&A 3 (1969) 455; Trujillo et al., The effects of seeing on Sersic profiles II, MNRAS 328
        (2001) 977, astro-ph/0109067.

    Example:
        >>> bool(psf_transform(np.zeros(1)) == 1)
        True
    """
    x = k * _SCALE
    return np.asarray((1 + x + x**2 / 3) * np.exp(-x), np.float64)


# Pixels

_LARGEST_STEP = 0.25
"""Distance of samples [arcsec] at which the point spread function is still sampled well."""
_SMALLEST_PERIOD = 10 * FWHM
_BLOCK_WAVES = 1 << 18
_LARGEST_BLOCK = 32
_SHAPE = ("half_light_radius", "sersic_index", "axis_ratio", "position_angle")

Galaxies = Mapping[str, NDArray[np.float64]]
"""Conditions of galaxies by name, (N,) each."""


class Stamps:
    r"""Make stamps of galaxies, many at once.

    A pixel holds the integral of the convolved image over its square. In Fourier space
    everything is a product:

    .. math:: \hat p(\vec k) = F \, S(\kappa; n) \, P(k) \,
        \mathrm{sinc}(k_x d / 2) \, \mathrm{sinc}(k_y d / 2) \, d^2, \quad
        \kappa^2 = R^2 \left(\frac{k_\parallel^2}{q} + q k_\perp^2\right)

    with the transforms S of the Sersic profile and P of the point spread function, the component
    of k along the major axis :math:`k_\parallel` and the side d of a pixel. The discrete
    transform repeats the image with a period of twice the stamp; :class:`_Tails` takes the
    repeated images away.

    Arguments:
        layer: The pixels.
    """

    def __init__(self, layer: ImageLayer) -> None:
        self._shape, scale = layer.shape, layer.pixel_scale
        # Several samples per pixel where the pixels are too wide to sample what they integrate.
        self._per_pixel = math.ceil(scale / _LARGEST_STEP)
        step = scale / self._per_pixel
        sides = [math.ceil(max(2 * n * scale, _SMALLEST_PERIOD) / step) for n in layer.shape]
        rows, self._columns = (fft.next_fast_len(side, real=True) for side in sides)
        self._k_y = 2 * np.pi * fft.fftfreq(rows, step)[:, np.newaxis]
        self._k_x = 2 * np.pi * fft.rfftfreq(self._columns, step)
        # What all galaxies share: seeing, pixels, and the shift to the centre of the stamp.
        pixel = np.sinc(self._k_x * scale / (2 * np.pi)) * np.sinc(self._k_y * scale / (2 * np.pi))
        centre_y, centre_x = ((n - 1) / 2 * scale for n in layer.shape)
        shift = np.exp(-1j * (self._k_x * centre_x + self._k_y * centre_y))
        self._optics = psf_transform(np.hypot(self._k_x, self._k_y)) * pixel * shift
        # The inverse transform sums over the density of waves 1 / step^2.
        self._optics *= (scale / step) ** 2
        self._tails = _Tails(layer, (rows * step, self._columns * step))

    @property
    def block(self) -> int:
        """How many galaxies fit the cache, and are best made at once."""
        return max(1, min(_LARGEST_BLOCK, _BLOCK_WAVES // int(self._optics.size)))

    def render(self, galaxies: Galaxies) -> NDArray[np.float64]:
        """Return the pixels of galaxies without noise, shape (N, rows, columns)."""
        radius, _, q, angle = (galaxies[name][:, np.newaxis, np.newaxis] for name in _SHAPE)
        cos, sin = np.cos(angle), np.sin(angle)
        wave_squared = 2 * radius**2 * cos * sin * (1 / q - q) * self._k_x * self._k_y
        wave_squared += radius**2 * (cos**2 / q + sin**2 * q) * self._k_x**2
        wave_squared += radius**2 * (sin**2 / q + cos**2 * q) * self._k_y**2
        waves = sersic_transform(galaxies["sersic_index"], wave_squared) * self._optics
        (rows, columns), step = self._shape, self._per_pixel
        strips = fft.ifft(waves, axis=1, overwrite_x=True)[:, : rows * step : step]
        pixels = fft.irfft(strips, self._columns, axis=2)[:, :, : columns * step : step]
        flux = galaxies["flux"][:, np.newaxis, np.newaxis]
        return np.asarray(flux * (pixels - self._tails.render(galaxies)), np.float64)


_N_NODES = 7
_N_RAYS = 8
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""One of each pair of opposite neighbours."""


class _Tails:
    """Sum up the wings of the galaxies that repeat with the period of a Fourier transform.

    The wings of a de Vaucouleurs profile reach far: padding alone would have to be an order of
    magnitude wider than the stamp. The eight nearest images are summed in real space, at
    Chebyshev nodes, between which they are smooth; there the point spread function changes
    nothing. What lies further out adds almost evenly, so its flux is spread over a period.

    Arguments:
        layer: The pixels.
        period: Distance of the images along y and x [arcsec].
    """

    def __init__(self, layer: ImageLayer, period: tuple[float, float]) -> None:
        self._area, self._period = layer.pixel_scale**2, period
        (self._y, self._from_y), (self._x, self._from_x) = (
            _nodes(count, layer.pixel_scale) for count in layer.shape
        )

    def render(self, galaxies: Galaxies) -> NDArray[np.float64]:
        """Return the pixels that the images add, for unit flux, shape (N, rows, columns)."""
        radius, index, q, angle = (galaxies[name][:, np.newaxis, np.newaxis] for name in _SHAPE)
        cos, sin, (high, wide) = np.cos(angle), np.sin(angle), self._period
        wings = np.zeros((len(radius), _N_NODES, _N_NODES))
        for down, right in _NEIGHBOURS:
            x, y = self._x + right * wide, self._y[:, np.newaxis] + down * high
            # The circularised radius of the ellipse on which a point lies.
            along, across = x * cos + y * sin, y * cos - x * sin
            wings += brightness(np.sqrt(along**2 * q + across**2 / q) / radius, index)
        # A galaxy looks the same from both sides, and so do the nodes.
        wings = (wings + wings[:, ::-1, ::-1]) / radius**2
        # Beyond the nine periods: rays at even steps of the eccentric angle hold equal fractions
        # of the flux.
        eccentric = np.pi * np.arange(_N_RAYS) / _N_RAYS
        along, across = np.cos(eccentric) / np.sqrt(q), np.sin(eccentric) * np.sqrt(q)
        x, y = along * cos - across * sin, along * sin + across * cos
        border = 1.5 / np.maximum(np.abs(x) / wide, np.abs(y) / high)
        beyond = flux_outside(border / radius, index).mean(axis=2, keepdims=True)
        wings += beyond / (high * wide)
        return np.asarray(self._from_y @ wings @ self._from_x.T * self._area, np.float64)


def _nodes(count: int, scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Chebyshev nodes [arcsec], and the matrix from them to the centres of the pixels."""
    nodes = np.cos(np.pi * (np.arange(_N_NODES) + 0.5) / _N_NODES) * count / 2 * scale
    centres = (np.arange(count) - (count - 1) / 2) * scale
    return nodes, BarycentricInterpolator(nodes, np.eye(_N_NODES))(centres)


def galsim_pixels(layer: ImageLayer, galaxies: Galaxies) -> NDArray[np.float64]:
    """Return the pixels of galaxies without noise by GalSim, shape (N, rows, columns).

    References:
        Rowe et al., GalSim: The modular galaxy image simulation toolkit, Astronomy and Computing
        10 (2015) 121, arXiv:1407.7676.

    Raises:
        MissingError: GalSim is not installed.
    """
    try:
        import galsim
    except ImportError:
        raise MissingError(
            "the engine 'galsim' needs GalSim, which is not installed",
            remedy="pip install 'phys_gan[galaxies]', or use the engine 'numpy'",
            value="galsim",
        ) from None
    # GalSim itself lets 5e-3 of the flux be folded back, too much for a reference.
    accuracy = galsim.GSParams(
        folding_threshold=1e-3, maximum_fft_size=1 << 14, maxk_threshold=1e-4
    )
    psf = galsim.Moffat(beta=BETA, fwhm=FWHM, gsparams=accuracy)
    rows, columns = layer.shape
    pixels = np.empty((len(galaxies["flux"]), rows, columns))
    for number, stamp in enumerate(pixels):
        one = {name: float(values[number]) for name, values in galaxies.items()}
        profile = galsim.Sersic(
            n=one["sersic_index"],
            half_light_radius=one["half_light_radius"],
            flux=one["flux"],
            gsparams=accuracy,
        )
        # A shear keeps the area, and so the circularised radius.
        turned = profile.shear(q=one["axis_ratio"], beta=one["position_angle"] * galsim.radians)
        image = galsim.Convolve(turned, psf).drawImage(
            nx=columns, ny=rows, scale=layer.pixel_scale, dtype=float
        )
        stamp[:] = image.array
    return pixels
