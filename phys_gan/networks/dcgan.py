"""DCGAN: plain convolutions up and down.

References:
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
    (Radford et al., 2015), https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator, register_generator
from phys_gan.networks.base import HeadConfig, NetworkConfig, Sizes, Width
from phys_gan.networks.convolutions import (
    Grid,
    GridConv2d,
    GridDiscriminator,
    GridGenerator,
    resized,
)


class DcganConfig(NetworkConfig):
    """Options of DCGAN (Radford et al., arXiv:1511.06434, Sec. 3).

    Attributes:
        latent: Latents of the whole event; each cell has one more of its own.
        width: Channels of the generator at the full size; they double towards the coarsest.
        most: Largest number of channels.
        norm: Normalisation in the generator.
        d_width: Channels of the discriminator after its first step down.
        d_norm: Normalisation in the discriminator, but not in its first layer.
    """

    kind: Literal["dcgan"] = "dcgan"
    latent: Width = 64
    width: Width = 16
    most: Width = 256
    norm: Literal["none", "batch"] = "batch"
    d_width: Width = 32
    d_norm: Literal["none", "batch"] = "batch"

    @property
    def references(self) -> tuple[str, ...]:
        """DCGAN, its normalisation, and the noise of each cell, which is StyleGAN's."""
        norms = ("ioffe2015batch",) if "batch" in (self.norm, self.d_norm) else ()
        return ("radford2015dcgan", *norms, "karras2018stylegan")


def _norm(kind: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


@register_generator(DcganConfig)
class DcganGenerator(GridGenerator):
    """Double the size of the image, with one convolution at each size.

    In place of fractionally strided convolutions, which leave checkerboards
    (https://distill.pub/2016/deconv-checkerboard), every cell of a size is repeated for the next
    one: any size can be reached, 16 x 9 cells as well as 64 x 64.
    """

    def __init__(self, detector: Detector, sizes: Sizes, config: DcganConfig) -> None:
        super().__init__(detector, sizes, config.latent)
        first, *_ = self.grid.sizes
        widths = self.grid.widths(config.width, config.most)
        self.entry = nn.Linear(self.n_inputs, widths[0] * first[0] * first[1])
        self.norms = nn.ModuleList(_norm(config.norm, width) for width in widths)
        self.convolutions = nn.ModuleList(
            GridConv2d(a, b, periodic=self.grid.periodic) for a, b in pairwise(widths)
        )
        self.last = GridConv2d(widths[-1], self.n_maps, periodic=self.grid.periodic)

    def body(self, h: Tensor, inner: Tensor) -> Tensor:
        """Map h (N, n_inputs) to maps (N, n_maps, *size)."""
        first, *larger = self.grid.sizes
        h = self.entry(h).unflatten(1, (-1, *first))
        h = functional.relu(self.norms[0](h))
        for size, convolution, norm in zip(larger, self.convolutions, self.norms[1:], strict=True):
            h = functional.relu(norm(convolution(resized(h, size))))
        maps: Tensor = self.last(h)
        return maps


@register_discriminator(DcganConfig)
class DcganDiscriminator(GridDiscriminator):
    """Halve the size with strided convolutions until at most 4 x 4 cells are left."""

    def __init__(
        self, detector: Detector, sizes: Sizes, config: DcganConfig, head: HeadConfig
    ) -> None:
        grid = Grid.of(detector)
        rows, columns = grid.sizes[0]
        *down, coarsest = reversed(grid.widths(config.d_width, config.most))
        # An image of 4 x 4 cells or less has no step down, and one convolution that keeps its size.
        widths, stride = (down, 2) if down else ([coarsest], 1)
        super().__init__(detector, sizes, widths[-1] * rows * columns, head)
        self.steps = nn.Sequential()
        for number, (a, b) in enumerate(pairwise([self.n_maps, *widths])):
            self.steps.append(GridConv2d(a, b, periodic=grid.periodic, stride=stride))
            self.steps.append(_norm(config.d_norm if number else "none", b))
            self.steps.append(nn.LeakyReLU(0.2))

    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""
        features: Tensor = self.steps(maps).flatten(1)
        return features
