"""What every pair of convolutional networks has: from latents to maps, from maps to an event."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.base import Discriminator, Generator
from phys_gan.networks.blocks import Energies, Standardize
from phys_gan.networks.grid import Grid
from phys_gan.networks.head import HeadConfig

__all__ = ["OUTPUT", "GridDiscriminator", "GridGenerator"]

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

    def look(self, x: Tensor) -> Tensor:
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
        numbers = self.told(whole.flatten(1), c)
        constant = numbers[:, :, None, None].expand(-1, -1, *self.grid.size)
        image = cells.unflatten(2, (2 * self.grid.channels, *self.grid.size)).flatten(1, 2)
        return self.body(torch.cat([image, constant], dim=1))
