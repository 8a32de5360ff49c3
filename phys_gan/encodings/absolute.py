"""The encoding of the published CaloGAN: cells and energies in plain GeV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding, EncodingConfig, require_showers
from phys_gan.errors import DetectorError
from phys_gan.events import Events
from phys_gan.units import MEV

__all__ = ["AbsoluteEncoding", "AbsoluteEncodingConfig"]


class AbsoluteEncodingConfig(EncodingConfig):
    """Options of :class:`AbsoluteEncoding`: none."""

    kind: Literal["absolute"] = "absolute"

    @property
    def references(self) -> tuple[str, ...]:
        """It is CaloGAN's."""
        return ("paganini2017calogan",)


class AbsoluteEncoding(Encoding):
    """Encode cells as e / GeV and the incident energy as E / 100 GeV (arXiv:1712.10321)."""

    n_globals = 0
    n_conditions = 1

    def __init__(self, detector: Detector, config: AbsoluteEncodingConfig | None = None) -> None:
        require_showers(detector)
        super().__init__(detector, config or AbsoluteEncodingConfig())
        if detector.cell_unit not in MEV:
            raise DetectorError(
                f"cells of '{detector.name}' are in '{detector.cell_unit}', which is no energy",
                remedy="choose encoding.kind = 'image'",
                value=detector.cell_unit,
            )
        self._gev = 1e3 / MEV[detector.cell_unit]

    def _fit(self, events: Events) -> None:
        """Learn nothing: the scales are fixed."""

    def _encode_conditions(self, named: Mapping[str, Tensor]) -> Tensor:
        return (named["energy"] / 1e5).float()[:, None]

    def incident_energy(self, conditions: Tensor) -> Tensor:
        """Return the incident energies (N,) [MeV] of encoded conditions (N, 1)."""
        return conditions[:, 0] * 1e5

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells), in the unit of the detector, as GeV."""
        return cells / self._gev

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Turn GeV to the unit of the detector; what lies below its threshold becomes 0."""
        cells = encoded.clamp_min(0) * self._gev
        return torch.where(cells >= self.detector.threshold, cells, torch.zeros_like(cells))

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Cut at zero and at the threshold."""
        return self.decode(raw, conditions) / self._gev
