"""Walks between latents (:func:`spherical_walk`), and events of mixed styles of a StyleGAN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import ConfigError, RangeError
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks.convolutions import GridGenerator
from phys_gan.networks.stylegan import StyleGanGenerator


def n_structural(model: Model) -> int:
    """Return how many latents, from the first on, shape the whole event.

    Those after them are noise of single cells, which only generators of convolutions have.
    """
    generator = model.generator
    return sum(generator.parts[:2]) if isinstance(generator, GridGenerator) else generator.latent


def spherical_walk(start: ArrayLike, end: ArrayLike, steps: int) -> NDArray[np.float64]:
    r"""Walk from one point to another on an arc, so that all points are as far out as the ends.

    .. math:: z(t) = \frac{\sin((1 - t)\,\Omega)}{\sin\Omega}\, a + \frac{\sin(t\,\Omega)}
        {\sin\Omega}\, b, \qquad \cos\Omega = \frac{a \cdot b}{|a||b|}

    A straight line would pass near the origin, where a normal distribution in many dimensions has
    hardly any events.

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
        # On a line through the origin there is no arc, or no shortest one.
        return np.asarray((1 - t) * a + t * b, np.float64)
    return np.asarray((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def n_style_layers(model: Model) -> int:
    """Return how many layers have a style; 0 if the generator is not a StyleGAN."""
    generator = model.generator
    return generator.n_layers if isinstance(generator, StyleGanGenerator) else 0


@torch.no_grad()
def mix_styles(
    model: Model,
    coarse: ArrayLike,
    fine: ArrayLike,
    conditions: Mapping[str, ArrayLike],
    layer: int,
) -> Events:
    """Generate events whose styles change from one source to another at a layer.

    References:
        A Style-Based Generator Architecture for Generative Adversarial Networks (Karras et al.,
        2019), Sec. 3.1, https://arxiv.org/abs/1812.04948

    Arguments:
        model: A model with a StyleGAN generator.
        coarse: Latents of the first source, which also gives all noise, (N, latent).
        fine: Latents of the second source, (N, latent).
        conditions: Name to values (N,).
        layer: First layer with the styles of the second source: 0 takes all styles from it,
            ``n_style_layers(model)`` none.

    Raises:
        ConfigError: The generator has no styles.
        RangeError: There is no such layer, or a condition is outside the range of the model.
        MissingError: A condition is missing.
        DataError: There is not one value of a condition per event.
    """
    generator = model.generator
    if not isinstance(generator, StyleGanGenerator):
        raise ConfigError(
            f"the networks '{model.network_config.kind}' have no styles to mix",
            remedy="give a model that was trained with network.kind = 'stylegan'",
            value=model.network_config.kind,
        )
    if not 0 <= layer <= generator.n_layers:
        raise RangeError(
            f"there is no layer {layer} at which styles could change",
            remedy=f"give one of 0 to {generator.n_layers}",
            value=layer,
            constraint=(0, generator.n_layers),
        )
    named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
    first, second = (np.asarray(latents, np.float32) for latents in (coarse, fine))
    c = model.encoding.encode_conditions(named, len(first))
    z, other = (torch.from_numpy(latents).to(c.device) for latents in (first, second))
    cells = model.encoding.decode(generator.mixed(z, other, c, layer), c)
    return Events(cells.cpu().numpy(), named, model.detector, provenance=model.provenance)
