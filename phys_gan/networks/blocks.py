"""Layers that several architectures share.

Layers of one shape as the channels of an image, for networks of convolutions.

Spectral normalisation of any network, put on for training and baked in afterwards.

Virtual batch normalisation: every event is normalised by a fixed reference batch and itself.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

from phys_gan.detectors import AxisLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError

__all__ = [
    "Energies",
    "Grid",
    "LatentMixture",
    "LocallyConnected2d",
    "MinibatchDiscrimination",
    "Residual",
    "Size",
    "Standardize",
    "VirtualBatchNorm",
    "baked",
    "constant_linear",
    "minibatch_spread",
    "normalise_spectrally",
]

Size = tuple[int, int]


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
            ConfigError: Its layers differ in shape, or it is no grid of cells at all.
        """
        shapes = {layer.shape for layer in detector.layers}
        if len(shapes) > 1 or isinstance(detector.layers[0], AxisLayer):
            raise ConfigError(
                f"convolutions need layers of one shape, which '{detector.name}' has not",
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


class LocallyConnected2d(nn.Module):
    """Convolve with weights that are not shared between positions ('valid' padding).

    References:
        Learning Particle Physics by Example: Location-Aware Generative Adversarial Networks for
        Physics Synthesis (de Oliveira et al., 2017), https://arxiv.org/abs/1701.05927

    Arguments:
        size: Rows and columns of the input.
        c_in: Input channels.
        c_out: Output channels.
        kernel: Rows and columns of the kernel.
        stride: Step along rows and columns.
        bias: Whether there is a bias for each output channel and position.
    """

    def __init__(
        self,
        size: Size,
        c_in: int,
        c_out: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        rows, columns = ((n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True))
        self.out_size: Size = (rows, columns)
        n_positions = rows * columns
        fan_in = c_in * kernel[0] * kernel[1]
        self.weight = nn.Parameter(torch.empty(n_positions, fan_in, c_out))
        nn.init.normal_(self.weight, std=(2 / (fan_in + c_out)) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_positions, c_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c_in, rows, columns) to (N, c_out, *out_size)."""
        patches = functional.unfold(x, self.kernel, stride=self.stride)
        y = torch.einsum("nfp,pfo->npo", patches, self.weight)
        if self.bias is not None:
            y = y + self.bias
        image: Tensor = y.transpose(1, 2).unflatten(2, self.out_size)
        return image


class Energies(nn.Sequential):
    """Draw the numbers of the whole event that stand in front of the cells.

    They (response and layer sharing, which are encoded as standard normal numbers) are latents of
    their own plus a correction that starts at zero, so their distributions are right from the
    beginning.

    Arguments:
        n_globals: Numbers of the whole event; there may be none.
        n_in: Numbers per event beside them that the correction sees.
    """

    def __init__(self, n_globals: int, n_in: int) -> None:
        if not n_globals:
            super().__init__()
            return
        correction = constant_linear(128, n_globals)
        super().__init__(
            nn.Linear(n_globals + n_in, 128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, 128),
            nn.LeakyReLU(0.2),
            correction,
        )

    def draw(self, first: Tensor, told: Tensor) -> Tensor:
        """Correct first (N, n_globals) given told (N, n_in)."""
        if not len(self):
            return first
        energies: Tensor = first + self(torch.cat([first, told], dim=1))
        return energies


class LatentMixture(nn.Module):
    r"""Turn standard normal numbers into draws from a mixture of Gaussians that is learned.

    .. math:: z = \mu_k + \sigma_k \epsilon, \qquad k = \lfloor K \, \Phi(\epsilon_0) \rfloor

    with equally likely components. The first number chooses the component, so one latent is
    needed more.

    References:
        DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data (Gurumurthy et al.,
        2017), Sec. 4, https://arxiv.org/abs/1706.02071

    Arguments:
        n_components: Components K.
        latent: Latents that come out.
    """

    def __init__(self, n_components: int, latent: int) -> None:
        super().__init__()
        self.n_components = n_components
        self.mean = nn.Parameter(2 * torch.rand(n_components, latent) - 1)
        self.log_spread = nn.Parameter(torch.full((n_components, latent), 0.2).log())

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, 1 + latent) to (N, latent)."""
        share = 0.5 * (1 + torch.erf(z[:, 0] / 2**0.5))
        k = (share * self.n_components).long().clamp(max=self.n_components - 1)
        y: Tensor = self.mean[k] + self.log_spread[k].exp() * z[:, 1:]
        return y


class MinibatchDiscrimination(nn.Module):
    r"""Tell how close an event is to the others of its batch.

    .. math:: c_b(x_i) = \sum_j \exp(-\lVert M_{i,b} - M_{j,b} \rVert_1), \qquad M = x T

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.2,
        https://arxiv.org/abs/1606.03498

    Arguments:
        n_in: Numbers per event.
        n_features: Features B that come out.
        n_kernel: Dimension C of each kernel space.
    """

    def __init__(self, n_in: int, n_features: int = 10, n_kernel: int = 10) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_features, n_kernel))
        nn.init.xavier_normal_(self.weight.view(n_in, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in) to (N, n_features)."""
        m = torch.einsum("ni,ibc->nbc", x, self.weight)
        distance = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(-1)
        return torch.exp(-distance).sum(1)


class Residual(nn.Module):
    """Return x + W2 act(W1 act(x)), which starts as x.

    Arguments:
        width: Numbers per event.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), constant_linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width) to (N, width)."""
        h = functional.leaky_relu(self.first(functional.leaky_relu(x, 0.2)), 0.2, inplace=True)
        y: Tensor = self.second(h)
        return y.add_(x)


class Standardize(nn.Module):
    """Shift and scale each feature by the mean and spread of the data it was adapted to."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))

    @torch.no_grad()
    def adapt(self, x: Tensor) -> None:
        """Learn mean and spread of x (N, n); a feature that hardly varies is not blown up."""
        if not x.shape[1]:
            return
        spread = x.std(0)
        self.mean.copy_(x.mean(0))
        self.scale.copy_(spread.clamp_min(0.05 * float(spread.mean()) + 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise x (N, n)."""
        return (x - self.mean) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Undo :meth:`forward`."""
        return x * self.scale + self.mean


def constant_linear(n_in: int, n_out: int, value: float = 0.0) -> nn.Linear:
    """Return a linear layer whose output is the same number for any input until it learns."""
    layer = nn.Linear(n_in, n_out)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, value)
    return layer


def minibatch_spread(h: Tensor, group: int = 16) -> Tensor:
    """Return how much features h (N, F) vary within groups of events, (N, 1).

    References:
        Progressive Growing of GANs (Karras et al., 2017), Sec. 3, https://arxiv.org/abs/1710.10196
    """
    n = len(h) // group * group
    if n == 0:
        return h.var(0, correction=0).add(1e-6).sqrt().mean().expand(len(h), 1)
    spread = h[:n].view(-1, group, h.shape[1]).var(1, correction=0).add(1e-6).sqrt().mean(1)
    spread = spread.repeat_interleave(group)
    # What is left over behind the last whole group gets the mean.
    return torch.cat([spread, spread.mean().expand(len(h) - n)])[:, None]


_M = TypeVar("_M", bound=nn.Module)
_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)


