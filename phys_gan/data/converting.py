"""Files to files, also such as do not fit into memory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from phys_gan.data.blockwise import blocks
from phys_gan.data.mapping import HitMapping
from phys_gan.data.source import Paths
from phys_gan.data.writing import leave_out, writing
from phys_gan.detectors import Detector
from phys_gan.errors import DataError

__all__ = ["convert"]


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
    if any(found.overflow) and not all(found.overflow) and "overflow" not in drop:
        without = found.sources[found.overflow.index(False)]
        raise DataError(
            f"'{without}' does not know the energy outside its cells, and other files do",
            remedy="leave it out of all with --drop overflow",
        )
    with writing(out, leave_out(found.sample, drop), to, append=append) as add:
        for events in parts:
            add(leave_out(events, drop))
    return found.n_events
