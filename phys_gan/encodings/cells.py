"""How the energy of a cell becomes a number that networks like, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phys_gan.detectors import Detector

__all__ = ["CellMap", "LogarithmicCells"]


class CellMap(nn.Module, ABC):
    """Map energies of cells to numbers of which an empty cell is zero, and back."""

    @abstractmethod
    def fit(self, cells: NDArray[np.float32], t: NDArray[np.float64]) -> None:
        """Learn from cells (N, n_cells) [MeV] of events at t = ln E (N,); some cell is hit."""

    @abstractmethod
    def encode(self, cells: Tensor, t: Tensor) -> Tensor:
        """Map energies (N, n_cells) [MeV] of events at t (N,) to numbers >= 0."""

    @abstractmethod
    def decode(self, numbers: Tensor, t: Tensor) -> Tensor:
        """Map numbers (N, n_cells) to energies [MeV]; a number of zero or below is an empty cell.

        Differentiable; large numbers stay finite.
        """


class LogarithmicCells(CellMap):
    r"""Encode a cell as :math:`\ln(1 + e / s) / \ln(1 + e_\mathrm{max} / s)`.

    Arguments:
        detector: The detector.
        soft_quantile: The scale s, as a quantile of the cells that are hit.
    """

    soft: Tensor
    top: Tensor

    def __init__(self, detector: Detector, soft_quantile: float) -> None:
        super().__init__()
        self.soft_quantile, self.threshold = soft_quantile, detector.threshold
        for name in ("soft", "top"):
            self.register_buffer(name, torch.ones(()))

    def fit(self, cells: NDArray[np.float32], t: NDArray[np.float64]) -> None:
        """Learn the scale and the largest energy."""
        hits = cells[cells > self.threshold]
        self.soft.fill_(float(np.quantile(hits, self.soft_quantile)))
        self.top.fill_(float(hits.max()))

    def encode(self, cells: Tensor, t: Tensor) -> Tensor:
        """Map energies (N, n_cells) [MeV] to numbers >= 0."""
        return torch.log1p(cells / self.soft) / torch.log1p(self.top / self.soft)

    def decode(self, numbers: Tensor, t: Tensor) -> Tensor:
        """Map numbers (N, n_cells) to energies [MeV]."""
        numbers = numbers.clamp(0.0, 1.2)
        return self.soft * torch.expm1(numbers * torch.log1p(self.top / self.soft))
