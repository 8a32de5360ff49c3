"""Several files as one sample: what they hold together (:func:`survey`), and their events.

:class:`Pieces` reads neighbouring events in any order, :class:`Blocks` all events in order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_chunks import Chunks, spare_memory
from phys_gan.data.containers.opening import naming
from phys_gan.data.format import HitMapping, Reader, block_rows
from phys_gan.data.reading import (
    How,
    check,
    columns_of,
    open_events,
    particle_numbers,
    shared,
    with_pdg,
    without,
)
from phys_gan.data.source import Paths, Source, find_sources
from phys_gan.data.writing import leave_out
from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events

_SAMPLE, _SAMPLE_CELLS = 1000, 1 << 22


@dataclass(frozen=True)
class Survey:
    """What several files hold together.

    Attributes:
        sources: The files.
        counts: Number of events in each file.
        blocks: Events that each file stores together.
        pdg: PDG number that the events of each file get as a condition; None for none.
        conditions: The conditions of all events in order, ``pdg`` among them where there is one.
        sample: The first event of each file, with the joined provenance.
        overflow: Which files know the energy outside the cells.
        weights: The weights of all events in order, where they have some.
        chunks: Those of each file that are decompressed for its cells.
        notes: What of the files is not kept, and what may be mistaken, a sentence each.
        differing: Names of columns that only some of the files have, which are not kept.
    """

    sources: Sequence[Source]
    counts: Sequence[int]
    blocks: Sequence[int]
    pdg: Sequence[int | None]
    conditions: dict[str, NDArray[np.float64]]
    sample: Events
    overflow: Sequence[bool]
    weights: NDArray[np.float64] | None = None
    chunks: Sequence[Sequence[Chunks]] = ()
    notes: Sequence[str] = ()
    differing: Sequence[str] = ()

    @property
    def n_events(self) -> int:
        """Number of events in all files."""
        return sum(self.counts)


def survey(sources: Sequence[Source], how: How, drop: Collection[str] = ()) -> Survey:
    """Open each file once; check its first events, and the conditions of all.

    Arguments:
        sources: The files.
        how: How to read them.
        drop: Conditions to leave out, ``"overflow"`` and ``"weights"``, where a file has them.

    Raises:
        PhysGanError: A file cannot be read, the files do not go together, or none of them has
            what is to be left out.
    """
    firsts, readers, chunks = [], [], []
    for source in sources:
        with open_events(source, how) as (reader, layout):
            rows = max(1, min(_SAMPLE, _SAMPLE_CELLS // reader.detector.n_cells))
            events = reader.read(0, rows)
            check(events, reader, layout)
            _check_conditions(reader)
            firsts.append(events[:1])
            readers.append(reader)
            chunks.append(reader.compressed())
    pdg = particle_numbers(sources, firsts)
    firsts = [with_pdg(events, number) for events, number in zip(firsts, pdg, strict=True)]
    # At least one file must have each of the columns to be left out.
    has = [columns_of(events) for events in firsts]
    leave_out(firsts[0], [name for name in drop if name not in set().union(*has)])
    firsts = [
        leave_out(events, [name for name in drop if name in names])
        for events, names in zip(firsts, has, strict=True)
    ]
    parts = shared(sources, firsts, [reader.optional for reader in readers])
    sample = Events.concatenate(parts)
    differing = {name for events in firsts for name in events.conditions} - set(sample.conditions)
    conditions = {
        name: np.concatenate(
            [
                reader.conditions[name]
                if name in reader.conditions
                else np.full(len(reader), float(number or 0))
                for reader, number in zip(readers, pdg, strict=True)
            ]
        )
        for name in sample.conditions
    }
    # A note that is not on all files names its file.
    on_all = set.intersection(*(set(reader.notes) for reader in readers))
    notes = [
        note if note in on_all else f"'{source.path}': {note}"
        for source, reader in zip(sources, readers, strict=True)
        for note in reader.notes
    ]
    # The sample could not be joined if some had weights and others not.
    weights = [reader.weights for reader in readers if reader.weights is not None]
    return Survey(
        sources,
        [len(reader) for reader in readers],
        [reader.block for reader in readers],
        pdg,
        conditions,
        sample,
        [events.overflow is not None for events in firsts],
        np.concatenate(weights) if sample.weights is not None else None,
        chunks,
        list(dict.fromkeys(notes)),
        sorted(differing),
    )


def _check_conditions(reader: Reader) -> None:
    """Check the conditions of all events at once, not hours later."""
    columns = {f"condition '{name}'": values for name, values in reader.conditions.items()}
    if reader.weights is not None:
        columns["weights"] = reader.weights
    for name, values in columns.items():
        wrong = ~np.isfinite(values)
        what = "NaN or infinite"
        if name == "condition 'energy'" and not wrong.any():
            wrong, what = values <= 0, "not positive"
        if wrong.any():
            raise DataError(
                f"{name} {'are' if name == 'weights' else 'is'} {what} in {wrong.sum()} of "
                f"{len(values)} events (first: event {np.flatnonzero(wrong)[0]})",
                remedy="find out what the simulation did there, or remove these events",
                value=name,
            )


_MOST_OPEN_FILES = 32


@dataclass(frozen=True)
class Piece:
    """Neighbouring events of one file.

    Attributes:
        file: Number of the file.
        start: Number of the first event in the file.
        stop: Number after the last one.
        chosen: Which of them take part, counted from ``start``.
        offset: How many events the files before hold.
    """

    file: int
    start: int
    stop: int
    chosen: slice | NDArray[np.int64]
    offset: int

    def __len__(self) -> int:
        if isinstance(self.chosen, slice):
            return self.stop - self.start
        return len(self.chosen)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of its events over all files, shape (n,)."""
        first = self.offset + self.start
        return np.arange(first, first + self.stop - self.start)[self.chosen]


