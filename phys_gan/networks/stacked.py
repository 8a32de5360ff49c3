"""A stack of two generators: the energies of a shower first, then its cells given them.

References:
    Stacked Generative Adversarial Networks (Huang et al., 2016), Sec. 3.2,
    https://arxiv.org/abs/1612.04357; StackGAN (Zhang et al., 2016), Sec. 3,
    https://arxiv.org/abs/1612.03242
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.networks.architectures import register_generator
from phys_gan.networks.base import Discriminator, Generator, HeadConfig, NetworkConfig, Sizes
from phys_gan.networks.blocks import Energies
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator, CompactGenerator
from phys_gan.networks.mlp import MlpConfig, MlpDiscriminator, MlpGenerator


class StackedConfig(NetworkConfig):
    """Options of the stack.

    Attributes:
        energies: The pair that draws the numbers in front of the cells.
        cells: The pair that draws the cells.
    """

    kind: Literal["stacked"] = "stacked"
    energies: MlpConfig = MlpConfig(latent=16)
    cells: CompactConfig = CompactConfig()

    @property
    def references(self) -> tuple[str, ...]:
        """Both papers on stacks of generators."""
        return ("huang2016stacked", "zhang2016stackgan")


@register_generator(StackedConfig, methods=("stacked",))
class StackedGenerator(Generator):
    r"""Draw the energies under the conditions, then the cells under conditions and energies.

    .. math:: g = G_1(z_1, c), \qquad x = G_2(z_2, g, c)

    with g the numbers in front of the cells (response and layer fractions). Each stage solves an
    easier problem and can be trained without the other, the second one with the energies of real
    events.

    Attributes:
        energies: The first stage: z (N, latents[0]) and c to energies (N, n_globals).
        cells: The second stage: energies followed by latents (N, n_globals + latents[1]) and c to
            raw events (N, n_numbers).
        latents: Latents of the stages.

    Raises:
        ConfigError: The encoding has no numbers in front of the cells.
    """

    def __init__(self, detector: Detector, sizes: Sizes, config: StackedConfig) -> None:
        super().__init__()
        _require_globals(sizes)
        self.n_globals = sizes.n_globals
        self.energies = MlpGenerator(detector, replace(sizes, n_cells=0), config.energies)
        self.cells = CompactGenerator(detector, sizes, config.cells)
        # The compact generator draws energies with a small network of its own, which gives way.
        self.cells.energies = Energies(0, 0)
        self.latents = (self.energies.latent, self.cells.latent - sizes.n_globals)
        self.latent = sum(self.latents)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Scale each stage to its part of real events."""
        self.energies.adapt(x[:, : self.n_globals], c)
        self.cells.adapt(x, c)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""
        first, second = z.split(self.latents, dim=1)
        energies = self.energies(first, c)
        raw: Tensor = self.cells(torch.cat([energies, second], dim=1), c)
        return raw


def stacked_discriminators(
    config: StackedConfig, detector: Detector, sizes: Sizes, head: HeadConfig
) -> tuple[Discriminator, Discriminator]:
    """Build the discriminators of both stages.

    The first one takes energies (N, n_globals) under the conditions, the second one cells
    (N, n_cells) under conditions and energies, (N, n_conditions + n_globals).

    Raises:
        ConfigError: The encoding has no numbers in front of the cells.
    """
    _require_globals(sizes)
    cells = Sizes(0, sizes.n_cells, sizes.n_conditions + sizes.n_globals)
    return (
        MlpDiscriminator(detector, replace(sizes, n_cells=0), config.energies, head),
        CompactDiscriminator(detector, cells, config.cells, head),
    )


def _require_globals(sizes: Sizes) -> None:
    if not sizes.n_globals:
        raise ConfigError(
            "the network 'stacked' draws energies before cells, but this encoding has no energies "
            "apart from the cells",
            remedy="choose encoding.kind = 'shower' with it",
            value=0,
            constraint=">= 1",
        )
