"""What networks of convolutions share: neighbours across alpha, sizes, scaled weights, styles.

Self-attention over the cells of an image.

What every pair of convolutional networks has: from latents to maps, from maps to an event.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import Discriminator, Generator, HeadConfig
from phys_gan.networks.blocks import Energies, Grid, Size, Standardize

__all__ = [
    "OUTPUT",
    "ConditionalNorm",
    "EqualConv2d",
    "EqualLinear",
    "GridConv2d",
    "GridDiscriminator",
    "GridGenerator",
    "ModulatedConv2d",
    "SelfAttention",
    "pixel_norm",
    "resized",
]


class GridConv2d(nn.Conv2d):
    """Convolve with an odd square kernel; neighbours in alpha wrap around, beyond r is nothing.

    Arguments:
        c_in: Input channels.
        c_out: Output channels.
        kernel: Rows and columns of the kernel.
        periodic: Whether rows are periodic.
        stride: Step along rows and columns.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 3, *, periodic: bool = False, stride: int = 1
    ) -> None:
        reach = kernel // 2
        padding = (0 if periodic else reach, reach)
        super().__init__(c_in, c_out, kernel, stride=stride, padding=padding)
        self.wrap = reach if periodic else 0

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, rows / stride, columns / stride)."""
        return super().forward(self._wrapped(input))

    def _wrapped(self, x: Tensor) -> Tensor:
        if not self.wrap:
            return x
        return torch.cat([x[:, :, -self.wrap :], x, x[:, :, : self.wrap]], dim=2)


class EqualConv2d(GridConv2d):
    r"""Convolve with weights that are scaled when used, not when drawn.

    .. math:: \hat w = w \sqrt{2 / \mathrm{fan_{in}}}, \qquad w \sim N(0, 1)

    Adam moves every weight by about its learning rate, whatever its scale: so all learn at one
    speed.

    References:
        Progressive Growing of GANs (Karras et al., 2017), Sec. 4.1,
        https://arxiv.org/abs/1710.10196
    """

    def reset_parameters(self) -> None:
        """Draw weights of spread 1 and no bias."""
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @property
    def gain(self) -> float:
        """The factor on the weights."""
        return math.sqrt(2 / self.weight[0].numel())

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, rows / stride, columns / stride)."""
        y: Tensor = self._conv_forward(self._wrapped(input), self.weight * self.gain, self.bias)
        return y


class EqualLinear(nn.Linear):
    """The same for a fully connected layer.

    Arguments:
        n_in: Numbers that go in.
        n_out: Numbers that come out.
        speed: Factor on the speed of learning (Karras et al., 2018, App. C, arXiv:1812.04948).
        before_relu: Whether a rectifier follows, which takes half of what the factor 2 gives.
    """

    def __init__(
        self, n_in: int, n_out: int, *, speed: float = 1.0, before_relu: bool = True
    ) -> None:
        self.speed, self.power = speed, 2 if before_relu else 1
        super().__init__(n_in, n_out)

    def reset_parameters(self) -> None:
        """Draw weights of spread 1 over the speed, and no bias."""
        nn.init.normal_(self.weight, std=1 / self.speed)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, n_in) to (N, n_out)."""
        gain = self.speed * math.sqrt(self.power / self.in_features)
        return functional.linear(input, self.weight * gain, self.bias * self.speed)


class ModulatedConv2d(EqualConv2d):
    r"""Convolve with weights that a style scales, so that the output keeps its size.

    .. math:: w'_{ijk} = s_i w_{ijk}, \qquad
        w''_{ijk} = w'_{ijk} \Big/ \sqrt{\sum_{i,k} w'^2_{ijk} + \epsilon}

    References:
        Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2019), Eq. 1 and 3,
        https://arxiv.org/abs/1912.04958

    Arguments:
        c_in: Input channels.
        c_out: Output channels.
        n_style: Numbers of a style.
        kernel: Rows and columns of the kernel.
        periodic: Whether rows are periodic.
        demodulate: Whether the output is brought back to its size.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        n_style: int,
        kernel: int = 3,
        *,
        periodic: bool = False,
        demodulate: bool = True,
    ) -> None:
        super().__init__(c_in, c_out, kernel, periodic=periodic)
        self.style = EqualLinear(n_style, c_in, before_relu=False)
        self.demodulate = demodulate
        nn.init.ones_(self.style.bias)

    def forward(self, input: Tensor, w: Tensor | None = None) -> Tensor:
        """Map input (N, c_in, rows, columns) under styles w (N, n_style)."""
        style = self.style(w)
        # Scaling what goes in and what comes out is the same as scaling the weights of each event.
        y = functional.conv2d(
            self._wrapped(input * style[:, :, None, None]),
            self.weight * self.gain,
            padding=self.padding,
        )
        if self.demodulate:
            power = (self.weight * self.gain).square().sum((2, 3))
            y = y * torch.rsqrt(style.square() @ power.T + 1e-8)[:, :, None, None]
        return y if self.bias is None else y + self.bias[:, None, None]