def normalise_spectrally(network: nn.Module) -> None:
    r"""Divide the weight of every linear and convolutional layer by its largest singular value.

    .. math:: \bar W = W / \sigma(W)

    With activations of slope at most 1, a chain of such layers is 1-Lipschitz. The singular
    value follows by one power iteration at each forward pass in training.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), Eq. 8
        and Algorithm 1, https://arxiv.org/abs/1802.05957; for the generator as well, Self-Attention
        Generative Adversarial Networks (Zhang et al., 2018), Sec. 4.1,
        https://arxiv.org/abs/1805.08318
    """
    for module in network.modules():
        if isinstance(module, _KINDS):
            if not module.weight.any():
                # Zeros have no singular vectors: a layer that starts as nothing starts at random.
                module.reset_parameters()
            spectral_norm(module)


def baked(network: _M) -> _M:
    """Return a copy with plain weights that does the same in evaluation."""
    plain = copy.deepcopy(network).eval()
    for module in plain.modules():
        if is_parametrized(module, "weight"):
            # Not remove_parametrizations, which takes the weight from the class that a copy shares.
            weight = cast("Tensor", module.weight).detach().clone()
            module.__class__ = type_before_parametrizations(module)
            del module.parametrizations
            module.register_parameter("weight", nn.Parameter(weight))
    return plain.requires_grad_(False)


class VirtualBatchNorm(nn.Module):
    r"""Normalise each event with statistics of the reference batch and of that event.

    The reference batch is the first ``n_reference`` rows of every input. With R of them,

    .. math:: \mu_i = \frac{R \mu_R + x_i}{R + 1}, \qquad
        s_i = \frac{R \overline{x^2}_R + x_i^2}{R + 1}, \qquad
        y_i = \gamma \frac{x_i - \mu_i}{\sqrt{s_i - \mu_i^2 + \epsilon}} + \beta

    so that an event's output does not depend on the others of its batch, unlike with batch
    normalisation.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.5,
        https://arxiv.org/abs/1606.03498

    Arguments:
        n: Features.
        n_reference: Rows R of the reference batch.
    """

    def __init__(self, n: int, n_reference: int) -> None:
        super().__init__()
        self.n_reference = n_reference
        self.gain, self.shift = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        """Map (R + N, n) to (R + N, n)."""
        reference = x[: self.n_reference]
        own = 1 / (self.n_reference + 1)
        mean = (1 - own) * reference.mean(0) + own * x
        square = (1 - own) * reference.square().mean(0) + own * x.square()
        spread = (square - mean.square()).clamp_min(0).add(1e-5).sqrt()
        return self.gain * (x - mean) / spread + self.shift
