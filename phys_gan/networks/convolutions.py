"""Layers and images that convolutional networks share, and what every pair of them has in common.

:class:`GridGenerator` and :class:`GridDiscriminator` turn latents into maps, maps into events, and
events into images; an architecture adds the body in between. The layers of a detector are the
channels of an image; neighbours in alpha wrap around.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import AxisLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError
from phys_gan.networks.base import Discriminator, Generator, HeadConfig, Sizes
from phys_gan.networks.blocks import Energies, Standardize

Size = tuple[int, int]
OUTPUT = 0.1
"""Standard deviation of scaled weights before the maps: events start near the mean one."""
# A faint cell is at least this fraction of the standard deviation of its layer.
_FAINTEST = 0.02
# The noise of a cell starts at softplus(-1) = 0.31 of its standard deviation.
_NOISE = -1.0


@dataclass(frozen=True)
class Grid:
    """The cells of an event as an image, one channel per layer.

    Attributes:
        channels: Layers.
        size: Rows and columns.
        periodic: Whether the last row is a neighbour of the first, as segments in alpha are.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> Grid.of(load_detector("calochallenge-2")).sizes
        ((4, 3), (8, 5), (16, 9))
    """

    channels: int
    size: Size
    periodic: bool = False

    @classmethod
    def of(cls, detector: Detector) -> Grid:
        """Return the grid of a detector.

        Raises:
            ConfigError: Its layers differ in shape, or are not grids of cells.
        """
        shapes = {layer.shape for layer in detector.layers}
        if len(shapes) > 1 or isinstance(detector.layers[0], AxisLayer):
            raise ConfigError(
                f"convolutions need layers of one shape, but '{detector.name}' has others",
                remedy="choose network.kind = 'compact' for showers, 'mlp' for toys",
                value=sorted(shapes),
            )
        periodic = all(isinstance(layer, PolarLayer) for layer in detector.layers)
        return cls(detector.n_layers, shapes.pop(), periodic)

    @property
    def n_cells(self) -> int:
        """Cells of an event."""
        return self.channels * self.size[0] * self.size[1]

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Sizes from the coarsest to the full one, each about twice the one before."""
        sizes = [self.size]
        while max(sizes[-1]) > 4:
            rows, columns = sizes[-1]
            sizes.append((-(-rows // 2), -(-columns // 2)))
        return tuple(reversed(sizes))

    def widths(self, width: int, most: int) -> tuple[int, ...]:
        """Return channels for each of the sizes: ``width`` at the full one, doubling downwards."""
        return tuple(min(width << k, most) for k in reversed(range(len(self.sizes))))


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by the root mean square over channels (Karras et al., 2017, Sec. 4.2)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def resized(x: Tensor, size: Size) -> Tensor:
    """Resize images (N, C, rows, columns): nearest neighbours up, means down."""
    if x.shape[2:] == size:
        return x
    if x.shape[2] <= size[0]:
        # Fractionally strided convolutions leave checkerboards (Odena et al., 2016).
        return functional.interpolate(x, size=size, mode="nearest")
    return functional.adaptive_avg_pool2d(x, size)


class GridConv2d(nn.Conv2d):
    """Convolve with an odd square kernel; periodic rows wrap around, other borders are zeros."""

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
        """Draw standard normal weights and no bias."""
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
        n_in: Numbers of the input.
        n_out: Numbers of the output.
        speed: Factor on the learning rate (Karras et al., 2018, App. C, arXiv:1812.04948).
        before_relu: Whether a rectifier follows, which halves the variance: hence the factor 2.
    """

    def __init__(
        self, n_in: int, n_out: int, *, speed: float = 1.0, before_relu: bool = True
    ) -> None:
        self.speed, self.power = speed, 2 if before_relu else 1
        super().__init__(n_in, n_out)

    def reset_parameters(self) -> None:
        """Draw weights of standard deviation 1 / speed, and no bias."""
        nn.init.normal_(self.weight, std=1 / self.speed)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, n_in) to (N, n_out)."""
        gain = self.speed * math.sqrt(self.power / self.in_features)
        return functional.linear(input, self.weight * gain, self.bias * self.speed)


class ModulatedConv2d(EqualConv2d):
    r"""Convolve with weights that a style scales, keeping the variance of the output.

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
        demodulate: Whether the output gets its variance back.
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
    r"""Normalise over the batch, then scale and shift by functions of the conditions.

    .. math:: y = (1 + \gamma(c)) \, \frac{x - \mu}{\sigma} + \beta(c)

    References:
        cGANs with Projection Discriminator (Miyato and Koyama, 2018), Sec. 4.2, after
        https://arxiv.org/abs/1610.07629; https://arxiv.org/abs/1802.05637

    Arguments:
        channels: Channels.
        n_in: Conditions c.
    """

    def __init__(self, channels: int, n_in: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale, self.shift = nn.Linear(n_in, channels), nn.Linear(n_in, channels)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Normalise x (N, channels, rows, columns) given c (N, n_in)."""
        scale, shift = self.scale(c)[:, :, None, None], self.shift(c)[:, :, None, None]
        y: Tensor = (1 + scale) * self.norm(x) + shift
        return y


class SelfAttention(nn.Module):
    r"""Let every position attend to similar ones anywhere; starts as the identity.

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


class GridGenerator(Generator):
    r"""Draw an event whose cells are an image, each with noise of its own.

    .. math:: x = \mu + \sigma \, (m(h) + a(h) \, \epsilon)

    with two maps m and a > 0 that the body makes of its input h, and the mean and the standard
    deviation of each cell of real events. Read-out noise and far hits are independent from cell to
    cell, and convolutions cannot make independent numbers of a few latents: the noise is latents of
    its own (as in StyleGAN, arXiv:1812.04948, Sec. 3.2, here at the output). Numbers of the whole
    event, such as layer energies, are drawn first, and the cells given them.

    Arguments:
        detector: The detector.
        sizes: Numbers of encoded events and conditions.
        latent: Latents that the body gets together with globals and conditions.
        inner: Latents that the body gets beside them.

    Attributes:
        grid: The cells as an image.
        n_inputs: Inputs of the body: globals, latents and conditions.
        n_maps: Maps that the body returns.

    Raises:
        ConfigError: The layers of the detector are not images of one shape.
    """

    def __init__(self, detector: Detector, sizes: Sizes, latent: int, inner: int = 0) -> None:
        super().__init__()
        self.grid, self.n_globals = Grid.of(detector), sizes.n_globals
        self.parts = [sizes.n_globals, latent, inner, sizes.n_cells]
        self.latent = sum(self.parts)
        self.n_inputs = sizes.n_globals + latent + sizes.n_conditions
        self.n_maps = 2 * self.grid.channels
        self.energies = Energies(sizes.n_globals, latent + sizes.n_conditions)
        self.scale = Standardize(sizes.n_cells)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean and the standard deviation of each cell."""
        self.scale.adapt(x[:, self.n_globals :])

    @abstractmethod
    def body(self, h: Tensor, inner: Tensor) -> Tensor:
        """Map h (N, n_inputs) and further latents (N, inner) to maps (N, n_maps, *size)."""

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_globals + n_cells)."""
        first, shared, inner, own = z.split(self.parts, dim=1)
        energies = self.energies.draw(first, torch.cat([shared, c], dim=1))
        maps = self.body(torch.cat([energies, shared, c], dim=1), inner)
        return self.compose(energies, maps, own)

    def compose(self, energies: Tensor, maps: Tensor, own: Tensor) -> Tensor:
        """Put an event together from its globals, its maps and the noise of its cells."""
        image, noise = (part.flatten(1) for part in maps.chunk(2, dim=1))
        cells = self.scale.inverse(image + functional.softplus(noise + _NOISE) * own)
        return torch.cat([energies, cells], dim=1)


class GridDiscriminator(Discriminator):
    r"""Map an event to an image, with the numbers of the whole event as constant channels.

    Each layer enters twice, standardised as a whole (convolutions treat all positions alike), and
    through

    .. math:: y \mapsto y / \sqrt{y^2 + q^2}

    with the median q of its absolute values, where faint cells are as large as bright ones: the
    noise of the sky is a small part of what a galaxy spreads over.

    Arguments:
        detector: The detector.
        sizes: Numbers of encoded events and conditions.
        n_features: Features that the body returns.
        head: Options of the last layers.

    Attributes:
        grid: The cells as an image.
        n_maps: Maps that the body gets: both of each layer, numbers of the whole event, and
            conditions where those enter at the input, of all events of a pack.

    Raises:
        ConfigError: The layers of the detector are not images of one shape.
    """

    faint: Tensor

    def __init__(self, detector: Detector, sizes: Sizes, n_features: int, head: HeadConfig) -> None:
        super().__init__(n_features, sizes.n_conditions, head)
        self.grid, self.n_globals = Grid.of(detector), sizes.n_globals
        self.n_maps = (2 * self.grid.channels + self.n_globals + self.n_concatenated) * head.pack
        self.whole, self.scale = Standardize(self.n_globals), Standardize(self.grid.channels)
        self.register_buffer("faint", torch.ones(self.grid.channels))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the mean and the standard deviation of real events, layer by layer."""
        self.whole.adapt(x[:, : self.n_globals])
        cells = x[:, self.n_globals :].unflatten(1, (self.grid.channels, -1))
        self.scale.adapt(cells.transpose(1, 2).flatten(0, 1))
        # Where most cells are empty, a small fraction of the standard deviation of the layer.
        self.faint.copy_(cells.abs().transpose(0, 1).flatten(1).median(1).values)
        self.faint.clamp_(min=_FAINTEST * self.scale.scale)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised event, and its cells with faint ones made large."""
        layers = x[:, self.n_globals :].unflatten(1, (self.grid.channels, -1))
        bright = self.scale(layers.transpose(1, 2)).transpose(1, 2)
        faint = layers * torch.rsqrt(layers.square() + self.faint[:, None].square())
        whole = self.whole(x[:, : self.n_globals])
        return torch.cat([whole, bright.flatten(1), faint.flatten(1)], dim=1)

    @abstractmethod
    def body(self, maps: Tensor) -> Tensor:
        """Map (N, n_maps, *size) to features (N, n_features)."""

    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map inputs and conditions to features (N, n_features)."""
        events = x.unflatten(1, (self.pack, -1))
        whole, cells = events[:, :, : self.n_globals], events[:, :, self.n_globals :]
        numbers = self.with_conditions(whole.flatten(1), c)
        constant = numbers[:, :, None, None].expand(-1, -1, *self.grid.size)
        image = cells.unflatten(2, (2 * self.grid.channels, *self.grid.size)).flatten(1, 2)
        return self.body(torch.cat([image, constant], dim=1))
