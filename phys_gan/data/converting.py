"""Files to files in bounded memory: :func:`convert`, :func:`join`, :func:`split_files`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from phys_gan.data.containers import hdf5_tables
from phys_gan.data.containers.hdf5_chunks import spare_memory
from phys_gan.data.containers.hdf5_tables import CHUNK_ROWS
from phys_gan.data.format import HitMapping
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Paths, find_sources
from phys_gan.data.splitting import copies_among, split_indices
from phys_gan.data.survey import Blocks, survey
from phys_gan.data.writing import choose_format, writing
from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events

ALIGNED = CHUNK_ROWS
"""Our HDF5 files with a multiple of this number of events are joined without decompression."""


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
        paths: As in :func:`read`.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        out: The file to write.
        to: Name of the layout to write; by default the ending of ``out`` decides.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``, where a file has them.
        append: Add the events to those that ``out`` holds.
        tell: Called at the end with what of the files events cannot hold, a sentence each.

    Returns:
        How many events were rewritten.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.
    """
    parts = _alike(paths, How.of(detector, format, mapping), drop)
    found = parts.found
    with writing(out, found.sample, to, append=append) as add:
        for events in parts:
            add(events)
    for note in found.notes:
        tell(note)
    return found.n_events


def join(
    parts: Paths,
    out: str | Path,
    format: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> int:
    """Write the events of several files into one, in order and in bounded memory.

    Joining HDF5 files that phys_gan wrote in one layout costs little more than copying them, where
    all but the last have a multiple of 8192 events. Provenance that differs is joined.

    Arguments:
        parts: The files, as in :func:`read`.
        out: The file to write.
        format: Name of its layout; by default that of the parts, or as its ending decides.
        tell: As in :func:`convert`.

    Returns:
        The number of events.

    Raises:
        PhysGanError: As in :func:`read` and :func:`write`; ``out`` is untouched then.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from phys_gan.data import read, write
        >>> events = read("datasets/geant4_calogan_eplus.h5")
        >>> with TemporaryDirectory() as folder:
        ...     write(f"{folder}/0.h5", events[:3000])
        ...     write(f"{folder}/1.h5", events[3000:])
        ...     join(f"{folder}/?.h5", f"{folder}/all.h5")
        5000
    """
    target, sources = Path(out), find_sources(parts)
    counts, firsts, layouts, notes = [], [], [], list[str]()
    for source in sources:
        with open_events(source, How()) as (reader, layout):
            counts.append(len(reader))
            firsts.append(reader.read(0, 1))
            layouts.append(layout)
            notes += reader.notes
    sample = Events.concatenate(firsts)
    known = [events.overflow is not None for events in firsts]
    if any(known) and not all(known):
        raise DataError(
            f"'{sources[known.index(False)]}' does not know the energy outside its cells, and "
            f"other files do",
            remedy="convert the others with --drop overflow first",
        )
    names = {layout.name for layout in layouts}
    if format is None and len(names) == 1 and target.suffix in layouts[0].extensions:
        format = layouts[0].name
    chosen = choose_format(target, sample, format)
    same = names == {chosen.name}
    if same and chosen.container == "HDF5" and hdf5_tables.alike(sources, counts, chosen.name):
        hdf5_tables.join_tables(sources, target)
        return sum(counts)
    with writing(target, sample, chosen.name) as add:
        for source in sources:
            with open_events(source, How(), spare_memory()) as (reader, _):
                for events in reader.blocks():
                    add(events)
    for note in dict.fromkeys(notes):
        tell(note)
    return sum(counts)


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
        paths: As in :func:`read`.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        outs: A file to write for each part; its ending decides its layout.
        shares: Fraction of each part; they add up to 1.
        seed: The same seed gives the same parts.
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
    parts = _alike(paths, How.of(detector, format, mapping))
    found = parts.found
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


def _alike(paths: Paths, how: How, drop: Collection[str] = ()) -> Blocks:
    """Return the events of files; refuse columns that only some have, as they would be lost."""
    found = survey(find_sources(paths), how, drop)
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
    return Blocks(found, how)
