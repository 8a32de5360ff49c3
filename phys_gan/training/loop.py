"""The training loop: it draws, steps, reports, keeps; what a step does is the method's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

from phys_gan.events import Events
from phys_gan.training.batches import Flow
from phys_gan.training.failures import shortage_explained
from phys_gan.training.preparing import counting, prepare, require_batches
from phys_gan.training.processes import loss_of_process_explained, start_fabric
from phys_gan.training.recipe import Recipe
from phys_gan.training.run import Run
from phys_gan.training.session import Judge, Report, Session, Watch
from phys_gan.training.stopping import Stopping

__all__ = ["Judge", "Report", "Watch", "silent", "train", "unwatched"]


def silent(shown: int, scalars: Mapping[str, Any]) -> None:
    """Report nothing."""


def unwatched(line: Mapping[str, Any], held_out: Events, generated: Events) -> None:
    """Watch nothing."""


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
    report: Report = silent,
    watch: Watch = unwatched,
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
        report, watch = silent, unwatched
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
