"""Train with the physics judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data import read, split
from phys_gan.data.reading import How
from phys_gan.data.source import find_sources
from phys_gan.data.survey import survey
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.events import Events, require_drawable
from phys_gan.generation import FastSim
from phys_gan.simulators import simulate
from phys_gan.training import Recipe, load_recipe
from phys_gan.training.batches import Flow
from phys_gan.training.loop import Report, Watch, silent, unwatched
from phys_gan.training.loop import train as run_training
from phys_gan.validation import physics_score
from phys_gan.workflows.loading import load_or_stream, weighting

__all__ = ["look", "resolve", "train"]


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that a name, a path or a recipe with overrides stands for."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise ConfigError("overrides go with the name of a recipe, not with a Recipe")
        return recipe
    return load_recipe(recipe, overrides)


def train(
    recipe: str | Path | Recipe,
    data: Events | str | Path | Sequence[str | Path] | None,
    out: str | Path,
    *,
    source: Events | str | Path | Sequence[str | Path] | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    wall_time: float | None = None,
    report: Report = silent,
    watch: Watch = unwatched,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
    memory: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FastSim:
    """Train a model and load it.

    A share of the events, ``training.held_out``, is never shown; the checkpoint whose events come
    closest to them in the shower observables is kept. Files that are too large for the memory are
    streamed. Events that have weights are drawn by them, so that the model learns the weighted
    distribution, and are compared by them.

    Arguments:
        recipe: The name of a built-in recipe, the path of a TOML file, or a recipe.
        data: Events, or the files that hold them; None for recipes that simulate their own.
        out: The run directory.
        source: Events to translate, or the files that hold them, for recipes that translate.
        overrides: ``section.key=value`` for the recipe.
        device: "cpu", "cuda", or "auto" for the best there is.
        devices: Number of devices per machine, one process each.
        nodes: Number of machines.
        resume: Go on with the run in ``out``, if there is one.
        wall_time: Seconds from now after which the process must be over, finished or not.
        report: Is told the events shown and, at reports, named scalars.
        watch: Is shown generated events at each report.
        detector: The detector of the files, where they do not tell: a built-in name, the path of a
            file, or a detector; by default that of the recipe, if it names one.
        format: Layout of the files; by default their content tells.
        mapping: Where the hits of the files are, as for :func:`phys_gan.read`.
        memory: Bytes that events may take; a third of the machine's by default. Files that need
            more are streamed.
        say: Is told in a sentence that events are drawn by their weights, where they are.

    Raises:
        DataError: Events cannot be drawn by their weights, because some are negative or all are 0.
        PhysGanError: Whatever is wrong with recipe, data or run directory, in one sentence.
        Unfinished: A signal came, or the wall time is nearly over; ``resume`` goes on.
    """
    deadline = None if wall_time is None else time.monotonic() + wall_time
    recipe = resolve(recipe, overrides)
    wanted = load_detector(recipe.detector) if recipe.detector else None
    flow: Flow | None = None
    share, seed = recipe.training.held_out, recipe.training.seed
    if source is not None and recipe.method.kind != "cycle":
        raise ConfigError(
            f"the recipe '{recipe.name}' translates no events",
            remedy="leave the source out, or train the recipe 'cycle'",
        )
    if data is None:
        data = _simulated(recipe, wanted)
    if isinstance(data, Events):
        weights = data.weights
        if weights is not None:
            require_drawable(weights)
        shown, held_out = split(data, [1 - share, share], seed)
    else:
        shown, held_out, flow, weights = load_or_stream(
            data,
            share,
            seed,
            memory=memory,
            detector=detector or wanted,
            format=format,
            mapping=mapping,
        )
    if wanted is not None and not shown.detector.same_cells(wanted):
        raise DetectorError(
            f"the recipe '{recipe.name}' is made for detector '{wanted.name}', but the events "
            f"belong to '{shown.detector.name}'",
            remedy="choose another recipe or other data",
        )
    provenance = {f"data_{name}": text for name, text in shown.provenance.items()}
    if weights is not None:
        provenance["data_weights"] = weighting(weights)
        say(_drawn(weights))
    model = run_training(
        recipe,
        shown,
        held_out,
        out,
        physics_score,
        source=_sources(source, shown.detector, share, seed, format, mapping),
        device=device,
        devices=devices,
        nodes=nodes,
        resume=resume,
        deadline=deadline,
        report=report,
        watch=watch,
        provenance=provenance,
        flow=flow,
    )
    return FastSim.load(model)


def look(
    recipe: Recipe,
    data: str | Path | Sequence[str | Path],
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
) -> str:
    """Look at files without reading their cells, and say what :func:`train` would say of them.

    Arguments are those of :func:`train`.

    Raises:
        PhysGanError: As in :func:`train`, as far as it can be known.
    """
    how = How.of(detector or recipe.detector or None, format, mapping)
    weights = survey(find_sources(data), how).weights
    if weights is None:
        return ""
    require_drawable(weights)
    return _drawn(weights)


def _drawn(weights: NDArray[np.float64]) -> str:
    return f"Events are drawn by their weights: {weighting(weights)}"


def _simulated(recipe: Recipe, detector: Detector | None) -> Events:
    if recipe.simulated is None or detector is None:
        raise ConfigError(
            f"the recipe '{recipe.name}' needs events to learn from", remedy="add --data FILE..."
        )
    return simulate(detector, recipe.simulated.events, seed=recipe.simulated.seed)


def _sources(
    source: Events | str | Path | Sequence[str | Path] | None,
    detector: Detector,
    share: float,
    seed: int,
    format: str | None,
    mapping: str | Path | None,
) -> list[Events]:
    """Return the events to translate, and held-out ones of them."""
    if source is None:
        return []
    if not isinstance(source, Events):
        source = read(source, detector=detector, format=format, mapping=mapping)
    if source.weights is not None:
        require_drawable(source.weights, "source events")
    return split(source, [1 - share, share], seed)
