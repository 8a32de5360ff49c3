"""The networks of a conditional variational autoencoder.

Cells drawn in stages, each given those of its neighbours that came before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError
from phys_gan.networks.base import DEEPEST, WIDEST, Generator, NetworkConfig
from phys_gan.networks.blocks import Residual, Standardize, constant_linear

__all__ = ["AutoencoderConfig", "Decoder", "Encoder", "Neighbours", "arrange"]

_BETWEEN_LAYERS = 0.9
"""Distance between neighbouring layers, in cells."""
_FARTHEST = 3.5
"""Distance beyond which cells are no neighbours, in cells."""
_MOST_PAIRS = 50_000_000
"""Cells of a layer times those of it and of the adjacent ones, whose distances are compared."""


class _Grid(NamedTuple):
    """The cells of a layer along both axes of its flat order, (n_cells, 2) each."""

    number: NDArray[np.int64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]
    period: float


def arrange(detector: Detector, most: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Divide the cells into stages from coarse to fine, and find the neighbours of each cell.

    Along each axis of a layer every fourth cell comes first, then those halfway between, then the
    others; the layers with odd numbers come after those with even ones.

    Arguments:
        detector: A detector of showers.
        most: Neighbours M of a cell.

    Returns:
        The cells of each stage; and for each cell the M nearest ones of earlier stages in its own
        and the adjacent layers, (n_cells, M), filled up with n_cells where there are fewer.

    Raises:
        ConfigError: The detector has layers other than Cartesian and polar ones, or too many cells
            in one of them.
    """
    for k, layer in enumerate(detector.layers):
        around = detector.layers[max(0, k - 1) : k + 2]
        pairs = layer.n_cells * sum(other.n_cells for other in around)
        if pairs > _MOST_PAIRS:
            raise ConfigError(
                f"layer '{layer.name}' of '{detector.name}' has {layer.n_cells:,} cells, too many "
                f"to find the neighbours of each",
                remedy="set network.neighbours = 0",
                value=layer.n_cells,
            )
    grids = [_grid(layer) for layer in detector.layers]
    stage = np.concatenate(
        [9 * (k % 2) + _level(grid.number) @ np.array([3, 1]) for k, grid in enumerate(grids)]
    )
    cells = np.arange(detector.n_cells)
    table = np.full((detector.n_cells, most), detector.n_cells)
    for k, grid in enumerate(grids):
        own = cells[detector.slice(k)]
        near = [n for n in (k - 1, k, k + 1) if 0 <= n < detector.n_layers]
        others = np.concatenate([cells[detector.slice(n)] for n in near])
        distance = np.concatenate(
            [_distance(grid, grids[n]) + _BETWEEN_LAYERS * abs(n - k) for n in near], axis=1
        )
        distance[stage[others][None] >= stage[own][:, None]] = np.inf
        order = np.argsort(distance, axis=1, kind="stable")[:, :most]
        close = np.take_along_axis(distance, order, axis=1) <= _FARTHEST
        table[own, : order.shape[1]] = np.where(close, others[order], detector.n_cells)
    return [np.flatnonzero(stage == value) for value in np.unique(stage)], table


