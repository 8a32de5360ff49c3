"""Progressive growing: coarse images first, finer ones faded in as training goes on."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import WIDEST, HeadConfig, NetworkConfig
from phys_gan.networks.blocks import Grid
from phys_gan.networks.convolutions import (
    OUTPUT,
    EqualConv2d,
    EqualLinear,
    GridDiscriminator,
    GridGenerator,
    pixel_norm,
    resized,
)

__all__ = ["ProgressiveConfig", "ProgressiveDiscriminator", "ProgressiveGenerator"]


class ProgressiveConfig(NetworkConfig):
    """Options of progressive growing (Karras et al., arXiv:1710.10196).

    Attributes:
        latent: Latents that the whole event shares; each cell has one more of its own.
        width: Channels of the generator at the full size; they double towards the coarsest.
        most: Largest number of channels.
        stable: Events shown at each size before the next one is faded in.
        fade: Events shown while a size is faded in.
        d_width: Channels of the discriminator at the full size.
    """

    kind: Literal["progressive"] = "progressive"
    latent: int = Field(default=64, ge=1, le=WIDEST)
    width: int = Field(default=16, ge=1, le=WIDEST)
    most: int = Field(default=128, ge=1, le=WIDEST)
    stable: int = Field(default=30_000, ge=0)
    fade: int = Field(default=30_000, ge=1)
    d_width: int = Field(default=16, ge=1, le=WIDEST)

    @property
    def references(self) -> tuple[str, ...]:
        """Progressive growing, and the noise of each cell, which is StyleGAN's."""
        return ("karras2017progressive", "karras2018stylegan")

    def level(self, shown: int, n_sizes: int) -> float:
        """Return how far a network of so many sizes is grown after so many events.

        1.25 means that a quarter of the size number 2 is faded in.
        """
        whole, rest = divmod(shown, self.stable + self.fade)
        return min(whole + max(0.0, (rest - self.stable) / self.fade), n_sizes - 1)


class _Grown(nn.Module):
    """Know how far one has grown; what is saved knows it as well."""

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
    """Take the level from the buffer: a number that is no tensor decides what is computed."""
    assert isinstance(module, _Grown)
    # A file may say anything.
    module.level = min(max(float(module.grown), 0.0), module.n_sizes - 1.0)


class ProgressiveGenerator(_Grown, GridGenerator):
    """Two convolutions at each size; sizes that have not grown yet cost nothing.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.

    Raises:
        ConfigError: The cells are no image.
    """

    def __init__(
        self, detector: Detector, n_globals: int, n_conditions: int, config: ProgressiveConfig
    ) -> None:
        GridGenerator.__init__(self, detector, n_globals, n_conditions, config.latent)
        rows, columns = self.grid.sizes[0]
        widths = self.grid.widths(config.width, config.most)
        self._start(config, len(widths))
        self.entry = EqualLinear(self.n_seen, widths[0] * rows * columns)
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

    def body(self, seen: Tensor, inner: Tensor) -> Tensor:
        """Map seen (N, n_seen) to maps (N, n_maps, *size)."""
        sizes, top = self.grid.sizes, math.ceil(self.level)
        h = self.entry(pixel_norm(seen)).unflatten(1, (-1, *sizes[0]))
        h = self._active(self.seconds[0](self._active(h)))
        maps = self.to_maps[0](h)
        for k in range(1, top + 1):
            h = self._active(self.firsts[k - 1](resized(h, sizes[k])))
            h = self._active(self.seconds[k](h))
            share = min(self.level - (k - 1), 1.0)
            finer = self.to_maps[k](h)
            maps = finer if share == 1 else torch.lerp(resized(maps, sizes[k]), finer, share)
        return resized(maps, self.grid.size)

    @staticmethod
    def _active(x: Tensor) -> Tensor:
        return pixel_norm(functional.leaky_relu(x, 0.2))


class ProgressiveDiscriminator(_Grown, GridDiscriminator):
    """The mirror image of the generator, which sees no more than what it has grown to.

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
        config: ProgressiveConfig,
        head: HeadConfig,
    ) -> None:
        grid = Grid.of(detector)
        widths = grid.widths(config.d_width, config.most)
        GridDiscriminator.__init__(self, detector, n_globals, widths[0], n_conditions, head)
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
        """Return what is seen of the event at the size that it has grown to."""
        cells = x[:, self.n_globals :].unflatten(1, (self.grid.channels, *self.grid.size))
        top = math.ceil(self.level)
        coarse, share = self._coarse(cells, top), self.level - (top - 1)
        if share < 1:
            coarse = torch.lerp(self._coarse(cells, top - 1), coarse, share)
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
            share = min(self.level - (k - 1), 1.0)
            if share < 1:
                h = torch.lerp(self._entry(maps, k - 1), h, share)
        h = functional.leaky_relu(self.firsts[0](h), 0.2)
        return functional.leaky_relu(self.dense(h.flatten(1)), 0.2)

    def _entry(self, maps: Tensor, k: int) -> Tensor:
        seen = resized(maps, self.grid.sizes[k])
        return functional.leaky_relu(self.from_maps[k](seen), 0.2)
