"""The networks of a conditional variational autoencoder, whose decoder generates events.

With ``neighbours``, cells are drawn in stages, from coarse to fine, each given its neighbours of
earlier stages.

References:
    Auto-Encoding Variational Bayes (Kingma and Welling, 2013), https://arxiv.org/abs/1312.6114;
    Learning Structured Output Representation using Deep Conditional Generative Models (Sohn et
    al., 2015)
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError
from phys_gan.networks.architectures import register_generator
from phys_gan.networks.base import Depth, Generator, NetworkConfig, Sizes, Width
from phys_gan.networks.blocks import Residual, Standardize, constant_linear

# Distances in cells: between adjacent layers, and the largest one of neighbours.
_BETWEEN_LAYERS = 0.9
_FARTHEST = 3.5
# Cells of a layer times those of it and of the adjacent ones, whose distances are compared.
_MOST_PAIRS = 50_000_000
# Largest |ln| of a standard deviation, relative to that of real events.
_REACH = 5.0
_ENERGY_WIDTH = 128


class AutoencoderConfig(NetworkConfig):
    """Options of the encoder, the decoder, and a discriminator where the method has one.

    Attributes:
        latent: Numbers of the code.
        width: Neurons in the hidden layers of the decoder.
        depth: Residual blocks of the decoder.
        spread: Whether each cell has a standard deviation of its own, or shares it with those that
            the symmetries of the detector exchange, which takes fewer parameters.
        neighbours: Neighbouring cells that each cell depends on; 0 draws all cells at once.
        e_width: Neurons in the hidden layers of the encoder.
        e_depth: Residual blocks of the encoder.
        d_width: Neurons in the hidden layers of the discriminator.
        d_depth: Residual blocks of the discriminator.
        d_dropout: Fraction of its neurons that is dropped in training.
        d_cells: Whether it gets single cells beside features of the whole shower.
    """

    kind: Literal["autoencoder"] = "autoencoder"
    latent: Width = 16
    width: Width = Field(default=384, ge=8)
    depth: Depth = 2
    spread: Literal["cell", "orbit"] = "cell"
    neighbours: int = Field(default=0, ge=0, le=1_000)
    e_width: Width = Field(default=256, ge=8)
    e_depth: Depth = 2
    d_width: Width = Field(default=384, ge=8)
    d_depth: Depth = 2
    d_dropout: float = Field(default=0.1, ge=0, lt=1)
    d_cells: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """The autoencoder, conditions in both of its parts, and cells in stages."""
        staged = ("reed2017multiscale",) if self.neighbours else ()
        return ("kingma2013vae", "sohn2015cvae", *staged)


class _Grid(NamedTuple):
    """The cells of a layer along both axes of its flat order, (n_cells, 2) each."""

    number: NDArray[np.int64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]
    period: float


def arrange(detector: Detector, most: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Divide the cells into stages from coarse to fine, and find the neighbours of each cell.

    Along each axis of a layer every fourth cell comes first, then those halfway between, then the
    others; odd layers come after even ones.

    Returns:
        The cells of each stage; and for each cell the ``most`` nearest ones of earlier stages in
        its own and the adjacent layers, (n_cells, most), padded with n_cells if there are fewer.

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

    def product(*columns: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([grid.ravel() for grid in np.meshgrid(*columns, indexing="ij")], axis=1)

    return _Grid(
        product(*(np.arange(len(axis) - 1.0) for axis in axes)).astype(np.int64),
        product(*((axis[1:] + axis[:-1]) / 2 for axis in axes)),
        product(*(np.diff(axis) for axis in axes)),
        period,
    )


def _distance(first: _Grid, second: _Grid) -> NDArray[np.float64]:
    """Return the distances (N, M) between the cells of two layers, in sizes of the larger one."""
    apart = np.abs(first.centre[:, None] - second.centre[None])
    apart[..., 0] = np.minimum(apart[..., 0], np.abs(first.period - apart[..., 0]))
    steps = apart / np.maximum(first.size[:, None], second.size[None])
    return np.hypot(steps[..., 0], steps[..., 1])


class Neighbours(nn.Module):
    r"""Shift mean and log-scale of each cell by its neighbours of earlier stages.

    .. math:: \mu_j \to \mu_j + \sum_{i \in N(j)} A_{ji} u_i, \qquad
        s_j \to s_j + \sum_{i \in N(j)} B_{ji} u_i

    with u = asinh(x) of the standardised cells as they were read out: a single hit where hits are
    rare lies many standard deviations out, and should not count as many. All cells of a stage are
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
        # Cells in the order of their stages: earlier stages are the beginning of a row.
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

    def shifts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to mu and s, (N, n_cells) each, when all cells x are known."""
        # Cells are rows in here: selecting whole rows is several times as fast as single numbers.
        rows = _asinh(x.T.index_select(0, self.sequence))
        added = self._shifts(torch.cat([rows, torch.zeros_like(rows[:1])]), slice(None))
        mean, log_scale = (part.index_select(0, self.place).T for part in added)
        return mean, log_scale

    def _shifts(self, known: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Return what to add for part of the sequence, (n, N) each.

        ``known`` has all cells in the order of the sequence and a row of zeros, (n_cells + 1, N).
        """
        table, weight = self.table[part], self.weight[:, part].transpose(0, 1)
        neighbours = known.index_select(0, table.flatten()).unflatten(0, table.shape)
        mean, log_scale = torch.bmm(weight, neighbours).unbind(1)
        return mean, log_scale

    def draw(self, mean: Tensor, log_scale: Tensor, noise: Tensor, least: Tensor) -> Tensor:
        """Draw the cells stage by stage, (N, n_cells): x = mu + e^s noise.

        Arguments:
            mean: mu of each cell without its neighbours, (N, n_cells).
            log_scale: s of each cell without its neighbours, (N, n_cells).
            noise: Standard normal numbers, (N, n_cells).
            least: Where the read-out cuts each cell from below, (n_cells,): its neighbours depend
                on the cell after the cut.
        """
        mean, log_scale, noise = (
            part.T.index_select(0, self.sequence) for part in (mean, log_scale, noise)
        )
        least = least[self.sequence, None]
        drawn, begin = torch.empty_like(mean), 0
        known = torch.zeros_like(torch.cat([mean, mean[:1]]))
        for size in self.sizes:
            part = slice(begin, begin + size)
            mu, s = mean[part], log_scale[part]
            if begin:
                # What is written later must not change what a gradient needs.
                added = self._shifts(known.clone() if torch.is_grad_enabled() else known, part)
                mu, s = mu + added[0], s + added[1]
            cells = torch.addcmul(mu, _bounded(s).exp(), noise[part])
            drawn[part], known[part] = cells, _asinh(cells.maximum(least[part]))
            begin += size
        return drawn.index_select(0, self.place).T.contiguous()


