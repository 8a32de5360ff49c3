"""Progressive growing: coarse images first, finer ones faded in as training goes on.

References:
    Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al.,
    2017), https://arxiv.org/abs/1710.10196
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import HeadConfig, NetworkConfig, Sizes, Width
from phys_gan.networks.convolutions import (
    OUTPUT,
    EqualConv2d,
    EqualLinear,
    Grid,
    GridDiscriminator,
    GridGenerator,
    pixel_norm,
    resized,
)


class ProgressiveConfig(NetworkConfig):
    """Options of progressive growing.

    Attributes:
        latent: Latents of the whole event; each cell has one more of its own.
        width: Channels of the generator at the full size; they double towards the coarsest.
        most: Largest number of channels.
        stable: Events shown at each size before the next one is faded in.
        fade: Events shown while a size is faded in.
        d_width: Channels of the discriminator at the full size.
    """

    kind: Literal["progressive"] = "progressive"
    latent: Width = 64
    width: Width = 16
    most: Width = 128
    stable: int = Field(default=30_000, ge=0)
    fade: int = Field(default=30_000, ge=1)
    d_width: Width = 16

    @property
    def references(self) -> tuple[str, ...]:
        """Progressive growing, and the noise of each cell, which is StyleGAN's."""
        return ("karras2017progressive", "karras2018stylegan")

    def level(self, shown: int, n_sizes: int) -> float:
        """Return the level of a network after so many events, 0 ... n_sizes - 1.

        At 1.25, a quarter of size number 2 is faded in.
        """
        whole, rest = divmod(shown, self.stable + self.fade)
        return min(whole + max(0.0, (rest - self.stable) / self.fade), n_sizes - 1)


class _Grown(nn.Module):
    """A network with a level, which is part of its state."""

    grown: Tensor
    level: float

    def _start(self, config: ProgressiveConfig, n_sizes: int) -> None:
        self.growth, self.level = config, float(n_sizes - 1)
        self.n_sizes = n_sizes
        self.register_buffer("grown", torch.tensor(self.level))
        self.register_load_state_dict_post_hook(_remember)  # type: ignore[no-untyped-call]

    def grow(self, shown: int) -> None:
        """Take the size that belongs to so many events shown."""
        self.level = self.growth.level(shown, self.n_sizes)
        self.grown.fill_(self.level)


def _remember(module: nn.Module, incompatible: Any) -> None:
    """Take the level from the buffer: what is computed depends on a plain number."""
    assert isinstance(module, _Grown)
    # A file may hold any number.
    module.level = min(max(float(module.grown), 0.0), module.n_sizes - 1.0)


@register_generator(ProgressiveConfig)
class ProgressiveGenerator(_Grown, GridGenerator):
    """Two convolutions at each size; sizes that have not grown yet cost nothing."""

    def __init__(self, detector: Detector, sizes: Sizes, config: ProgressiveConfig) -> None:
        GridGenerator.__init__(self, detector, sizes, config.latent)
        rows, columns = self.grid.sizes[0]
        widths = self.grid.widths(config.width, config.most)
        self._start(config, len(widths))
        self.entry = EqualLinear(self.n_inputs, widths[0] * rows * columns)
        befores = [widths[0], *widths[:-1]]
        self.firsts, self.seconds = (
            nn.ModuleList(EqualConv2d(a, b, periodic=self.grid.periodic) for a, b in pairs)
            for pairs in (
                list(zip(befores, widths, strict=True))[1:],
                list(zip(widths, widths, strict=True)),
            )
        )
        self.to_maps = nn.ModuleList()
        for width in widths:
            self.to_maps.append(to_maps := EqualConv2d(width, self.n_maps, 1))
            nn.init.normal_(to_maps.weight, std=OUTPUT)

    def body(self, h: Tensor, inner: Tensor) -> Tensor:
        """Map h (N, n_inputs) to maps (N, n_maps, *size)."""
        sizes, top = self.grid.sizes, math.ceil(self.level)
        x = self.entry(pixel_norm(h)).unflatten(1, (-1, *sizes[0]))
        x = self._active(self.seconds[0](self._active(x)))
        maps = self.to_maps[0](x)
        for k in range(1, top + 1):
            x = self._active(self.firsts[k - 1](resized(x, sizes[k])))
            x = self._active(self.seconds[k](x))
            finer, weight = self.to_maps[k](x), min(self.level - (k - 1), 1.0)
            maps = finer if weight == 1 else torch.lerp(resized(maps, sizes[k]), finer, weight)
        return resized(maps, self.grid.size)

    @staticmethod
    def _active(x: Tensor) -> Tensor:
        return pixel_norm(functional.leaky_relu(x, 0.2))


@register_discriminator(ProgressiveConfig)
class ProgressiveDiscriminator(_Grown, GridDiscriminator):
    """The mirror image of the generator, for events at the size that it has grown to."""

    def __init__(
        self, detector: Detector, sizes: Sizes, config: ProgressiveConfig, head: HeadConfig
    ) -> None:
        grid = Grid.of(detector)
        widths = grid.widths(config.d_width, config.most)
        GridDiscriminator.__init__(self, detector, sizes, widths[0], head)
        self._start(config, len(widths))
        self.from_maps = nn.ModuleList(EqualConv2d(self.n_maps, width, 1) for width in widths)
        self.firsts = nn.ModuleList(
            EqualConv2d(width, width, periodic=grid.periodic) for width in widths
        )
        self.seconds = nn.ModuleList(
            EqualConv2d(b, a, periodic=grid.periodic) for a, b in pairwise(widths)
        )
        rows, columns = grid.sizes[0]
        self.dense = EqualLinear(widths[0] * rows * columns, widths[0])

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the inputs for the event at the size that the network has grown to."""
        cells = x[:, self.n_globals :].unflatten(1, (self.grid.channels, *self.grid.size))
        top = math.ceil(self.level)
        coarse, weight = self._coarse(cells, top), self.level - (top - 1)
        if weight < 1:
            coarse = torch.lerp(self._coarse(cells, top - 1), coarse, weight)
        return super().preprocess(torch.cat([x[:, : self.n_globals], coarse.flatten(1)], dim=1))

    def _coarse(self, cells: Tensor, k: int) -> Tensor:
        return resized(resized(cells, self.grid.sizes[k]), self.grid.size)

    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""
        sizes, top = self.grid.sizes, math.ceil(self.level)
        h = self._entry(maps, top)
        for k in range(top, 0, -1):
            h = functional.leaky_relu(self.firsts[k](h), 0.2)
            h = functional.leaky_relu(self.seconds[k - 1](resized(h, sizes[k - 1])), 0.2)
            weight = min(self.level - (k - 1), 1.0)
            if weight < 1:
                h = torch.lerp(self._entry(maps, k - 1), h, weight)
        h = functional.leaky_relu(self.firsts[0](h), 0.2)
        return functional.leaky_relu(self.dense(h.flatten(1)), 0.2)

    def _entry(self, maps: Tensor, k: int) -> Tensor:
        maps = resized(maps, self.grid.sizes[k])
        return functional.leaky_relu(self.from_maps[k](maps), 0.2)
