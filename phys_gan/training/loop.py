""":func:`train`: the training loop. It draws batches, steps, reports, judges and keeps.

What a step does is the method's business (:mod:`phys_gan.training.methods`), how events are drawn
that of :mod:`phys_gan.training.batches`, and which files a run leaves that of
:mod:`phys_gan.training.run`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from lightning_fabric import seed_everything
from torch import Tensor

from phys_gan._version import __version__
from phys_gan.encodings import build_encoding
from phys_gan.encodings.conditions import choose_conditions, surviving
from phys_gan.errors import DataError, PhysGanError, RangeError, is_shortage
from phys_gan.events import Events, require_drawable
from phys_gan.model import Model
from phys_gan.networks.blocks import baked
from phys_gan.randomness import draw_by_weight, stream
from phys_gan.references import recipe_references
from phys_gan.training.batches import (
    Batches,
    Flow,
    ResidentBatches,
    StreamedBatches,
    Symmetries,
)
from phys_gan.training.methods import Setup, SourceEvents, build_method
from phys_gan.training.processes import Agreement, loss_of_process_explained, start_fabric
from phys_gan.training.recipe import Recipe
from phys_gan.training.run import Run
from phys_gan.training.stopping import Stopping, Unfinished
from phys_gan.training.warnings import warn

Judge = Callable[[Events, Events], float]
"""Distance of generated events (second) from held-out ones (first); smaller is better."""

StepCallback = Callable[[int, Mapping[str, Any]], None]
"""Called after each step with the events shown, and with the line of a report or an empty one."""

ReportCallback = Callable[[Mapping[str, Any], Events, Events], None]
"""Called at each report with its line, the held-out and the generated events."""

_SEED_STEP = 1_000_003
"""Between the seeds of processes, so that their streams differ."""
_SCALED = 20_000
"""Events from which networks take their scales, where they have to be drawn by their weights."""
_INSPECTED = 512
"""Events that a method inspects in a report."""


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

    Events with weights are drawn by them, so that the model learns the weighted distribution; the
    judge gets held-out events with their weights.

    The run directory gets ``recipe.toml``, one JSON line per report in ``stats.jsonl``,
    ``checkpoint.safetensors`` to go on from with those before it, and ``model.safetensors``: the
    averaged generator of the report with the best score.

    SIGTERM, SIGUSR1, SIGINT and the deadline end it after the current step, with a checkpoint; a
    second signal ends it at once. A run that was stopped or killed, and resumed, ends with the
    weights of one that was not: on the CPU and with one process bit for bit.

    Arguments:
        recipe: The configuration.
        events: Events to learn from.
        held_out: Events that are never shown, for the judge.
        out: The run directory.
        judge: The physics metric by which the best checkpoint is chosen.
        source: For methods that translate: events to translate, and held-out ones of them.
        device: "cpu", "cuda", or "auto" for the best there is.
        devices: Number of devices per machine.
        nodes: Number of machines.
        resume: Go on from the last whole checkpoint in ``out``; begin where there is none.
        deadline: When the process must be over, on the clock of :func:`time.monotonic`.
        report: Callback of each step.
        watch: Callback of each report.
        provenance: Short texts that go into the model.
        flow: The stream of the events to show, when they do not fit into memory; ``events`` are
            then a sample of them, from which scales are learned. Weighted events are already
            drawn by their weights in both.

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
    # Check the events and the directory before anything is computed.
    config = recipe.training
    events, held_out = _drawable(events, "events"), _drawable(held_out, "held-out events")
    source = [_drawable(sample, "source events") for sample in source]
    run = Run(Path(out), resume, config.keep_checkpoints)
    for sample in (events, *source[:1]):
        if len(sample) < config.batch_size:
            raise DataError(
                f"there are {len(sample)} events to learn from, fewer than one batch of "
                f"{config.batch_size}",
                remedy="give more events or lower training.batch_size",
                value=len(sample),
            )

    # Start the processes, the first of which reports and writes.
    fabric = start_fabric(device, devices, nodes, config.precision)
    first = fabric.is_global_zero
    if not first:
        report = watch = ignore
    with (
        run.alone() if first else nullcontext(),
        Stopping(deadline) as stopping,
        loss_of_process_explained(fabric),
        shortage_explained(config.batch_size),
    ):
        # Fit the encoding, and encode the events.
        seed_everything(config.seed, verbose=False)
        conditions = choose_conditions(recipe.conditions, [events, *source[:1]])
        options = recipe.encoding.model_copy(update={"conditions": conditions})
        encoding = build_encoding(options, events.detector)
        encoding.fit(_joined([events, *source[:1]], encoding.named), config.seed)
        for sample in (held_out, *source[1:]):
            encoding.widen(sample)
        encoding.to(fabric.device)
        x, c = encoding.encode(events)

        # Draw batches, with random symmetries, from the memory of the device or from the stream.
        moves = np.arange(1)
        if config.augment:
            moves = surviving(events.detector, encoding.named, events)
        symmetries = Symmetries.of(encoding, moves)
        resident = partial(
            ResidentBatches,
            symmetries=symmetries,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        batches: Batches
        if flow is None:
            batches = resident(x=x, c=c, weights=events.weights, seed=config.seed)
        else:
            batches = StreamedBatches(
                flow=flow,
                encoding=encoding,
                symmetries=symmetries,
                rank=fabric.global_rank,
                world=fabric.world_size,
                seed=config.seed,
            )
        translated = None
        if source:
            source_x, source_c = encoding.encode(source[0])
            translated = SourceEvents(
                resident(x=source_x, c=source_c, weights=source[0].weights, seed=config.seed + 1),
                source[1],
            )

        # Build the method and its networks, whose scales are those of events of equal weight.
        if events.weights is not None:
            n = min(len(events), _SCALED)
            rows = draw_by_weight(events.weights, n, stream(config.seed, "scales"))
            x, c = (encoded[torch.from_numpy(rows).to(x.device)] for encoded in (x, c))
        noise = torch.Generator(fabric.device).manual_seed(config.seed + 1)
        own, own_seed = None, config.seed + 1 + _SEED_STEP * (1 + fabric.global_rank)
        if fabric.world_size > 1:
            own = torch.Generator(fabric.device).manual_seed(own_seed)
        setup = Setup(recipe.network, config, encoding, fabric, noise, x, c, translated, own)
        method = build_method(recipe.method, setup)
        if fabric.world_size > 1:
            # Weights began alike; layers such as dropout draw independently from now on.
            torch.manual_seed(own_seed)

        # Go on from the last whole checkpoint, or begin.
        shown, best, best_at, spent = 0, math.inf, 0, 0.0
        means, agreement = Means(), Agreement(fabric)
        if run.begun:
            state = run.load(recipe, encoding, fabric.world_size)
            # No process may tidy up or rewind while another one still reads.
            fabric.barrier()
            if first:
                run.rewind(state["shown"])
            fabric.barrier()
            method.load_state_dict(state["method"])
            means.load_state_dict(state["scalars"], fabric.device)
            shown, best, best_at, spent = (
                state[name] for name in ("shown", "best", "best_at", "spent")
            )
        elif first:
            run.start(recipe)

        # Step until the end of the schedule.
        began, per_step = time.monotonic() - spent, config.batch_size * fabric.world_size
        while (progress := config.progress(shown, spent)) < 1:
            stopping.tick()
            rate = config.rate(progress)
            batch = batches.draw(method.steps, config.batch_size)
            scalars = method.step(*batch, rate, shown)
            means.add(scalars)
            shown += per_step

            # Agree with the other processes on time, on stopping, and on losses that diverged.
            due = shown % config.report_every < per_step or shown >= config.events
            reason = stopping.reason
            spent, stop, diverged = agreement.reach(
                scalars, time.monotonic() - began, reason is not None, due
            )
            if diverged:
                raise _not_finite(shown, {name: float(value) for name, value in scalars.items()})
            finished = config.progress(shown, spent) >= 1

            # Report: judge the averaged generator, and keep the best one.
            line: dict[str, Any] = {}
            if due or finished:
                with method.aside():
                    found = means.take() | method.inspect(x[:_INSPECTED], c[:_INSPECTED])
                if not all(map(math.isfinite, found.values())):
                    raise _not_finite(shown, found)
                score = math.inf
                if first:
                    model = Model(
                        encoding,
                        options,
                        baked(method.average.generator),
                        recipe.network,
                        {
                            **provenance,
                            "phys_gan": __version__,
                            "recipe": recipe.name,
                            "events_shown": str(shown),
                            "seed": str(config.seed),
                            "references": " ".join(
                                recipe_references(recipe, encoding.detector.name)
                            ),
                        },
                    )
                    generated = method.produce(model, held_out, config.seed)
                    score = judge(held_out, generated)
                    line = {"events": shown, "seconds": round(spent, 2), "score": score}
                    line |= {"rate": rate, **found, "best": score < best}
                    line["warnings"] = warn([*run.lines(), line])
                score = fabric.broadcast(score)
                if score < best:
                    best, best_at = score, shown
                    if first:
                        model.save(run.model)
                if first:
                    run.log(line)

            # Save the state at reports and before stopping; all processes take part.
            if due or finished or stop:
                state = {
                    "shown": shown,
                    "best": best,
                    "best_at": best_at,
                    "spent": spent,
                    "processes": fabric.world_size,
                    "encoding": encoding.state_dict(),
                    "method": method.state_dict(),
                    "scalars": means.state_dict(),
                }
                if first:
                    run.save(state)
            report(shown, line)
            if line:
                watch(line, held_out, generated)

            # End early: for want of progress, or to be resumed.
            if (due or finished) and config.patience and shown - best_at >= config.patience:
                break
            if stop and not finished:
                fabric.barrier()
                raise Unfinished(
                    shown, config.events, reason or "another process received a signal"
                )
        fabric.barrier()
    return run.model


def _drawable(events: Events, what: str) -> Events:
    """Return the events of positive weight; refuse negative weights, or only zeros."""
    if events.weights is None:
        return events
    require_drawable(events.weights, what)
    return events if events.weights.all() else events[events.weights > 0]


def _joined(samples: Sequence[Events], names: Sequence[str]) -> Events:
    """Join events of different origin, with the conditions of the networks.

    Samples count as their numbers of events, whatever the units of their weights.
    """
    if len(samples) == 1:
        return samples[0]
    weighted = any(sample.weights is not None for sample in samples)
    parts = []
    for sample in samples:
        conditions = {name: sample.condition(name) for name in names}
        weights = None
        if weighted:
            weights = np.ones(len(sample)) if sample.weights is None else sample.weights
            weights = weights / weights.max()
            weights = weights / weights.mean()
        parts.append(Events(sample.cells, conditions, sample.detector, weights=weights))
    return Events.concatenate(parts)


def _not_finite(shown: int, scalars: Mapping[str, float]) -> RangeError:
    return RangeError(
        f"the losses are no longer finite after {shown:,} events, where the training stopped; the "
        "model and the checkpoint of the last report are untouched",
        remedy="train in another directory with lower training.lr_g and training.lr_d, or raise "
        "the weight of a penalty",
        value=scalars,
    )


class Means:
    """Running means of named scalars, not all of which come at every step.

    Running ones: a scalar that is kept from every step pins the memory around it, up to a
    gigabyte in a thousand steps.
    """

    def __init__(self) -> None:
        self._means: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Include the scalars of a step."""
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


class ShortageError(PhysGanError, MemoryError):
    """There is too little memory for a step."""


@contextmanager
def shortage_explained(batch_size: int) -> Iterator[None]:
    """Explain a shortage of memory, and what to do about it.

    Raises:
        ShortageError: There is too little memory for steps of so many events.
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
