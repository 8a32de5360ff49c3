"""The training loop: it draws, steps, reports, keeps; what a step does is the method's business.

What torch says of memory, in one sentence.

Means of the scalars of the steps since the last report.

What a training needs before its first step: encoding, batches, random streams, networks.

A training under way: where it stands, its steps, its reports, its checkpoints.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric, seed_everything
from numpy.typing import NDArray
from torch import Tensor

from phys_gan._version import __version__
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.errors import ConfigError, DataError, PhysGanError, RangeError, is_shortage
from phys_gan.events import Events, require_drawable
from phys_gan.model import Model
from phys_gan.networks.blocks import baked
from phys_gan.randomness import draw_by_weight, stream
from phys_gan.references import recipe_references
from phys_gan.training.batches import Batches, Flow, ResidentBatches, StreamedBatches
from phys_gan.training.methods import Method, Setup, SourceEvents, build_method
from phys_gan.training.processes import Pulse, loss_of_process_explained, start_fabric
from phys_gan.training.recipe import Recipe
from phys_gan.training.run import Run
from phys_gan.training.stopping import Stopping, Unfinished
from phys_gan.training.warnings import warn

__all__ = [
    "Judge",
    "Means",
    "Prepared",
    "ReportCallback",
    "Session",
    "ShortageError",
    "StepCallback",
    "counting",
    "ignore",
    "prepare",
    "require_batches",
    "shortage_explained",
    "train",
]


class ShortageError(PhysGanError, MemoryError):
    """There is too little memory for a step."""


@contextmanager
def shortage_explained(batch_size: int) -> Iterator[None]:
    """Say what to do where memory is short.

    Arguments:
        batch_size: Events per step.

    Raises:
        ShortageError: There is too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, PhysGanError) or not is_shortage(error):
            raise
        where = "graphics card" if isinstance(error, torch.cuda.OutOfMemoryError) else "machine"
        raise ShortageError(
            f"the memory of the {where} is too small for steps of {batch_size} events",
            remedy=f"choose a smaller training.batch_size, such as {max(2, batch_size // 2)}, or "
            "smaller networks",
            value=batch_size,
        ) from error


