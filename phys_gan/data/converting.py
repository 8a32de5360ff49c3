"""Files to files, also such as do not fit into memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from phys_gan.data.blockwise import blocks
from phys_gan.data.mapping import HitMapping
from phys_gan.data.source import Paths
from phys_gan.data.splitting import copies_among, split_indices
from phys_gan.data.survey import Survey
from phys_gan.data.writing import leave_out, writing
from phys_gan.detectors import Detector
from phys_gan.errors import DataError

__all__ = ["convert", "split_files"]


def convert(
    paths: Paths,
    out: str | Path,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    to: str | None = None,
    drop: Collection[str] = (),
    append: bool = False,
) -> int:
    """Rewrite files of events in another layout, block by block.

    Arguments:
        paths: The files to read, as in :func:`read`.
        out: The file to write.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        to: Name of the layout to write; by default the ending of ``out`` tells.
        drop: Conditions to leave out, and ``"overflow"``.
        append: Add the events to those that ``out`` holds.

    Returns:
        How many events were rewritten.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.
    """
    parts = blocks(paths, detector=detector, format=format, mapping=mapping)
    found = parts.found
    _require_one_overflow(found, drop)
    with writing(out, leave_out(found.sample, drop), to, append=append) as add:
        for events in parts:
            add(leave_out(events, drop))
    return found.n_events


def split_files(
    paths: Paths,
    outs: Sequence[str | Path],
    shares: Sequence[float],
    seed: int = 0,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
) -> list[int]:
    """Split the events of files at random into new files, as :func:`split` does, block by block.

    Arguments:
        paths: The files to read, as in :func:`read`.
        outs: A file to write for each part; its ending tells the layout.
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal; the same seed gives the same parts.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.

    Returns:
        How many events each file got.

    Raises:
        DataError: There is not one share for each file, they do not add up to 1, or a part would
            be empty.
        PhysGanError: As in :func:`read` and :func:`write`.

    Warns:
        Notice: As :func:`split`.
    """
    if len(outs) != len(shares):
        raise DataError(
            f"{len(shares)} shares are given for {len(outs)} files",
            remedy="name one file for each share",
        )
    if len({Path(out).resolve() for out in outs}) < len(outs):
        raise DataError("two parts have the same file", remedy="name one file for each share")
    parts = blocks(paths, detector=detector, format=format, mapping=mapping)
    found = parts.found
    _require_one_overflow(found)
    chosen = split_indices(found.conditions, shares, seed, copies_among(parts))
    part_of = np.empty(found.n_events, np.int64)
    for number, events_of_part in enumerate(chosen):
        part_of[events_of_part] = number
    with ExitStack() as files:
        adds = [files.enter_context(writing(out, found.sample)) for out in outs]
        start = 0
        for events in parts:
            belongs = part_of[start : start + len(events)]
            for number in np.unique(belongs):
                adds[number](events[np.flatnonzero(belongs == number)])
            start += len(events)
    return [len(part) for part in chosen]


def _require_one_overflow(found: Survey, drop: Collection[str] = ()) -> None:
    if any(found.overflow) and not all(found.overflow) and "overflow" not in drop:
        without = found.sources[found.overflow.index(False)]
        raise DataError(
            f"'{without}' does not know the energy outside its cells, and other files do",
            remedy="leave it out of all with phys-gan convert --drop overflow",
        )
