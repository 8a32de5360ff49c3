"""Events to train on: in memory where they fit, streamed where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data import Stream, read, split
from phys_gan.data.containers.hdf5_rows import physical_memory
from phys_gan.data.reading import How
from phys_gan.data.source import find_sources
from phys_gan.data.splitting import split_indices
from phys_gan.data.survey import survey
from phys_gan.detectors import Detector
from phys_gan.events import Events, effective_number, require_drawable
from phys_gan.randomness import draw_by_weight
from phys_gan.randomness import stream as random_stream
from phys_gan.training.batches import Flow
from phys_gan.training.processes import is_first

__all__ = ["load_or_stream", "weighting"]

# The events, their copies while they are cut, and their encoded form.
_COPIES = 4
# What the encoding learns from where events are drawn by their weights.
_DRAWN = 1
_SAMPLE = 20_000


def load_or_stream(
    data: str | Path | Sequence[str | Path],
    share: float,
    seed: int,
    *,
    memory: int | None = None,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | None = None,
) -> tuple[Events, Events, Flow | None, NDArray[np.float64] | None]:
    """Read files into memory, or prepare to stream them when they are too large.

    Weights stay with events in memory. What is taken of large files is drawn by them.

    Arguments:
        data: The files.
        share: Share of the events that is held out.
        seed: Seed of the split.
        memory: As in :func:`train`.
        detector: The detector, its name or file; None where the files tell.
        format: As in :func:`train`.
        mapping: As in :func:`train`.

    Returns:
        The events to show, or of large files a sample of them; those that are held out, of large
        files at most as many; the stream of events to show, or None; and the weights of all events
        (N,), where they have some.

    Raises:
        DataError: Events cannot be drawn by their weights.
        PhysGanError: As in :func:`phys_gan.read`.
    """
    memory = memory or physical_memory() // 3
    options: dict[str, Any] = {"detector": detector, "format": format, "mapping": mapping}
    how = How.of(**options)
    batches = Stream(
        survey(find_sources(data), how), how, 1, memory=max(1, memory // 4), by_weight=True
    )
    weights = batches.found.weights
    row_bytes = 4 * batches.detector.n_cells
    copies = _COPIES + (0 if weights is None else _DRAWN)
    if copies * row_bytes * batches.n_events <= memory:
        shown, held_out = split(read(data, **options), [1 - share, share], seed)
        return shown, held_out, None, weights
    if is_first():
        batches.warn()
    first = batches.first_copies()
    parts = split_indices(batches.found.conditions, [1 - share, share], seed, first)
    most = max(1, min(_SAMPLE, memory // (2 * _COPIES * row_bytes)))
    if weights is not None:
        for part, what in zip(parts, ("events", "held-out events"), strict=True):
            require_drawable(weights[part], what)
        parts = [part[weights[part] > 0] for part in parts]
    chosen = [
        _some(part, most, weights, random_stream(seed, f"sample {k}"))
        for k, part in enumerate(parts)
    ]
    # The sample reaches as far as the events that are shown.
    energy = batches.found.conditions.get("energy")
    if energy is not None:
        ends = [parts[0][np.argmin(energy[parts[0]])], parts[0][np.argmax(energy[parts[0]])]]
        chosen[0] = np.append(chosen[0], np.setdiff1d(ends, chosen[0]))

    def flow(batch_size: int, rank: int, world: int, first: int) -> Iterator[Events]:
        own = replace(batches, batch_size=batch_size, rank=rank, world=world, first=first)
        return iter(replace(own, seed=seed, chosen=parts[0]))

    shown, held_out = (replace(batches.events(numbers), weights=None) for numbers in chosen)
    return shown, held_out, flow, weights


def weighting(weights: NDArray[np.float64]) -> str:
    """Say how much events with such weights, (N,), are worth.

    Example:
        >>> weighting(np.array([1.0, 1.0, 2.0, 0.0]))
        '4 events, as good as 2.7 of equal weight'
    """
    return f"{len(weights):,} events, as good as {effective_number(weights):,.1f} of equal weight"


def _some(
    part: NDArray[np.int64],
    most: int,
    weights: NDArray[np.float64] | None,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return at most so many events of a part that all count the same."""
    if weights is None:
        return random.permutation(part)[:most]
    return part[draw_by_weight(weights[part], min(most, len(part)), random)]
