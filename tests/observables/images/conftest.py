"""Images with known properties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray


def _gaussian(
    sigma: float,
    *,
    axis_ratio: float = 1.0,
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    side: int = 64,
) -> NDArray[np.float64]:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    x, y = x - shift[0], y - shift[1]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    square = along**2 * axis_ratio + across**2 / axis_ratio
    image: NDArray[np.float64] = np.exp(-square / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    return image[None]


def _sersic(n: int, seed: int = 0, side: int = 64) -> NDArray[np.float32]:
    stream = np.random.default_rng(seed)
    flux = np.exp(stream.uniform(np.log(20), np.log(200), n))
    radius = np.exp(stream.uniform(np.log(2.0), np.log(6.0), n))
    index, axis_ratio = stream.uniform(0.7, 4, n), stream.uniform(0.3, 1, n)
    angle, noise = stream.uniform(0, np.pi, n), np.exp(stream.uniform(-4, -2.3, n))
    shift = stream.uniform(-1, 1, (2, n))
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    x, y = x - shift[0, :, None, None], y - shift[1, :, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    q, power = axis_ratio[:, None, None], 1 / index[:, None, None]
    square = (x * cos + y * sin) ** 2 * q + (y * cos - x * sin) ** 2 / q
    scaled = np.sqrt(square + 3) / np.hypot(radius, 1.7)[:, None, None]
    images = np.exp(-(2 * index - 1 / 3)[:, None, None] * scaled**power)
    images *= (flux / images.sum(axis=(1, 2)))[:, None, None]
    images += stream.normal(0, 1, images.shape) * noise[:, None, None]
    return images.astype(np.float32)


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., NDArray[np.float64]]:
    """Return a function: a Gaussian of unit flux with sigma = sqrt(a b) [pixel], (1, n, n)."""
    return _gaussian


@pytest.fixture(scope="session")
def sersic() -> Callable[..., NDArray[np.float32]]:
    """Return a function: n noisy Sersic profiles of many fluxes, sizes, indices and shapes."""
    return _sersic
