"""A discriminator that sees showers as a physicist does: energies, shapes, spectra, and cells."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.autoencoder import AutoencoderConfig
from phys_gan.networks.base import Discriminator, HeadConfig
from phys_gan.networks.blocks import Residual, Standardize

__all__ = ["PhysicsDiscriminator", "ShowerView"]

_LEVELS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
"""Quantiles of the hits at which the spectrum of each layer is counted."""
_HOTTEST = 5
_FARTHEST = 12.0
"""Standard deviations at which what is seen ends: a cell that is hardly ever hit lies far out."""


class ShowerView(nn.Module):
    """Turn energies of cells into what a classifier of showers would be given.

    Of each layer: its share of the energy, hits, counts of hits above several energies, centre and
    width along both axes, the hottest cells in order, and the profiles along both axes. All
    counts are soft, so that they have gradients. With ``cells`` also every cell, as its logarithm
    on two scales and as its share of its layer.

    Arguments:
        detector: A detector of showers.
        cells: Whether single cells are seen.
    """

    levels: Tensor
    positions: Tensor

    def __init__(self, detector: Detector, cells: bool) -> None:
        super().__init__()
        self.cells, self.threshold = cells, detector.threshold
        self.parts = [
            (detector.slice(k), layer.shape, min(_HOTTEST, layer.n_cells))
            for k, layer in enumerate(detector.layers)
        ]
        reach = np.abs(detector.positions).max(axis=0).clip(1e-9)
        self.register_buffer("positions", torch.from_numpy(detector.positions / reach).float())
        self.register_buffer("levels", torch.zeros(len(_LEVELS)))
        self.shares = Standardize(detector.n_cells)

    def adapt(self, cells: Tensor) -> None:
        """Learn at which energies hits are counted, and the shares of cells (N, n_cells)."""
        hits = cells[cells > self.threshold].double().cpu().numpy()
        self.levels.copy_(torch.from_numpy(np.log(np.quantile(hits, _LEVELS))))
        layers = [cells[:, part] for part, _, _ in self.parts]
        shares = [layer / layer.sum(1, keepdim=True).clamp_min(1e-3) for layer in layers]
        self.shares.adapt(torch.cat(shares, dim=1))

    def forward(self, energies: Tensor) -> Tensor:
        """Map energies of cells (N, n_cells) to what is seen, (N, F)."""
        energies = energies.clamp_min(0)
        logs = energies.clamp_min(1e-9).log()
        total = energies.sum(1, keepdim=True).clamp_min(1e-6)
        seen, shares = [], []
        for part, shape, hottest in self.parts:
            layer = energies[:, part]
            whole = layer.sum(1, keepdim=True)
            share = layer / whole.clamp_min(1e-3)
            above = torch.sigmoid((logs[:, part, None] - self.levels) / 0.15)
            centre = share @ self.positions[part]
            square = share @ self.positions[part].square()
            image = share.unflatten(1, shape)
            seen += [
                (whole / total).clamp_min(1e-6).log(),
                (layer / (layer + self.levels[0].exp())).mean(1, keepdim=True),
                (above * (layer > self.threshold)[..., None]).mean(1),
                centre,
                (square - centre.square()).clamp_min(0).add(1e-5).sqrt().log(),
                (share.topk(hottest, dim=1).values + 1e-3).log(),
                *((image.sum(3 - axis) + 1e-5).log() for axis in (1, 2) if shape[axis - 1] > 1),
            ]
            shares.append(share)
        if self.cells:
            seen += [torch.log1p(energies / self.levels[k].exp()) for k in (1, 4)]
            # Far cells have a thousandth of the share of the core, and are hit once in a while.
            seen.append(self.shares(torch.cat(shares, dim=1)).asinh())
        return torch.cat(seen, dim=1)


class PhysicsDiscriminator(Discriminator):
    """Judge the numbers in front of the cells and the :class:`ShowerView` of an event.

    Its events are rows of those numbers and energies of cells [MeV], as
    :meth:`phys_gan.encodings.Encoding.physical` makes them.

    Arguments:
        detector: A detector of showers.
        n_globals: Numbers per encoded event in front of the cells.
        n_conditions: Numbers per event that tell the conditions.
        config: Options.
        head: How features become a judgement.
    """

    def __init__(
        self,
        detector: Detector,
        n_globals: int,
        n_conditions: int,
        config: AutoencoderConfig,
        head: HeadConfig,
    ) -> None:
        super().__init__(config.d_width, n_conditions, head)
        self.n_globals = n_globals
        self.view = ShowerView(detector, config.d_cells)
        with torch.no_grad():
            n_seen = n_globals + self.view(torch.zeros(1, detector.n_cells)).shape[1]
        self.scale = Standardize(n_seen)
        self.entry = nn.Linear((n_seen + self.n_concatenated) * head.pack, config.d_width)
        self.drop = nn.Dropout(config.d_dropout)
        self.blocks = nn.Sequential(*(Residual(config.d_width) for _ in range(config.d_depth)))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by the spread of real events."""
        self.view.adapt(x[:, self.n_globals :])
        self.scale.adapt(self._rows(x))

    def _rows(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, : self.n_globals], self.view(x[:, self.n_globals :])], dim=1)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return what is seen in units of its spread, (N, n_seen)."""
        seen: Tensor = self.scale(self._rows(x))
        return seen.clamp(-_FARTHEST, _FARTHEST)

    def features(self, seen: Tensor, c: Tensor) -> Tensor:
        """Map what is seen and the conditions to features (N, d_width)."""
        h = self.entry(self.with_conditions(seen, c))
        return functional.leaky_relu(self.blocks(self.drop(h)), 0.2)
