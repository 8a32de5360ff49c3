"""The training loop: it draws, steps, reports, keeps; what a step does is the method's business."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything

from phys_gan import __version__
from phys_gan.encodings import Encoding, build_encoding
from phys_gan.errors import DataError, RangeError
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks.spectral import baked
from phys_gan.references import recipe_references
from phys_gan.training.batches import Batches, Flow, ResidentBatches, StreamedBatches
from phys_gan.training.methods import Method, Setup, Sources, build_method
from phys_gan.training.recipe import Recipe
from phys_gan.training.run import RUN_FILES, Run
from phys_gan.training.warnings import warn

__all__ = ["RUN_FILES", "Judge", "Report", "Watch", "silent", "train", "unwatched"]

Judge = Callable[[Events, Events], float]
"""Says how far generated events (second) are from held-out ones (first); smaller is better."""

Report = Callable[[int, Mapping[str, Any]], None]
"""Is told the events shown after each step, and the line of a report when there is one."""

Watch = Callable[[Mapping[str, Any], Events, Events], None]
"""Is given the line of each report with the held-out and the generated events."""

_INSPECTED = 512
"""Events that a method looks at in a report."""


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
    devices: int = 1,
    resume: bool = False,
    report: Report = silent,
    watch: Watch = unwatched,
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
        source: For methods that translate: events to translate, and held-out ones of them.
        devices: Number of devices of the best kind there is.
        resume: Go on from the checkpoint in ``out``.
        report: Is told about the progress.
        watch: Is shown generated events at each report.
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
    run = Run(Path(out), resume)
    for sample in (events, *source[:1]):
        if len(sample) < config.batch_size:
            raise DataError(
                f"there are {len(sample)} events to learn from, fewer than one batch of "
                f"{config.batch_size}",
                remedy="give more events or lower training.batch_size",
                value=len(sample),
            )
    fabric = Fabric(accelerator="auto", devices=devices)
    fabric.launch()
    if not fabric.is_global_zero:
        report, watch = silent, unwatched
    seed_everything(config.seed, verbose=False)

    encoding = build_encoding(recipe.encoding, events.detector)
    encoding.fit(_joined([events, *source[:1]], encoding.named))
    for sample in (held_out, *source[1:]):
        encoding.widen(sample)
    encoding.to(fabric.device)
    x, c = encoding.encode(events)
    group = torch.from_numpy(events.detector.symmetry_group()[: None if config.augment else 1])
    ranks = (fabric.global_rank, fabric.world_size)
    batches: Batches
    if flow is None:
        batches = ResidentBatches(x, c, encoding.n_globals, group, config.seed, *ranks)
    else:
        batches = StreamedBatches(flow, encoding, group, config.seed, *ranks)
    sources = None
    if source:
        encoded = encoding.encode(source[0])
        others = ResidentBatches(*encoded, encoding.n_globals, group, config.seed + 1, *ranks)
        sources = Sources(others, source[1])
    noise = torch.Generator(fabric.device).manual_seed(config.seed + 1 + fabric.global_rank)
    setup = Setup(recipe.network, config, encoding, fabric, noise, x, c, sources)
    method = build_method(recipe.method, setup)

    shown, best, best_at, spent = 0, math.inf, 0, 0.0
    if resume:
        state = run.load(recipe, encoding)
        method.load_state_dict(state["method"])
        shown, best, best_at, spent = (state[k] for k in ("shown", "best", "best_at", "spent"))
    else:
        run.start(recipe)

    began, means, lines = time.monotonic() - spent, _Means(), run.lines()
    per_step = config.batch_size * fabric.world_size
    while (progress := config.progress(shown, spent)) < 1:
        batch = batches.draw(method.steps, config.batch_size)
        rate = config.rate(progress)
        means.add(method.step(*batch, rate, shown))
        shown += per_step
        spent = time.monotonic() - began
        ends = config.progress(shown, spent) >= 1
        if not ends and shown % config.report_every >= per_step:
            report(shown, {})
            continue

        scalars = means.take() | method.inspect(x[:_INSPECTED], c[:_INSPECTED])
        if not all(map(math.isfinite, scalars.values())):
            raise RangeError(
                f"the losses are no longer finite after {shown} events",
                remedy="lower training.lr_g and training.lr_d, or raise the weight of a penalty",
                value=scalars,
            )
        model = _model(recipe, encoding, method, provenance, shown)
        generated = method.produce(model, held_out, config.seed)
        score = judge(held_out, generated)
        line: dict[str, Any] = {"events": shown, "seconds": round(spent, 2), "score": score}
        line |= {"rate": rate, **scalars, "best": score < best}
        line["warnings"] = warn([*lines, line])
        lines.append(line)
        if score < best:
            best, best_at = score, shown
            if fabric.is_global_zero:
                run.keep(model)
        state = {
            "shown": shown,
            "best": best,
            "best_at": best_at,
            "spent": spent,
            "encoding": encoding.state_dict(),
            "method": method.state_dict(),
        }
        if fabric.is_global_zero:
            run.log(line)
            run.save(state)
        report(shown, line)
        watch(line, held_out, generated)
        if config.patience and shown - best_at >= config.patience:
            break
    return run.model


def _model(
    recipe: Recipe,
    encoding: Encoding,
    method: Method,
    provenance: Mapping[str, str],
    shown: int,
) -> Model:
    made = {
        "phys_gan": __version__,
        "recipe": recipe.name,
        "events_shown": str(shown),
        "seed": str(recipe.training.seed),
        "references": " ".join(recipe_references(recipe, encoding.detector.name)),
    }
    return Model(
        encoding,
        recipe.encoding,
        baked(method.average.generator),
        recipe.network,
        {**provenance, **made},
    )


def _joined(samples: Sequence[Events], names: Sequence[str]) -> Events:
    """Join events of different origin with the conditions that networks are told."""
    if len(samples) == 1:
        return samples[0]
    return Events.concatenate(
        [Events(s.cells, {name: s.condition(name) for name in names}, s.detector) for s in samples]
    )


class _Means:
    """Means of the scalars of the steps since the last report.

    Running ones: a scalar that is kept from every step pins the memory around it, up to a
    gigabyte in a thousand steps.
    """

    def __init__(self) -> None:
        self._means: dict[str, torch.Tensor] = {}
        self._counts: Counter[str] = Counter()

    def add(self, scalars: Mapping[str, torch.Tensor]) -> None:
        for name, value in scalars.items():
            self._counts[name] += 1
            if self._counts[name] == 1:
                self._means[name] = value.clone()
            else:
                mean = self._means[name]
                mean += (value - mean) / self._counts[name]

    def take(self) -> dict[str, float]:
        means = {name: float(mean) for name, mean in self._means.items()}
        self._means, self._counts = {}, Counter()
        return means
