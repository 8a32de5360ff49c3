"""Encoding: physical cells and conditions to network tensors, and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.encodings.conditions import Condition
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events


class EncodingConfig(BaseModel):
    """The options of an encoding; ``kind`` names it in a recipe.

    Attributes:
        conditions: What networks are told, by name; in a recipe, the section ``[conditions]``.
            None for all that the training events vary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: dict[str, Condition] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_lists(cls, content: Any) -> Any:
        # As models and recipes of version 0.1 have them.
        if not isinstance(content, dict) or not isinstance(content.get("conditions"), list | tuple):
            return content
        content = dict(content)
        logarithms, angles = content.pop("logarithmic", ()), content.pop("angles", ())
        content["conditions"] = {
            name: {"kind": "periodic", "order": 2}
            if name in angles
            else "log"
            if name in logarithms
            else "linear"
            for name in content["conditions"]
        }
        return content

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
        default: What networks are told where the options do not say.

    Attributes:
        told: Name of each condition that networks depend on to what it is.
        n_globals: Numbers about the whole event.
        ranges: Smallest and largest value of each condition in the training events, (n_named, 2).
    """

    n_globals: int
    ranges: Tensor

    def __init__(
        self,
        detector: Detector,
        config: EncodingConfig,
        default: Mapping[str, Condition] | None = None,
    ) -> None:
        super().__init__()
        self.detector, self.config = detector, config
        self.told = dict((default or {}) if config.conditions is None else config.conditions)
        # Double precision, so that a range contains its ends.
        self.register_buffer("ranges", torch.zeros(len(self.named), 2, dtype=torch.float64))

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the conditions that networks depend on."""
        return tuple(self.told)

    @property
    def n_conditions(self) -> int:
        """Numbers that encode the conditions of an event."""
        return sum(condition.n_numbers for condition in self.told.values())

    @property
    def logarithmic(self) -> tuple[str, ...]:
        """Conditions of which networks get only the logarithm."""
        return tuple(name for name, condition in self.told.items() if condition.kind == "log")

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
            RangeError: A condition that is told as logarithm is not positive.
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
            if self.told[name].kind in ("energy", "log") and not values.min() > 0:
                raise RangeError(
                    f"'{name}' is {values.min():g} for an event, and has no logarithm",
                    remedy=f"set conditions.{name} = 'linear', or remove such events",
                    value=float(values.min()),
                    constraint="> 0",
                )
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
            self.told[name].check(name, values, low, high)
            named[name] = torch.tensor(values, device=self.ranges.device)
        if not named:
            return torch.zeros(n, 0, device=self.ranges.device)
        return self._encode_conditions(named)

    def _encode_conditions(self, named: Mapping[str, Tensor]) -> Tensor:
        """Encode conditions by name, each (N,), to (N, n_conditions)."""
        columns = []
        for row, (name, condition) in enumerate(self.told.items()):
            # Tensors throughout, so that the encoding can be exported.
            low, high = self.ranges[row].unbind()
            columns += condition.encode(named[name], low, high)
        return torch.stack(columns, dim=1).float()

    def decode_conditions(self, conditions: Tensor) -> dict[str, Tensor]:
        """Return the values (N,) of encoded conditions (N, n_conditions), by name.

        Those of a periodic condition lie within half a period of zero.
        """
        parts = conditions.split([told.n_numbers for told in self.told.values()], dim=1)
        ranges = self.ranges.to(conditions.dtype)
        return {
            name: told.decode(part, *ranges[row].unbind())
            for row, ((name, told), part) in enumerate(zip(self.told.items(), parts, strict=True))
        }

    def moved(self, conditions: Tensor, matrices: Tensor) -> Tensor:
        """Return encoded conditions of events that a symmetry moved.

        Arguments:
            conditions: Encoded conditions, (N, n_conditions).
            matrices: What it does to (x, y) and to the transverse direction, (N, 2, 2).
        """
        if not {"phi", "x", "y"} & set(self.told):
            return conditions
        values = self.decode_conditions(conditions)
        zero = torch.zeros_like(conditions[:, 0])
        x, y = (values.get(name, zero) for name in "xy")
        values["x"], values["y"] = torch.einsum("nij,nj->in", matrices, torch.stack([x, y], 1))
        if "phi" in values:
            direction = torch.stack([values["phi"].cos(), values["phi"].sin()], 1)
            across, along = torch.einsum("nij,nj->in", matrices, direction)
            values["phi"] = torch.atan2(along, across)
        return self._encode_conditions(values)

    def incident_energy(self, conditions: Tensor) -> Tensor:
        """Return the incident energies (N,) [MeV] of encoded conditions (N, n_conditions).

        Raises:
            ConfigError: The incident energy is not a condition.
        """
        first = 0
        for row, (name, condition) in enumerate(self.told.items()):
            if name == "energy" and condition.kind == "energy":
                return conditions[:, first + 1] * self.ranges[row, 1].to(conditions.dtype)
            first += condition.n_numbers
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


def require_showers(detector: Detector) -> None:
    """Raise DetectorError unless the detector has layers along a shower."""
    if detector.kind != "calorimeter":
        raise DetectorError(
            f"'{detector.name}' is not a calorimeter, but this encoding is for showers",
            remedy="choose encoding.kind = 'standard'",
            value=detector.name,
        )


def require_energy(told: Mapping[str, Condition]) -> None:
    """Raise ConfigError unless networks are told the incident energy as such."""
    if "energy" not in told or told["energy"].kind != "energy":
        raise ConfigError(
            "a model of showers must know their incident energy",
            remedy="set conditions.energy = 'energy'",
            constraint=tuple(told),
        )
