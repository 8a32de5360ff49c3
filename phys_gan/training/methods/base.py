"""What the loop knows of a method."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from phys_gan.encodings import Encoding
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks import Generator, NetworkConfig
from phys_gan.training.average import GeneratorAverage
from phys_gan.training.batches import Batches
from phys_gan.training.processes import gather
from phys_gan.training.schedule import TrainingConfig

__all__ = ["Method", "Setup", "Sources", "Stateful"]


class Stateful(Protocol):
    """What a checkpoint holds."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state."""


@dataclass(frozen=True)
class Sources:
    """Events that a method translates to others.

    Attributes:
        batches: Encoded events to learn from.
        held_out: Events that are never shown.
    """

    batches: Batches
    held_out: Events


@dataclass(frozen=True)
class Setup:
    """What every method is built from.

    Attributes:
        network: Options of the networks.
        schedule: The schedule.
        encoding: The fitted encoding, on the device.
        fabric: Where it runs.
        noise: Random stream of latents, on the device; the same in every process, each of which
            takes its own part of what is drawn.
        x: Encoded real events (N, n_numbers), from which networks take their scales; all count
            the same.
        c: Their encoded conditions (N, n_conditions).
        sources: Events to translate, for methods that do.
        own: Random stream of this process for all else; ``noise`` where there is one process.
    """

    network: NetworkConfig
    schedule: TrainingConfig
    encoding: Encoding
    fabric: Fabric
    noise: torch.Generator
    x: Tensor
    c: Tensor
    sources: Sources | None = None
    own: torch.Generator | None = None

    @property
    def random(self) -> torch.Generator:
        """Random stream of this process."""
        return self.noise if self.own is None else self.own

    @property
    def sizes(self) -> tuple[Any, int, int]:
        """Detector, numbers per event in front of the cells, conditions."""
        return self.encoding.detector, self.encoding.n_globals, self.encoding.n_conditions


class Method(ABC):
    """Train the networks of a recipe, one step at a time.

    Arguments:
        setup: What it is built from.

    Attributes:
        steps: Steps done.
        average: The averaged generator, which is the one to keep.
    """

    average: GeneratorAverage

    def __init__(self, setup: Setup) -> None:
        self.setup, self.encoding, self.fabric = setup, setup.encoding, setup.fabric
        self.steps = 0

    @abstractmethod
    def step(self, x: Tensor, c: Tensor, rate: float, shown: int) -> dict[str, Tensor]:
        """Improve all networks once.

        Arguments:
            x: Encoded real events, (N, n_numbers).
            c: Their encoded conditions, (N, n_conditions).
            rate: Factor on the learning rates.
            shown: Events shown so far.

        Returns:
            Named scalars.
        """

    @abstractmethod
    def parts(self) -> Mapping[str, Stateful]:
        """Return by name all that has a state, beside the averaged generator."""

    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return named scalars for a report that are too slow for every step.

        Arguments:
            x: Encoded real events, (N, n_numbers).
            c: Their encoded conditions, (N, n_conditions).
        """
        return {}

    def produce(self, model: Model, held_out: Events, seed: int) -> Events:
        """Return events of a model to compare with held-out ones, and with their weights."""
        n, weights = len(held_out), held_out.weights
        return model.sample(held_out.conditions, seed, n=n, weights=weights)

    def averaging(self, generator: Generator) -> GeneratorAverage:
        """Return the average of a generator, which begins as a copy of it."""
        twin = copy.deepcopy(generator).to(self.fabric.device)
        return GeneratorAverage(twin, self.setup.schedule.ema_half_life)

    def advance(self, generator: nn.Module, batch: int, shown: int) -> None:
        """End a step: take the generator into its average, and count.

        Arguments:
            generator: What has been improved.
            batch: Events of the step in this process.
            shown: Events shown before the step, by all processes.
        """
        self.average.update(generator, batch * self.fabric.world_size, shown)
        self.steps += 1

    def latents(self, n: int, latent: int) -> Tensor:
        """Draw standard normal latents (n, latent), the own part of those of all processes."""
        noise, world = self.setup.noise, self.fabric.world_size
        drawn = torch.randn(n * world, latent, generator=noise, device=noise.device)
        return drawn[n * self.fabric.global_rank :][:n]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the random streams as they were: reports change nothing in what follows."""
        noise, own = self.setup.noise.get_state(), self._streams()
        yield
        self.setup.noise.set_state(noise)
        self._set_streams(own)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later process needs to go on; every process must ask for it."""
        return {
            "steps": self.steps,
            "noise": self.setup.noise.get_state(),
            "streams": gather(self.fabric, self._streams()),
            "average": self.average.generator.state_dict(),
            **{name: part.state_dict() for name, part in self.parts().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.steps = state["steps"]
        self.setup.noise.set_state(state["noise"])
        self._set_streams(state["streams"][self.fabric.global_rank])
        self.average.generator.load_state_dict(state["average"])
        for name, part in self.parts().items():
            part.load_state_dict(state[name])

    def _streams(self) -> dict[str, Tensor]:
        """Return the states of this process's own random streams."""
        return {
            "random": self.setup.random.get_state(),
            "layers": _random_state(self.setup.noise.device),
        }

    def _set_streams(self, own: Mapping[str, Tensor]) -> None:
        self.setup.random.set_state(own["random"])
        _set_random_state(self.setup.noise.device, own["layers"])


def _random_state(device: torch.device) -> Tensor:
    """Return the state of the stream from which layers such as dropout draw."""
    state: Tensor
    state = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
    return state


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
