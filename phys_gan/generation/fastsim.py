"""FastSim: load a trained model and generate events with it.

Models by name or path: runs, files, and the pretrained ones that come with phys_gan.

Conditions for events that nobody listed: fixed, in turn, from a range, or as learned.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector
from phys_gan.encodings import Encoding
from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events, as_weights
from phys_gan.model import Model, Precision
from phys_gan.randomness import stream
from phys_gan.units import Values, draw_values, is_logarithmic

__all__ = ["FastSim", "draw_conditions", "find_model", "model_card", "pretrained_names"]

_SUFFIX = ".safetensors"


def _folder() -> Path:
    return Path(str(resources.files("phys_gan") / "generation" / "packaged"))


def pretrained_names() -> list[str]:
    """Return the names of the pretrained models.

    Example:
        >>> "calogan-eplus" in pretrained_names()
        True
    """
    return sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob(f"*{_SUFFIX}"))


def find_model(model: str | Path) -> Path:
    """Return the file of a model.

    Arguments:
        model: A run directory of ``phys-gan train``, a ``.safetensors`` file, or the name of a
            pretrained model. What lies on the disk goes before a name.

    Raises:
        MissingError: There is no such model.
    """
    path = Path(model)
    if path.is_dir():
        path = path / "model.safetensors"
    if path.is_file():
        return path
    names = pretrained_names()
    if str(model) in names:
        return _folder() / f"{model}{_SUFFIX}"
    near = difflib.get_close_matches(str(model), names, 1)
    raise MissingError(
        f"there is no model '{path}'" + (f"; nearest pretrained one: {near[0]}" if near else ""),
        remedy="give a run directory or a .safetensors file that `phys-gan train` wrote, or one of "
        f"the pretrained models: {', '.join(names)}",
        value=str(model),
        constraint=tuple(names),
    )


def model_card(name: str) -> str:
    """Return the card of a pretrained model, in Markdown: data, recipe, numbers, validity.

    Raises:
        MissingError: There is no pretrained model of this name.
    """
    names = pretrained_names()
    if name not in names:
        raise MissingError(
            f"'{name}' is not a pretrained model; available: {', '.join(names)}",
            remedy="name one of these",
            value=name,
            constraint=tuple(names),
        )
    return (_folder() / f"{name}.md").read_text("utf-8")


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


_STREAMS = {"energy": "energies"}


def draw_conditions(
    encoding: Encoding, n: int, given: Mapping[str, Values] | None = None, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Draw the conditions that a model is told, each for itself.

    In a range that does not say how, values are even; logarithms are where the networks are told
    logarithms. The values of an event depend on its number and the seed alone.

    Arguments:
        encoding: The encoding of the model.
        n: Number of events.
        given: Name to a value for all events, a list of values that they take in turn (event i
            the entry i modulo its length), or a range (low, high), perhaps with ``"lin"`` or
            ``"log"``; the others have the range of the training events.
        seed: Seed of the production.

    Returns:
        Name to values (n,).

    Raises:
        MissingError: The model does not know a condition that is given.
        ConfigError: A range runs from high to low, a list is empty, or a value has no logarithm.
    """
    given = dict(given or {})
    for name in given:
        if name not in encoding.named:
            known = ", ".join(encoding.named) or "none"
            raise MissingError(
                f"the model does not know the condition '{name}'; it knows {known}",
                remedy="leave it out",
                value=name,
            )
    drawn = {}
    for name, learned in zip(encoding.named, encoding.ranges.tolist(), strict=True):
        wanted: Values = given.get(name, tuple(learned))
        _require_order(name, wanted, name in encoding.logarithmic)
        own = stream(seed, _STREAMS.get(name, f"condition {name}"))
        drawn[name] = draw_values(wanted, n, own, logarithmic=name in encoding.logarithmic)
    return drawn


def _require_order(name: str, wanted: Values, logarithmic: bool) -> None:
    """Raise unless there are values, a range rises, and what has logarithms is positive."""
    if isinstance(wanted, list) and not wanted:
        raise ConfigError(
            f"the list of '{name}' is empty", remedy="give it values, or leave it out"
        )
    smallest = wanted[0] if isinstance(wanted, tuple) else np.min(wanted)
    if isinstance(wanted, tuple) and not wanted[0] <= wanted[1]:
        low, high = wanted[:2]
        raise ConfigError(
            f"the range {low:g}:{high:g} of '{name}' runs from high to low",
            remedy="write low:high",
            value=(low, high),
        )
    if (logarithmic or is_logarithmic(wanted)) and smallest <= 0:
        raise ConfigError(
            f"'{name}' must be positive, not {smallest:g}", remedy="ask for values above 0"
        )
