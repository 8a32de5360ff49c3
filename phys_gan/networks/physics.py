"""A discriminator of showers by their energies, shapes, spectra and cells."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.detectors import Detector
from phys_gan.networks.architectures import register_discriminator
from phys_gan.networks.autoencoder import AutoencoderConfig
from phys_gan.networks.base import Discriminator, HeadConfig, Sizes
from phys_gan.networks.blocks import Residual, Standardize

# Quantiles of the hits above which the spectrum of each layer is counted.
_LEVELS = (0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
_HOTTEST = 5
# Inputs end at this many standard deviations: a cell that is hardly ever hit lies far out.
_FARTHEST = 12.0


class ShowerFeatures(nn.Module):
    """Turn energies of cells into features of showers.

    Of each layer: its fraction of the energy, hits, counts of hits above several energies, centre
    and width along both axes, the hottest cells in order, and the profiles along both axes. All
    counts are soft, so that they have gradients. With ``cells`` also every cell, as its logarithm
    on two scales and as its fraction of its layer.

    Arguments:
        detector: A detector of showers.
        cells: Whether single cells are features.
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
        """Set the energies at which hits are counted from cells (N, n_cells), and their scales."""
        hits = cells[cells > self.threshold].double().cpu().numpy()
        self.levels.copy_(torch.from_numpy(np.log(np.quantile(hits, _LEVELS))))
        layers = [cells[:, part] for part, _, _ in self.parts]
        fractions = [layer / layer.sum(1, keepdim=True).clamp_min(1e-3) for layer in layers]
        self.shares.adapt(torch.cat(fractions, dim=1))

    def forward(self, energies: Tensor) -> Tensor:
        """Map energies of cells (N, n_cells) to features (N, F)."""
        energies = energies.clamp_min(0)
        logs = energies.clamp_min(1e-9).log()
        total = energies.sum(1, keepdim=True).clamp_min(1e-6)
        features, fractions = [], []
        for part, shape, hottest in self.parts:
            layer = energies[:, part]
            whole = layer.sum(1, keepdim=True)
            fraction = layer / whole.clamp_min(1e-3)
            above = torch.sigmoid((logs[:, part, None] - self.levels) / 0.15)
            centre = fraction @ self.positions[part]
            square = fraction @ self.positions[part].square()
            image = fraction.unflatten(1, shape)
            features += [
                (whole / total).clamp_min(1e-6).log(),
                (layer / (layer + self.levels[0].exp())).mean(1, keepdim=True),
                (above * (layer > self.threshold)[..., None]).mean(1),
                centre,
                (square - centre.square()).clamp_min(0).add(1e-5).sqrt().log(),
                (fraction.topk(hottest, dim=1).values + 1e-3).log(),
                *((image.sum(3 - axis) + 1e-5).log() for axis in (1, 2) if shape[axis - 1] > 1),
            ]
            fractions.append(fraction)
        if self.cells:
            features += [torch.log1p(energies / self.levels[k].exp()) for k in (1, 4)]
            # Far cells have a thousandth of the energy of the core, and are hit once in a while.
            features.append(self.shares(torch.cat(fractions, dim=1)).asinh())
        return torch.cat(features, dim=1)


@register_discriminator(AutoencoderConfig)
class PhysicsDiscriminator(Discriminator):
    """Residual layers on the numbers in front of the cells and the :class:`ShowerFeatures`.

    Its events are rows of those numbers and energies of cells [MeV], as
    :meth:`phys_gan.encodings.Encoding.physical` makes them.
    """

    def __init__(
        self, detector: Detector, sizes: Sizes, config: AutoencoderConfig, head: HeadConfig
    ) -> None:
        super().__init__(config.d_width, sizes.n_conditions, head)
        self.n_globals = sizes.n_globals
        self.view = ShowerFeatures(detector, config.d_cells)
        with torch.no_grad():
            n_inputs = sizes.n_globals + self.view(torch.zeros(1, sizes.n_cells)).shape[1]
        self.scale = Standardize(n_inputs)
        self.entry = nn.Linear((n_inputs + self.n_concatenated) * head.pack, config.d_width)
        self.drop = nn.Dropout(config.d_dropout)
        self.blocks = nn.Sequential(*(Residual(config.d_width) for _ in range(config.d_depth)))

    def adapt(self, x: Tensor, c: Tensor) -> None:
        """Standardise by real events."""
        self.view.adapt(x[:, self.n_globals :])
        self.scale.adapt(self._rows(x))

    def _rows(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, : self.n_globals], self.view(x[:, self.n_globals :])], dim=1)

    def preprocess(self, x: Tensor) -> Tensor:
        """Return the standardised features of the shower, (N, n_inputs)."""
        inputs: Tensor = self.scale(self._rows(x))
        return inputs.clamp(-_FARTHEST, _FARTHEST)

    def features(self, x: Tensor, c: Tensor) -> Tensor:
        """Map inputs and conditions to features (N, d_width)."""
        h = self.entry(self.with_conditions(x, c))
        return functional.leaky_relu(self.blocks(self.drop(h)), 0.2)
