"""FastSim: a trained model that generates events.

Models are found by path or by name: runs, files, and the pretrained ones in ``packaged/``.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events, as_weights
from phys_gan.model.engine import Draw, Engine, Precision
from phys_gan.model.model import Model
from phys_gan.randomness import noise_on, normal_noise

_SUFFIX = ".safetensors"
_PACKAGED = Path(__file__).parent / "packaged"


@dataclass(frozen=True, eq=False)
class FastSim:
    """Generate events with a trained model.

    Event i of a seed is the same whatever the batch size, up to float32 rounding.

    Attributes:
        model: The model.
        precision: Of matrix products, see :class:`Engine`.
        compiled: Whether torch compiles the network, see :class:`Engine`.

    Raises:
        ConfigError: There is no such precision.

    Example:
        >>> fast = FastSim.load("calogan-eplus")
        >>> fast.generate({"energy": [50_000.0]}, seed=1).cells.shape
        (1, 504)
    """

    model: Model
    precision: Precision = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        # A wrong precision is an error at once.
        _ = self.engine

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
            precision: Of matrix products: ``bfloat16`` is faster on processors that support it, and
                good to 0.4 %.
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
        return cls(Model.load(find_model(path), device), precision, compiled)

    @cached_property
    def engine(self) -> Engine:
        """What runs the network."""
        return Engine(self.model.generator, self.model.encoding, self.precision, self.compiled)

    @property
    def detector(self) -> Detector:
        """The detector whose events are generated."""
        return self.model.detector

    @property
    def energy_range(self) -> tuple[float, float]:
        """Incident energies [MeV] of the training events."""
        low, high = self.model.encoding.energy_range.tolist()
        return low, high

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tensors, options, detector and precision, in hexadecimal digits."""
        model, digest = self.model, hashlib.sha256()
        for options in (model.encoding_config, model.network_config):
            digest.update(options.model_dump_json().encode())
        digest.update(model.detector.to_toml().encode())
        digest.update(self.precision.encode())
        for module in (model.encoding, model.generator):
            for name, tensor in sorted(module.state_dict().items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
                digest.update(content.numpy().tobytes())
        return digest.hexdigest()

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
        first: int = 0,
        weights: ArrayLike | None = None,
    ) -> Events:
        """Generate one event for each value of the conditions.

        Arguments:
            conditions: Name to values (N,), ``energy`` [MeV] at least for showers; or the number
                N of events of a model without conditions.
            seed: Seed of the production.
            batch_size: Events that go through the network at once; by default as many as suit the
                device.
            first: Number of the first event in the production.
            weights: Weights that the events get, (N,): those of the events that the conditions
                come from.

        Raises:
            ConfigError: The model translates events, or the number of events is not given.
            MissingError: A condition is missing.
            DataError: Conditions or weights differ in their number of values.
            RangeError: A condition is outside the range of the model.
        """
        self._require_generating()
        named, n = _named(conditions)
        if not named and not isinstance(conditions, int | np.integer):
            raise ConfigError(
                "the number of events to generate is not given",
                remedy="give it in place of conditions",
            )
        c = self.model.encoding.encode_conditions(named, n)
        carried = as_weights(weights, n)
        cells = self.engine.run(c[:, :0], c, self._latents(seed, first), batch_size)
        return self._events(cells, named, carried)

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
            first: Index of the first event to generate among the values of the conditions.
            number: Number in the production of the event of index 0, where the conditions are
                those of a part only.
            block: Events of a block; the last one may be smaller.
            batch_size: As in :meth:`generate`.
            weights: As in :meth:`generate`.

        Raises:
            PhysGanError: As in :meth:`generate`.

        Example:
            >>> fast = FastSim.load("calogan-eplus")
            >>> [len(events) for events in fast.stream({"energy": [5e4] * 5}, block=2)]
            [2, 2, 1]
        """
        named, n = _named(conditions)
        # All conditions are checked before the first block.
        self.model.encoding.encode_conditions(named, n)
        carried = as_weights(weights, n)
        for begin in range(first, n, block):
            rows = slice(begin, min(begin + block, n))
            yield self.generate(
                {name: values[rows] for name, values in named.items()} or rows.stop - begin,
                seed,
                batch_size,
                first=number + begin,
                weights=None if carried is None else carried[rows],
            )

    def respond(
        self,
        latents: ArrayLike,
        conditions: Mapping[str, ArrayLike],
        *,
        batch_size: int | None = None,
    ) -> Events:
        """Generate one event from each row of latents, without random numbers.

        Arguments:
            latents: Shape (N, generator.latent), standard normal numbers for typical events.
            conditions: Name to values (N,).
            batch_size: As in :meth:`generate`.

        Raises:
            ConfigError: The model translates events.
            MissingError: A condition is missing.
            DataError: The latents have another shape, or there is not one condition for each.
            RangeError: A condition is outside the range of the model.
        """
        self._require_generating()
        z, latent = np.asarray(latents, np.float32), self.model.generator.latent
        if z.ndim != 2 or z.shape[1] != latent:
            raise DataError(
                f"latents have shape {z.shape}, but the model needs (N, {latent})",
                remedy="give model.generator.latent numbers per event",
                value=z.shape,
                constraint=("N", latent),
            )
        named, _ = _named(conditions)
        c = self.model.encoding.encode_conditions(named, len(z))

        def given(begin: int, count: int) -> Tensor:
            return torch.from_numpy(z[begin : begin + count])

        return self._events(self.engine.run(c[:, :0], c, given, batch_size), named)

    def translate(self, events: Events, seed: int = 0, batch_size: int | None = None) -> Events:
        """Turn events, of a fast simulation say, into others of the same conditions and weights.

        Arguments:
            events: Events of the model's detector.
            seed: Seed of the production.
            batch_size: As in :meth:`generate`.

        Raises:
            ConfigError: The model does not translate.
            DetectorError: The events belong to another detector.
            MissingError: A condition is missing.
            RangeError: A condition is outside the range of the model.
        """
        if not self.translates:
            raise ConfigError(
                "this model generates events and does not translate them",
                remedy="give it conditions instead, or train a recipe that translates",
            )
        x, c = self.model.encoding.encode(events)
        cells = self.engine.run(x, c, self._latents(seed, 0), batch_size)
        return self._events(cells, events.conditions, events.weights)

    def _require_generating(self) -> None:
        if self.translates:
            raise ConfigError(
                "this model translates events and does not generate them",
                remedy="give it events: FastSim.translate, or generate --translate FILE",
            )

    def _latents(self, seed: int, first: int) -> Draw:
        """Return the draw of latents for the events from number ``first`` on."""
        device, latent = self.model.device, self.model.generator.latent

        def draw(begin: int, count: int) -> Tensor:
            if device.type == "cpu":
                return torch.from_numpy(normal_noise(seed, first + begin, count, latent))
            return noise_on(device, seed, first + begin, count, latent)

        return draw

    def _events(
        self,
        cells: NDArray[np.float32],
        conditions: Mapping[str, NDArray[np.float64]],
        weights: NDArray[np.float64] | None = None,
    ) -> Events:
        provenance = dict(self.model.provenance)
        if "energy" in conditions:
            # A report says whether the events lie inside.
            low, high = self.energy_range
            provenance["valid_energy"] = f"{low:.6g}:{high:.6g}"
        return Events(cells, conditions, self.detector, provenance=provenance, weights=weights)


def _named(
    conditions: Mapping[str, ArrayLike] | int,
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Return conditions as arrays by name, and the number of events."""
    if isinstance(conditions, int | np.integer):
        return {}, int(conditions)
    named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
    return named, max(map(len, named.values()), default=0)


def pretrained_names() -> list[str]:
    """Return the names of the pretrained models.

    Example:
        >>> "calogan-eplus" in pretrained_names()
        True
    """
    return sorted(path.name.removesuffix(_SUFFIX) for path in _PACKAGED.glob(f"*{_SUFFIX}"))


def find_model(model: str | Path) -> Path:
    """Return the file of a model.

    Arguments:
        model: A run directory of ``phys-gan train``, a ``.safetensors`` file, or the name of a
            pretrained model. A path that exists takes precedence over a name.

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
        return _PACKAGED / f"{model}{_SUFFIX}"
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
    return (_PACKAGED / f"{name}.md").read_text("utf-8")
