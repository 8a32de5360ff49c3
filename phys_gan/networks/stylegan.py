"""StyleGAN2: a mapping network, modulated convolutions, noise inputs, style mixing.

References:
    A Style-Based Generator Architecture for Generative Adversarial Networks (Karras et al., 2018),
    https://arxiv.org/abs/1812.04948; Analyzing and Improving the Image Quality of StyleGAN
    (Karras et al., 2019), https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import Depth, HeadConfig, NetworkConfig, Sizes, Width
from phys_gan.networks.convolutions import (
    OUTPUT,
    EqualConv2d,
    EqualLinear,
    Grid,
    GridDiscriminator,
    GridGenerator,
    ModulatedConv2d,
    Size,
    pixel_norm,
    resized,
)


class StyleGanConfig(NetworkConfig):
    """Options of StyleGAN2.

    Attributes:
        latent: Latents z that become the style; each noise input and each cell has its own beside
            them.
        style: Numbers of a style w.
        mapping: Layers of the mapping network.
        mapping_speed: Its learning rate, as a factor. StyleGAN's is 0.01, for deep mappings of
            latents alone; conditions, which pass through it as well, are not learned at that rate.
        width: Channels at the full size; they double towards the coarsest.
        most: Largest number of channels.
        mixing: Fraction of training events that change to a second style at a random layer.
        d_width: Channels of the discriminator at the full size.
    """

    kind: Literal["stylegan"] = "stylegan"
    latent: Width = 64
    style: Width = 64
    mapping: Depth = 4
    mapping_speed: float = Field(default=1.0, gt=0)
    width: Width = 16
    most: Width = 128
    mixing: float = Field(default=0.9, ge=0, le=1)
    d_width: Width = 16

    @property
    def references(self) -> tuple[str, ...]:
        """StyleGAN and StyleGAN2, and their scaled weights."""
        return ("karras2018stylegan", "karras2019stylegan2", "karras2017progressive")


class _Layer(nn.Module):
    """A modulated convolution, a noise input, an activation."""

    def __init__(self, c_in: int, c_out: int, n_style: int, size: Size, periodic: bool) -> None:
        super().__init__()
        self.size = size
        self.convolution = ModulatedConv2d(c_in, c_out, n_style, periodic=periodic)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        h = self.convolution(resized(x, self.size), w)
        h = h + self.strength * noise.unflatten(1, (1, *self.size))
        return functional.leaky_relu(h, 0.2) * math.sqrt(2)


@register_generator(StyleGanConfig)
class StyleGanGenerator(GridGenerator):
    """Make an image of a constant; latents and conditions give a style for each layer.

    In training, some events change at a random layer to a second style, made of other latents
    under the same conditions (style mixing, Karras et al., 2018, Sec. 3.1).

    Attributes:
        n_layers: Layers that have a style, besides those that make maps of them.
    """

    def __init__(self, detector: Detector, sizes: Sizes, config: StyleGanConfig) -> None:
        grid = Grid.of(detector)
        layers = [grid.sizes[0], *(size for size in grid.sizes[1:] for _ in range(2))]
        noises = [rows * columns for rows, columns in layers]
        second = [config.latent, 1] if config.mixing else []
        inner = sum(noises) + sum(second)
        super().__init__(detector, sizes, config.latent, inner)
        self.n_shared, self.mixing, self.n_layers = config.latent, config.mixing, len(layers)
        self.noises, self.inner = noises, [*second, sum(noises)]
        widths = dict(zip(grid.sizes, grid.widths(config.width, config.most), strict=True))
        self.mapping = nn.ModuleList(
            EqualLinear(n, config.style, speed=config.mapping_speed)
            for n in [self.n_inputs, *[config.style] * (config.mapping - 1)]
        )
        before = widths[layers[0]]
        self.constant = nn.Parameter(torch.randn(1, before, *layers[0]))
        self.layers = nn.ModuleList()
        self.to_maps = nn.ModuleDict()
        for number, size in enumerate(layers):
            width = widths[size]
            self.layers.append(_Layer(before, width, config.style, size, grid.periodic))
            if number % 2 == 0:
                to_maps = ModulatedConv2d(width, self.n_maps, config.style, 1, demodulate=False)
                nn.init.normal_(to_maps.weight, std=OUTPUT)
                self.to_maps[str(number)] = to_maps
            before = width

    def style(self, h: Tensor) -> Tensor:
        """Map h (N, n_inputs) to styles w (N, n_style)."""
        w = pixel_norm(h)
        for layer in self.mapping:
            w = functional.leaky_relu(layer(w), 0.2)
        return w

    def body(self, h: Tensor, inner: Tensor) -> Tensor:
        """Map h (N, n_inputs), second latents and noises (N, inner) to maps."""
        *second, noise = inner.split(self.inner, dim=1)
        w = self.style(h)
        mixes = self.training and bool(second)
        styles = self._mixed(w, h, *second) if mixes else [w] * self.n_layers
        return self._synthesise(styles, noise)

    def mixed(self, z: Tensor, fine: Tensor, c: Tensor, layer: int) -> Tensor:
        """Map latents to raw events with two styles (Karras et al., 2018, Sec. 3.1).

        Arguments:
            z: Latents of all but the finer styles, (N, latent).
            fine: Latents of the styles from ``layer`` on, (N, latent); their noise is not used.
            c: Conditions (N, n_conditions).
            layer: First layer of the finer styles, 0 ... n_layers.
        """
        first, shared, inner, own = z.split(self.parts, dim=1)
        second = fine.split(self.parts, dim=1)[1]
        energies = self.energies.draw(first, torch.cat([shared, c], dim=1))
        w, w2 = (self.style(torch.cat([energies, part, c], dim=1)) for part in (shared, second))
        styles = [w if k < layer else w2 for k in range(self.n_layers)]
        maps = self._synthesise(styles, inner.split(self.inner, dim=1)[-1])
        return self.compose(energies, maps, own)

    def _synthesise(self, styles: list[Tensor], noise: Tensor) -> Tensor:
        """Map one style (N, n_style) per layer and the noise inputs to maps (N, n_maps, *size)."""
        h = self.constant.expand(noise.shape[0], -1, -1, -1)
        maps: Tensor | None = None
        drawn = noise.split(self.noises, dim=1)
        for number, (layer, w, own) in enumerate(zip(self.layers, styles, drawn, strict=True)):
            h = layer(h, w, own)
            if str(number) in self.to_maps:
                here: Tensor = self.to_maps[str(number)](h, w)
                maps = here if maps is None else resized(maps, (h.shape[2], h.shape[3])) + here
        assert maps is not None
        return maps

    def _mixed(self, w: Tensor, h: Tensor, second: Tensor, chance: Tensor) -> list[Tensor]:
        start = self.n_globals
        other = [h[:, :start], second, h[:, start + self.n_shared :]]
        w2 = self.style(torch.cat(other, dim=1))
        # A uniform number below the fraction of mixing gives the layer of the change as well.
        u = torch.special.ndtr(chance) / self.mixing
        crossing = torch.where(u < 1, 1 + u * (self.n_layers - 1), self.n_layers).floor()
        return [torch.where(crossing <= k, w2, w) for k in range(self.n_layers)]


class _Down(nn.Module):
    """Halve the size by two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int, size: Size, periodic: bool) -> None:
        super().__init__()
        self.size = size
        self.first = EqualConv2d(c_in, c_in, periodic=periodic)
        self.second = EqualConv2d(c_in, c_out, periodic=periodic)
        self.shortcut = EqualConv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.leaky_relu(self.first(x), 0.2)
        h = functional.leaky_relu(self.second(resized(h, self.size)), 0.2)
        y: Tensor = (h + self.shortcut(resized(x, self.size))) / math.sqrt(2)
        return y


