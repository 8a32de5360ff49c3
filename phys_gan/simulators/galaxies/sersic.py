"""Sersic profiles of unit flux and half-light radius: brightness, flux outside, transform."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fht, fhtoffset
from scipy.special import gammaincc, gammaincinv, gammaln

__all__ = [
    "LARGEST_INDEX",
    "SMALLEST_INDEX",
    "TransformTable",
    "brightness",
    "flux_outside",
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
