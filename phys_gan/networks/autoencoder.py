"""The networks of a conditional variational autoencoder."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.networks.base import Generator, NetworkConfig
from phys_gan.networks.blocks import Residual, Standardize

__all__ = ["AutoencoderConfig", "Decoder", "Encoder"]

_REACH = 5.0


class AutoencoderConfig(NetworkConfig):
    """Options of the encoder and the decoder.

    Attributes:
        latent: Numbers of the code that both share.
        width: Neurons in the hidden layers of the decoder.
        depth: Residual blocks of the decoder.
        e_width: Neurons in the hidden layers of the encoder.
        e_depth: Residual blocks of the encoder.
    """

    kind: Literal["autoencoder"] = "autoencoder"
    latent: int = Field(default=16, ge=1)
    width: int = Field(default=384, ge=8)
    depth: int = Field(default=2, ge=1)
    e_width: int = Field(default=256, ge=8)
    e_depth: int = Field(default=2, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """The autoencoder, and that conditions enter both of its parts."""
        return ("kingma2013vae", "sohn2015cvae")


class Decoder(Generator):
    r"""Draw an event from the likelihood of a code.

    .. math:: x_j = \mu_j(\zeta, c) + \sigma_j(\zeta, c) \, \varepsilon_j

    with the code zeta and the noise epsilon, both standard normal, side by side in z: what comes
    out is a sample of the model p(x | c), not the mean of a code. Both mean and spread depend on
    the code (App. C.2 of https://arxiv.org/abs/1312.6114).

    Most cells of a shower are empty. Cells that are, in more than one event, are taken as cut at
    zero: what comes out below zero is an empty cell, and encodings decode it as one.

    Arguments:
        n_numbers: Numbers per encoded event.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.

    Attributes:
        code: Numbers of the code.
        censored: Which numbers are cut at zero, (n_numbers,).
    """

    censored: Tensor

    def __init__(self, n_numbers: int, n_conditions: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.code = config.latent
        self.latent = config.latent + n_numbers
        self.entry = nn.Linear(config.latent + n_conditions, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.mean = nn.Linear(config.width, n_numbers)
        self.spread = _from_zero(config.width, n_numbers)
        self.scale = Standardize(n_numbers)
        self.register_buffer("censored", torch.zeros(n_numbers, dtype=torch.bool))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean and the spread of real events, and see what is often empty."""
        self.scale.adapt(x)
        self.censored.copy_(((x == 0).sum(0) > 1) & (x.amin(0) >= 0))

    def likelihood(self, code: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Gaussian of each number of an event, given its code.

        The spread stays within e^5 times and e^-5 of that of real events: numbers that never
        change would draw it to zero and their density to infinity.

        Arguments:
            code: Codes, (N, code).
            c: Encoded conditions, (N, n_conditions).

        Returns:
            Means and logarithms of the standard deviations, (N, n_numbers) each.
        """
        h = self.blocks(self.entry(torch.cat([code, c], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        log_scale = _REACH * torch.tanh(self.spread(h) / _REACH) + self.scale.scale.log()
        return self.scale.inverse(self.mean(h)), log_scale

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_numbers)."""
        code, noise = z.tensor_split([self.code], dim=1)
        mean, log_scale = self.likelihood(code, c)
        return mean + log_scale.exp() * noise


class Encoder(nn.Module):
    r"""Approximate the posterior of an event's code by a diagonal Gaussian, q(zeta | x, c).

    It starts as the prior.

    Arguments:
        n_numbers: Numbers per encoded event.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
    """

    def __init__(self, n_numbers: int, n_conditions: int, config: AutoencoderConfig) -> None:
        super().__init__()
        self.scale = Standardize(n_numbers)
        self.entry = nn.Linear(n_numbers + n_conditions, config.e_width)
        self.blocks = nn.Sequential(*(Residual(config.e_width) for _ in range(config.e_depth)))
        self.posterior = _from_zero(config.e_width, 2 * config.latent)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the mean and the spread of real events."""
        self.scale.adapt(x)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, n_numbers) and c (N, n_conditions) to means and log-variances (N, code)."""
        h = self.blocks(self.entry(torch.cat([self.scale(x), c], dim=1)))
        mean, log_variance = self.posterior(functional.leaky_relu(h, 0.2)).chunk(2, dim=1)
        return mean, log_variance


def _from_zero(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear layer whose output starts as zero."""
    layer = nn.Linear(n_in, n_out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
