"""Conditions of events as numbers for networks: what each means, and where it is valid.

Every condition has a kind, which says how networks are told its value, how far beyond the training
events it may be asked for, and how the symmetries of a detector move it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, RangeError
from phys_gan.events import Events

Kind = Literal["energy", "log", "linear", "periodic", "categorical"]

MARGIN = 0.05
"""How far beyond those of the training events values may lie, as a fraction."""

_MOST_CATEGORIES = 64
_DECADE = 10.0
_CATEGORIES = ("pdg", "geometry")
_ANGLES = ("phi", "alpha")
_LINEAR = ("theta", "eta", "x", "y", "z")


class Condition(BaseModel):
    """What a condition is, as under ``[conditions]`` of a recipe.

    Attributes:
        kind: ``energy`` and ``log`` are positive and told as logarithms, energies also as they
            are; ``linear`` ones are told as they are; ``periodic`` ones, angles [rad], as cosine
            and sine; of ``categorical`` ones every value has a number of its own.
        order: A turn by 2 pi / order changes nothing, of a periodic condition.
        values: The values of a categorical condition; those of the training events by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    order: int = Field(default=1, ge=1, le=1_000)
    values: tuple[float, ...] = Field(default=(), max_length=_MOST_CATEGORIES)

    @model_validator(mode="before")
    @classmethod
    def _from_kind(cls, content: Any) -> Any:
        return {"kind": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _consistent(self) -> Condition:
        if self.order > 1 and self.kind != "periodic":
            raise ValueError(f"a condition of kind '{self.kind}' has no order")
        if self.values and self.kind != "categorical":
            raise ValueError(f"a condition of kind '{self.kind}' has no list of values")
        if len(set(self.values)) < len(self.values) or not all(map(math.isfinite, self.values)):
            raise ValueError("the values of a category must be finite and different")
        return self

    @property
    def n_numbers(self) -> int:
        """How many numbers tell it to a network."""
        match self.kind:
            case "energy" | "periodic":
                return 2
            case "categorical":
                return len(self.values)
        return 1

    def allowed(self, low: float, high: float) -> tuple[float, float]:
        """Return the range that it may be asked for, given its range in the training events.

        A finite sample does not reach the ends of the spectrum that it was drawn from.
        """
        match self.kind:
            case "periodic":
                return -math.inf, math.inf
            case "energy":
                return low / (1 + MARGIN), high * (1 + MARGIN)
            case "log":
                beyond = (high / low) ** MARGIN
                return low / beyond, high * beyond
            case "linear":
                return low - MARGIN * (high - low), high + MARGIN * (high - low)
        return low, high

    def check(self, name: str, values: NDArray[np.float64], low: float, high: float) -> None:
        """Require values that a model with this range knows.

        Raises:
            RangeError: A value lies outside the range by more than 5 % (of an energy; in the
                logarithm, of the width of the range), or is not one of the categories.
        """
        if not len(values):
            return
        if self.kind == "categorical":
            strange = np.setdiff1d(values, self.values)
            if len(strange):
                known = ", ".join(f"{value:g}" for value in self.values)
                raise RangeError(
                    f"'{name}' is {strange[0]:g}, but the model was trained with {known}",
                    remedy="ask for one of these, or train with events of that kind",
                    value=float(strange[0]),
                    constraint=self.values,
                )
            return
        least, most = self.allowed(low, high)
        if not (values.min() >= least and values.max() <= most):
            what, unit = ("energies", " MeV") if name == "energy" else (f"'{name}'", "")
            raise RangeError(
                f"{what} from {values.min():g} to {values.max():g}{unit} were asked for, but "
                f"the model was trained from {low:g} to {high:g}{unit}",
                remedy="ask for values inside this range, or train with events beyond it",
                value=(float(values.min()), float(values.max())),
                constraint=(low, high),
            )

    def encode(self, values: Tensor, low: Tensor, high: Tensor) -> list[Tensor]:
        """Return the numbers (N,) that tell values (N,) to a network; tensors, for export."""
        match self.kind:
            case "energy":
                scale = scaled(values.log(), low.log(), high.log(), least=1e-6)
                return [scale, values / high]
            case "log":
                return [scaled(values.log(), low.log(), high.log())]
            case "linear":
                return [scaled(values, low, high)]
            case "periodic":
                return [torch.cos(self.order * values), torch.sin(self.order * values)]
        return [(values == value).to(values.dtype) for value in self.values]

    def decode(self, numbers: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Return the values (N,) of numbers (N, n_numbers); periodic ones within half a period."""
        match self.kind:
            case "energy":
                return numbers[:, 1] * high
            case "log":
                middle, half = (high * low).log() / 2, (high / low).log() / 2
                return (middle + numbers[:, 0] * half).exp()
            case "linear":
                return (low + high) / 2 + numbers[:, 0] * (high - low) / 2
            case "periodic":
                return torch.atan2(numbers[:, 1], numbers[:, 0]) / self.order
        known = torch.tensor(self.values, dtype=numbers.dtype, device=numbers.device)
        return known[numbers.argmax(dim=1)]


def scaled(values: Tensor, low: Tensor, high: Tensor, least: float = 1e-12) -> Tensor:
    """Scale values so that low ... high becomes -1 ... 1.

    Half the range is at least ``least``, so that a single value has a scale, too.
    """
    return (values - (low + high) / 2) / ((high - low) / 2).clamp_min(least)


def choose_conditions(
    given: Mapping[str, Condition] | None, samples: Sequence[Events]
) -> dict[str, Condition]:
    """Return the conditions of a model: those that are named, or all that the events vary.

    Without names, the incident energy is one of them wherever it is known. ``pdg`` and
    ``geometry`` are categories, angles around the beam are periodic, what is positive over more
    than a decade is told as logarithm.

    Arguments:
        given: What a recipe names, if anything.
        samples: The events to learn from.

    Raises:
        MissingError: The events lack a condition that is named.
        DataError: A condition takes too many values for a category.
    """
    shared = [
        name
        for name in samples[0].conditions
        if name == "energy" or all(name in sample.conditions for sample in samples)
    ]
    columns = {
        name: np.concatenate([sample.condition(name) for sample in samples])
        for name in (shared if given is None else given)
    }
    if given is None:
        given = {
            name: default_condition(name, values)
            for name, values in columns.items()
            if name == "energy" or np.any(values != values[:1])
        }
    found = {}
    # The incident energy comes first, as in files of energies alone.
    for name in sorted(given, key=lambda name: name != "energy"):
        condition, values = given[name], columns[name]
        if condition.kind == "categorical" and not condition.values:
            kinds = np.unique(values)
            if len(kinds) > _MOST_CATEGORIES:
                raise DataError(
                    f"'{name}' takes {len(kinds):,} values, too many for a category",
                    remedy=f"set conditions.{name} = 'linear', or leave it out",
                    value=len(kinds),
                    constraint=_MOST_CATEGORIES,
                )
            condition = condition.model_copy(update={"values": tuple(kinds.tolist())})
        found[name] = condition
    return found


def default_condition(name: str, values: NDArray[np.float64]) -> Condition:
    """Return what a condition is by its name and its values (N,).

    Example:
        >>> default_condition("pdg", np.array([11.0, 22.0])).kind
        'categorical'
        >>> default_condition("theta", np.array([0.0, 0.6])).kind
        'linear'
    """
    if name == "energy":
        return Condition(kind="energy")
    if name in _CATEGORIES:
        return Condition(kind="categorical")
    if name in _ANGLES:
        return Condition(kind="periodic")
    if (
        name not in _LINEAR
        and len(values)
        and values.min() > 0
        and values.max() > _DECADE * values.min()
    ):
        return Condition(kind="log")
    return Condition(kind="linear")


# Symmetries

_FIXED = 1e-9


def surviving(detector: Detector, names: Sequence[str], events: Events) -> NDArray[np.int64]:
    """Return the numbers of the symmetries that may be applied to events and their conditions.

    A symmetry moves the direction and the point of incidence. Where a network is not told what
    moves, only those symmetries survive that leave it where it is.

    Arguments:
        detector: The detector.
        names: The conditions of the model.
        events: Some of its events.

    Returns:
        Numbers of elements of :meth:`~phys_gan.detectors.Detector.symmetry_group`, with 0.
    """
    matrices = detector.symmetry_actions()
    keep = np.ones(len(matrices), bool)
    zero = np.zeros(len(events))
    theta, phi, x, y = (events.conditions.get(name, zero) for name in ("theta", "phi", "x", "y"))
    inclined = np.sin(theta) != 0
    if "phi" not in names and inclined.any():
        direction = np.stack([np.cos(phi), np.sin(phi)], axis=1)[inclined]
        keep &= _leave(matrices, direction)
    if not {"x", "y"} <= set(names):
        # Of a coordinate that is told alone, the other one must stay.
        point = np.stack([x, y], axis=1)
        mixed = np.abs(matrices[:, 0, 1]) + np.abs(matrices[:, 1, 0]) > _FIXED
        for axis, name in enumerate("xy"):
            if name not in names and point[:, axis].any():
                keep &= ~mixed & (np.abs(matrices[:, axis, axis] - 1) < _FIXED)
        if set(names) & {"x", "y"}:
            keep &= ~mixed
    return np.flatnonzero(keep)


def _leave(matrices: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which matrices (G, 2, 2) leave all vectors (N, 2) as they are."""
    some = np.unique(vectors, axis=0)[:_MOST_CATEGORIES]
    moved = np.einsum("gij,nj->gni", matrices, some)
    return np.asarray(np.abs(moved - some).max(axis=(1, 2)) < 1e-6)
