"""The default encoding of showers: response, layer fractions and cells, each on a scale of its own.

References:
    CaloFlow: Fast and Accurate Generation of Calorimeter Showers with Normalizing Flows (Krause and
    Shih, 2021), Eq. 6 (layer fractions), https://arxiv.org/abs/2106.05285
"""

from __future__ import annotations

from itertools import groupby
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding, EncodingConfig, require_energy, require_showers
from phys_gan.encodings.cells import CellMap, ConditionalQuantiles, LogarithmicCells, ScoreCells
from phys_gan.encodings.conditions import Condition
from phys_gan.errors import DataError
from phys_gan.events import Events

_EDGE = 1e-6


class ShowerEncodingConfig(EncodingConfig):
    """Options of :class:`ShowerEncoding`.

    Attributes:
        n_knots: Energies at which the response and the layer fractions are tabulated.
        n_levels: Quantile levels of those tables.
        cells: How cells are encoded: as logarithms, or as normal scores among equivalent cells at
            the same energy.
        soft_quantile: The cell energy where the logarithm sets in, as a quantile of the hits.
        cut_quantile: Cells below this quantile of the hits are not generated.
    """

    kind: Literal["shower"] = "shower"
    cells: Literal["logarithm", "scores"] = "logarithm"
    n_knots: int = Field(default=12, ge=2, le=10_000)
    n_levels: int = Field(default=49, ge=5, le=10_000)
    soft_quantile: float = Field(default=0.5, gt=0, lt=1)
    cut_quantile: float = Field(default=0.002, ge=0, lt=1)

    @property
    def references(self) -> tuple[str, ...]:
        """CaloFlow, for the layer fractions."""
        return ("krause2021caloflow",)


