"""Train a model on events or files of events, with the physics judge: :func:`train`.

Events are held in memory where they fit, and streamed where they do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data import Stream, read, split
from phys_gan.data.containers.hdf5_chunks import physical_memory
from phys_gan.data.reading import How
from phys_gan.data.source import find_sources
from phys_gan.data.splitting import split_indices
from phys_gan.data.survey import survey
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.events import Events, effective_number, require_drawable
from phys_gan.generation import FastSim
from phys_gan.randomness import draw_by_weight
from phys_gan.randomness import stream as random_stream
from phys_gan.simulation import simulate
from phys_gan.training import Recipe, load_recipe
from phys_gan.training.batches import Flow
from phys_gan.training.loop import ReportCallback, StepCallback, ignore
from phys_gan.training.loop import train as run_training
from phys_gan.training.processes import is_first
from phys_gan.validation import physics_score

Files = str | Path | Sequence[str | Path]

_COPIES = 4
"""Room for the events, their copies while they are split, and their encoded form, in events."""
_DRAWN = 1
"""Further room for what the encoding is fitted to, where events are drawn by their weights."""
_SAMPLE = 20_000


def train(
    recipe: str | Path | Recipe,
    data: Events | Files | None,
    out: str | Path,
    *,
    source: Events | Files | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    wall_time: float | None = None,
    report: StepCallback = ignore,
    watch: ReportCallback = ignore,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
    memory: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FastSim:
    """Train a model and load it.

    A fraction of the events, ``training.held_out``, is never shown; the checkpoint whose events
    come closest to them in the shower observables is kept. Files that are too large for the memory
    are streamed. Events that have weights are drawn by them, so that the model learns the weighted
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
        report: Called with the events shown and, at reports, named scalars.
        watch: Called with held-out and generated events at each report.
        detector: The detector of the files, where they do not name it: a built-in name, the path
            of a file, or a detector; by default that of the recipe, if it names one.
        format: Layout of the files; by default recognised by content.
        mapping: Where the hits of the files are, as for :func:`phys_gan.read`.
        memory: Bytes that events may take; a third of the machine's by default. Files that need
            more are streamed.
        say: Called with a sentence if events are drawn by their weights.

    Raises:
        DataError: Events cannot be drawn by their weights, because some are negative or all are 0.
        PhysGanError: Whatever is wrong with recipe, data or run directory, in one sentence.
        Unfinished: A signal came, or the wall time is nearly over; ``resume`` goes on.
    """
    deadline = None if wall_time is None else time.monotonic() + wall_time
    recipe = resolve(recipe, overrides)
    wanted = load_detector(recipe.detector) if recipe.detector else None
    held_out, seed = recipe.training.held_out, recipe.training.seed
    fractions = [1 - held_out, held_out]
    if source is not None and recipe.method.kind != "cycle":
        raise ConfigError(
            f"the recipe '{recipe.name}' does not translate events",
            remedy="leave the source out, or train the recipe 'cycle'",
        )

    # The events: given, from files, or simulated as the recipe says.
    flow: Flow | None = None
    if data is None:
        if recipe.simulated is None or wanted is None:
            raise ConfigError(
                f"the recipe '{recipe.name}' needs events to learn from",
                remedy="add --data FILE...",
            )
        data = simulate(wanted, recipe.simulated.events, seed=recipe.simulated.seed)
    if isinstance(data, Events):
        weights = data.weights
        if weights is not None:
            require_drawable(weights)
        shown, judged = split(data, fractions, seed)
    else:
        shown, judged, flow, weights = load_or_stream(
            data,
            held_out,
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
        provenance["data_weights"] = _worth(weights)
        say(_drawn(weights))

    # The events to translate, and held-out ones of them.
    sources: list[Events] = []
    if source is not None:
        if not isinstance(source, Events):
            source = read(source, detector=shown.detector, format=format, mapping=mapping)
        if source.weights is not None:
            require_drawable(source.weights, "source events")
        sources = split(source, fractions, seed)

    model = run_training(
        recipe,
        shown,
        judged,
        out,
        physics_score,
        source=sources,
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


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that a name, a path or a recipe with overrides stands for."""
    if isinstance(recipe, Recipe):
        if overrides:
            raise ConfigError("overrides go with the name of a recipe, not with a Recipe")
        return recipe
    return load_recipe(recipe, overrides)


