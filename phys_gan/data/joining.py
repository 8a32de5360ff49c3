"""Files of events into one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from phys_gan.data.containers import hdf5_joining
from phys_gan.data.containers.hdf5_chunks import CHUNK_ROWS
from phys_gan.data.containers.hdf5_rows import spare_memory
from phys_gan.data.format import Format
from phys_gan.data.reading import How, open_events
from phys_gan.data.source import Paths, find_sources
from phys_gan.data.writing import choose_format, writing
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["ALIGNED", "join"]

ALIGNED = CHUNK_ROWS
"""HDF5 files of ours of a multiple of so many events are joined without decompression."""


def join(
    parts: Paths,
    out: str | Path,
    format: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> int:
    """Write the events of several files into one, in order and in bounded memory.

    HDF5 files that phys_gan wrote in one layout cost little more than their copy, where all but
    the last have a multiple of 8192 events. Provenance that differs is joined.

    Arguments:
        parts: The files, as in :func:`read`.
        out: The file to write.
        format: Name of its layout; by default that of the parts, or what its ending tells.
        tell: Is told at the end what of the files no events can hold, a sentence each.

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
    chosen = choose_format(target, sample, format or _common(layouts, target))
    same = {layout.name for layout in layouts} == {chosen.name}
    if same and chosen.container == "HDF5" and hdf5_joining.alike(sources, counts, chosen.name):
        hdf5_joining.join_tables(sources, target)
        return sum(counts)
    with writing(target, sample, chosen.name) as add:
        for source in sources:
            with open_events(source, How(), spare_memory()) as (reader, _):
                for events in reader.blocks():
                    add(events)
    for note in dict.fromkeys(notes):
        tell(note)
    return sum(counts)


def _common(layouts: list[Format], target: Path) -> str | None:
    """Return the layout of all parts, if ``target`` is a name for it."""
    first = layouts[0]
    same = all(layout.name == first.name for layout in layouts)
    return first.name if same and target.suffix in first.extensions else None