class ShowerEncoding(Encoding):
    r"""Encode a shower as response, layer fractions and cells.

    With E the incident energy, E_k that of layer k and e_c that of cell c:

    * response: the normal score of r = (sum_k E_k) / E at this E;
    * layer fractions: for every layer but the last, the normal score of the logit of
      u_k = E_k / sum_{j >= k} E_j at this E;
    * cells: logarithms or normal scores, see :class:`~phys_gan.encodings.cells.LogarithmicCells`
      and :class:`~phys_gan.encodings.cells.ScoreCells`.

    Decoding makes the cells of each layer add up to E_k exactly, so the energies are right
    whatever the cells are. Of the conditions, the incident energy is told as (ln E scaled to
    -1 ... 1, E / E_max).

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> ShowerEncoding(load_detector("calogan")).n_globals
        3
    """

    cut: Tensor

    def __init__(self, detector: Detector, config: ShowerEncodingConfig | None = None) -> None:
        require_showers(detector)
        config = config or ShowerEncodingConfig()
        super().__init__(detector, config, {"energy": Condition(kind="energy")})
        require_energy(self.told)
        self.cut_quantile = config.cut_quantile
        self.n_globals = detector.n_layers
        self.quantiles = ConditionalQuantiles(self.n_globals, config.n_knots, config.n_levels)
        self.register_buffer("cut", torch.ones(()))
        self.cells: CellMap
        if config.cells == "scores":
            self.cells = ScoreCells(detector, config.n_knots)
        else:
            self.cells = LogarithmicCells(detector, config.soft_quantile)
        # Adjacent layers of equal size form one block (N, layers, cells).
        self._blocks: list[tuple[slice, slice, int]] = []
        first = 0
        for size, layers in groupby(layer.n_cells for layer in detector.layers):
            last = first + len(list(layers))
            cells = slice(detector.offsets[first], detector.offsets[last])
            self._blocks.append((slice(first, last), cells, size))
            first = last

    def _fit(self, events: Events) -> None:
        hits = events.cells[events.cells > self.detector.threshold]
        if hits.size == 0:
            raise DataError(
                "no cell of the training events is above the threshold",
                remedy="check the unit of the cells and the threshold of the detector",
            )
        cut = float(np.quantile(hits, self.cut_quantile))
        self.cut.fill_(max(cut, self.detector.threshold))
        self.cells.fit(events.cells, np.log(events.energy))
        layers = torch.from_numpy(events.layer_energies())
        energy = torch.from_numpy(np.array(events.energy))
        features = self._features(layers, energy)
        self.quantiles.fit(features.numpy(), np.log(events.energy))

    def _features(self, layers: Tensor, energy: Tensor) -> Tensor:
        """Map layer energies (N, n_layers) to response and logits (N, n_layers)."""
        behind = layers.flip(1).cumsum(1).flip(1)
        response = behind[:, :1] / energy[:, None]
        fraction = layers[:, :-1] / behind[:, :-1].clamp_min(1e-30)
        return torch.cat([response, torch.log((fraction + _EDGE) / (1 - fraction + _EDGE))], dim=1)

    def _layer_energies(self, features: Tensor, energy: Tensor) -> Tensor:
        """Invert :meth:`_features`."""
        total = features[:, :1].clamp_min(0) * energy[:, None]
        odds = features[:, 1:].exp()
        fraction = ((odds * (1 + _EDGE) - _EDGE) / (1 + odds)).clamp(0, 1)
        left = torch.cumprod(torch.cat([torch.ones_like(total), 1 - fraction], dim=1), dim=1)
        return total * left * torch.cat([fraction, torch.ones_like(total)], dim=1)

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells) [MeV] to (N, n_globals + n_cells)."""
        t = self.incident_energy(conditions).double().log()
        return torch.cat([self._scores(cells, conditions), self.cells.encode(cells, t)], dim=1)

    def _scores(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Return the normal scores of response and layer fractions, (N, n_globals)."""
        # Double precision: the response of a deep calorimeter varies by parts in a thousand.
        energy = self.incident_energy(conditions).double()
        sums = [
            cells[:, part].unflatten(1, (-1, size)).sum(-1, dtype=torch.float64)
            for _, part, size in self._blocks
        ]
        features = self._features(torch.cat(sums, dim=1), energy)
        return self.quantiles.to_scores(features, energy.log()).float()

    def physical(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Return events as rows of response, layer fractions, and cells in the detector's unit.

        Response and fractions are those of the cells: many scores stand for a layer without energy,
        and real events always have the same one, by which a discriminator would recognise them.
        """
        cells = self.decode(encoded, conditions)
        return torch.cat([self._scores(cells, conditions), cells], dim=1)

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Map encoded events, or the raw output of a network, to cells (N, n_cells) [MeV]."""
        energy = self.incident_energy(conditions)
        features = self.quantiles.to_features(encoded[:, : self.n_globals], energy.log())
        layers = self._layer_energies(features, energy)
        return self._decode_cells(encoded[:, self.n_globals :], layers, energy.log())

    def _decode_cells(self, encoded: Tensor, layers: Tensor, t: Tensor) -> Tensor:
        """Decode cells and scale them to the layer energies (N, n_layers)."""
        raws = [encoded[:, part].unflatten(1, (-1, size)) for _, part, size in self._blocks]
        # The hottest cell is always hit: a layer with energy is never empty.
        peaks = [raw == raw.amax(-1, keepdim=True) for raw in raws]
        numbers = [
            torch.where(hottest, raw.clamp_min(1e-3), raw).flatten(1)
            for raw, hottest in zip(raws, peaks, strict=True)
        ]
        energies, blocks = self.cells.decode(torch.cat(numbers, dim=1), t), []
        for (number, part, size), hottest in zip(self._blocks, peaks, strict=True):
            cells = energies[:, part].unflatten(1, (-1, size))
            wanted = layers[:, number].unsqueeze(-1)
            cells = cells * (wanted / cells.sum(-1, keepdim=True))
            cells = torch.where((cells >= self.cut) | hottest, cells, 0.0)
            cells = cells * (wanted / cells.sum(-1, keepdim=True).clamp_min(1e-30))
            # A layer with less energy than the smallest cell is empty.
            cells = torch.where(cells >= self.cut, cells, 0.0)
            blocks.append(cells.flatten(1))
        return torch.cat(blocks, dim=1)

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Map the raw output of a network to an encoded shower whose layers add up."""
        reach = self.quantiles.reach
        scores = raw[:, : self.n_globals].clamp(-reach, reach)
        cells = self.decode(torch.cat([scores, raw[:, self.n_globals :]], dim=1), conditions)
        t = self.incident_energy(conditions).log()
        return torch.cat([scores, self.cells.encode(cells, t)], dim=1)
