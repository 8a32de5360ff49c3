"""Events of two styles: what the coarse layers of a StyleGAN decide, and what the fine ones do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike

from phys_gan.errors import ConfigError, RangeError
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks.stylegan import StyleGanGenerator

__all__ = ["mix_styles", "n_style_layers"]


def n_style_layers(model: Model) -> int:
    """Return how many layers have a style; 0 where the generator is no StyleGAN."""
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
