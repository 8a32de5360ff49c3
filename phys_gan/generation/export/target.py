"""What every consumer of an exported model has: inputs, an output, and what it is started with.

From latents and conditions in physical units to cells, as one graph without a way out of it.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.model import Model

__all__ = ["Options", "Pipeline", "Port", "Target", "require_showers"]


class Pipeline(nn.Module):
    """Generate events as :meth:`phys_gan.model.Model.respond` does, whatever is asked for.

    Consumers of an exported model check nothing. Conditions outside the range of the training
    events are therefore pulled to its edge here, and cells of a calorimeter that are not above
    zero and at the threshold at least are set to zero.

    Arguments:
        model: The model.
        energy_scale: Factor on all cells.

    Attributes:
        latent: Standard normal numbers that an event needs.
        bounds: Smallest and largest value of each condition that networks are told.

    Raises:
        ConfigError: The model translates events.
    """

    def __init__(self, model: Model, energy_scale: float = 1.0) -> None:
        super().__init__()
        if model.translates:
            raise ConfigError(
                "this model translates events, and no consumer of an exported model has events",
                remedy="export one that generates",
            )
        # The caller's model stays where it is, on its device and in its mode.
        self.encoding = copy.deepcopy(model.encoding).cpu().eval().requires_grad_(False)
        self.generator = copy.deepcopy(model.generator).cpu().eval().requires_grad_(False)
        self.latent, self.energy_scale = self.generator.latent, energy_scale
        self.bounds: dict[str, tuple[float, float]] = {}
        for name, (low, high) in zip(
            self.encoding.named, self.encoding.ranges.tolist(), strict=True
        ):
            endless = math.isinf(self.encoding.allowed(name, low, high)[1])
            self.bounds[name] = (-math.inf, math.inf) if endless else (low, high)

    @property
    def detector(self) -> Detector:
        """The detector whose cells come out."""
        return self.encoding.detector

    def clamped(self, name: str, values: Tensor) -> Tensor:
        """Pull values (N,) of a condition into the range of the training events, as float64."""
        low, high = self.bounds[name]
        values = values.double()
        return values if math.isinf(high) else values.clamp(low, high)

    def forward(self, z: Tensor, named: Mapping[str, Tensor]) -> Tensor:
        """Map latents z (N, latent) and conditions by name, each (N,), to cells (N, n_cells)."""
        inside = {name: self.clamped(name, named[name]) for name in self.encoding.named}
        c = self.encoding._encode_conditions(inside) if inside else z[:, :0]
        cells = self.encoding.decode(self.generator(z, c), c)
        if self.detector.kind == "calorimeter":
            hit = (cells >= self.detector.threshold) & (cells > 0)
            cells = torch.where(hit, cells, torch.zeros_like(cells))
        return cells if self.energy_scale == 1 else cells * self.energy_scale


Arrays = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Options:
    """What the user may say about an export.

    Attributes:
        energy_scale: Factor on all cells, such as 0.033 where the training events carry 1/0.033.
        energy_range: Kinetic energies [MeV] at which the condition of ``fastcalosim`` is 0 and 1.
        particle: The particle whose showers these are, by name or PDG number.
    """

    energy_scale: float = 1.0
    energy_range: tuple[float, float] | None = None
    particle: str = "gamma"


@dataclass(frozen=True)
class Port:
    """An input or an output of the graph.

    Attributes:
        name: Its name in the graph.
        shape: Its shape; ``"N"`` is the number of events.
        meaning: What it holds, with unit and distribution.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str


class Target(nn.Module, ABC):
    """A consumer's contract as a module: its inputs in its order go in, its output comes out.

    Arguments:
        model: The model to export.
        options: What the user says about it.

    Attributes:
        name: Name of the target.
        single: Whether the consumer asks for one event at a time.
        twin: Whether a second file with any number of events is of use.
        inputs: The inputs in the order of the graph.
        output: The output.
        unit: Unit of a cell.
        order: How cells follow one another.
    """

    name: ClassVar[str]
    single: ClassVar[bool] = False
    twin: ClassVar[bool] = False
    inputs: tuple[Port, ...]
    output: Port
    unit: str
    order: str

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__()
        self.options = options
        self.pipeline = Pipeline(model, options.energy_scale)
        self.detector = model.detector

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the consumer's inputs to its output."""

    @abstractmethod
    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw the inputs of events under conditions by name, each (N,), as the consumer does."""

    @abstractmethod
    def companions(self, out: Path) -> dict[Path, str]:
        """Return the texts to write beside the file ``out``: what the consumer is started with."""

    def settings(self) -> dict[str, Any]:
        """Return what the consumer has to be told, by its own names."""
        return {}

    @property
    def energy_range(self) -> tuple[float, float]:
        """Incident energies [MeV] of the training events."""
        return self.pipeline.bounds["energy"]


def require_showers(target: Target) -> None:
    """Raise unless the model makes showers under their incident energy alone.

    Raises:
        DetectorError: The detector is no calorimeter.
        ConfigError: The model is told something else than the incident energy.
    """
    if target.detector.kind != "calorimeter":
        raise DetectorError(
            f"'{target.name}' takes showers, but '{target.detector.name}' is no calorimeter",
            remedy="choose --target generic, or galsim for images",
            value=target.detector.name,
        )
    named = target.pipeline.encoding.named
    if named != ("energy",):
        raise ConfigError(
            f"'{target.name}' tells a model the incident energy alone, but this one is told "
            f"{', '.join(named) or 'nothing'}",
            remedy="choose --target generic",
            value=named,
        )
