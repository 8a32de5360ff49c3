"""Translators: small residual networks that turn events of one simulation into those of another.

References:
    Augmented CycleGAN: Learning Many-to-Many Mappings from Unpaired Data (Almahairi et al., 2018),
    https://arxiv.org/abs/1802.10151
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_generator
from phys_gan.networks.base import (
    Depth,
    DiscriminatorOutput,
    Generator,
    HeadConfig,
    NetworkConfig,
    Sizes,
    Width,
)
from phys_gan.networks.blocks import Residual, Standardize, constant_linear
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator

# Weight of the noise at the start, in standard deviations of a cell.
_NOISE = 0.1
# Weights of the noise by which an empty cell is below zero: it is hit in 2 % of the cases.
_DEPTH = 2.0


class TranslatorConfig(NetworkConfig):
    """Options of a pair of translators, there and back, and of their discriminators.

    Attributes:
        width: Neurons in the hidden layers of a translator.
        depth: Residual blocks of a translator.
        noise: Whether each number of an event has a latent of its own; without, an event has one
            translation.
        d_width: Neurons in the hidden layers of a discriminator.
        d_depth: Residual blocks of a discriminator.
        sharpness: As in :class:`~phys_gan.networks.CompactConfig`.
    """

    kind: Literal["translator"] = "translator"
    width: Width = Field(default=256, ge=8)
    depth: Depth = 2
    noise: bool = True
    d_width: Width = Field(default=384, ge=8)
    d_depth: Depth = 2
    sharpness: float = Field(default=8.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """One event has many translations as in augmented CycleGAN, with StyleGAN's noise."""
        return ("almahairi2018augmented", "karras2018stylegan") if self.noise else ()


@register_generator(TranslatorConfig, methods=("cycle",))
class Translator(Generator):
    r"""Correct an encoded event, starting from almost no correction.

    .. math:: y = x + \sigma \, (f(u, c) + w(u, c) \, (z - 2\,[x = 0])), \qquad
        u = (x - \mu) / \sigma

    with f = 0 and w = 0.1 at the start. The noise z of each number, whose weight w depends on the
    event, lets one event have many translations (augmented CycleGAN, Almahairi et al., 2018,
    https://arxiv.org/abs/1802.10151): full simulation has single hits far from the core where
    fast simulation has none. An empty cell therefore starts two weights below zero, where 2 % of
    the noise makes it a hit.
    """

    def __init__(self, detector: Detector, sizes: Sizes, config: TranslatorConfig) -> None:
        super().__init__()
        self.n_globals, self.source = sizes.n_globals, sizes.n_numbers
        self.latent = self.source if config.noise else 0
        self.scale = Standardize(self.source)
        self.entry = nn.Linear(self.source + sizes.n_conditions, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.correction = constant_linear(config.width, self.source)
        self.noise = constant_linear(config.width, self.latent, _NOISE) if config.noise else None

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by events of the source."""
        self.scale.adapt(x)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map events with latents z (N, source + latent) and c (N, C) to raw events (N, source)."""
        x, own = z.split([self.source, self.latent], dim=1)
        h = self.blocks(self.entry(torch.cat([self.scale(x), c], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        change = self.correction(h)
        if self.noise is not None:
            empty = functional.pad(x[:, self.n_globals :] == 0, (self.n_globals, 0))
            change = change + self.noise(h) * (own - _DEPTH * empty.to(x.dtype))
        raw: Tensor = x + self.scale.scale * change
        return raw


class TranslatorDiscriminator(CompactDiscriminator):
    """The compact discriminator for events whose rows hold their own conditions.

    Without pairs, real and translated events do not share their conditions, so each row is an
    encoded event followed by its own: see :meth:`rows`.
    """

    def __init__(
        self, detector: Detector, sizes: Sizes, config: TranslatorConfig, head: HeadConfig
    ) -> None:
        options = CompactConfig(
            d_width=config.d_width, d_depth=config.d_depth, sharpness=config.sharpness
        )
        super().__init__(detector, sizes, options, head)
        self.n_conditions = sizes.n_conditions

    @staticmethod
    def rows(x: Tensor, c: Tensor) -> Tensor:
        """Append conditions c (N, C) to encoded events x (N, n_numbers)."""
        return torch.cat([x, c], dim=1)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the inputs for rows (N, n_numbers + C), followed by the conditions."""
        events, c = x.split([x.shape[1] - self.n_conditions, self.n_conditions], dim=1)
        return torch.cat([super().preprocess(events), c], dim=1)

    def forward(self, x: Tensor, c: Tensor) -> DiscriminatorOutput:
        """Map packed rows to the output, under the conditions in the rows instead of c."""
        each = x.unflatten(1, (self.pack, -1))
        events, own = each.split([each.shape[2] - self.n_conditions, self.n_conditions], dim=2)
        return super().forward(events.flatten(1), own.flatten(1))

    def logits(self, x: Tensor, c: Tensor) -> Tensor:
        """Map encoded events x (N, n_numbers) and c (N, C) to logits (N // pack,)."""
        return super().logits(self.rows(x, c), c)