class Means:
    """Running means of named scalars, not all of which come at every step.

    Running ones: a scalar that is kept from every step pins the memory around it, up to a
    gigabyte in a thousand steps.
    """

    def __init__(self) -> None:
        self._means: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Take in the scalars of a step."""
        for name, value in scalars.items():
            self._counts[name] += 1
            if self._counts[name] == 1:
                self._means[name] = value.clone()
            else:
                mean = self._means[name]
                mean += (value - mean) / self._counts[name]

    def take(self) -> dict[str, float]:
        """Return the means, and begin anew."""
        means = {name: float(mean) for name, mean in self._means.items()}
        self._means, self._counts = {}, Counter()
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the means so far."""
        return {"means": dict(self._means), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self._means = {name: mean.to(device) for name, mean in state["means"].items()}
        self._counts = Counter(state["counts"])


_APART = 1_000_003
"""Between the seeds of processes, so that none meets another's stream."""

_SAMPLE = 20_000
"""Events from which networks take their scales, where they have to be drawn by their weights."""


@dataclass(frozen=True)
class Prepared:
    """What a training is made of.

    Attributes:
        encoding: The fitted encoding, on the device.
        x: Encoded events (N, n_numbers) that all count the same, from which scales are taken.
        c: Their encoded conditions (N, n_conditions).
        batches: What is shown.
        method: What a step does.
    """

    encoding: Encoding
    x: Tensor
    c: Tensor
    batches: Batches
    method: Method


def counting(events: Events, what: str) -> Events:
    """Return the events that can be drawn by their weights, which are those whose weight is not 0.

    Arguments:
        events: The events, with weights or without.
        what: What they are called.

    Raises:
        DataError: A weight is negative, or all are 0.
    """
    if events.weights is None:
        return events
    require_drawable(events.weights, what)
    return events if events.weights.all() else events[events.weights > 0]


def require_batches(size: int, samples: Sequence[Events]) -> None:
    """Refuse samples that are smaller than a batch.

    Raises:
        DataError: One is.
    """
    for sample in samples:
        if len(sample) < size:
            raise DataError(
                f"there are {len(sample)} events to learn from, fewer than one batch of {size}",
                remedy="give more events or lower training.batch_size",
                value=len(sample),
            )


def prepare(
    recipe: Recipe,
    fabric: Fabric,
    events: Events,
    held_out: Events,
    source: Sequence[Events],
    flow: Flow | None,
) -> Prepared:
    """Fit the encoding, lay out the batches, and build the networks.

    Arguments are those of :func:`phys_gan.training.loop.train`.
    """
    config = recipe.training
    seed_everything(config.seed, verbose=False)
    encoding = build_encoding(recipe.encoding, events.detector)
    encoding.fit(_joined([events, *source[:1]], encoding.named), config.seed)
    for sample in (held_out, *source[1:]):
        encoding.widen(sample)
    encoding.to(fabric.device)
    x, c = encoding.encode(events)
    group = torch.from_numpy(events.detector.symmetry_group()[: None if config.augment else 1])
    ranks = (fabric.global_rank, fabric.world_size)
    batches: Batches
    if flow is None:
        batches = ResidentBatches(
            x, c, encoding.n_globals, group, config.seed, *ranks, events.weights
        )
    else:
        batches = StreamedBatches(flow, encoding, group, config.seed, *ranks)
    sources = None
    if source:
        encoded = encoding.encode(source[0])
        others = ResidentBatches(
            *encoded, encoding.n_globals, group, config.seed + 1, *ranks, source[0].weights
        )
        sources = SourceEvents(others, source[1])
    if events.weights is not None:
        # What scales are taken from must not need the weights any more.
        n = min(len(events), _SAMPLE)
        drawn = draw_by_weight(events.weights, n, stream(config.seed, "scales"))
        rows = torch.from_numpy(drawn).to(x.device)
        x, c = x[rows], c[rows]
    noise = torch.Generator(fabric.device).manual_seed(config.seed + 1)
    own, apart = None, config.seed + 1 + _APART * (1 + fabric.global_rank)
    if fabric.world_size > 1:
        own = torch.Generator(fabric.device).manual_seed(apart)
    setup = Setup(recipe.network, config, encoding, fabric, noise, x, c, sources, own)
    method = build_method(recipe.method, setup)
    if fabric.world_size > 1:
        # Weights began alike; what layers such as dropout draw from now on is each one's own.
        torch.manual_seed(apart)
    return Prepared(encoding, x, c, batches, method)


def _joined(samples: Sequence[Events], names: Sequence[str]) -> Events:
    """Join events of different origin with the conditions that networks are told."""
    if len(samples) == 1:
        return samples[0]
    weighted = any(sample.weights is not None for sample in samples)
    return Events.concatenate(
        [
            Events(
                sample.cells,
                {name: sample.condition(name) for name in names},
                sample.detector,
                weights=_mean_one(sample) if weighted else None,
            )
            for sample in samples
        ]
    )


def _mean_one(sample: Events) -> NDArray[np.float64]:
    """Return weights by which samples count as their numbers of events, whatever their units."""
    if sample.weights is None:
        return np.ones(len(sample))
    weights = sample.weights / sample.weights.max()
    return np.asarray(weights / weights.mean(), np.float64)


Judge = Callable[[Events, Events], float]
"""Says how far generated events (second) are from held-out ones (first); smaller is better."""

StepCallback = Callable[[int, Mapping[str, Any]], None]
"""Called after each step with the events shown, and with the line of a report or an empty one."""

ReportCallback = Callable[[Mapping[str, Any], Events, Events], None]
"""Called at each report with its line, the held-out and the generated events."""

_INSPECTED = 512
"""Events that a method looks at in a report."""


class Session:
    """Step until the end of the schedule; report, judge and keep on the way.

    Arguments are those of :func:`phys_gan.training.loop.train`.

    Attributes:
        shown: Events shown so far, by all processes.
        best: The best score so far.
        best_at: Events shown when it was reached.
        spent: Seconds spent in steps and reports, before the last resume as well.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        parts: Prepared,
        run: Run,
        held_out: Events,
        judge: Judge,
        report: StepCallback,
        watch: ReportCallback,
        provenance: Mapping[str, str],
    ) -> None:
        self.recipe, self.config, self.fabric = recipe, recipe.training, fabric
        self.parts, self.method, self.run = parts, parts.method, run
        self.held_out, self.judge, self.provenance = held_out, judge, provenance
        self.report, self.watch = report, watch
        self.shown, self.best, self.best_at, self.spent = 0, math.inf, 0, 0.0
        self._means, self._pulse = Means(), Pulse(fabric)

    def resume(self) -> None:
        """Take the state of the last whole checkpoint.

        Raises:
            ConfigError: The run began with another recipe, other data or other processes.
            DataError: Every checkpoint is damaged.
        """
        state = self.run.load(self.recipe, self.parts.encoding)
        if state["processes"] != self.fabric.world_size:
            raise ConfigError(
                f"the run in '{self.run.path}' began with {state['processes']} processes, not "
                f"{self.fabric.world_size}, whose steps show another number of events",
                remedy=f"resume with {state['processes']} devices in all, or choose another "
                "directory",
                value=self.fabric.world_size,
                constraint=state["processes"],
            )
        # No process may tidy up or rewind while another one still reads.
        self.fabric.barrier()
        if self.fabric.is_global_zero:
            self.run.rewind(state["shown"])
        self.fabric.barrier()
        self.method.load_state_dict(state["method"])
        self._means.load_state_dict(state["scalars"], self.fabric.device)
        self.shown, self.best = state["shown"], state["best"]
        self.best_at, self.spent = state["best_at"], state["spent"]

    def go(self, stopping: Stopping) -> None:
        """Step until the end.

        Raises:
            RangeError: The losses are no longer finite.
            Unfinished: There is a reason to stop before.
        """
        config, began = self.config, time.monotonic() - self.spent
        per_step = config.batch_size * self.fabric.world_size
        while (progress := config.progress(self.shown, self.spent)) < 1:
            stopping.tick()
            batch = self.parts.batches.draw(self.method.steps, config.batch_size)
            rate = config.rate(progress)
            scalars = self.method.step(*batch, rate, self.shown)
            self._means.add(scalars)
            self.shown += per_step
            due = self.shown % config.report_every < per_step or self.shown >= config.events
            spent, reason = time.monotonic() - began, stopping.reason
            self.spent, stop, broken = self._pulse.beat(scalars, spent, reason is not None, due)
            if broken:
                raise _not_finite(self.shown, {k: float(v) for k, v in scalars.items()})
            if due or config.progress(self.shown, self.spent) >= 1:
                if self._tell(rate):
                    return
            else:
                self.report(self.shown, {})
                if stop:
                    self._save()
            if stop and config.progress(self.shown, self.spent) < 1:
                self.fabric.barrier()
                raise Unfinished(self.shown, config.events, reason or "another process was told to")

    def _tell(self, rate: float) -> bool:
        """Judge, report and keep; return whether patience has come to its end."""
        x, c = self.parts.x[:_INSPECTED], self.parts.c[:_INSPECTED]
        with self.method.aside():
            scalars = self._means.take() | self.method.inspect(x, c)
        if not all(map(math.isfinite, scalars.values())):
            raise _not_finite(self.shown, scalars)
        line: dict[str, Any] = {}
        if self.fabric.is_global_zero:
            model = self._model()
            generated = self.method.produce(model, self.held_out, self.config.seed)
            line = {"events": self.shown, "seconds": round(self.spent, 2)}
            line["score"] = score = self.judge(self.held_out, generated)
            line |= {"rate": rate, **scalars, "best": score < self.best}
            line["warnings"] = warn([*self.run.lines(), line])
        score = self.fabric.broadcast(line.get("score", math.inf))
        if score < self.best:
            self.best, self.best_at = score, self.shown
            if self.fabric.is_global_zero:
                self.run.keep(model)
        if self.fabric.is_global_zero:
            self.run.log(line)
        self._save()
        self.report(self.shown, line)
        if self.fabric.is_global_zero:
            self.watch(line, self.held_out, generated)
        patience = self.config.patience
        return bool(patience) and self.shown - self.best_at >= patience

    def _save(self) -> None:
        state = {
            "shown": self.shown,
            "best": self.best,
            "best_at": self.best_at,
            "spent": self.spent,
            "processes": self.fabric.world_size,
            "encoding": self.parts.encoding.state_dict(),
            "method": self.method.state_dict(),
            "scalars": self._means.state_dict(),
        }
        if self.fabric.is_global_zero:
            self.run.save(state)

    def _model(self) -> Model:
        recipe, encoding = self.recipe, self.parts.encoding
        made = {
            "phys_gan": __version__,
            "recipe": recipe.name,
            "events_shown": str(self.shown),
            "seed": str(recipe.training.seed),
            "references": " ".join(recipe_references(recipe, encoding.detector.name)),
        }
        return Model(
            encoding,
            recipe.encoding,
            baked(self.method.average.generator),
            recipe.network,
            {**self.provenance, **made},
        )


def _not_finite(shown: int, scalars: Mapping[str, float]) -> RangeError:
    return RangeError(
        f"the losses are no longer finite after {shown:,} events, where the training stopped; what "
        "the last report left, model and checkpoint, is untouched",
        remedy="train in another directory with lower training.lr_g and training.lr_d, or raise "
        "the weight of a penalty",
        value=scalars,
    )


def ignore(*_: object) -> None:
    """Do nothing: the default of both callbacks."""


def train(
    recipe: Recipe,
    events: Events,
    held_out: Events,
    out: str | Path,
    judge: Judge,
    *,
    source: Sequence[Events] = (),
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    deadline: float | None = None,
    report: StepCallback = ignore,
    watch: ReportCallback = ignore,
    provenance: Mapping[str, str] = MappingProxyType({}),
    flow: Flow | None = None,
) -> Path:
    """Train a model.

    Events that have weights are drawn by them, so that the model learns the weighted
    distribution; the judge is given held-out events with their weights.

    The run directory gets ``recipe.toml``, one JSON line per report in ``stats.jsonl``,
    ``checkpoint.safetensors`` to go on from with those before it, and ``model.safetensors``: the
    averaged generator of the report at which the judge liked it best.

    SIGTERM, SIGUSR1, SIGINT and the deadline end it after the step it is at, with a checkpoint; a
    second signal ends it at once. A run that was stopped or killed, and resumed, ends with the
    weights of one that was not: on the CPU and with one process bit for bit.

    Arguments:
        recipe: The configuration.
        events: Events to learn from.
        held_out: Events that are never shown; the judge compares with them.
        out: The run directory.
        judge: How to choose the best checkpoint.
        source: For methods that translate: events to translate, and held-out ones of them.
        device: "cpu", "cuda", or "auto" for the best there is.
        devices: Number of devices per machine.
        nodes: Number of machines.
        resume: Go on from the last whole checkpoint in ``out``; begin where there is none.
        deadline: When the process must be over, on the clock of :func:`time.monotonic`.
        report: Is told about the progress.
        watch: Is shown generated events at each report.
        provenance: Short texts that go into the model.
        flow: Where the events that are shown come from, when they do not fit into memory;
            ``events`` are then a sample of them, from which scales are learned. Of weighted
            events both are drawn by their weights already.

    Returns:
        The path of the model.

    Raises:
        ConfigError: ``out`` holds a run already and ``resume`` is not set, that run has another
            recipe, other data or another number of processes, or the devices are not there.
        DataError: There are too few events, their weights are negative or all 0, or all
            checkpoints are damaged.
        OutputError: The run directory cannot be written.
        RangeError: The losses are no longer finite.
        ShortageError: There is too little memory.
        Unfinished: A signal or the deadline came.
    """
    config = recipe.training
    events, held_out = counting(events, "events"), counting(held_out, "held-out events")
    source = [counting(sample, "source events") for sample in source]
    run = Run(Path(out), resume, config.keep_checkpoints)
    require_batches(config.batch_size, (events, *source[:1]))
    fabric = start_fabric(device, devices, nodes, config.precision)
    if not fabric.is_global_zero:
        report = watch = ignore
    with (
        run.alone() if fabric.is_global_zero else nullcontext(),
        Stopping(deadline) as stopping,
        loss_of_process_explained(fabric),
        shortage_explained(config.batch_size),
    ):
        parts = prepare(recipe, fabric, events, held_out, source, flow)
        session = Session(recipe, fabric, parts, run, held_out, judge, report, watch, provenance)
        if run.begun:
            session.resume()
        elif fabric.is_global_zero:
            run.start(recipe)
        session.go(stopping)
        fabric.barrier()
    return run.model
