"""Train with the physics judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phys_gan.data import split
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.events import Events
from phys_gan.generation import FastSim
from phys_gan.training import Recipe, load_recipe
from phys_gan.training.batches import Flow
from phys_gan.training.loop import Report, silent
from phys_gan.training.loop import train as run_training
from phys_gan.validation import physics_score
from phys_gan.workflows.loading import load_or_stream

__all__ = ["resolve", "train"]


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that a name, a path or a recipe with overrides stands for."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise ConfigError("overrides go with the name of a recipe, not with a Recipe")
        return recipe
    return load_recipe(recipe, overrides)


def train(
    recipe: str | Path | Recipe,
    data: Events | str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    devices: int = 1,
    resume: bool = False,
    report: Report = silent,
    format: str | None = None,
    mapping: str | Path | None = None,
    memory: int | None = None,
) -> FastSim:
    """Train a model and load it.

    A share of the events, ``training.held_out``, is never shown; the checkpoint whose events come
    closest to them in the shower observables is kept. Files that are too large for the memory are
    streamed.

    Arguments:
        recipe: The name of a built-in recipe, the path of a TOML file, or a recipe.
        data: Events, or the files that hold them.
        out: The run directory.
        overrides: ``section.key=value`` for the recipe.
        devices: Number of devices.
        resume: Go on with the run in ``out``.
        report: Is told the events shown and, at reports, named scalars.
        format: Layout of the files; by default their content tells.
        mapping: Where the hits of the files are, as for :func:`phys_gan.read`.
        memory: Bytes that events may take; a third of the machine's by default. Files that need
            more are streamed.

    Raises:
        PhysGanError: Whatever is wrong with recipe, data or run directory, in one sentence.
    """
    recipe = resolve(recipe, overrides)
    wanted = load_detector(recipe.detector) if recipe.detector else None
    flow: Flow | None = None
    share, seed = recipe.training.held_out, recipe.training.seed
    if isinstance(data, Events):
        shown, held_out = split(data, [1 - share, share], seed)
    else:
        shown, held_out, flow = load_or_stream(
            data,
            share,
            seed,
            memory=memory,
            detector=wanted,
            format=format,
            mapping=mapping,
        )
    if wanted is not None and not shown.detector.same_cells(wanted):
        raise DetectorError(
            f"the recipe '{recipe.name}' is made for detector '{wanted.name}', but the events "
            f"belong to '{shown.detector.name}'",
            remedy="choose another recipe or other data",
        )
    model = run_training(
        recipe,
        shown,
        held_out,
        out,
        physics_score,
        devices=devices,
        resume=resume,
        report=report,
        provenance={f"data_{name}": text for name, text in shown.provenance.items()},
        flow=flow,
    )
    return FastSim.load(model)