class ConditionalNorm(nn.Module):
    r"""Normalise over the batch, then scale and shift as the conditions say.

    .. math:: y = (1 + \gamma(c)) \, \frac{x - \mu}{\sigma} + \beta(c)

    References:
        cGANs with Projection Discriminator (Miyato and Koyama, 2018), Sec. 4.2, after
        https://arxiv.org/abs/1610.07629; https://arxiv.org/abs/1802.05637

    Arguments:
        channels: Channels.
        n_in: Numbers per event that tell how to scale.
    """

    def __init__(self, channels: int, n_in: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale, self.shift = nn.Linear(n_in, channels), nn.Linear(n_in, channels)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Normalise x (N, channels, rows, columns) given told (N, n_in)."""
        scale, shift = self.scale(told)[:, :, None, None], self.shift(told)[:, :, None, None]
        y: Tensor = (1 + scale) * self.norm(x) + shift
        return y


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by the root mean square over channels (Karras et al., 2017, Sec. 4.2)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def resized(x: Tensor, size: Size) -> Tensor:
    """Bring images (N, C, rows, columns) to a size: nearest neighbours up, means down."""
    if x.shape[2:] == size:
        return x
    if x.shape[2] <= size[0]:
        # Fractionally strided convolutions leave checkerboards (Odena et al., 2016).
        return functional.interpolate(x, size=size, mode="nearest")
    return functional.adaptive_avg_pool2d(x, size)


class SelfAttention(nn.Module):
    r"""Let every place see what is similar anywhere, starting from not looking.

    .. math:: y_i = x_i + \gamma \, W_v \sum_j
        \mathrm{softmax}_j\bigl((W_f x_j)^\top (W_g x_i)\bigr) \, W_h x_j

    References:
        Self-Attention Generative Adversarial Networks (Zhang et al., 2018), Eq. 1 to 3,
        https://arxiv.org/abs/1805.08318

    Arguments:
        channels: Channels C; queries and keys have an eighth of them, values half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(channels // 8, 1), max(channels // 2, 1)
        self.parts = [few, few, half]
        self.project = GridConv2d(channels, sum(self.parts), 1)
        self.back = GridConv2d(half, channels, 1)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, rows, columns) to the same shape."""
        query, key, value = self.project(x).flatten(2).transpose(1, 2).split(self.parts, dim=2)
        found = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        y: Tensor = x + self.weight * self.back(found.transpose(1, 2).unflatten(2, x.shape[2:]))
        return y


OUTPUT = 0.1
"""Spread of scaled weights in front of maps: events start near the mean one."""

_FAINTEST = 0.02
_NOISE = -1.0
"""The noise of a cell starts at softplus(-1) = 0.31 of its spread."""


class GridGenerator(Generator):
    r"""Draw an event whose cells are an image with noise of their own.

    .. math:: x = \mu + \sigma \, (m(h) + a(h) \, \epsilon)

    with two maps m and a > 0 of the image h that the body makes, and the mean and the spread of
    each cell of real events. Read-out noise and far hits are independent from cell to cell, and
    convolutions cannot make independent numbers of a few latents: the noise is latents of its own
    (as in StyleGAN, arXiv:1812.04948, Sec. 3.2, here at the output). Numbers of the whole event,
    such as layer energies, are drawn first, and the cells given them.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        latent: Latents that the body sees.
        inner: Latents beside them, which the body gets as they are.

    Attributes:
        grid: The cells as an image.
        n_seen: Numbers that the body sees: globals, latents and conditions.
        n_maps: Maps that the body returns.

    Raises:
        ConfigError: The cells are no image.
    """

    def __init__(
        self, detector: Detector, n_globals: int, n_conditions: int, latent: int, inner: int = 0
    ) -> None:
        super().__init__()
        self.grid, self.n_globals = Grid.of(detector), n_globals
        self.parts = [n_globals, latent, inner, self.grid.n_cells]
        self.latent = sum(self.parts)
        self.n_seen = n_globals + latent + n_conditions
        self.n_maps = 2 * self.grid.channels
        self.energies = Energies(n_globals, latent + n_conditions)
        self.scale = Standardize(self.grid.n_cells)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean cell and its spread."""
        self.scale.adapt(x[:, self.n_globals :])

    @abstractmethod
    def body(self, seen: Tensor, inner: Tensor) -> Tensor:
        """Map seen (N, n_seen) and further latents (N, inner) to maps (N, n_maps, *size)."""

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""
        first, shared, inner, own = z.split(self.parts, dim=1)
        energies = self.energies.draw(first, torch.cat([shared, c], dim=1))
        maps = self.body(torch.cat([energies, shared, c], dim=1), inner)
        return self.compose(energies, maps, own)

    def compose(self, energies: Tensor, maps: Tensor, own: Tensor) -> Tensor:
        """Put an event together from its globals, its maps, and the noise of its cells."""
        image, noise = (part.flatten(1) for part in maps.chunk(2, dim=1))
        cells = self.scale.inverse(image + functional.softplus(noise + _NOISE) * own)
        return torch.cat([energies, cells], dim=1)


class GridDiscriminator(Discriminator):
    r"""Look at an event as an image, with the numbers of the whole event as constant channels.

    Each layer is seen twice, standardised as a whole (an image knows no place), and through

    .. math:: y \mapsto y / \sqrt{y^2 + q^2}

    with the median q of its absolute values, where faint cells are as large as bright ones: the
    noise of the sky is a small part of what a galaxy spreads over.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_features: Features that the body finds.
        n_conditions: Numbers per event that tell the conditions.
        head: How features become a judgement.

    Attributes:
        grid: The cells as an image.
        n_maps: Maps that the body gets: both of each layer, numbers of the whole event, and
            conditions where those enter at the input, of all events that are judged together.

    Raises:
        ConfigError: The cells are no image.
    """

    faint: Tensor

    def __init__(
        self,
        detector: Detector,
        n_globals: int,
        n_features: int,
        n_conditions: int,
        head: HeadConfig,
    ) -> None:
        super().__init__(n_features, n_conditions, head)
        self.grid, self.n_globals = Grid.of(detector), n_globals
        self.n_maps = (2 * self.grid.channels + n_globals + self.n_concatenated) * head.pack
        self.whole, self.scale = Standardize(n_globals), Standardize(self.grid.channels)
        self.register_buffer("faint", torch.ones(self.grid.channels))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the spread of real events, each layer as a whole."""
        self.whole.adapt(x[:, : self.n_globals])
        cells = x[:, self.n_globals :].unflatten(1, (self.grid.channels, -1))
        self.scale.adapt(cells.transpose(1, 2).flatten(0, 1))
        # Where most cells are empty, a small part of what the others spread over.
        self.faint.copy_(cells.abs().transpose(0, 1).flatten(1).median(1).values)
        self.faint.clamp_(min=_FAINTEST * self.scale.scale)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event, and its faint cells made large."""
        layers = x[:, self.n_globals :].unflatten(1, (self.grid.channels, -1))
        bright = self.scale(layers.transpose(1, 2)).transpose(1, 2)
        faint = layers * torch.rsqrt(layers.square() + self.faint[:, None].square())
        whole = self.whole(x[:, : self.n_globals])
        return torch.cat([whole, bright.flatten(1), faint.flatten(1)], dim=1)

    @abstractmethod
    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""

    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen and the conditions to features (N, n_features)."""
        events = seen.unflatten(1, (self.pack, -1))
        whole, cells = events[:, :, : self.n_globals], events[:, :, self.n_globals :]
        numbers = self.with_conditions(whole.flatten(1), c)
        constant = numbers[:, :, None, None].expand(-1, -1, *self.grid.size)
        image = cells.unflatten(2, (2 * self.grid.channels, *self.grid.size)).flatten(1, 2)
        return self.body(torch.cat([image, constant], dim=1))
