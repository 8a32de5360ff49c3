"""The training loop: it draws, steps, reports, keeps; what a step does is the method's business."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything

from phys_gan import __version__
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.errors import ConfigError, DataError, MissingError, OutputError, RangeError
from phys_gan.events import Events
from phys_gan.files import atomic_file
from phys_gan.model import Model
from phys_gan.training.adversarial import Adversarial
from phys_gan.training.batches import Batches, Flow, ResidentBatches, StreamedBatches
from phys_gan.training.checkpoint import load_checkpoint, save_checkpoint
from phys_gan.training.recipe import Recipe, TrainingConfig, load_recipe

__all__ = ["RUN_FILES", "Judge", "Report", "silent", "train"]

_MODEL, _CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
_STATS, _RECIPE = "stats.jsonl", "recipe.toml"
RUN_FILES = (_MODEL, _CHECKPOINT, _STATS, _RECIPE)
"""What a run directory holds."""

Judge = Callable[[Events, Events], float]
"""Says how far generated events (second) are from held-out ones (first); smaller is better."""

Report = Callable[[int, Mapping[str, float]], None]
"""Is told the events shown after each step, and the scalars of a report when there is one."""


def silent(shown: int, scalars: Mapping[str, float]) -> None:
    """Report nothing."""


def train(
    recipe: Recipe,
    events: Events,
    held_out: Events,
    out: str | Path,
    judge: Judge,
    *,
    devices: int = 1,
    resume: bool = False,
    report: Report = silent,
    provenance: Mapping[str, str] = MappingProxyType({}),
    flow: Flow | None = None,
) -> Path:
    """Train a model.

    The run directory gets ``recipe.toml``, one JSON line per report in ``stats.jsonl``,
    ``checkpoint.safetensors`` to go on from, and ``model.safetensors``: the averaged generator
    of the report at which the judge liked it best.

    Arguments:
        recipe: The configuration.
        events: Events to learn from.
        held_out: Events that are never shown; the judge compares with them.
        out: The run directory.
        judge: How to choose the best checkpoint.
        devices: Number of devices of the best kind there is.
        resume: Go on from the checkpoint in ``out``.
        report: Is told about the progress.
        provenance: Short texts that go into the model.
        flow: Where the events that are shown come from, when they do not fit into memory;
            ``events`` are then a sample of them, from which scales are learned.

    Returns:
        The path of the model.

    Raises:
        ConfigError: ``out`` holds a run already and ``resume`` is not set, or that run has
            another recipe or other data.
        DataError: There are too few events.
        MissingError: There is nothing to resume.
        OutputError: The run directory cannot be written.
        RangeError: The losses are no longer finite.
    """
    config = recipe.training
    run = _Run(Path(out), resume)
    if len(events) < config.batch_size:
        raise DataError(
            f"there are {len(events)} events to learn from, fewer than one batch of "
            f"{config.batch_size}",
            remedy="give more events or lower training.batch_size",
            value=len(events),
        )
    fabric = Fabric(accelerator="auto", devices=devices)
    fabric.launch()
    if not fabric.is_global_zero:
        report = silent
    seed_everything(config.seed, verbose=False)

    encoding = build_encoding(recipe.encoding, events.detector).fit(events)
    encoding.widen(held_out.energy)
    encoding.to(fabric.device)
    x, c = encoding.encode(events)
    noise = torch.Generator(fabric.device).manual_seed(config.seed + 1 + fabric.global_rank)
    method = Adversarial(recipe, encoding, fabric, x, noise)
    group = torch.from_numpy(events.detector.symmetry_group()[: None if config.augment else 1])
    ranks = (fabric.global_rank, fabric.world_size)
    batches: Batches
    if flow is None:
        batches = ResidentBatches(x, c, encoding.n_globals, group, config.seed, *ranks)
    else:
        batches = StreamedBatches(flow, encoding, group, config.seed, *ranks)

    shown, best, spent = 0, math.inf, 0.0
    if resume:
        state = run.load(recipe, encoding)
        method.load_state_dict(state["method"])
        shown, best, spent = state["shown"], state["best"], state["spent"]
    else:
        run.start(recipe)

    began, means = time.monotonic() - spent, _Means()
    per_step = config.batch_size * fabric.world_size
    while (progress := _progress(config, shown, spent)) < 1:
        batch = batches.draw(method.steps, config.batch_size)
        rate = _rate(config, progress)
        means.add(method.step(*batch, rate, shown))
        shown += per_step
        spent = time.monotonic() - began
        ends = _progress(config, shown, spent) >= 1
        if not ends and shown % config.report_every >= per_step:
            report(shown, {})
            continue

        scalars = means.take()
        if not all(map(math.isfinite, scalars.values())):
            raise RangeError(
                f"the losses are no longer finite after {shown} events",
                remedy="lower training.lr_g and training.lr_d, or raise method.r1",
                value=scalars,
            )
        model = _model(recipe, encoding, method, provenance, shown)
        score = judge(held_out, model.sample(held_out.conditions, config.seed))
        line = {"events": shown, "seconds": round(spent, 2), "score": score, "rate": rate}
        line |= scalars
        if fabric.is_global_zero:
            run.log(line | {"best": score < best})
            if score < best:
                model.save(run.path / _MODEL)
        best = min(best, score)
        state = {
            "shown": shown,
            "best": best,
            "spent": spent,
            "encoding": encoding.state_dict(),
            "method": method.state_dict(),
        }
        if fabric.is_global_zero:
            save_checkpoint(run.path / _CHECKPOINT, state)
        report(shown, line)
    return run.path / _MODEL


def _progress(config: TrainingConfig, shown: int, seconds: float) -> float:
    """Return the part of the schedule that is done: events, or time where that is short."""
    part = shown / config.events
    return max(part, seconds / (60 * config.max_minutes)) if config.max_minutes else part


def _rate(config: TrainingConfig, progress: float) -> float:
    """Return the factor on the learning rates."""
    if config.decay == "none" or progress < 0.5:
        return 1.0
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (2 * progress - 1))) / 2


def _model(
    recipe: Recipe,
    encoding: Encoding,
    method: Adversarial,
    provenance: Mapping[str, str],
    shown: int,
) -> Model:
    made = {
        "phys_gan": __version__,
        "recipe": recipe.name,
        "events_shown": str(shown),
        "seed": str(recipe.training.seed),
    }
    return Model(
        encoding,
        recipe.encoding,
        method.average.generator,
        recipe.network,
        {**provenance, **made},
    )


class _Means:
    """Means of the scalars of the steps since the last report."""

    def __init__(self) -> None:
        self._values: dict[str, list[torch.Tensor]] = {}

    def add(self, scalars: Mapping[str, torch.Tensor]) -> None:
        for name, value in scalars.items():
            self._values.setdefault(name, []).append(value)

    def take(self) -> dict[str, float]:
        means = {name: float(torch.stack(v).mean()) for name, v in self._values.items()}
        self._values = {}
        return means


class _Run:
    """The files of one training run."""

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        if resume and not (path / _CHECKPOINT).is_file():
            raise MissingError(
                f"there is no run to resume in '{path}'",
                remedy="train without --resume, or name the directory of the run",
                value=str(path),
            )
        if not resume and (path / _CHECKPOINT).exists():
            raise ConfigError(
                f"'{path}' holds a training run already",
                remedy="go on with --resume, or choose another directory",
                value=str(path),
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the run directory '{path}': {error.strerror}",
                remedy="choose another place",
            ) from error

    def start(self, recipe: Recipe) -> None:
        # A run that never came to its first checkpoint may have left reports.
        (self.path / _STATS).unlink(missing_ok=True)
        with atomic_file(self.path / _RECIPE) as temporary:
            temporary.write_text(recipe.to_toml())

    def load(self, recipe: Recipe, encoding: Encoding) -> dict[str, Any]:
        """Read the checkpoint, and forget reports that were written after it."""
        begun = load_recipe(self.path / _RECIPE)
        if begun != recipe:
            raise ConfigError(
                f"the run in '{self.path}' began with another recipe",
                remedy=f"resume with '{self.path / _RECIPE}', or choose another directory",
            )
        state = load_checkpoint(self.path / _CHECKPOINT)
        fitted = encoding.state_dict()
        if not all(torch.equal(fitted[name].cpu(), t) for name, t in state["encoding"].items()):
            raise ConfigError(
                f"the run in '{self.path}' began with other data",
                remedy="give the same files in the same order, or choose another directory",
            )
        lines = (self.path / _STATS).read_text().splitlines(keepends=True)
        with atomic_file(self.path / _STATS) as temporary:
            kept = [line for line in lines if json.loads(line)["events"] <= state["shown"]]
            temporary.write_text("".join(kept))
        return state

    def log(self, line: Mapping[str, Any]) -> None:
        try:
            with (self.path / _STATS).open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write '{self.path / _STATS}': {error.strerror}",
                remedy="free space, then go on with --resume",
            ) from error