def look(
    recipe: Recipe,
    data: Files,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
) -> str:
    """Look at files without reading their cells; return what :func:`train` would say about them.

    Raises:
        PhysGanError: As in :func:`train`, as far as this is known without the cells.
    """
    how = How.of(detector or recipe.detector or None, format, mapping)
    weights = survey(find_sources(data), how).weights
    if weights is None:
        return ""
    require_drawable(weights)
    return _drawn(weights)


def load_or_stream(
    data: Files,
    held_out: float,
    seed: int,
    *,
    memory: int | None = None,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
) -> tuple[Events, Events, Flow | None, NDArray[np.float64] | None]:
    """Read files into memory, or prepare to stream them when they are too large.

    The options are those of :func:`train`. Weights stay with events in memory; samples of large
    files are drawn by them.

    Returns:
        The events to show, or of large files a sample of them; those that are held out, of large
        files at most as many; the stream of events to show, or None; and the weights of all events
        (N,), or None.

    Raises:
        DataError: Events cannot be drawn by their weights.
        PhysGanError: As in :func:`phys_gan.read`.
    """
    memory = memory or physical_memory() // 3
    how = How.of(detector, format, mapping)
    batches = Stream(
        survey(find_sources(data), how), how, 1, memory=max(1, memory // 4), by_weight=True
    )
    weights, fractions = batches.found.weights, [1 - held_out, held_out]
    row_bytes = 4 * batches.detector.n_cells
    copies = _COPIES + (0 if weights is None else _DRAWN)
    if copies * row_bytes * batches.n_events <= memory:
        events = read(data, detector=detector, format=format, mapping=mapping)
        shown, judged = split(events, fractions, seed)
        return shown, judged, None, weights
    if is_first():
        batches.warn()

    # A sample of either part: what encodings are fitted to, and what is judged by.
    parts = split_indices(batches.found.conditions, fractions, seed, batches.first_copies())
    most = max(1, min(_SAMPLE, memory // (2 * _COPIES * row_bytes)))
    chosen = []
    for k, (part, what) in enumerate(zip(parts, ("events", "held-out events"), strict=True)):
        random = random_stream(seed, f"sample {k}")
        if weights is None:
            chosen.append(random.permutation(part)[:most])
            continue
        require_drawable(weights[part], what)
        parts[k] = drawable = part[weights[part] > 0]
        rows = draw_by_weight(weights[drawable], min(most, len(drawable)), random)
        chosen.append(drawable[rows])
    # The sample reaches as far as the events that are shown.
    for values in batches.found.conditions.values():
        ends = [parts[0][np.argmin(values[parts[0]])], parts[0][np.argmax(values[parts[0]])]]
        chosen[0] = np.append(chosen[0], np.setdiff1d(ends, chosen[0]))

    def flow(batch_size: int, rank: int, world: int, first: int) -> Iterator[Events]:
        own = replace(batches, batch_size=batch_size, rank=rank, world=world, first=first)
        return iter(replace(own, seed=seed, chosen=parts[0]))

    shown, judged = (replace(batches.events(numbers), weights=None) for numbers in chosen)
    return shown, judged, flow, weights


def _worth(weights: NDArray[np.float64]) -> str:
    """Return how much events with such weights, (N,), are worth.

    Example:
        >>> _worth(np.array([1.0, 1.0, 2.0, 0.0]))
        '4 events, as good as 2.7 of equal weight'
    """
    return f"{len(weights):,} events, as good as {effective_number(weights):,.1f} of equal weight"


def _drawn(weights: NDArray[np.float64]) -> str:
    return f"Events are drawn by their weights: {_worth(weights)}"
