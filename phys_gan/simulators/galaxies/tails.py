"""What the periodic images of a discrete Fourier transform add to a stamp."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BarycentricInterpolator

from phys_gan.detectors import ImageLayer
from phys_gan.simulators.galaxies.sersic import brightness, flux_outside

__all__ = ["Tails"]

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
