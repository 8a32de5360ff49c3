"""The networks of a conditional variational autoencoder."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import DEEPEST, WIDEST, Generator, NetworkConfig
from phys_gan.networks.blocks import Residual, Standardize, constant_linear
from phys_gan.networks.neighbours import Neighbours

__all__ = ["AutoencoderConfig", "Decoder", "Encoder"]

_REACH = 5.0
"""Largest logarithm of a spread, in either direction, in units of that of real events."""
_ENERGY_WIDTH = 128


class AutoencoderConfig(NetworkConfig):
    """Options of the encoder, the decoder, and a discriminator where the method has one.

    Attributes:
        latent: Numbers of the code that both share.
        width: Neurons in the hidden layers of the decoder.
        depth: Residual blocks of the decoder.
        spread: Whether the spread of each cell is told apart, or only that of each kind of cells
            that the symmetries of the detector exchange, which takes fewer parameters.
        neighbours: Neighbouring cells that each cell is drawn under; 0 draws all cells at once.
        e_width: Neurons in the hidden layers of the encoder.
        e_depth: Residual blocks of the encoder.
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Residual blocks of the discriminator.
        d_dropout: Share of its neurons that is left out in training.
        d_cells: Whether it sees single cells beside what describes the whole shower.
    """

    kind: Literal["autoencoder"] = "autoencoder"
    latent: int = Field(default=16, ge=1, le=WIDEST)
    width: int = Field(default=384, ge=8, le=WIDEST)
    depth: int = Field(default=2, ge=1, le=DEEPEST)
    spread: Literal["cell", "orbit"] = "cell"
    neighbours: int = Field(default=0, ge=0, le=DEEPEST)
    e_width: int = Field(default=256, ge=8, le=WIDEST)
    e_depth: int = Field(default=2, ge=1, le=DEEPEST)
    d_width: int = Field(default=384, ge=8, le=WIDEST)
    d_depth: int = Field(default=2, ge=1, le=DEEPEST)
    d_dropout: float = Field(default=0.1, ge=0, lt=1)
    d_cells: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """The autoencoder, that conditions enter both of its parts, and cells in stages."""
        staged = ("reed2017multiscale",) if self.neighbours else ()
        return ("kingma2013vae", "sohn2015cvae", *staged)


class Decoder(Generator):
    r"""Draw an event from the likelihood of a code.

    .. math:: x_j = \mu_j(\zeta, c, x_{<j}) + \sigma_j(\zeta, c, x_{<j}) \, \varepsilon_j

    with the code zeta and the noise epsilon, both standard normal, side by side in z: what comes
    out is a sample of the model p(x | c), not the mean of a code. Both mean and spread depend on
    the code (App. C.2 of https://arxiv.org/abs/1312.6114), and on what was drawn before: the
    numbers in front of the cells tell all cells, and each cell its
    :class:`~phys_gan.networks.neighbours.Neighbours` where there are some.

    Most cells of a shower are empty. Cells that are, in more than one event, are taken as cut at
    zero: what comes out below zero is an empty cell, and encodings decode it as one.

    Arguments:
        detector: The detector.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.

    Attributes:
        code: Numbers of the code.
        censored: Which numbers are cut at zero, (n_numbers,).
    """

    censored: Tensor
    kinds: Tensor

    def __init__(
        self, detector: Detector, n_globals: int, n_conditions: int, config: AutoencoderConfig
    ) -> None:
        super().__init__()
        n_numbers = n_globals + detector.n_cells
        self.n_globals, self.code = n_globals, config.latent
        self.latent = config.latent + n_numbers
        n_in = config.latent + n_conditions
        self.energies = nn.Sequential()
        if n_globals:
            self.energies = nn.Sequential(
                nn.Linear(n_in, _ENERGY_WIDTH),
                nn.LeakyReLU(0.2),
                nn.Linear(_ENERGY_WIDTH, _ENERGY_WIDTH),
                nn.LeakyReLU(0.2),
                constant_linear(_ENERGY_WIDTH, 2 * n_globals),
            )
        self.entry = nn.Linear(n_in + n_globals, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.mean = nn.Linear(config.width, detector.n_cells)
        self.straight = nn.Linear(config.latent, detector.n_cells, bias=False)
        nn.init.zeros_(self.straight.weight)
        self.shared = config.spread == "orbit"
        kinds = detector.orbits if self.shared else np.arange(detector.n_cells)
        self.register_buffer("kinds", torch.from_numpy(kinds), persistent=False)
        self.spread = constant_linear(config.width, int(kinds.max()) + 1)
        self.neighbours = Neighbours(detector, config.neighbours) if config.neighbours else None
        self.scale = Standardize(n_numbers)
        self.register_buffer("censored", torch.zeros(n_numbers, dtype=torch.bool))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Start from the mean and the spread of real events, and see what is often empty."""
        self.scale.adapt(x)
        self.censored.copy_(((x == 0).sum(0) > 1) & (x.amin(0) >= 0))

    def likelihood(self, code: Tensor, c: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Gaussian of each number of an event, given its code and what comes before.

        The spread stays within e^5 times and e^-5 of that of real events: numbers that never
        change would draw it to zero and their density to infinity.

        Arguments:
            code: Codes, (N, code).
            c: Encoded conditions, (N, n_conditions).
            x: Encoded events, (N, n_numbers).

        Returns:
            Means and logarithms of the standard deviations, (N, n_numbers) each.
        """
        u = self.scale(x)
        energies = u[:, : self.n_globals]
        first = self._energies(code, c)
        mean, spread = self._cells(code, c, energies)
        if self.neighbours is not None:
            more = self.neighbours.tell(u[:, self.n_globals :])
            mean, spread = mean + more[0], spread + more[1]
        mean = torch.cat([first[0], mean], dim=1)
        spread = torch.cat([first[1], spread], dim=1)
        return self.scale.inverse(mean), _bounded(spread) + self.scale.scale.log()

    def _energies(self, code: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and spread of the numbers in front of the cells."""
        if not self.n_globals:
            return code[:, :0], code[:, :0]
        mean, spread = self.energies(torch.cat([code, c], dim=1)).chunk(2, dim=1)
        return mean, spread

    def _cells(self, code: Tensor, c: Tensor, energies: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and spread of each cell in units of real events, without neighbours."""
        h = self.blocks(self.entry(torch.cat([code, c, energies], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        spread = self.spread(h)
        return self.mean(h) + self.straight(code), spread[:, self.kinds] if self.shared else spread

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_numbers)."""
        code, first, noise = z.tensor_split([self.code, self.code + self.n_globals], dim=1)
        mean, spread = self._energies(code, c)
        energies = mean + _bounded(spread).exp() * first
        mean, spread = self._cells(code, c, energies)
        if self.neighbours is None:
            cells = mean + _bounded(spread).exp() * noise
        else:
            shift, scale = self.scale.mean[self.n_globals :], self.scale.scale[self.n_globals :]
            least = torch.where(self.censored[self.n_globals :], -shift / scale, -math.inf)
            cells = self.neighbours.draw(mean, spread, noise, least, _bounded)
        return self.scale.inverse(torch.cat([energies, cells], dim=1))


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
        self.posterior = constant_linear(config.e_width, 2 * config.latent)
        self.straight = constant_linear(n_numbers, config.latent)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the mean and the spread of real events."""
        self.scale.adapt(x)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, n_numbers) and c (N, n_conditions) to means and log-variances (N, code)."""
        h = self.blocks(self.entry(torch.cat([self.scale(x), c], dim=1)))
        mean, log_variance = self.posterior(functional.leaky_relu(h, 0.2)).chunk(2, dim=1)
        # With thousands of inputs, a step of each weight would throw the code far out.
        straight = self.straight(self.scale(x) / math.sqrt(x.shape[1]))
        return mean + straight, log_variance


def _bounded(spread: Tensor) -> Tensor:
    return _REACH * torch.tanh(spread / _REACH)
