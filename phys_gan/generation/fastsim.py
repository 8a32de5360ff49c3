"""FastSim: load a trained model and generate events with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.events import Events, as_weights
from phys_gan.generation.pretrained import find_model
from phys_gan.model import Model, Precision

__all__ = ["FastSim"]


class FastSim:
    """Generate events with a trained model.

    Arguments:
        model: The model.

    Example:
        >>> fast = FastSim.load("calogan-eplus")
        >>> fast.generate({"energy": [50_000.0]}, seed=1).cells.shape
        (1, 504)
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "auto",
        *,
        precision: Precision = "float32",
        compiled: bool = False,
    ) -> FastSim:
        """Load a model.

        Arguments:
            path: A run directory of ``phys-gan train``, a ``.safetensors`` file, or the name of a
                pretrained model, see :func:`phys_gan.generation.pretrained_names`.
            device: Where to run, such as ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.
            precision: In which matrices are multiplied: ``bfloat16`` is faster on processors that
                know it, and good to 0.4 %.
            compiled: Whether torch compiles the network, which takes a minute at the first event
                and needs a C++ compiler on a CPU.

        Raises:
            MissingError: There is no model there.
            DataError: The file is not a model, or is damaged.
            ConfigError: There is no such device or precision.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"the device '{device}' is not available here",
                remedy="choose --device cpu",
                value=device,
            ) from error
        model = Model.load(find_model(path), device)
        return cls(replace(model, precision=precision, compiled=compiled))

    @property
    def detector(self) -> Detector:
        """The detector whose events are generated."""
        return self.model.detector

    @property
    def energy_range(self) -> tuple[float, float]:
        """Incident energies [MeV] of the events that the model learned from."""
        low, high = self.model.encoding.energy_range.tolist()
        return low, high

    @property
    def translates(self) -> bool:
        """Whether the model turns given events into others."""
        return self.model.translates

    def generate(
        self,
        conditions: Mapping[str, ArrayLike] | int,
        seed: int = 0,
        batch_size: int | None = None,
        *,
        weights: ArrayLike | None = None,
    ) -> Events:
        """Generate one event for each value of the conditions.

        Event i of a seed is the same whatever the batch size, up to float32 rounding.

        Arguments:
            conditions: Name to values (N,), ``energy`` [MeV] at least for showers; or the number
                N of events of a model without conditions.
            seed: Seed of the production.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.
            weights: Weights that the events get, (N,): those of the events that the conditions
                come from.

        Raises:
            ConfigError: The model translates events.
            MissingError: A condition is missing.
            DataError: Conditions or weights differ in their number of values.
            RangeError: A condition is outside the range of the model.
        """
        if isinstance(conditions, int | np.integer):
            return self.model.sample(
                {}, seed, n=int(conditions), batch_size=batch_size, weights=weights
            )
        return self.model.sample(conditions, seed, batch_size=batch_size, weights=weights)

    def stream(
        self,
        conditions: Mapping[str, ArrayLike] | int,
        seed: int = 0,
        *,
        first: int = 0,
        number: int = 0,
        block: int = 16_384,
        batch_size: int | None = None,
        weights: ArrayLike | None = None,
    ) -> Iterator[Events]:
        """Generate any number of events in bounded memory, block by block.

        All blocks together are what :meth:`generate` returns.

        Arguments:
            conditions: As in :meth:`generate`.
            seed: Seed of the production.
            first: Where to begin: the event of value ``first`` is the first one.
            number: Number in the production of the event of value 0, for those who have the
                conditions of a part only.
            block: Events of a block.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.
            weights: As in :meth:`generate`.

        Yields:
            Blocks of events in order; the last one may be smaller.

        Raises:
            ConfigError: The model translates events.
            MissingError: A condition is missing.
            DataError: Conditions or weights differ in their number of values.
            RangeError: A condition is outside the range of the model.

        Example:
            >>> fast = FastSim.load("calogan-eplus")
            >>> [len(events) for events in fast.stream({"energy": [5e4] * 5}, block=2)]
            [2, 2, 1]
        """
        named, n = self._read(conditions)
        carried = as_weights(weights, n)
        for begin in range(first, n, block):
            rows = slice(begin, min(begin + block, n))
            part = {name: values[rows] for name, values in named.items()}
            size = rows.stop - begin
            event = number + begin
            yield self.model.sample(
                part,
                seed,
                n=size,
                first=event,
                batch_size=batch_size,
                weights=None if carried is None else carried[rows],
            )

    def _read(
        self, conditions: Mapping[str, ArrayLike] | int
    ) -> tuple[dict[str, NDArray[np.float64]], int]:
        """Return conditions by name, all checked at once, and the number of events."""
        if isinstance(conditions, int | np.integer):
            return {}, int(conditions)
        named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
        n = max(map(len, named.values()), default=0)
        self.model.encoding.encode_conditions(named, n)
        return named, n

    def translate(self, events: Events, seed: int = 0, batch_size: int | None = None) -> Events:
        """Turn events, of a fast simulation say, into others of the same conditions and weights.

        Arguments:
            events: Events of the model's detector.
            seed: Seed of the production.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.

        Raises:
            ConfigError: The model does not translate.
            DetectorError: The events belong to another detector.
            RangeError: A condition is outside the range of the model.
        """
        return self.model.translate(events, seed, batch_size=batch_size)
