"""The default pair for showers: small residual MLPs that train well on two CPU cores."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import (
    DEEPEST,
    WIDEST,
    Discriminator,
    Generator,
    HeadConfig,
    NetworkConfig,
)
from phys_gan.networks.blocks import Energies, Residual, Standardize, constant_linear

__all__ = ["CompactConfig", "CompactDiscriminator", "CompactGenerator"]

_NOISE = 0.5
"""Weight of the noise of a cell at the start, in spreads of that cell."""


class CompactConfig(NetworkConfig):
    """Options of the compact pair.

    Attributes:
        latent: Latent numbers shared by the whole event; each cell has one more of its own.
        width: Neurons in the hidden layers of the generator.
        depth: Residual blocks of the generator.
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Residual blocks of the discriminator.
        sharpness: Exponent that turns encoded cells back to about their energies, for the
            centres and widths that the discriminator sees.
    """

    kind: Literal["compact"] = "compact"
    latent: int = Field(default=64, ge=1, le=WIDEST)
    width: int = Field(default=256, ge=8, le=WIDEST)
    depth: int = Field(default=3, ge=1, le=DEEPEST)
    d_width: int = Field(default=384, ge=8, le=WIDEST)
    d_depth: int = Field(default=2, ge=1, le=DEEPEST)
    sharpness: float = Field(default=8.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The noise of each cell is StyleGAN's."""
        return ("karras2018stylegan",)


class CompactGenerator(Generator):
    """Draw the event's energies first, then its cells given them.

    The cells see the energies, the conditions and the shared latents. Each cell has
    one latent of its own whose weight depends on the event, as StyleGAN's noise inputs (Karras
    et al., 2018, Sec. 3.2, https://arxiv.org/abs/1812.04948), because single hits far from the
    core are independent.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
    """

    def __init__(
        self, detector: Detector, n_globals: int, n_conditions: int, config: CompactConfig
    ) -> None:
        super().__init__()
        self.n_globals = n_globals
        self.parts = [n_globals, config.latent, detector.n_cells]
        self.latent = sum(self.parts)
        n_in = n_globals + config.latent + n_conditions
        self.energies = Energies(n_globals, config.latent + n_conditions)
        self.entry = nn.Linear(n_in, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.cells = nn.Linear(config.width, detector.n_cells)
        self.noise = constant_linear(config.width, detector.n_cells, _NOISE)
        self.scale = Standardize(detector.n_cells)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean cell and its spread."""
        self.scale.adapt(x[:, self.n_globals :])

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""
        first, shared, own = z.split(self.parts, dim=1)
        energies = self.energies.draw(first, torch.cat([shared, c], dim=1))
        h = self.blocks(self.entry(torch.cat([energies, shared, c], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        cells = self.scale.inverse(self.cells(h) + self.noise(h) * own)
        return torch.cat([energies, cells], dim=1)


class CompactDiscriminator(Discriminator):
    """Look at the standardised event and at the shape of each layer.

    Of each layer it also sees the share of hit cells (softly, so that it has a gradient:
    CaloGAN's hard count has none), the centre and the width along both axes, and the two hottest
    cells.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
        head: How features become a judgement.
    """

    positions: Tensor

    def __init__(
        self,
        detector: Detector,
        n_globals: int,
        n_conditions: int,
        config: CompactConfig,
        head: HeadConfig,
    ) -> None:
        super().__init__(config.d_width, n_conditions, head)
        self.n_globals, self.sharpness = n_globals, config.sharpness
        self.layers = [
            slice(a, b)
            for a, b in zip(detector.offsets[:-1], detector.offsets[1:], strict=True)
            if b - a > 1
        ]
        reach = np.abs(detector.positions).max(axis=0).clip(1e-9)
        self.register_buffer("positions", torch.from_numpy(detector.positions / reach).float())
        n_seen = n_globals + detector.n_cells + 7 * len(self.layers)
        self.scale = Standardize(n_seen)
        self.entry = nn.Linear((n_seen + self.n_concatenated) * head.pack, config.d_width)
        self.blocks = nn.Sequential(*(Residual(config.d_width) for _ in range(config.d_depth)))

    def _shapes(self, x: Tensor) -> Tensor:
        cells = x[:, self.n_globals :]
        # Encoded cells are nearly logarithms: this is nearly their energy.
        energies = torch.expm1(self.sharpness * cells)
        seen = [x]
        for part in self.layers:
            layer, weights = cells[:, part], energies[:, part]
            # The constants keep gradients finite where a layer is almost empty.
            weights = weights / (weights.sum(1, keepdim=True) + 0.5)
            centre = weights @ self.positions[part]
            square = weights @ self.positions[part].square()
            width = (square - centre.square()).clamp_min(0).add(1e-3).sqrt()
            hits = (layer / (layer + 0.005)).mean(1, keepdim=True)
            seen += [hits, centre, width, layer.topk(2, dim=1).values]
        return torch.cat(seen, dim=1)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the spread of real events."""
        self.scale.adapt(self._shapes(x))

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event and the shape of each layer, (N, n_seen)."""
        seen: Tensor = self.scale(self._shapes(x))
        return seen

    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen and the conditions to features (N, d_width)."""
        h = self.entry(self.with_conditions(seen, c))
        return functional.leaky_relu(self.blocks(h), 0.2)