def _level(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0 for every fourth cell along an axis, 1 for those halfway, 2 for the others."""
    return np.where(index % 2, 2, np.where(index % 4, 1, 0))


def _grid(layer: object) -> _Grid:
    if isinstance(layer, CartesianLayer):
        axes, period = (np.asarray(layer.x), np.asarray(layer.y)), np.inf
    elif isinstance(layer, PolarLayer):
        period = 2 * np.pi
        axes = (np.linspace(0, period, layer.n_alpha + 1), np.asarray(layer.r))
    else:
        raise ConfigError(
            f"the cells of a {getattr(layer, 'kind', 'strange')} layer have no neighbours here",
            remedy="set network.neighbours = 0",
        )

    def spread(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        both = np.meshgrid(first, second, indexing="ij")
        return np.stack([column.ravel() for column in both], axis=1)

    return _Grid(
        spread(*(np.arange(len(axis) - 1.0) for axis in axes)).astype(np.int64),
        spread(*((axis[1:] + axis[:-1]) / 2 for axis in axes)),
        spread(*(np.diff(axis) for axis in axes)),
        period,
    )


def _distance(first: _Grid, second: _Grid) -> NDArray[np.float64]:
    """Return the distances (N, M) between the cells of two layers, in sizes of the larger one."""
    apart = np.abs(first.centre[:, None] - second.centre[None])
    apart[..., 0] = np.minimum(apart[..., 0], np.abs(first.period - apart[..., 0]))
    steps = apart / np.maximum(first.size[:, None], second.size[None])
    return np.hypot(steps[..., 0], steps[..., 1])


class Neighbours(nn.Module):
    r"""Tell each cell what its neighbours of earlier stages are.

    .. math:: \mu_j \to \mu_j + \sum_{i \in N(j)} A_{ji} u_i, \qquad
        s_j \to s_j + \sum_{i \in N(j)} B_{ji} u_i

    with u = asinh(x) of the standardised cells as they were read out: a single hit where hits are
    rare lies many standard deviations out, and is not to count as many. All cells of a stage are
    drawn at once, so that an event takes a few steps and not one per cell.

    References:
        Parallel Multiscale Autoregressive Density Estimation (Reed et al., 2017), Sec. 3,
        https://arxiv.org/abs/1703.03664

    Arguments:
        detector: A detector of showers.
        most: Neighbours M of a cell.

    Raises:
        ConfigError: The detector has layers other than Cartesian and polar ones.
    """

    sequence: Tensor
    place: Tensor
    table: Tensor

    def __init__(self, detector: Detector, most: int) -> None:
        super().__init__()
        stages, table = arrange(detector, most)
        # Cells in the order of their stages: all that came before is the beginning of a row.
        sequence = np.concatenate(stages)
        place = np.append(np.argsort(sequence), detector.n_cells)
        self.sizes = [len(stage) for stage in stages]
        for name, value in (
            ("sequence", sequence),
            ("place", place[:-1]),
            ("table", place[table[sequence]]),
        ):
            self.register_buffer(name, torch.from_numpy(value), persistent=False)
        self.weight = nn.Parameter(torch.zeros(2, detector.n_cells, most))

    def tell(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to mu and s, (N, n_cells) each, when all cells x are known."""
        # Cells are rows in here: to pick whole rows is several times as fast as single numbers.
        rows = _asinh(x.T.index_select(0, self.sequence))
        added = self._added(torch.cat([rows, torch.zeros_like(rows[:1])]), slice(None))
        mean, spread = (part.index_select(0, self.place).T for part in added)
        return mean, spread

    def _added(self, known: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Return what known cells tell some cells of the sequence, (n, N) each.

        Arguments:
            known: All cells in the order of the sequence and a row of zeros, (n_cells + 1, N).
            part: The cells that are told.
        """
        table, weight = self.table[part], self.weight[:, part].transpose(0, 1)
        seen = known.index_select(0, table.flatten()).unflatten(0, table.shape)
        mean, spread = torch.bmm(weight, seen).unbind(1)
        return mean, spread

    def draw(
        self,
        mean: Tensor,
        spread: Tensor,
        noise: Tensor,
        least: Tensor,
        bound: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Draw the cells stage by stage: x = mu + exp(bound(s)) noise.

        Arguments:
            mean: mu of each cell without its neighbours, (N, n_cells).
            spread: s of each cell without its neighbours, (N, n_cells).
            noise: Standard normal numbers, (N, n_cells).
            least: Where the read-out cuts each cell from below, (n_cells,); what is drawn may lie
                lower, but its neighbours see the cut.
            bound: Keeps the logarithm of a spread within limits.

        Returns:
            What was drawn, (N, n_cells).
        """
        mean, spread, noise = (
            part.T.index_select(0, self.sequence) for part in (mean, spread, noise)
        )
        least = least[self.sequence, None]
        drawn, begin = torch.empty_like(mean), 0
        known = torch.zeros_like(torch.cat([mean, mean[:1]]))
        for size in self.sizes:
            part = slice(begin, begin + size)
            mu, s = mean[part], spread[part]
            if begin:
                # What is written later must not change what a gradient needs.
                added = self._added(known.clone() if torch.is_grad_enabled() else known, part)
                mu, s = mu + added[0], s + added[1]
            cells = torch.addcmul(mu, bound(s).exp(), noise[part])
            drawn[part], known[part] = cells, _asinh(cells.maximum(least[part]))
            begin += size
        return drawn.index_select(0, self.place).T.contiguous()


def _asinh(x: Tensor) -> Tensor:
    """Return ``x.asinh()``, which torch calculates number by number on a CPU, ten times as fast."""
    size = x.abs()
    return ((size * size + 1).sqrt() + size).log() * x.sign()


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
    :class:`~phys_gan.networks.autoencoder.Neighbours` where there are some.

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
