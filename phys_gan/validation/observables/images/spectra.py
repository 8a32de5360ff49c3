"""Azimuthally averaged power spectrum: how much structure there is at which scale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from phys_gan.validation.observables.images.grid import Floats

__all__ = ["BANDS", "band_power"]

BANDS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Wave numbers [cycles per pixel] between which power is averaged; 1/2 is Nyquist's."""


def band_power(images: Floats) -> NDArray[np.float64]:
    r"""Return :math:`\log_{10}` of the mean of :math:`|\tilde I(k)|^2 / n_{pixels}` in rings of k.

    White noise of standard deviation s has the power s^2 at every k; the mean of the image
    (k = 0) does not count.

    Arguments:
        images: Shape (N, rows, columns).

    Returns:
        Shape (N, 4), for wave numbers between 1/16, 1/8, 1/4 and 1/2 cycles per pixel.
    """
    n, rows, columns = images.shape
    modes = fft.rfft2(images)
    power = modes.real**2
    power += modes.imag**2
    means = power.reshape(n, -1) @ _rings(rows, columns).astype(power.dtype)
    return np.asarray(np.log10(np.where(means > 0, means, np.nan)), np.float64)


@lru_cache(maxsize=16)
def _rings(rows: int, columns: int) -> NDArray[np.float64]:
    """Return the matrix that averages modes over rings, shape (n_modes, n_bands)."""
    ky, kx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
    k = np.hypot(kx, ky).ravel()
    # Modes that stand for their complex conjugates too.
    twice = np.broadcast_to(np.where((kx > 0) & (kx < 0.5), 2.0, 1.0), (rows, len(kx))).ravel()
    in_ring = (k[:, None] > BANDS[:-1]) & (k[:, None] <= np.array(BANDS[1:]))
    weights = np.where(in_ring, twice[:, None], 0.0)
    # A small image may have no mode in a ring, and then no power there either.
    sums = np.where(in_ring.any(axis=0), weights.sum(axis=0), np.nan)
    weights = np.asarray(weights / sums / (rows * columns), np.float64)
    weights.flags.writeable = False
    return weights
