"""Encoding: physical cells and conditions to network tensors, and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events


class EncodingConfig(BaseModel):
    """The options of an encoding; ``kind`` names it in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the encoding follows."""
        return ()


class Encoding(nn.Module, ABC):
    """Map events to network tensors and back; the fitted state is in the buffers.

    An encoded event is one row: ``n_globals`` numbers about the whole event, then one per cell.

    Arguments:
        detector: The detector whose cells are encoded.
        config: Options of this encoding.
        named: Names of the conditions that networks depend on.

    Attributes:
        logarithmic: Conditions of which networks get only the logarithm.
        margin: How far beyond those of the training events conditions may lie, as a fraction.
        n_globals: Numbers about the whole event.
        n_conditions: Numbers that encode the conditions of an event.
        ranges: Smallest and largest value of each condition in the training events, (n_named, 2).
    """

    margin = 0.05
    logarithmic: tuple[str, ...] = ()
    n_globals: int
    n_conditions: int
    ranges: Tensor

    def __init__(
        self, detector: Detector, config: EncodingConfig, named: Sequence[str] = ("energy",)
    ) -> None:
        super().__init__()
        self.detector, self.config, self.named = detector, config, tuple(named)
        # Double precision, so that a range contains its ends.
        self.register_buffer("ranges", torch.zeros(len(self.named), 2, dtype=torch.float64))

    @property
    def n_numbers(self) -> int:
        """Numbers per encoded event."""
        return self.n_globals + self.detector.n_cells

    @property
    def energy_range(self) -> Tensor:
        """Smallest and largest incident energy [MeV] of the training events, (2,).

        Raises:
            MissingError: The incident energy is not a condition.
        """
        if "energy" not in self.named:
            raise MissingError(
                "the model does not know the incident energy",
                remedy="ask for the ranges of the conditions that it knows",
                constraint=self.named,
            )
        return self.ranges[self.named.index("energy")]

    def fit(self, events: Events, seed: int = 0) -> Self:
        """Set the scales from training events.

        Events with weights are resampled by them first; the ranges of conditions are those of all
        events whose weight is not 0.

        Arguments:
            events: The training events.
            seed: Seed of the resampling.

        Raises:
            MissingError: The events lack a condition.
            DetectorError: The events belong to another detector.
            DataError: A weight is negative, or all are 0.
        """
        self.require_detector(events.detector)
        drawn = events.resampled(seed)
        self.ranges.copy_(torch.tensor([math.inf, -math.inf]))
        self.widen(events)
        self._fit(drawn)
        return self

    def widen(self, events: Events) -> None:
        """Extend the ranges of conditions by further events, such as held-out ones."""
        for row, name in enumerate(self.named):
            values = events.condition(name)
            if events.weights is not None:
                values = values[events.weights > 0]
            low, high = self.ranges[row].tolist()
            self.ranges[row] = torch.tensor(
                [min(low, values.min()), max(high, values.max())], dtype=torch.float64
            )

    @abstractmethod
    def _fit(self, events: Events) -> None:
        """Set the scales of a concrete encoding."""

    def require_detector(self, detector: Detector) -> None:
        """Raise DetectorError unless ``detector`` has the cells of this encoding."""
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
            The events (N, n_numbers) and their conditions (N, n_conditions).
        """
        self.require_detector(events.detector)
        conditions = self.encode_conditions(events.conditions, len(events))
        cells = torch.from_numpy(np.array(events.cells)).to(conditions.device)
        with torch.no_grad():
            return self.encode_cells(cells, conditions), conditions

    def encode_conditions(self, conditions: Mapping[str, ArrayLike], n: int) -> Tensor:
        """Encode conditions by name, each (n,), to (n, n_conditions).

        Raises:
            MissingError: A condition is missing.
            DataError: A condition does not have n values.
            RangeError: A value lies outside the range of the training events by more than 5 %
                (of an energy, of the width of any other range).
        """
        named = {}
        for name, (low, high) in zip(self.named, self.ranges.tolist(), strict=True):
            if name not in conditions:
                unit = " [MeV]" if name == "energy" else ""
                raise MissingError(
                    f"the condition '{name}' is missing",
                    remedy=f"give the values of '{name}'{unit}",
                )
            values = np.asarray(conditions[name], np.float64)
            if values.shape != (n,):
                raise DataError(
                    f"the condition '{name}' has shape {values.shape}, not ({n},)",
                    remedy="give one value per event",
                    value=values.shape,
                )
            least, most = self.allowed(name, low, high)
            if n and not (values.min() >= least and values.max() <= most):
                what, unit = ("energies", " MeV") if name == "energy" else (f"'{name}'", "")
                raise RangeError(
                    f"{what} from {values.min():g} to {values.max():g}{unit} were asked for, but "
                    f"the model was trained from {low:g} to {high:g}{unit}",
                    remedy="ask for values inside this range, or train with events beyond it",
                    value=(float(values.min()), float(values.max())),
                    constraint=(low, high),
                )
            named[name] = torch.tensor(values, device=self.ranges.device)
        if not named:
            return torch.zeros(n, 0, device=self.ranges.device)
        return self._encode_conditions(named)

    def allowed(self, name: str, low: float, high: float) -> tuple[float, float]:
        """Return the range that a condition may have, given its range in the training events.

        A finite sample does not reach the ends of the spectrum that it was drawn from.
        """
        if name == "energy":
            return low / (1 + self.margin), high * (1 + self.margin)
        beyond = self.margin * (high - low)
        return low - beyond, high + beyond

    @abstractmethod
    def _encode_conditions(self, named: Mapping[str, Tensor]) -> Tensor:
        """Encode conditions by name, each (N,), to (N, n_conditions)."""

    def incident_energy(self, conditions: Tensor) -> Tensor:
        """Return the incident energies (N,) [MeV] of encoded conditions (N, n_conditions).

        Raises:
            ConfigError: The encoding is not one of showers.
        """
        raise ConfigError(
            f"the encoding '{type(self).__name__}' has no incident energy",
            remedy="leave out what compares with it, such as method.energy_weight",
        )

    @abstractmethod
    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells) in the detector's unit; differentiable."""

    def physical(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Return events as rows of their globals and of cells in the detector's unit.

        Arguments:
            encoded: Encoded events, or the raw output of a network, (N, n_numbers).
            conditions: Encoded conditions, (N, n_conditions).
        """
        cells = self.decode(encoded, conditions)
        return torch.cat([encoded[:, : self.n_globals], cells], dim=1)

    @abstractmethod
    def decode(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Turn encoded events back to cells (N, n_cells) in the detector's unit; differentiable."""

    @abstractmethod
    def constrain(self, raw: Tensor, conditions: Tensor) -> Tensor:
        """Map any output of a network to an encoded event that is physical; differentiable.

        ``encode(decode(constrain(raw))) = constrain(raw)``: a discriminator gets generated events
        encoded exactly as real ones are.
        """


def scaled(values: Tensor, low: Tensor, high: Tensor, least: float = 1e-12) -> Tensor:
    """Scale values so that low ... high becomes -1 ... 1.

    Half the range is at least ``least``, so that a single value has a scale, too.
    """
    return (values - (low + high) / 2) / ((high - low) / 2).clamp_min(least)


def require_showers(detector: Detector) -> None:
    """Raise DetectorError unless the detector has layers along a shower."""
    if detector.kind != "calorimeter":
        raise DetectorError(
            f"'{detector.name}' is not a calorimeter, but this encoding is for showers",
            remedy="choose encoding.kind = 'standard'",
            value=detector.name,
        )
