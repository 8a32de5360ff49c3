"""Files to files, also such as do not fit into memory."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from phys_gan.data.blockwise import blocks
from phys_gan.data.mapping import HitMapping
from phys_gan.data.source import Paths
from phys_gan.data.splitting import copies_among, split_indices
from phys_gan.data.survey import Survey
from phys_gan.data.writing import writing
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
    tell: Callable[[str], None] = lambda note: None,
) -> int:
    """Rewrite files of events in another layout, block by block.

    Arguments:
        paths: The files to read, as in :func:`read`.
        out: The file to write.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        to: Name of the layout to write; by default the ending of ``out`` tells.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``, where a file has them.
        append: Add the events to those that ``out`` holds.
        tell: Is told at the end what of the files no events can hold, a sentence each.

    Returns:
        How many events were rewritten.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.
    """
    parts = blocks(paths, detector=detector, format=format, mapping=mapping, drop=drop)
    found = parts.found
    _require_alike(found)
    with writing(out, found.sample, to, append=append) as add:
        for events in parts:
            add(events)
    for note in found.notes:
        tell(note)
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
    tell: Callable[[str], None] = lambda note: None,
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
        tell: As in :func:`convert`.

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
    _require_alike(found)
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
    for note in found.notes:
        tell(note)
    return [len(part) for part in chosen]


def _require_alike(found: Survey) -> None:
    """Require that files have the same columns: what only some have would be lost."""
    if found.differing:
        names = ", ".join(f"'{name}'" for name in found.differing)
        drops = " ".join(f"--drop {shlex.quote(name)}" for name in found.differing)
        raise DataError(
            f"only some of the {len(found.sources)} files have {names}, or have it complete",
            remedy=f"leave it out of all with phys-gan convert {drops}",
            value=tuple(found.differing),
        )
    if any(found.overflow) and not all(found.overflow):
        without = found.sources[found.overflow.index(False)]
        raise DataError(
            f"'{without}' does not know the energy outside its cells, and other files do",
            remedy="leave it out of all with phys-gan convert --drop overflow",
        )
