"""What every encoding does: physical cells and conditions to what a network likes, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError, MissingError, RangeError
from phys_gan.events import Events

__all__ = ["Encoding", "EncodingConfig"]

# A finite sample does not reach the ends of the spectrum that it was drawn from.
_MARGIN = 1.05


class EncodingConfig(BaseModel):
    """The options of an encoding; ``kind`` names it in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Encoding(nn.Module, ABC):
    """Map events to network tensors and back; the fitted state is in the buffers.

    An encoded event is one row: ``n_globals`` numbers about the whole event, then one per cell.

    Arguments:
        detector: The detector whose cells are encoded.
        config: Options of this encoding.

    Attributes:
        n_globals: Numbers per event in front of the cells.
        n_conditions: Numbers per event that tell the networks the conditions.
    """

    n_globals: int
    n_conditions: int
    energy_range: Tensor

    def __init__(self, detector: Detector, config: EncodingConfig) -> None:
        super().__init__()
        if detector.is_image:
            raise DetectorError(
                f"'{detector.name}' is an image, but this encoding is for showers",
                remedy="choose a detector with layers along a shower",
                value=detector.name,
            )
        self.detector = detector
        self.config = config
        # Double precision, so that the edges of the range belong to it.
        self.register_buffer("energy_range", torch.zeros(2, dtype=torch.float64))

    def fit(self, events: Events) -> Self:
        """Learn the scales from training events.

        Raises:
            MissingError: The events have no incident energy.
            DetectorError: The events belong to another detector.
        """
        self.require_detector(events.detector)
        self.energy_range.copy_(torch.tensor([events.energy.min(), events.energy.max()]))
        self._fit(events)
        return self

    def widen(self, energy: NDArray[np.float64]) -> None:
        """Take energies (N,) [MeV] into the range, such as those of held-out events."""
        low, high = self.energy_range.tolist()
        self.energy_range.copy_(
            torch.tensor([min(low, energy.min()), max(high, energy.max())], dtype=torch.float64)
        )

    @abstractmethod
    def _fit(self, events: Events) -> None:
        """Learn what the concrete encoding needs."""

    def require_detector(self, detector: Detector) -> None:
        """Raise DetectorError unless ``detector`` has the cells that this encoding is for."""
        if not detector.same_cells(self.detector):
            raise DetectorError(
                f"the events belong to detector '{detector.name}' ({detector.n_cells} cells), but "
                f"'{self.detector.name}' ({self.detector.n_cells} cells) is needed",
                remedy="give events of that detector, or train for this one",
                value=detector.name,
                constraint=self.detector.name,
            )

    def encode(self, events: Events) -> tuple[Tensor, Tensor]:
        """Encode events.

        Returns:
            The events (N, n_globals + n_cells) and their conditions (N, n_conditions).
        """
        self.require_detector(events.detector)
        conditions = self.encode_conditions(events.conditions)
        cells = torch.from_numpy(np.array(events.cells)).to(conditions.device)
        with torch.no_grad():
            return self.encode_cells(cells, conditions), conditions

    def encode_conditions(self, conditions: Mapping[str, ArrayLike]) -> Tensor:
        """Encode conditions by name, each (N,), to (N, n_conditions).

        Raises:
            MissingError: ``energy`` is missing.
            RangeError: An energy lies more than 5 % outside the range of the training events.
        """
        if "energy" not in conditions:
            raise MissingError(
                "the condition 'energy' is missing", remedy="give the incident energies [MeV]"
            )
        energy = np.asarray(conditions["energy"], np.float64)
        low, high = self.energy_range.tolist()
        if energy.size and not (energy.min() >= low / _MARGIN and energy.max() <= high * _MARGIN):
            raise RangeError(
                f"energies from {energy.min():g} to {energy.max():g} MeV were asked for, but the "
                f"model was trained from {low:g} to {high:g} MeV",
                remedy="ask for energies inside this range, or train with events beyond it",
                value=(float(energy.min()), float(energy.max())),
                constraint=(low, high),
            )
        scaled = torch.tensor(energy, device=self.energy_range.device)
        return self._encode_energy(scaled)

    @abstractmethod
    def _encode_energy(self, energy: Tensor) -> Tensor:
        """Encode incident energies (N,) [MeV] to (N, n_conditions)."""

    @abstractmethod
    def incident_energy(self, conditions: Tensor) -> Tensor:
        """Return the incident energies (N,) [MeV] of encoded conditions (N, n_conditions)."""

    @abstractmethod
    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells) in the detector's unit; differentiable."""

    @abstractmethod
    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Turn encoded events back to cells (N, n_cells) in the detector's unit; differentiable."""

    @abstractmethod
    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Map any output of a network to an encoded event that is physical; differentiable.

        ``encode(decode(constrain(raw))) = constrain(raw)``: so a discriminator sees generated
        events exactly as it sees real ones.
        """

    def describe(self) -> dict[str, Any]:
        """Return the configuration, from which the encoding is built again."""
        return self.config.model_dump()
