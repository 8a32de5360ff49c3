"""The default pair for showers: small residual MLPs that train well on two CPU cores."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import (
    Depth,
    Discriminator,
    Generator,
    HeadConfig,
    NetworkConfig,
    Sizes,
    Width,
)
from phys_gan.networks.blocks import Energies, Residual, Standardize, constant_linear

# Weight of the noise of a cell at the start, in standard deviations of that cell.
_NOISE = 0.5


class CompactConfig(NetworkConfig):
    """Options of the compact pair.

    Attributes:
        latent: Latents of the whole event; each cell has one more of its own.
        width: Neurons in the hidden layers of the generator.
        depth: Residual blocks of the generator.
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Residual blocks of the discriminator.
        sharpness: Exponent that turns encoded cells back to about their energies, for the
            centres and widths that the discriminator gets.
    """

    kind: Literal["compact"] = "compact"
    latent: Width = 64
    width: Width = Field(default=256, ge=8)
    depth: Depth = 3
    d_width: Width = Field(default=384, ge=8)
    d_depth: Depth = 2
    sharpness: float = Field(default=8.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The noise of each cell is StyleGAN's."""
        return ("karras2018stylegan",)


@register_generator(CompactConfig)
class CompactGenerator(Generator):
    """Draw the event's energies first, then its cells given them.

    The cells depend on the energies, the conditions and the shared latents. Each has one latent of
    its own whose weight depends on the event, as StyleGAN's noise inputs (Karras et al., 2018,
    Sec. 3.2, https://arxiv.org/abs/1812.04948), because single hits far from the core are
    independent.
    """

    def __init__(self, detector: Detector, sizes: Sizes, config: CompactConfig) -> None:
        super().__init__()
        self.n_globals = sizes.n_globals
        self.parts = [sizes.n_globals, config.latent, sizes.n_cells]
        self.latent = sum(self.parts)
        n_in = sizes.n_globals + config.latent + sizes.n_conditions
        self.energies = Energies(sizes.n_globals, config.latent + sizes.n_conditions)
        self.entry = nn.Linear(n_in, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.cells = nn.Linear(config.width, sizes.n_cells)
        self.noise = constant_linear(config.width, sizes.n_cells, _NOISE)
        self.scale = Standardize(sizes.n_cells)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean and the standard deviation of each cell."""
        self.scale.adapt(x[:, self.n_globals :])

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""
        first, shared, own = z.split(self.parts, dim=1)
        energies = self.energies.draw(first, torch.cat([shared, c], dim=1))
        h = self.blocks(self.entry(torch.cat([energies, shared, c], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        cells = self.scale.inverse(self.cells(h) + self.noise(h) * own)
        return torch.cat([energies, cells], dim=1)


@register_discriminator(CompactConfig)
class CompactDiscriminator(Discriminator):
    """Residual layers on the standardised event and the shape of each layer.

    The shape is the fraction of hit cells (a soft one, which has a gradient, unlike CaloGAN's hard
    count), the centre and the width along both axes, and the two hottest cells.
    """

    positions: Tensor

    def __init__(
        self, detector: Detector, sizes: Sizes, config: CompactConfig, head: HeadConfig
    ) -> None:
        super().__init__(config.d_width, sizes.n_conditions, head)
        self.n_globals, self.sharpness = sizes.n_globals, config.sharpness
        self.layers = [
            slice(a, b)
            for a, b in zip(detector.offsets[:-1], detector.offsets[1:], strict=True)
            if b - a > 1
        ]
        reach = np.abs(detector.positions).max(axis=0).clip(1e-9)
        self.register_buffer("positions", torch.from_numpy(detector.positions / reach).float())
        n_inputs = sizes.n_numbers + 7 * len(self.layers)
        self.scale = Standardize(n_inputs)
        self.entry = nn.Linear((n_inputs + self.n_concatenated) * head.pack, config.d_width)
        self.blocks = nn.Sequential(*(Residual(config.d_width) for _ in range(config.d_depth)))

    def _with_shapes(self, x: Tensor) -> Tensor:
        cells = x[:, self.n_globals :]
        # Encoded cells are nearly logarithms: this is nearly their energy.
        energies = torch.expm1(self.sharpness * cells)
        inputs = [x]
        for part in self.layers:
            layer, weights = cells[:, part], energies[:, part]
            # The constants keep gradients finite where a layer is almost empty.
            weights = weights / (weights.sum(1, keepdim=True) + 0.5)
            centre = weights @ self.positions[part]
            square = weights @ self.positions[part].square()
            width = (square - centre.square()).clamp_min(0).add(1e-3).sqrt()
            hits = (layer / (layer + 0.005)).mean(1, keepdim=True)
            inputs += [hits, centre, width, layer.topk(2, dim=1).values]
        return torch.cat(inputs, dim=1)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events."""
        self.scale.adapt(self._with_shapes(x))

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event and the shape of each layer, (N, n_inputs)."""
        inputs: Tensor = self.scale(self._with_shapes(x))
        return inputs

    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map inputs and conditions to features (N, d_width)."""
        h = self.entry(self.with_conditions(x, c))
        return functional.leaky_relu(self.blocks(h), 0.2)
