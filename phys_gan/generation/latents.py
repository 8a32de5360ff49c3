"""Paths between latents, and which of them shape an event as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.model import Model
from phys_gan.networks.grid_pair import GridGenerator

__all__ = ["n_structural", "spherical_walk"]


def n_structural(model: Model) -> int:
    """Return how many latents, from the first on, shape the whole event.

    Generators of convolutions have latents of single cells behind them: their noise. Of others it
    is all latents.
    """
    generator = model.generator
    return sum(generator.parts[:2]) if isinstance(generator, GridGenerator) else generator.latent


def spherical_walk(start: ArrayLike, end: ArrayLike, steps: int) -> NDArray[np.float64]:
    r"""Walk from one point to another on an arc, so that all points are as far out as the ends.

    .. math:: z(t) = \frac{\sin((1 - t)\,\Omega)}{\sin\Omega}\, a + \frac{\sin(t\,\Omega)}
        {\sin\Omega}\, b, \qquad \cos\Omega = \frac{a \cdot b}{|a||b|}

    A straight line would lead through the middle of the latents, where hardly any event of a
    normal distribution in many dimensions lies.

    References:
        Sampling Generative Networks (White, 2016), Sec. 2.1, https://arxiv.org/abs/1609.04468

    Arguments:
        start: Where it begins, (n,).
        end: Where it ends, (n,).
        steps: Number of points, with both ends.

    Returns:
        The points, (steps, n).

    Example:
        >>> spherical_walk([1.0, 0.0], [0.0, 1.0], 3).round(3).tolist()
        [[1.0, 0.0], [0.707, 0.707], [0.0, 1.0]]
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.linspace(0, 1, steps)[:, np.newaxis]
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
    if np.isclose(np.sin(angle), 0):
        # On one line through the middle there is no arc, or none is the shortest.
        return np.asarray((1 - t) * a + t * b, np.float64)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))