@register_discriminator(StyleGanConfig)
class StyleGanDiscriminator(GridDiscriminator):
    """StyleGAN2's residual discriminator (Karras et al., 2019, Fig. 7).

    The standard deviation over the batch, which it has as well, is a technique
    (``method.techniques.minibatch.kind = "spread"``).
    """

    def __init__(
        self, detector: Detector, sizes: Sizes, config: StyleGanConfig, head: HeadConfig
    ) -> None:
        grid = Grid.of(detector)
        sizes_down = grid.sizes[::-1]
        widths = grid.widths(config.d_width, config.most)[::-1]
        super().__init__(detector, sizes, widths[-1], head)
        self.entry = EqualConv2d(self.n_maps, widths[0], 1)
        self.blocks = nn.Sequential(
            *(_Down(a, b, size, grid.periodic)
              for a, b, size in zip(widths[:-1], widths[1:], sizes_down[1:], strict=True))
        )  # fmt: skip
        rows, columns = sizes_down[-1]
        self.last = EqualConv2d(widths[-1], widths[-1], periodic=grid.periodic)
        self.dense = EqualLinear(widths[-1] * rows * columns, widths[-1])

    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""
        h = self.blocks(functional.leaky_relu(self.entry(maps), 0.2))
        h = functional.leaky_relu(self.last(h), 0.2).flatten(1)
        return functional.leaky_relu(self.dense(h), 0.2)
