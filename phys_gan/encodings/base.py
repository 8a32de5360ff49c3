"""What every encoding does: physical cells and conditions to what a network likes, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events

__all__ = ["Encoding", "EncodingConfig", "require_showers", "scaled"]


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
        named: The conditions that networks are told, by name.

    Attributes:
        logarithmic: Conditions of which networks are told the logarithm alone.
        margin: How far beyond the training events conditions may lie, as a share.
        n_globals: Numbers per event in front of the cells.
        n_conditions: Numbers per event that tell the networks the conditions.
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
        # Double precision, so that the edges of the range belong to it.
        self.register_buffer("ranges", torch.zeros(len(self.named), 2, dtype=torch.float64))

    @property
    def n_numbers(self) -> int:
        """Numbers per encoded event."""
        return self.n_globals + self.detector.n_cells

    @property
    def energy_range(self) -> Tensor:
        """Smallest and largest incident energy [MeV] of the training events, (2,).

        Raises:
            MissingError: The networks are not told the incident energy.
        """
        if "energy" not in self.named:
            raise MissingError(
                "the model does not know the incident energy",
                remedy="ask for the ranges of the conditions that it knows",
                constraint=self.named,
            )
        return self.ranges[self.named.index("energy")]

    def fit(self, events: Events, seed: int = 0) -> Self:
        """Learn the scales from training events.

        Of events with weights the scales are those of as many that are drawn by them. The ranges
        of conditions are those of all events that have any weight.

        Arguments:
            events: The training events.
            seed: Seed of the draw, where they have weights.

        Raises:
            MissingError: The events lack a condition.
            DetectorError: The events belong to another detector.
            DataError: A weight is negative, or all are 0.
        """
        self.require_detector(events.detector)
        drawn = events.resampled(seed)
        for row, name in enumerate(self.named):
            values = _counting(events, name)
            self.ranges[row] = torch.tensor([values.min(), values.max()])
        self._fit(drawn)
        return self

    def widen(self, events: Events) -> None:
        """Take the conditions of further events, such as held-out ones, into the ranges."""
        for row, name in enumerate(self.named):
            values = _counting(events, name)
            low, high = self.ranges[row].tolist()
            self.ranges[row] = torch.tensor(
                [min(low, values.min()), max(high, values.max())], dtype=torch.float64
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
            DataError: A condition has not n values.
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
        """Return which values of a condition may be asked for, given those of the training events.

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
            f"the encoding '{type(self).__name__}' knows no incident energy",
            remedy="leave out what compares with it, such as method.energy_weight",
        )

    @abstractmethod
    def encode_cells(self, cells: Tensor, conditions: Tensor) -> Tensor:
        """Encode cells (N, n_cells) in the detector's unit; differentiable."""

    def physical(self, encoded: Tensor, conditions: Tensor) -> Tensor:
        """Return events with their cells in the detector's unit behind the numbers in front.

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

        ``encode(decode(constrain(raw))) = constrain(raw)``: so a discriminator sees generated
        events exactly as it sees real ones.
        """

    def describe(self) -> dict[str, Any]:
        """Return the configuration, from which the encoding is built again."""
        return self.config.model_dump()


def _counting(events: Events, name: str) -> NDArray[np.float64]:
    """Return a condition of the events that count."""
    values = events.condition(name)
    return values if events.weights is None else values[events.weights > 0]


def scaled(values: Tensor, low: Tensor, high: Tensor, least: float = 1e-12) -> Tensor:
    """Scale values so that low ... high becomes -1 ... 1.

    Arguments:
        values: The values.
        low: The lower end of their range.
        high: The upper end.
        least: Half of a range is taken as no less, so that one value alone has a scale too.
    """
    return (values - (low + high) / 2) / ((high - low) / 2).clamp_min(least)


def require_showers(detector: Detector) -> None:
    """Raise DetectorError unless the detector has layers along a shower."""
    if detector.kind != "calorimeter":
        raise DetectorError(
            f"'{detector.name}' is no calorimeter, but this encoding is for showers",
            remedy="choose encoding.kind = 'standard'",
            value=detector.name,
        )
