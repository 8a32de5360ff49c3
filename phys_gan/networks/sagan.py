"""SAGAN: residual blocks with self-attention, conditions in the normalisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import WIDEST, HeadConfig, NetworkConfig
from phys_gan.networks.blocks import Grid, Size
from phys_gan.networks.convolutions import (
    ConditionalNorm,
    GridConv2d,
    GridDiscriminator,
    GridGenerator,
    SelfAttention,
    resized,
)

__all__ = ["SaganConfig", "SaganDiscriminator", "SaganGenerator"]


class SaganConfig(NetworkConfig):
    """Options of SAGAN (Zhang et al., arXiv:1805.08318).

    Spectral normalisation is a technique (``method.techniques.spectral``), and so is the hinge
    loss a choice of the method; the recipe ``galaxies-sagan`` has both as published.

    Attributes:
        latent: Latents that the whole event shares; each cell has one more of its own.
        width: Channels at the full size; they double towards the coarsest.
        most: Largest number of channels.
        d_width: Channels of the discriminator at the full size.
        attention: Sizes (the larger of rows and columns) up to which self-attention is worth its
            cost; it stands once, at the largest size within.
    """

    kind: Literal["sagan"] = "sagan"
    latent: int = Field(default=64, ge=1, le=WIDEST)
    width: int = Field(default=16, ge=1, le=WIDEST)
    most: int = Field(default=256, ge=1, le=WIDEST)
    d_width: int = Field(default=16, ge=1, le=WIDEST)
    attention: int = Field(default=16, ge=0)

    @property
    def references(self) -> tuple[str, ...]:
        """SAGAN, its conditional normalisation, and the noise of each cell."""
        return ("zhang2018sagan", "miyato2018projection", "karras2018stylegan")


def _attended(grid: Grid, largest: int) -> Size | None:
    """Return the size at which attention stands."""
    within = [size for size in grid.sizes if max(size) <= largest]
    return within[-1] if within else None


class _Up(nn.Module):
    """Double the size by two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int, n_told: int, size: Size, periodic: bool) -> None:
        super().__init__()
        self.size = size
        self.norms = nn.ModuleList([ConditionalNorm(c_in, n_told), ConditionalNorm(c_out, n_told)])
        self.first = GridConv2d(c_in, c_out, periodic=periodic)
        self.second = GridConv2d(c_out, c_out, periodic=periodic)
        self.shortcut = GridConv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, *size)."""
        h = self.first(resized(functional.relu(self.norms[0](x, told)), self.size))
        h = self.second(functional.relu(self.norms[1](h, told)))
        # Repeating cells and 1 x 1 convolutions may change places, and this order is cheaper.
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


class SaganGenerator(GridGenerator):
    """Residual blocks up to the full size; conditions and latents scale and shift each.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.

    Raises:
        ConfigError: The cells are no image.
    """

    def __init__(
        self, detector: Detector, n_globals: int, n_conditions: int, config: SaganConfig
    ) -> None:
        super().__init__(detector, n_globals, n_conditions, config.latent)
        first, *larger = self.grid.sizes
        widths = self.grid.widths(config.width, config.most)
        self.entry = nn.Linear(self.n_seen, widths[0] * first[0] * first[1])
        attended = _attended(self.grid, config.attention)
        self.blocks, self.attention = nn.ModuleList(), nn.ModuleList()
        for size, a, b in zip(larger, widths[:-1], widths[1:], strict=True):
            self.blocks.append(_Up(a, b, self.n_seen, size, self.grid.periodic))
            self.attention.append(SelfAttention(b) if size == attended else nn.Identity())
        self.norm = ConditionalNorm(widths[-1], self.n_seen)
        self.last = GridConv2d(widths[-1], self.n_maps, periodic=self.grid.periodic)

    def body(self, seen: Tensor, inner: Tensor) -> Tensor:
        """Map seen (N, n_seen) to maps (N, n_maps, *size)."""
        h = self.entry(seen).unflatten(1, (-1, *self.grid.sizes[0]))
        for block, attention in zip(self.blocks, self.attention, strict=True):
            h = attention(block(h, seen))
        maps: Tensor = self.last(functional.relu(self.norm(h, seen)))
        return maps


class SaganDiscriminator(GridDiscriminator):
    """Residual blocks down to 4 cells, whose sum is judged.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
        head: How features become a judgement.

    Raises:
        ConfigError: The cells are no image.
    """

    def __init__(
        self,
        detector: Detector,
        n_globals: int,
        n_conditions: int,
        config: SaganConfig,
        head: HeadConfig,
    ) -> None:
        grid = Grid.of(detector)
        sizes = grid.sizes[::-1]
        widths = grid.widths(config.d_width, config.most)[::-1]
        super().__init__(detector, n_globals, widths[-1], n_conditions, head)
        attended = _attended(grid, config.attention)
        self.blocks = nn.Sequential(
            _Down(self.n_maps, widths[0], sizes[0], grid.periodic, first=True)
        )
        for size, a, b in zip(sizes[1:], widths[:-1], widths[1:], strict=True):
            self.blocks.append(_Down(a, b, size, grid.periodic, first=False))
            if size == attended:
                self.blocks.append(SelfAttention(b))

    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""
        return functional.relu(self.blocks(maps)).sum((2, 3))
