"""Encodings that scale each cell linearly: standardised for toys, or in GeV as in CaloGAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding, EncodingConfig, require_energy, require_showers
from phys_gan.encodings.conditions import Condition
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.events import Events
from phys_gan.units import MEV


class StandardEncodingConfig(EncodingConfig):
    """Options of :class:`StandardEncoding`: none but the conditions."""

    kind: Literal["standard"] = "standard"


class StandardEncoding(Encoding):
    """Encode each cell as (value - mean) / standard deviation.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> StandardEncoding(load_detector("toy-grid")).n_numbers
        2
    """

    n_globals = 0
    mean: Tensor
    spread: Tensor

    def __init__(self, detector: Detector, config: StandardEncodingConfig | None = None) -> None:
        super().__init__(detector, config or StandardEncodingConfig())
        self.register_buffer("mean", torch.zeros(detector.n_cells))
        self.register_buffer("spread", torch.ones(detector.n_cells))

    def _fit(self, events: Events) -> None:
        cells = np.asarray(events.cells, np.float64)
        deviation = cells.std(axis=0)
        # A cell that never changes keeps its unit.
        self.mean.copy_(torch.from_numpy(cells.mean(axis=0)))
        self.spread.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Standardise cells (N, n_cells)."""
        return (cells - self.mean) / self.spread

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Undo :meth:`encode_cells`."""
        return encoded * self.spread + self.mean

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Return the output unchanged: any number is possible."""
        return raw


class AbsoluteEncodingConfig(EncodingConfig):
    """Options of :class:`AbsoluteEncoding`: none; the incident energy is its only condition."""

    kind: Literal["absolute"] = "absolute"

    @property
    def references(self) -> tuple[str, ...]:
        """CaloGAN."""
        return ("paganini2017calogan",)


class AbsoluteEncoding(Encoding):
    """Encode cells as e / GeV and the incident energy as E / 100 GeV (arXiv:1712.10321)."""

    n_globals = 0

    def __init__(self, detector: Detector, config: AbsoluteEncodingConfig | None = None) -> None:
        require_showers(detector)
        config = config or AbsoluteEncodingConfig()
        super().__init__(detector, config, {"energy": Condition(kind="energy")})
        require_energy(self.told)
        if len(self.told) > 1:
            raise ConfigError(
                f"the encoding 'absolute' knows the incident energy alone, not "
                f"{', '.join(name for name in self.told if name != 'energy')}",
                remedy="leave out the other conditions, or choose encoding.kind = 'shower'",
                value=tuple(self.told),
            )
        if detector.cell_unit not in MEV:
            raise DetectorError(
                f"cells of '{detector.name}' are in '{detector.cell_unit}', which is not an energy",
                remedy="choose encoding.kind = 'image'",
                value=detector.cell_unit,
            )
        self._gev = 1e3 / MEV[detector.cell_unit]

    def _fit(self, events: Events) -> None:
        """Do nothing: the scales are fixed."""

    @property
    def n_conditions(self) -> int:
        """One number encodes the incident energy."""
        return 1

    def _encode_conditions(self, named: Mapping[str, Tensor]) -> Tensor:
        return (named["energy"] / 1e5).float()[:, None]

    def decode_conditions(self, conditions: Tensor) -> dict[str, Tensor]:
        """Return the incident energies (N,) of encoded conditions (N, 1), by name."""
        return {"energy": self.incident_energy(conditions)}

    def incident_energy(self, conditions: Tensor) -> Tensor:
        """Return the incident energies (N,) [MeV] of encoded conditions (N, 1)."""
        return conditions[:, 0] * 1e5

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells), in the unit of the detector, as GeV."""
        return cells / self._gev

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Convert GeV to the unit of the detector; energies below its threshold become 0."""
        cells = encoded.clamp_min(0) * self._gev
        return torch.where(cells >= self.detector.threshold, cells, torch.zeros_like(cells))

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Cut at zero and at the threshold."""
        return self.decode(raw, conditions) / self._gev
