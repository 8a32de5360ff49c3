"""SAGAN: residual blocks with self-attention, conditions in the normalisation.

References:
    Self-Attention Generative Adversarial Networks (Zhang et al., 2018),
    https://arxiv.org/abs/1805.08318
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import HeadConfig, NetworkConfig, Sizes, Width
from phys_gan.networks.convolutions import (
    ConditionalNorm,
    Grid,
    GridConv2d,
    GridDiscriminator,
    GridGenerator,
    SelfAttention,
    Size,
    resized,
)


class SaganConfig(NetworkConfig):
    """Options of SAGAN (Zhang et al., arXiv:1805.08318).

    Spectral normalisation is a technique (``method.techniques.spectral``), and so is the hinge
    loss a choice of the method; the recipe ``galaxies-sagan`` has both as published.

    Attributes:
        latent: Latents of the whole event; each cell has one more of its own.
        width: Channels at the full size; they double towards the coarsest.
        most: Largest number of channels.
        d_width: Channels of the discriminator at the full size.
        attention: Largest size (of rows or columns) at which self-attention is worth its cost; it
            acts once, at the largest size up to this one.
    """

    kind: Literal["sagan"] = "sagan"
    latent: Width = 64
    width: Width = 16
    most: Width = 256
    d_width: Width = 16
    attention: int = Field(default=16, ge=0)

    @property
    def references(self) -> tuple[str, ...]:
        """SAGAN, its conditional normalisation, and the noise of each cell."""
        return ("zhang2018sagan", "miyato2018projection", "karras2018stylegan")


def _attended(grid: Grid, largest: int) -> Size | None:
    """Return the size at which attention acts."""
    within = [size for size in grid.sizes if max(size) <= largest]
    return within[-1] if within else None


class _Up(nn.Module):
    """Double the size by two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int, n_in: int, size: Size, periodic: bool) -> None:
        super().__init__()
        self.size = size
        self.norms = nn.ModuleList([ConditionalNorm(c_in, n_in), ConditionalNorm(c_out, n_in)])
        self.first = GridConv2d(c_in, c_out, periodic=periodic)
        self.second = GridConv2d(c_out, c_out, periodic=periodic)
        self.shortcut = GridConv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) under c (N, n_in) to (N, c_out, *size)."""
        h = self.first(resized(functional.relu(self.norms[0](x, c)), self.size))
        h = self.second(functional.relu(self.norms[1](h, c)))
        # Repeating cells commutes with 1 x 1 convolutions, and this order is cheaper.
        y: Tensor = h + resized(self.shortcut(x), self.size)
        return y


class _Down(nn.Module):
    """Halve the size by two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int, size: Size, periodic: bool, first: bool) -> None:
        super().__init__()
        self.size, self.at_start = size, first
        self.first = GridConv2d(c_in, c_out, periodic=periodic)
        self.second = GridConv2d(c_out, c_out, periodic=periodic)
        self.shortcut = GridConv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, *size)."""
        h = self.first(x if self.at_start else functional.relu(x))
        h = self.second(functional.relu(h))
        y: Tensor = resized(h, self.size) + self.shortcut(resized(x, self.size))
        return y


@register_generator(SaganConfig)
class SaganGenerator(GridGenerator):
    """Residual blocks up to the full size, each scaled and shifted by conditions and latents."""

    def __init__(self, detector: Detector, sizes: Sizes, config: SaganConfig) -> None:
        super().__init__(detector, sizes, config.latent)
        first, *larger = self.grid.sizes
        widths = self.grid.widths(config.width, config.most)
        self.entry = nn.Linear(self.n_inputs, widths[0] * first[0] * first[1])
        attended = _attended(self.grid, config.attention)
        self.blocks, self.attention = nn.ModuleList(), nn.ModuleList()
        for size, a, b in zip(larger, widths[:-1], widths[1:], strict=True):
            self.blocks.append(_Up(a, b, self.n_inputs, size, self.grid.periodic))
            self.attention.append(SelfAttention(b) if size == attended else nn.Identity())
        self.norm = ConditionalNorm(widths[-1], self.n_inputs)
        self.last = GridConv2d(widths[-1], self.n_maps, periodic=self.grid.periodic)

    def body(self, h: Tensor, inner: Tensor) -> Tensor:
        """Map h (N, n_inputs) to maps (N, n_maps, *size)."""
        x = self.entry(h).unflatten(1, (-1, *self.grid.sizes[0]))
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(x, h))
        maps: Tensor = self.last(functional.relu(self.norm(x, h)))
        return maps


@register_discriminator(SaganConfig)
class SaganDiscriminator(GridDiscriminator):
    """Residual blocks down to at most 4 x 4 cells, whose sum gives the features."""

    def __init__(
        self, detector: Detector, sizes: Sizes, config: SaganConfig, head: HeadConfig
    ) -> None:
        grid = Grid.of(detector)
        widths = grid.widths(config.d_width, config.most)[::-1]
        super().__init__(detector, sizes, widths[-1], head)
        attended = _attended(grid, config.attention)
        self.blocks = nn.Sequential(
            _Down(self.n_maps, widths[0], grid.size, grid.periodic, first=True)
        )
        for size, a, b in zip(grid.sizes[-2::-1], widths[:-1], widths[1:], strict=True):
            self.blocks.append(_Down(a, b, size, grid.periodic, first=False))
            if size == attended:
                self.blocks.append(SelfAttention(b))

    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""
        return functional.relu(self.blocks(maps)).sum((2, 3))
