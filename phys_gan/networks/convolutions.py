"""What networks of convolutions share: neighbours across alpha, sizes, scaled weights, styles."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.networks.grid import Size

__all__ = [
    "ConditionalNorm",
    "EqualConv2d",
    "EqualLinear",
    "GridConv2d",
    "ModulatedConv2d",
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
