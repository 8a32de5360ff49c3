"""The point spread function of the simulated stamps: a Moffat profile, as a good night has it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["BETA", "FWHM", "psf_transform"]

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
