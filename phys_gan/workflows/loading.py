"""Events to train on: in memory where they fit, streamed where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from phys_gan.data import Stream, read, split
from phys_gan.data.containers.hdf5_rows import physical_memory
from phys_gan.data.reading import How
from phys_gan.data.source import find_sources
from phys_gan.data.splitting import split_indices
from phys_gan.data.survey import survey
from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.randomness import stream as random_stream
from phys_gan.training.batches import Flow
from phys_gan.training.processes import is_first

__all__ = ["load_or_stream"]

# The events, their copies while they are cut, and their encoded form.
_COPIES = 4
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
) -> tuple[Events, Events, Flow | None]:
    """Read files into memory, or prepare to stream them when they are too large.

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
        files at most as many; and the stream of events to show, or None.
    """
    memory = memory or physical_memory() // 3
    options: dict[str, Any] = {"detector": detector, "format": format, "mapping": mapping}
    how = How.of(**options)
    batches = Stream(survey(find_sources(data), how), how, 1, memory=max(1, memory // 4))
    row_bytes = 4 * batches.detector.n_cells
    if _COPIES * row_bytes * batches.n_events <= memory:
        shown, held_out = split(read(data, **options), [1 - share, share], seed)
        return shown, held_out, None
    if is_first():
        batches.warn()
    first = batches.first_copies()
    parts = split_indices(batches.found.conditions, [1 - share, share], seed, first)
    most = max(1, min(_SAMPLE, memory // (2 * _COPIES * row_bytes)))
    chosen = [
        random_stream(seed, f"sample {k}").permutation(part)[:most] for k, part in enumerate(parts)
    ]
    # The sample reaches as far as the events that are shown.
    energy = batches.found.conditions.get("energy")
    if energy is not None:
        ends = [parts[0][np.argmin(energy[parts[0]])], parts[0][np.argmax(energy[parts[0]])]]
        chosen[0] = np.union1d(chosen[0], ends)

    def flow(batch_size: int, rank: int, world: int, first: int) -> Iterator[Events]:
        own = replace(batches, batch_size=batch_size, rank=rank, world=world, first=first)
        return iter(replace(own, seed=seed, chosen=parts[0]))

    return batches.events(chosen[0]), batches.events(chosen[1]), flow
