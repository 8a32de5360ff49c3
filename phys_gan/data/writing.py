"""Write events into files: :func:`write` at once, :func:`writing` block by block.

The ending of a file chooses the first layout in ``FORMATS`` that holds the events. Nothing is left
out of a file unless the user says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from phys_gan.data.containers import hdf5_tables
from phys_gan.data.containers.hdf5_chunks import spare_memory
from phys_gan.data.format import Append, Format
from phys_gan.data.formats import FORMATS
from phys_gan.data.reading import How, columns_of, find_format, open_events, without
from phys_gan.data.source import Source
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, OutputError
from phys_gan.events import Events

KEPT = ("cells", "energy")
"""What can never be left out of a file."""


def write(
    path: str | Path,
    events: Events,
    format: str | None = None,
    *,
    drop: Collection[str] = (),
    append: bool = False,
) -> None:
    """Write events into one file, with their detector, units and provenance.

    Nothing is lost in silence: reading the file gives the same cells to the last bit, the same
    conditions, overflow, detector and provenance, or the layout refuses. The file appears when it
    is complete.

    Arguments:
        path: The file. By default its ending chooses the first layout of ``FORMATS`` that holds
            the events: ``.h5`` CaloGAN's for its detector, points for toys and CaloChallenge's
            for any other, ``.root`` CaloGAN's for its detector and a tree of hits for any other.
        events: The events.
        format: Name of the layout.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``.
        append: Add the events to those in the file, which must be of the same detector and have
            the same conditions, and nothing that would be lost with it. The old file is replaced
            when the new one is complete.

    Raises:
        ConfigError: No layout has this ending.
        DataError: There are no events, or the layout cannot hold them; the message names what.
        DetectorError: The file to append to holds events of another detector.
        MissingError: There is no such layout, or nothing of that name to drop.
        OutputError: The file cannot be written; what stood there is untouched.
    """
    if not len(events):
        raise DataError(f"there are no events to write into '{path}'", remedy="give some")
    events = leave_out(events, drop)
    with writing(path, events, format, append=append) as add:
        add(events)


@contextmanager
def writing(
    path: str | Path, sample: Events, format: str | None = None, *, append: bool = False
) -> Iterator[Append]:
    """Begin a file for events like the sample; it appears when the block succeeds.

    Yields:
        A function that writes some more events; what it is given first may be the sample itself.

    Raises:
        PhysGanError: As in :func:`write`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from phys_gan.data import read
        >>> events = read("datasets/geant4_calogan_eplus.h5")
        >>> with TemporaryDirectory() as folder:
        ...     with writing(f"{folder}/some.h5", events) as add:
        ...         add(events[:100])
        ...         add(events[100:200])
        ...     read(f"{folder}/some.h5")
        Events(200 x 504 cells, calogan, energy)
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(
            f"cannot write '{target}': it is a folder",
            remedy=f"name a file in it, such as '{target / 'events.h5'}'",
        )
    if not append or not target.exists():
        with choose_format(target, sample, format).writer(target, sample) as add:
            yield add
        return
    source = Source(target)
    with open_events(source, How(), spare_memory()) as (reader, layout):
        if format is not None and layout.name != format:
            raise ConfigError(
                f"'{target}' has the format '{layout.name}', not '{format}'",
                remedy="leave the format out, or write another file",
            )
        old = reader.read(0, 1)
        _require_alike(target, old, sample)
        if layout.obstacles(sample):
            raise _refusal(target, sample, {layout.name: layout.obstacles(sample)})
        if reader.notes:
            raise DataError(
                f"to be added to, '{target}' would have to be written anew, but {reader.notes[0]}",
                remedy="write another file",
                value=reader.notes,
            )
        # Texts that differ are joined, as those of several files are.
        both = Events.concatenate([old, sample[:1]])
        # Columns of another program would not grow with the others.
        if layout.grows and hdf5_tables.resizable(target) and not reader.optional:
            with layout.writer(target, both, grow=True) as add:
                yield add
            return
        with layout.writer(target, both) as add:
            for events in reader.blocks():
                add(events)
            yield add


