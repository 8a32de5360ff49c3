""":class:`Method`: one step of training, with what all methods share.

A method is built from a :class:`Setup`. Its networks are each a :class:`Learner`, a network with
its optimiser, and the generator that is kept is a :class:`GeneratorAverage`.
"""

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

from phys_gan.detectors import Detector
from phys_gan.encodings import Encoding
from phys_gan.events import Events
from phys_gan.model import FastSim, Model
from phys_gan.networks import Discriminator, Encoder, Generator, NetworkConfig, Sizes
from phys_gan.training.batches import Batches
from phys_gan.training.processes import average_gradients, broadcast, gather
from phys_gan.training.schedule import TrainingConfig
from phys_gan.training.techniques import History


@dataclass(frozen=True)
class SourceEvents:
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
            takes its own part of every draw.
        x: Encoded real events (N, n_numbers) of equal weight, from which networks take their
            scales.
        c: Their encoded conditions (N, n_conditions).
        source: Events to translate, for methods that do.
        own: Random stream of this process for all else; ``noise`` where there is one process.
    """

    network: NetworkConfig
    schedule: TrainingConfig
    encoding: Encoding
    fabric: Fabric
    noise: torch.Generator
    x: Tensor
    c: Tensor
    source: SourceEvents | None = None
    own: torch.Generator | None = None

    @property
    def random(self) -> torch.Generator:
        """Random stream of this process."""
        return self.noise if self.own is None else self.own

    @property
    def sizes(self) -> tuple[Detector, Sizes]:
        """What networks are built for, beside their options."""
        return self.encoding.detector, Sizes.of(self.encoding)

    def adapt(self, *networks: Generator | Discriminator | Encoder) -> None:
        """Set the scales of networks by the real events, on the CPU."""
        for network in networks:
            network.adapt(self.x.to("cpu"), self.c.to("cpu"))


class Stateful(Protocol):
    """A part of a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""


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
        """Update all networks once.

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

    @abstractmethod
    def inspect(self, x: Tensor, c: Tensor) -> dict[str, float]:
        """Return named scalars for a report that are too slow for every step.

        Arguments:
            x: Encoded real events, (N, n_numbers).
            c: Their encoded conditions, (N, n_conditions).
        """

    def produce(self, model: Model, held_out: Events, seed: int) -> Events:
        """Return events of a model to compare with held-out ones, and with their weights."""
        n, weights = len(held_out), held_out.weights
        return FastSim(model).generate(held_out.conditions or n, seed, weights=weights)

    def averaging(self, generator: Generator) -> GeneratorAverage:
        """Return the average of a generator, which begins as a copy of it."""
        twin = copy.deepcopy(generator).to(self.fabric.device)
        return GeneratorAverage(twin, self.setup.schedule.ema_half_life)

    def advance(self, generator: nn.Module, batch: int, shown: int) -> None:
        """End a step: include the generator in its average, and count.

        Arguments:
            generator: The network that has been updated.
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
        """Restore the random streams at the end, so that reports do not change the training."""
        noise, own = self.setup.noise.get_state(), self._streams()
        yield
        self.setup.noise.set_state(noise)
        self._set_streams(own)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later process needs to go on; every process must call it."""
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
        """Return the states of the streams of this process: its own, and that of dropout."""
        device = self.setup.noise.device
        cuda = device.type == "cuda"
        layers: Tensor = torch.cuda.get_rng_state(device) if cuda else torch.get_rng_state()
        return {"random": self.setup.random.get_state(), "layers": layers}

    def _set_streams(self, states: Mapping[str, Tensor]) -> None:
        self.setup.random.set_state(states["random"])
        if self.setup.noise.device.type == "cuda":
            torch.cuda.set_rng_state(states["layers"], self.setup.noise.device)
        else:
            torch.set_rng_state(states["layers"])


class GeneratorAverage:
    """Average a generator's weights over training.

    The average starts with a short memory, a twentieth of the events shown, so that the first
    weights are soon forgotten.

    References:
        The Unusual Effectiveness of Averaging in GAN Training (Yazıcı et al., 2018),
        https://arxiv.org/abs/1806.04498; for the half-life in events and its start, Training
        Generative Adversarial Networks with Limited Data (Karras et al., 2020),
        https://arxiv.org/abs/2006.06676

    Arguments:
        generator: A copy of the generator, which becomes the average.
        half_life: Events shown after which a weight counts half; 0 follows the latest weights.
    """

    def __init__(self, generator: Generator, half_life: float) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.half_life = half_life
        self._parameters: list[Tensor] = list(generator.parameters())
        self._buffers = list(generator.buffers())

    @torch.no_grad()
    def update(self, generator: nn.Module, batch: int, shown: int) -> None:
        """Move towards ``generator`` after ``batch`` events, ``shown`` in all."""
        weight = 1.0
        if self.half_life:
            weight -= 0.5 ** (batch / min(self.half_life, max(0.05 * shown, batch)))
        current = [p.detach() for p in generator.parameters()]
        torch._foreach_lerp_(self._parameters, current, weight)
        for own, latest in zip(self._buffers, generator.buffers(), strict=True):
            own.copy_(latest)


class Learner:
    """A network with its Adam, on whatever device it runs.

    Arguments:
        network: The network.
        lr: Its learning rate.
        setup: What the method is built from.
        historical: Weight of historical averaging; 0 for none.

    Attributes:
        network: The network as Fabric wraps it, to be called in training.
        plain: The same network without the wrapper.
        adam: Its optimiser.
    """

    def __init__(
        self, network: nn.Module, lr: float, setup: Setup, historical: float = 0.0
    ) -> None:
        schedule, self.fabric = setup.schedule, setup.fabric
        self.plain, self.lr, self.historical = network, lr, historical
        self.clip_norm, self.accumulate, self._pending = schedule.clip_norm, schedule.accumulate, 0
        self.adam = torch.optim.Adam(network.parameters(), lr, (schedule.beta1, schedule.beta2))
        self.network, self._optimizer = self.fabric.setup(network, self.adam)
        broadcast(self.fabric, network)
        self.history = History(network) if historical else None

    def update(self, loss: Tensor, rate: float) -> Tensor:
        """Take one step down a loss, ``rate`` times the usual one; return its gradient's norm.

        The gradient is the mean over all processes, and over as many calls as are accumulated;
        only the last of these takes a step. The norm of the others is that of the sum so far.
        """
        if self.history is not None:
            loss = loss + self.historical * self.history.distance()
        for group in self._optimizer.param_groups:
            group["lr"] = self.lr * rate
        if not self._pending:
            self._optimizer.zero_grad()
        self.fabric.backward(loss if self.accumulate == 1 else loss / self.accumulate)
        self._pending = (self._pending + 1) % self.accumulate
        gradients = [p.grad for p in self.plain.parameters() if p.grad is not None]
        if self._pending:
            return torch.nn.utils.get_total_norm(gradients)
        average_gradients(self.fabric, gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.plain.parameters(), self.clip_norm, norm)
        self._optimizer.step()
        if self.history is not None:
            self.history.update()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments and history."""
        state = {"network": self.plain.state_dict(), "optimizer": self._optimizer.state_dict()}
        if self.history is not None:
            state["history"] = self.history.state_dict()
        if self._pending:
            state |= {"pending": self._pending, "gradients": self._gradients()}
        return state

    def _gradients(self) -> dict[str, Tensor]:
        """Return copies of the accumulated gradients, averaged over all processes."""
        named = self.plain.named_parameters()
        copies = {name: p.grad.clone() for name, p in named if p.grad is not None}
        average_gradients(self.fabric, copies.values())
        return copies

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.plain.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._pending = state.get("pending", 0)
        parameters = dict(self.plain.named_parameters())
        for name, gradient in state.get("gradients", {}).items():
            parameters[name].grad = gradient.to(parameters[name].device)
        if self.history is not None:
            self.history.load_state_dict(state["history"])


def diversity(real: Tensor, fake: Tensor) -> float:
    """Return the mean distance of two generated events over that of two real ones.

    It is far below 1 where the generator repeats itself.

    Arguments:
        real: Encoded real events, (N, n_numbers).
        fake: Encoded generated events, (M, n_numbers).

    Example:
        >>> diversity(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [2.0]]))
        0.25
    """
    return float(torch.pdist(fake).mean() / torch.pdist(real).mean().clamp_min(1e-12))
