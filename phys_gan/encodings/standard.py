"""The encoding of whatever is no shower: every cell standardised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding, EncodingConfig, scaled
from phys_gan.events import Events

__all__ = ["StandardEncoding", "StandardEncodingConfig"]


class StandardEncodingConfig(EncodingConfig):
    """Options of :class:`StandardEncoding`.

    Attributes:
        conditions: Names of the conditions that the networks are told.
    """

    kind: Literal["standard"] = "standard"
    conditions: tuple[str, ...] = ()


class StandardEncoding(Encoding):
    """Encode each cell as (value - mean) / spread, and each condition scaled to -1 ... 1.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> StandardEncoding(load_detector("toy-grid")).n_numbers
        2
    """

    n_globals = 0
    mean: Tensor
    spread: Tensor

    def __init__(self, detector: Detector, config: StandardEncodingConfig | None = None) -> None:
        config = config or StandardEncodingConfig()
        super().__init__(detector, config, config.conditions)
        self.n_conditions = len(config.conditions)
        self.register_buffer("mean", torch.zeros(detector.n_cells))
        self.register_buffer("spread", torch.ones(detector.n_cells))

    def _fit(self, events: Events) -> None:
        cells = np.asarray(events.cells, np.float64)
        spread = cells.std(axis=0)
        # A cell that never changes keeps its unit.
        self.mean.copy_(torch.from_numpy(cells.mean(axis=0)))
        self.spread.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))

    def _encode_conditions(self, named: Mapping[str, Tensor]) -> Tensor:
        values = torch.stack([named[name] for name in self.named], dim=1)
        low, high = self.ranges.unbind(1)
        return scaled(values, low, high).float()

    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Standardise cells (N, n_cells)."""
        return (cells - self.mean) / self.spread

    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Undo :meth:`encode_cells`."""
        return encoded * self.spread + self.mean

    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Leave everything as it is: any number is possible."""
        return raw
