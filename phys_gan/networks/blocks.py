"""Layers that several architectures share, and spectral normalisation of any network."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations

_Network = TypeVar("_Network", bound=nn.Module)


def constant_linear(n_in: int, n_out: int, value: float = 0.0) -> nn.Linear:
    """Return a linear layer that starts with the same output for any input."""
    layer = nn.Linear(n_in, n_out)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, value)
    return layer


class Residual(nn.Module):
    """Map x (N, width) to x + W2 act(W1 act(x)), which starts as x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), constant_linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width) to (N, width)."""
        h = functional.leaky_relu(self.first(functional.leaky_relu(x, 0.2)), 0.2, inplace=True)
        y: Tensor = self.second(h)
        return y.add_(x)


class Standardize(nn.Module):
    """Shift and scale n features by the mean and the standard deviation of data."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))

    @torch.no_grad()
    def adapt(self, x: Tensor) -> None:
        """Take mean and scale from x (N, n); a feature that hardly varies is not blown up."""
        if not x.shape[1]:
            return
        deviation = x.std(0)
        self.mean.copy_(x.mean(0))
        self.scale.copy_(deviation.clamp_min(0.05 * float(deviation.mean()) + 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise x (N, n)."""
        return (x - self.mean) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Undo :meth:`forward`."""
        return x * self.scale + self.mean


class Energies(nn.Sequential):
    """Draw the numbers of the whole event that stand in front of the cells.

    They (response and layer fractions, which are encoded as standard normal numbers) are latents of
    their own plus a correction that starts at zero, so their distributions are right from the
    beginning.

    Arguments:
        n_globals: Numbers of the whole event; may be 0.
        n_in: Numbers per event that the correction depends on beside them.
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

    def draw(self, latents: Tensor, x: Tensor) -> Tensor:
        """Correct latents (N, n_globals) given x (N, n_in)."""
        if not len(self):
            return latents
        energies: Tensor = latents + self(torch.cat([latents, x], dim=1))
        return energies


class MinibatchDiscrimination(nn.Module):
    r"""Measure how close an event is to the others of its batch.

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


def minibatch_spread(h: Tensor, group: int = 16) -> Tensor:
    """Return the mean standard deviation of features h (N, F) within groups of events, (N, 1).

    References:
        Progressive Growing of GANs (Karras et al., 2017), Sec. 3, https://arxiv.org/abs/1710.10196
    """
    n = len(h) // group * group
    if n == 0:
        return h.var(0, correction=0).add(1e-6).sqrt().mean().expand(len(h), 1)
    deviation = h[:n].view(-1, group, h.shape[1]).var(1, correction=0).add(1e-6).sqrt().mean(1)
    deviation = deviation.repeat_interleave(group)
    # The events after the last whole group get the mean.
    return torch.cat([deviation, deviation.mean().expand(len(h) - n)])[:, None]


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
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d):
            if not module.weight.any():
                # Zeros have no singular vectors: such layers start at random instead.
                module.reset_parameters()
            spectral_norm(module)


def baked(network: _Network) -> _Network:
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
