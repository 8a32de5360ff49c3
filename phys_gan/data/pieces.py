"""Neighbouring events of files, read together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.opening import naming
from phys_gan.data.format import Reader
from phys_gan.data.reading import How, open_events
from phys_gan.data.survey import Survey
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["Group", "Piece", "Pieces", "cut", "step_of"]

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
    """Return how many events a piece has; arguments as in :func:`cut`."""
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
    """Events in memory, which are checked when some are taken out.

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
    """Reads pieces; files are opened when they are first needed and closed with this object.

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
