"""Target: what a program needs of an exported model, as a module from its inputs to its output.

Each target is a class in a module of its own, registered under its name with :func:`target`.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.model import Model

Arrays = tuple[NDArray[np.float32], ...]


class Pipeline(nn.Module):
    """Latents and conditions in physical units to cells, as :meth:`phys_gan.model.FastSim.respond`.

    Programs that use an exported model check nothing. Conditions outside the range of the training
    events are therefore pulled to its edge here, and cells of a calorimeter below the threshold or
    not above zero are set to zero.

    Arguments:
        model: The model.
        energy_scale: Factor on all cells.

    Attributes:
        latent: Standard normal numbers per event.
        bounds: Smallest and largest value of each condition of the networks.

    Raises:
        ConfigError: The model translates events.
    """

    def __init__(self, model: Model, energy_scale: float = 1.0) -> None:
        super().__init__()
        if model.translates:
            raise ConfigError(
                "this model translates events, which no program that loads an exported model has",
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
            endless = math.isinf(self.encoding.told[name].allowed(low, high)[1])
            self.bounds[name] = (-math.inf, math.inf) if endless else (low, high)

    @property
    def detector(self) -> Detector:
        """The detector of the cells."""
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


@dataclass(frozen=True)
class Options:
    """Options of an export.

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
        meaning: Quantity, unit and distribution.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str


class Target(nn.Module, ABC):
    """A program's contract as a module: its inputs, in its order, to its output.

    Arguments:
        model: The model to export.
        options: Options of the export.

    Attributes:
        name: Name of the target.
        single: Whether the program runs one event at a time.
        twin: Whether a second file for any number of events is of use.
        showers: Whether the program gives the incident energy of a shower, and nothing else.
        inputs: The inputs in the order of the graph.
        output: The output.
        unit: Unit of a cell.
        order: Order of the cells.

    Raises:
        ConfigError: The model translates events, or it has other conditions than a program of
            showers gives.
        DetectorError: The detector is not a calorimeter, but the program takes showers.
    """

    name: ClassVar[str]
    single: ClassVar[bool] = False
    twin: ClassVar[bool] = False
    showers: ClassVar[bool] = False
    inputs: tuple[Port, ...]
    output: Port
    unit: str
    order: str

    def __init__(self, model: Model, options: Options) -> None:
        super().__init__()
        self.options = options
        self.pipeline = Pipeline(model, options.energy_scale)
        self.detector, self.named = model.detector, model.encoding.named
        if self.showers and self.detector.kind != "calorimeter":
            raise DetectorError(
                f"'{self.name}' takes showers, but '{self.detector.name}' is not a calorimeter",
                remedy="choose --target generic, or galsim for images",
                value=self.detector.name,
            )
        if self.showers and self.named != ("energy",):
            raise ConfigError(
                f"'{self.name}' gives a model only the incident energy, but this one has the "
                f"conditions {', '.join(self.named) or 'none'}",
                remedy="choose --target generic",
                value=self.named,
            )

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the program's inputs to its output."""

    def draw(self, named: Mapping[str, NDArray[np.float64]], rng: np.random.Generator) -> Arrays:
        """Draw the inputs of events under conditions by name, each (N,), as the program does.

        By default these are standard normal noise and the conditions.
        """
        n = len(next(iter(named.values()))) if named else 16
        noise = rng.standard_normal((n, self.pipeline.latent), dtype=np.float32)
        columns = (named[name].astype(np.float32) for name in self.named)
        ports = zip(columns, self.inputs[1:], strict=True)
        return noise, *(column.reshape(n, *map(int, port.shape[1:])) for column, port in ports)

    @abstractmethod
    def companions(self, out: Path) -> dict[Path, str]:
        """Return the texts of files beside ``out``, with which the program is started."""

    def settings(self) -> dict[str, Any]:
        """Return the program's settings that the model fixes, by the program's own names."""
        return {}

    @property
    def energy_range(self) -> tuple[float, float]:
        """Incident energies [MeV] of the training events."""
        return self.pipeline.bounds["energy"]


TARGETS: dict[str, type[Target]] = {}
"""All targets by name."""

Class = TypeVar("Class", bound=type[Target])


def target(cls: Class) -> Class:
    """Register a target under its name."""
    TARGETS[cls.name] = cls
    return cls