def step_of(block: int, rows: int, most: int) -> int:
    """Return how many events a piece has; arguments are those of :func:`cut`."""
    return rows if block > most else min(most, -(-rows // block) * block)


def cut(
    found: Survey, rows: int, most: int, chosen: NDArray[np.int64] | None = None
) -> list[Piece]:
    """Cut files into pieces of about ``rows`` events, less where not all count.

    Arguments:
        found: The files.
        rows: Events per piece, rounded up to whole blocks of the file.
        most: Events that a piece may have; blocks that are larger are cut.
        chosen: Numbers of the events that take part, over all files in rising order.
    """
    pieces, offset = [], 0
    for file, (n_events, block) in enumerate(zip(found.counts, found.blocks, strict=True)):
        step = step_of(block, rows, most)
        for start in range(0, n_events, step):
            stop = min(start + step, n_events)
            part: slice | NDArray[np.int64] = slice(None)
            if chosen is not None:
                low, high = np.searchsorted(chosen, [offset + start, offset + stop])
                part = chosen[low:high] - (offset + start)
                if not len(part):
                    continue
            pieces.append(Piece(file, start, stop, part, offset))
        offset += n_events
    return pieces


@dataclass(frozen=True)
class Group:
    """Events in memory, which are checked when some are taken.

    Attributes:
        found: The files that they come from.
        cells: Their cells, shape (n, n_cells).
        overflow: Their overflow, shape (n, n_layers), if it is known.
        numbers: Their numbers over all files, shape (n,).
    """

    found: Survey
    cells: NDArray[np.float32]
    overflow: NDArray[np.float32] | None
    numbers: NDArray[np.int64]

    def take(self, index: slice | NDArray[np.int64]) -> Events:
        """Return some of the events; copies, where ``index`` is an array.

        Raises:
            DataError: Their values make no sense; the message names a file and an event in it.
        """
        numbers = self.numbers[index]
        conditions = {name: values[numbers] for name, values in self.found.conditions.items()}
        overflow = None if self.overflow is None else self.overflow[index]
        sample, weights = self.found.sample, self.found.weights
        try:
            return Events(
                self.cells[index],
                conditions,
                sample.detector,
                overflow,
                sample.provenance,
                None if weights is None else weights[numbers],
            )
        except DataError as error:
            self._blame(error)
            raise

    def _blame(self, error: DataError) -> None:
        """Check one event after the other, in the order of the files."""
        ends = np.cumsum(self.found.counts)
        for row in np.argsort(self.numbers):
            file = int(np.searchsorted(ends, self.numbers[row], side="right"))
            event = self.numbers[row] - (ends[file] - self.found.counts[file])
            overflow = None if self.overflow is None else self.overflow[row : row + 1]
            try:
                Events(self.cells[row : row + 1], {}, self.found.sample.detector, overflow)
            except DataError as found:
                problem = found.problem.partition(" in 1 of 1 events")[0]
                raise DataError(
                    f"'{self.found.sources[file].path}': {problem} in event {event}",
                    remedy=found.remedy,
                    value=found.value,
                    constraint=found.constraint,
                ) from error


class Pieces:
    """Read pieces of files, which are opened when first needed and closed with this object.

    Arguments:
        found: The files.
        how: How to read them.
        ahead: Bytes that may be kept of each where pieces are read in order.
    """

    def __init__(self, found: Survey, how: How, ahead: int = 0) -> None:
        self._found, self._how, self._ahead = found, how, ahead
        self._open: OrderedDict[int, tuple[ExitStack, Reader]] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1][0].close()

    def load(self, pieces: Sequence[Piece], room: NDArray[np.float32] | None = None) -> Group:
        """Read the events of some pieces, one piece after the other.

        Arguments:
            pieces: The pieces.
            room: Memory for the cells (at least as many rows as events, n_cells), which the
                group then uses; new memory by default.

        Raises:
            DataError: A file is damaged, or has changed.
        """
        found, total = self._found, sum(map(len, pieces))
        detector = found.sample.detector
        cells = np.empty((total, detector.n_cells), np.float32) if room is None else room[:total]
        overflow = None
        if all(found.overflow):
            overflow = np.empty((total, detector.n_layers), np.float32)
        numbers = np.empty(total, np.int64)
        begin = 0
        for piece in pieces:
            part = slice(begin, begin + len(piece))
            with naming(found.sources[piece.file].path):
                reader = self._reader(piece.file)
                if isinstance(piece.chosen, slice):
                    outside = reader.fill(piece.start, piece.stop, cells[part])
                else:
                    some, outside = reader.cells(piece.start, piece.stop)
                    cells[part] = some[piece.chosen]
            if overflow is not None and outside is not None:
                overflow[part] = outside[piece.chosen]
            numbers[part] = piece.numbers
            begin = part.stop
        return Group(found, cells, overflow, numbers)

    def _reader(self, file: int) -> Reader:
        if file in self._open:
            self._open.move_to_end(file)
            return self._open[file][1]
        if len(self._open) >= _MOST_OPEN_FILES:
            self._open.popitem(last=False)[1][0].close()
        with ExitStack() as stack:
            source = self._found.sources[file]
            reader, _ = stack.enter_context(open_events(source, self._how, self._ahead))
            if len(reader) != self._found.counts[file]:
                raise DataError(
                    f"it holds {len(reader)} events, and held {self._found.counts[file]} before",
                    remedy="do not write into files that are being read",
                )
            self._open[file] = stack.pop_all(), reader
        return reader


@dataclass(frozen=True)
class Blocks:
    """The events of several files, which are read in each iteration.

    Arguments:
        found: The files.
        how: How to read them.
        span: Numbers of the first block and of that after the last; None for all.
    """

    found: Survey
    how: How
    span: tuple[int, int] | None = None

    @property
    def detector(self) -> Detector:
        """The detector of all events."""
        return self.found.sample.detector

    @property
    def n_events(self) -> int:
        """Number of events."""
        return sum(stop - start for _, start, stop in self._places())

    def cut(self, most: int) -> list[tuple[int, Blocks]]:
        """Return at most ``most`` parts of whole blocks, and how many events come before each.

        A part may be sent to another process: it has the absolute paths of its files, and does not
        carry the conditions of all events.
        """
        places = list(self._places())
        size = max(1, -(-len(places) // most))
        sources = [replace(source, path=source.path.resolve()) for source in self.found.sources]
        light = replace(self.found, sources=sources, conditions={}, weights=None)
        parts, before = [], 0
        for first in range(0, len(places), size):
            part = Blocks(light, self.how, (first, min(first + size, len(places))))
            parts.append((before, part))
            before += part.n_events
        return parts

    def __iter__(self) -> Iterator[Events]:
        for number, places in groupby(self._places(), key=lambda place: place[0]):
            source, pdg = self.found.sources[number], self.found.pdg[number]
            with open_events(source, self.how, spare_memory()) as (reader, _):
                for _, start, stop in places:
                    events = with_pdg(reader.read(start, stop), pdg)
                    yield without(events, columns_of(events) - columns_of(self.found.sample))

    def _places(self) -> Iterator[tuple[int, int, int]]:
        """Return for each block the number of its file, its first event and the one after."""
        rows = block_rows(self.detector)
        places = (
            (number, start, min(start + rows, count))
            for number, count in enumerate(self.found.counts)
            for start in range(0, count, rows)
        )
        return islice(places, *(self.span or (0, None)))


def blocks(
    paths: Paths,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    drop: Collection[str] = (),
) -> Blocks:
    """Read files of any size block by block, in order; arguments and errors as in :func:`read`.

    Conditions of the names in ``drop`` are left out, and ``"overflow"`` and ``"weights"``.

    Example:
        >>> parts = blocks("datasets/geant4_calogan_eplus.h5")
        >>> parts.n_events, [len(part) for part in parts]
        (5000, [5000])
    """
    how = How.of(detector, format, mapping)
    return Blocks(survey(find_sources(paths), how, drop), how)
