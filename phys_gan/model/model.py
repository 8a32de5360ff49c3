"""A trained model in one file: detector, encoding, generator and provenance. Never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.encodings import AnyEncodingConfig, Encoding
from phys_gan.errors import ConfigError, DataError
from phys_gan.events import Events, as_weights
from phys_gan.model.engine import Draw, Engine, Precision
from phys_gan.model.file import FORMAT, Header, ModelFile, read_model_file, write_model_file
from phys_gan.networks import Generator, NetworkConfig
from phys_gan.randomness import noise_on, normal_noise

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """Hold what is needed to generate events.

    Attributes:
        encoding: The fitted encoding; it knows the detector.
        encoding_config: Its options.
        generator: The generator, in evaluation mode.
        network_config: The options of its architecture.
        provenance: How the model was made, as short texts by name.
        precision: In which matrices are multiplied, see :class:`Engine`.
        compiled: Whether torch compiles the network, see :class:`Engine`.

    Raises:
        ConfigError: There is no such precision.
    """

    encoding: Encoding
    encoding_config: AnyEncodingConfig
    generator: Generator
    network_config: NetworkConfig
    provenance: Mapping[str, str]
    precision: Precision = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        # What runs the model says at once when it cannot.
        _ = self.engine

    @cached_property
    def engine(self) -> Engine:
        """What the events go through."""
        return Engine(self.generator, self.encoding, self.precision, self.compiled)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.encoding.buffers()).device

    @property
    def detector(self) -> Detector:
        """The detector whose events are generated."""
        return self.encoding.detector

    @property
    def translates(self) -> bool:
        """Whether it turns given events into others."""
        return self.generator.source > 0

    def sample(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int,
        *,
        n: int | None = None,
        first: int = 0,
        batch_size: int | None = None,
        weights: ArrayLike | None = None,
    ) -> Events:
        """Generate one event for each value of the conditions.

        Event number i of a seed gets the same latents whatever the batches are.

        Arguments:
            conditions: Name to values (N,); those that the model was trained with at least.
            seed: Seed of the production.
            n: Number N of events; needed where there are no conditions.
            first: Number of the first event.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.
            weights: Weights that the events get, (N,): those of the events that the conditions
                come from.

        Raises:
            ConfigError: The model translates events, or nothing says how many to generate.
            MissingError: A condition is missing.
            DataError: Conditions or weights differ in their number of values.
            RangeError: A condition is outside the range of the model.
        """
        self._require_generating()
        named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
        if n is None:
            if not named:
                raise ConfigError("nothing says how many events to generate", remedy="give n")
            n = max(map(len, named.values()))
        encoded = self.encoding.encode_conditions(named, n)
        carried = as_weights(weights, n)
        cells = self.engine.run(encoded[:, :0], encoded, self._drawn(seed, first), batch_size)
        return self._events(cells, named, carried)

    def respond(
        self,
        latents: ArrayLike,
        conditions: Mapping[str, ArrayLike],
        *,
        batch_size: int | None = None,
    ) -> Events:
        """Generate one event of each row of latents: what the model answers, without any chance.

        Arguments:
            latents: Shape (N, generator.latent), standard normal numbers for typical events.
            conditions: Name to values (N,); those that the model was trained with at least.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.

        Raises:
            ConfigError: The model translates events.
            MissingError: A condition is missing.
            DataError: The latents have another shape, or there is not one condition for each.
            RangeError: A condition is outside the range of the model.
        """
        self._require_generating()
        z = np.asarray(latents, np.float32)
        if z.ndim != 2 or z.shape[1] != self.generator.latent:
            raise DataError(
                f"latents have shape {z.shape}, but the model needs (N, {self.generator.latent})",
                remedy="give model.generator.latent numbers per event",
                value=z.shape,
                constraint=("N", self.generator.latent),
            )
        named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
        encoded = self.encoding.encode_conditions(named, len(z))

        def given(begin: int, count: int) -> Tensor:
            return torch.from_numpy(z[begin : begin + count])

        return self._events(self.engine.run(encoded[:, :0], encoded, given, batch_size), named)

    def translate(
        self, events: Events, seed: int, *, first: int = 0, batch_size: int | None = None
    ) -> Events:
        """Turn events into others, one for one, under the same conditions and weights.

        Arguments:
            events: Events of the model's detector.
            seed: Seed of the latents.
            first: Number of the first event.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.

        Raises:
            ConfigError: The model does not translate.
            DetectorError: The events belong to another detector.
            MissingError: A condition is missing.
            RangeError: A condition is outside the range of the model.
        """
        if not self.translates:
            raise ConfigError(
                "this model generates events, and translates none",
                remedy="give it conditions instead, or train a recipe that translates",
            )
        x, c = self.encoding.encode(events)
        cells = self.engine.run(x, c, self._drawn(seed, first), batch_size)
        return self._events(cells, events.conditions, events.weights)

    def _require_generating(self) -> None:
        if self.translates:
            raise ConfigError(
                "this model translates events, and generates none from nothing",
                remedy="give it events: FastSim.translate, or generate --translate FILE",
            )

    def _drawn(self, seed: int, first: int) -> Draw:
        """Return what draws the latents of the events from number ``first`` on."""
        device, size = self.device, self.generator.latent

        def draw(begin: int, count: int) -> Tensor:
            if device.type == "cpu":
                return torch.from_numpy(normal_noise(seed, first + begin, count, size))
            return noise_on(device, seed, first + begin, count, size)

        return draw

    def _events(
        self,
        cells: NDArray[np.float32],
        conditions: Mapping[str, NDArray[np.float64]],
        weights: NDArray[np.float64] | None = None,
    ) -> Events:
        return Events(cells, conditions, self.detector, provenance=self.provenance, weights=weights)

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model into a ``.safetensors`` file.

        Arguments:
            path: The file.
            half: Keep the weights of the generator in half precision, in half the space. They
                become single precision again when the model is loaded.

        Raises:
            OutputError: The file cannot be written.
        """
        header = Header(
            format=FORMAT,
            detector=self.detector.to_toml(),
            encoding=self.encoding_config,
            network=self.network_config,
            provenance=dict(self.provenance),
        )
        write_model_file(Path(path), ModelFile(header, self.encoding, self.generator), half=half)

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Model:
        """Read a model file. Nothing in the file is ever executed.

        Raises:
            MissingError: There is no such file.
            DataError: The file is not a model, is damaged, or is not what it says.
            DetectorError: The detector that it describes is none.
        """
        file = read_model_file(Path(path), device)
        header = file.header
        return cls(
            file.encoding, header.encoding, file.generator, header.network, header.provenance
        )