def _bounded(log_scale: Tensor) -> Tensor:
    return _REACH * torch.tanh(log_scale / _REACH)


def _asinh(x: Tensor) -> Tensor:
    """Return ``x.asinh()``, ten times as fast as torch, which does not vectorise it on a CPU."""
    size = x.abs()
    return ((size * size + 1).sqrt() + size).log() * x.sign()


@register_generator(AutoencoderConfig, methods=("variational", "vae-gan"))
class Decoder(Generator):
    r"""Draw an event from the likelihood of a code.

    .. math:: x_j = \mu_j(\zeta, c, x_{<j}) + \sigma_j(\zeta, c, x_{<j}) \, \varepsilon_j

    with the code zeta and the noise epsilon, both standard normal, side by side in z: the output
    is a sample of p(x | c), not the mean of a code. Mean and standard deviation depend on the code
    (App. C.2 of https://arxiv.org/abs/1312.6114) and on what was drawn before: cells on the numbers
    in front of them, and on their neighbours of earlier stages where there are stages.

    Most cells of a shower are empty. Cells that are empty in more than one event are censored at
    zero: an output below zero is an empty cell, and encodings decode it as one.

    Attributes:
        code: Numbers of the code.
        censored: Which numbers are censored at zero, (n_numbers,).
    """

    censored: Tensor
    kinds: Tensor

    def __init__(self, detector: Detector, sizes: Sizes, config: AutoencoderConfig) -> None:
        super().__init__()
        self.n_globals, self.code = sizes.n_globals, config.latent
        self.latent = config.latent + sizes.n_numbers
        n_in = config.latent + sizes.n_conditions
        self.energies = nn.Sequential()
        if self.n_globals:
            self.energies = nn.Sequential(
                nn.Linear(n_in, _ENERGY_WIDTH),
                nn.LeakyReLU(0.2),
                nn.Linear(_ENERGY_WIDTH, _ENERGY_WIDTH),
                nn.LeakyReLU(0.2),
                constant_linear(_ENERGY_WIDTH, 2 * self.n_globals),
            )
        self.entry = nn.Linear(n_in + self.n_globals, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.depth)))
        self.mean = nn.Linear(config.width, sizes.n_cells)
        self.straight = nn.Linear(config.latent, sizes.n_cells, bias=False)
        nn.init.zeros_(self.straight.weight)
        self.shared = config.spread == "orbit"
        kinds = detector.orbits if self.shared else np.arange(detector.n_cells)
        self.register_buffer("kinds", torch.from_numpy(kinds), persistent=False)
        self.spread = constant_linear(config.width, int(kinds.max()) + 1)
        self.neighbours = Neighbours(detector, config.neighbours) if config.neighbours else None
        self.scale = Standardize(sizes.n_numbers)
        self.register_buffer("censored", torch.zeros(sizes.n_numbers, dtype=torch.bool))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events, and find the cells that are often empty."""
        self.scale.adapt(x)
        self.censored.copy_(((x == 0).sum(0) > 1) & (x.amin(0) >= 0))

    def likelihood(self, code: Tensor, c: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Gaussian of each number of an event, given its code and what comes before.

        The standard deviation stays between e^-5 and e^5 times that of real events: numbers that
        never change would make it zero and their density infinite.

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
        mean, log_scale = self._cells(code, c, energies)
        if self.neighbours is not None:
            more = self.neighbours.shifts(u[:, self.n_globals :])
            mean, log_scale = mean + more[0], log_scale + more[1]
        mean = torch.cat([first[0], mean], dim=1)
        log_scale = torch.cat([first[1], log_scale], dim=1)
        return self.scale.inverse(mean), _bounded(log_scale) + self.scale.scale.log()

    def _energies(self, code: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-scale of the standardised numbers in front of the cells."""
        if not self.n_globals:
            return code[:, :0], code[:, :0]
        mean, log_scale = self.energies(torch.cat([code, c], dim=1)).chunk(2, dim=1)
        return mean, log_scale

    def _cells(self, code: Tensor, c: Tensor, energies: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-scale of each standardised cell, without its neighbours."""
        h = self.blocks(self.entry(torch.cat([code, c, energies], dim=1)))
        h = functional.leaky_relu(h, 0.2)
        log_scale = self.spread(h)
        if self.shared:
            log_scale = log_scale[:, self.kinds]
        return self.mean(h) + self.straight(code), log_scale

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map z (N, latent) and c (N, n_conditions) to raw events (N, n_numbers)."""
        code, first, noise = z.tensor_split([self.code, self.code + self.n_globals], dim=1)
        mean, log_scale = self._energies(code, c)
        energies = mean + _bounded(log_scale).exp() * first
        mean, log_scale = self._cells(code, c, energies)
        if self.neighbours is None:
            cells = mean + _bounded(log_scale).exp() * noise
        else:
            shift, scale = self.scale.mean[self.n_globals :], self.scale.scale[self.n_globals :]
            least = torch.where(self.censored[self.n_globals :], -shift / scale, -math.inf)
            cells = self.neighbours.draw(mean, log_scale, noise, least)
        return self.scale.inverse(torch.cat([energies, cells], dim=1))


class Encoder(nn.Module):
    r"""Approximate the posterior of an event's code by a diagonal Gaussian, q(zeta | x, c).

    It starts as the prior.
    """

    def __init__(self, sizes: Sizes, config: AutoencoderConfig) -> None:
        super().__init__()
        self.scale = Standardize(sizes.n_numbers)
        self.entry = nn.Linear(sizes.n_numbers + sizes.n_conditions, config.e_width)
        self.blocks = nn.Sequential(*(Residual(config.e_width) for _ in range(config.e_depth)))
        self.posterior = constant_linear(config.e_width, 2 * config.latent)
        self.straight = constant_linear(sizes.n_numbers, config.latent)

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events."""
        self.scale.adapt(x)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, n_numbers) and c (N, n_conditions) to means and log-variances (N, code)."""
        h = self.blocks(self.entry(torch.cat([self.scale(x), c], dim=1)))
        mean, log_variance = self.posterior(functional.leaky_relu(h, 0.2)).chunk(2, dim=1)
        # With thousands of inputs, one step of all weights would move the code far out.
        straight = self.straight(self.scale(x) / math.sqrt(x.shape[1]))
        return mean + straight, log_variance


def build_encoder(config: NetworkConfig, detector: Detector, sizes: Sizes) -> Encoder:
    """Build the encoder of an autoencoder, whose decoder is the generator.

    Raises:
        ConfigError: The networks are not an autoencoder.
    """
    if not isinstance(config, AutoencoderConfig):
        raise ConfigError(
            f"the networks '{config.kind}' have no encoder",
            remedy="choose network.kind = 'autoencoder'",
            value=config.kind,
        )
    return Encoder(sizes, config)