def _require_alike(target: Path, old: Events, new: Events) -> None:
    """Require events that can stand in one file."""
    if not old.detector.same_cells(new.detector):
        raise DetectorError(
            f"'{target}' holds events of '{old.detector.name}', not of '{new.detector.name}'",
            remedy="write another file",
            value=new.detector.name,
            constraint=old.detector.name,
        )
    has = [columns_of(old), columns_of(new)]
    if has[0] != has[1]:
        raise DataError(
            f"'{target}' holds events with {sorted(has[0])}, the new ones have {sorted(has[1])}",
            remedy="drop what is too much, or write another file",
        )


def choose_format(target: Path, events: Events, format: str | None = None) -> Format:
    """Return the layout in which events like these are written.

    Raises:
        ConfigError: No layout has this ending, or it is that of other layouts than the named one.
        DataError: None of those that have it can hold the events; the message names what.
        MissingError: There is no such layout.
    """
    if format is not None:
        candidates = [find_format(format)]
    else:
        candidates = [layout for layout in FORMATS.values() if target.suffix in layout.extensions]
    if not candidates:
        raise ConfigError(
            f"'{target}' has an ending that no format writes",
            remedy=f"choose one of: {_choices(list(FORMATS))}",
            value=target.suffix,
        )
    usual = {ending for layout in FORMATS.values() for ending in layout.extensions}
    if target.suffix in usual - {end for layout in candidates for end in layout.extensions}:
        raise ConfigError(
            f"'{target}' is not a name for a file in format '{format}'",
            remedy=f"let it end in {' or '.join(candidates[0].extensions)}",
            value=target.suffix,
            constraint=candidates[0].extensions,
        )
    obstacles = {layout.name: layout.obstacles(events) for layout in candidates}
    for layout in candidates:
        if not obstacles[layout.name]:
            return layout
    raise _refusal(target, events, obstacles)


def _refusal(target: Path, events: Events, obstacles: dict[str, dict[str, str]]) -> DataError:
    """Return an error that names what layouts cannot hold, and which way is left."""
    reasons = "; ".join(
        f"format '{name}': "
        + ", ".join(f"{what if what in KEPT else repr(what)} {why}" for what, why in found.items())
        for name, found in obstacles.items()
    )
    # The layout that lacks least is the one worth dropping something for.
    least = min(obstacles.values(), key=lambda found: (any(k in found for k in KEPT), len(found)))
    if not any(name in least for name in KEPT):
        remedy = "leave it out with " + " ".join(f"--drop {shlex.quote(name)}" for name in least)
    else:
        found = {layout.name: set(layout.obstacles(events)) for layout in FORMATS.values()}
        possible = [name for name, lacks in found.items() if not lacks]
        # Where each layout lacks something, one that lacks only what can be left out.
        possible = possible or [name for name, lacks in found.items() if not lacks & {*KEPT}]
        remedy = f"choose one of: {_choices(possible)}"
    return DataError(
        f"cannot write these events into '{target}': {reasons}", remedy=remedy, value=obstacles
    )


def leave_out(events: Events, names: Collection[str]) -> Events:
    """Return the events without these conditions, overflow or weights.

    Raises:
        MissingError: There is nothing of this name.
        DataError: It is the energy or the cells.
    """
    for name in names:
        if name in KEPT:
            raise DataError(f"'{name}' cannot be left out", remedy="keep it")
        if name not in {*columns_of(events), "overflow"}:
            raise MissingError(
                f"the events have no condition '{name}' to leave out; they have "
                f"{', '.join(events.conditions)}",
                remedy="name one of these, overflow or weights",
                value=name,
            )
    return without(events, names)


def _choices(names: list[str]) -> str:
    return ", ".join(f"{name} ({' '.join(FORMATS[name].extensions)})" for name in names)
