"""Shuffled batches of events from files of any size (:class:`Stream`).

Files are cut into pieces of neighbouring events. Each epoch takes the pieces in a random order;
groups of them, of half the memory each, are shuffled and cut into batches, while a thread reads the
next group. The order depends on the seed alone, never on timing, so that a stream can begin at any
batch without reading those before.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_chunks import Chunks
from phys_gan.data.containers.hdf5_tables import CHUNK_BYTES
from phys_gan.data.format import HitMapping
from phys_gan.data.reading import How
from phys_gan.data.source import Paths, Source, find_sources
from phys_gan.data.splitting import copies_among
from phys_gan.data.survey import Group, Piece, Pieces, Survey, cut, step_of, survey
from phys_gan.detectors import Detector
from phys_gan.errors import Notice, RangeError
from phys_gan.events import Events, require_drawable
from phys_gan.randomness import draw_by_weight
from phys_gan.randomness import stream as random_stream
from phys_gan.work import read_ahead

_MEMORY = 1 << 27
_PIECES_PER_GROUP = 16
# How often each chunk, and how many bytes more than once, may be decompressed without a notice.
_OFTEN, _MUCH = 3.0, 1 << 28


def stream(
    paths: Paths,
    batch_size: int,
    *,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    seed: int = 0,
    epochs: int | None = None,
    rank: int = 0,
    world: int = 1,
    memory: int = _MEMORY,
    by_weight: bool = False,
) -> Stream:
    """Stream shuffled batches of events from files of any size.

    Arguments:
        paths: As in :func:`read`.
        batch_size: Events per batch.
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.
        seed: Seed of the order.
        epochs: How often each event comes; without end by default.
        rank: Number of this process, which reads its own part of the events.
        world: Number of processes.
        memory: Bytes that the events in memory may take.
        by_weight: Draw events by their weights, after which all count the same; by default each
            comes once an epoch, with its weight.

    Raises:
        PhysGanError: As in :func:`read`.
        RangeError: A number makes no sense.
        DataError: Events cannot be drawn by their weights, because some are negative.

    Warns:
        Notice: A file is stored so that it takes many times as long as it need.

    Example:
        >>> batches = stream("datasets/geant4_calogan_eplus.h5", 2000, seed=1, epochs=1)
        >>> [len(batch) for batch in batches]
        [2000, 2000, 1000]
    """
    how = How.of(detector, format, mapping)
    found = survey(find_sources(paths), how)
    made = Stream(found, how, batch_size, seed, epochs, rank, world, memory, by_weight=by_weight)
    if not rank:
        made.warn()
    return made


@dataclass(frozen=True)
class Stream:
    """Batches of events in a random order, read while the batch before is used.

    Where events are drawn by their weights, an epoch draws about as many as there are: of each
    piece as many as its fraction of the weights, rounded up or down at random, and of its events by
    :func:`~phys_gan.randomness.draw_by_weight`. On average over epochs event i comes
    w_i / mean(w) times in each.

    Files are opened where and when they are read: a stream can be sent to another process.

    Arguments:
        found: The files.
        how: How to read them.
        batch_size: Events per batch.
        seed: Seed of the order.
        epochs: How often each event comes, the last batch being what is left; None for no end, and
            all batches are full then.
        rank: Number of this process: of the pieces of an epoch, it takes every ``world``-th.
        world: Number of processes.
        memory: Bytes that the events in memory may take.
        chosen: Numbers of the events that take part, in rising order; by default all.
        first: Number of the first batch.
        by_weight: As in :func:`stream`.

    Raises:
        RangeError: A number makes no sense.
        DataError: Events cannot be drawn by their weights.
    """

    found: Survey
    how: How
    batch_size: int
    seed: int = 0
    epochs: int | None = None
    rank: int = 0
    world: int = 1
    memory: int = _MEMORY
    chosen: NDArray[np.int64] | None = None
    first: int = 0
    by_weight: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= self.rank < self.world or self.first < 0:
            raise RangeError(
                f"batches of {self.batch_size} events for process {self.rank} of {self.world}, "
                f"from batch {self.first} on, make no sense",
                remedy="count processes and batches from 0, and give batches at least one event",
            )
        if len(self._pieces) < self.world:
            raise RangeError(
                f"{self.n_events} events in {len(self._pieces)} pieces cannot be shared by "
                f"{self.world} processes",
                remedy="read them into memory, or take fewer processes",
                value=self.world,
            )
        if self._weights is not None:
            chosen = slice(None) if self.chosen is None else self.chosen
            require_drawable(self._weights[chosen])

    @property
    def detector(self) -> Detector:
        """The detector of all events."""
        return self.found.sample.detector

    @property
    def n_events(self) -> int:
        """Number of events that take part, of all processes together."""
        return self.found.n_events if self.chosen is None else len(self.chosen)

    def __len__(self) -> int:
        """Return the number of batches of this process.

        Raises:
            TypeError: The stream has no end.
        """
        if self.epochs is None:
            raise TypeError("this stream has no end")
        events = sum(n for epoch in range(self.epochs) for _, n in self._own(epoch))
        return max(0, -(-events // self.batch_size) - self.first)

    def warn(self) -> None:
        """Warn of files that are stored so that they take many times as long as they need."""
        files = zip(self.found.sources, self.found.chunks, self.found.blocks, strict=True)
        for source, chunks, block in files:
            n_events, n_cells = self.found.n_events, self.detector.n_cells
            if why := slowness(
                source, chunks, block, n_events, n_cells, self.how, self.memory, self.world
            ):
                warnings.warn(f"'{source.path}': {why}", Notice, stacklevel=3)

    def __iter__(self) -> Iterator[Events]:
        rest: list[Events] = []
        with closing(self._groups()) as groups:
            for group, order in groups:
                begin = 0
                while begin < len(order):
                    missing = self.batch_size - sum(map(len, rest))
                    # A copy: the group's memory is used again for the group after the next.
                    rest.append(group.take(order[begin : begin + missing]))
                    begin += missing
                    if begin <= len(order):
                        yield rest[0] if len(rest) == 1 else Events.concatenate(rest)
                        rest = []
        if rest:
            yield Events.concatenate(rest)

    def events(self, numbers: Sequence[int] | NDArray[np.int64]) -> Events:
        """Read the events of these numbers (counted over all files), in rising order."""
        ordered = np.sort(np.asarray(numbers, np.int64))
        rows, most = self._rows, self._group_events
        with Pieces(self.found, self.how, self.memory) as pieces:
            return pieces.load(cut(self.found, rows, most, ordered)).take(slice(None))

    def first_copies(self) -> NDArray[np.int64]:
        """Return for each event the number of the first one that is its copy, shape (N,).

        Numbers count over all files, which are read once.
        """
        whole = cut(self.found, self._rows, self._group_events)
        with Pieces(self.found, self.how, self.memory) as pieces:
            return copies_among(pieces.load([piece]).take(slice(None)) for piece in whole)

    @property
    def _group_events(self) -> int:
        return _group_events(self.memory, self.detector.n_cells)

    @property
    def _rows(self) -> int:
        return _piece_events(self._group_events, self.found.n_events, self.world)

    @cached_property
    def _pieces(self) -> list[Piece]:
        return cut(self.found, self._rows, max(1, self._group_events // 2), self.chosen)

    @property
    def _weights(self) -> NDArray[np.float64] | None:
        """The weights by which events are drawn, of all files; None where each comes once."""
        return self.found.weights if self.by_weight else None

    @cached_property
    def _draws(self) -> NDArray[np.float64] | None:
        """How many events an epoch draws of each piece on average; None where each comes once."""
        if self._weights is None:
            return None
        weights = self._weights / self._weights.max()
        sums = np.array([weights[piece.numbers].sum() for piece in self._pieces])
        return np.asarray(sums * (self.n_events / sums.sum()), np.float64)

    def _own(self, epoch: int) -> list[tuple[Piece, int]]:
        """Return the pieces of this process in an epoch, in order, and how many events of each."""
        order = random_stream(self.seed, f"pieces {epoch}").permutation(len(self._pieces))
        own = order[self.rank :: self.world]
        if self._draws is None:
            return [(self._pieces[k], len(self._pieces[k])) for k in own]
        chance = random_stream(self.seed, f"draws {epoch}").random(len(self._pieces))
        sizes = np.floor(self._draws + chance).astype(np.int64).tolist()
        return [(self._pieces[k], sizes[k]) for k in own if sizes[k]]

    def _plan(self) -> Iterator[tuple[list[Piece], NDArray[np.int64]]]:
        """Yield the pieces of each group, and the order in which its events come."""
        skip = self.first * self.batch_size
        for epoch in count() if self.epochs is None else range(self.epochs):
            own = self._own(epoch)
            events = sum(n for _, n in own)
            if skip >= events:
                skip -= events
                continue
            for number, group in enumerate(_groups_of(own, self._group_events)):
                size = sum(n for _, n in group)
                if skip >= size:
                    skip -= size
                    continue
                name = f"events {epoch} {self.rank} {number}"
                order = self._order(group, random_stream(self.seed, name))
                yield [piece for piece, _ in group], order[skip:]
                skip = 0

    def _order(
        self, group: Sequence[tuple[Piece, int]], random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the order in which events of a group come, as rows of what is read of it."""
        if self._weights is None:
            return random.permutation(sum(n for _, n in group))
        rows, begin = [], 0
        for piece, n in group:
            rows.append(begin + draw_by_weight(self._weights[piece.numbers], n, random))
            begin += len(piece)
        return random.permutation(np.concatenate(rows))

    def _groups(self) -> Generator[tuple[Group, NDArray[np.int64]]]:
        """Yield groups of events, each read while the one before is used."""
        most = max(max(map(len, self._pieces), default=0), self._group_events)
        # Two rooms are used in turn: new memory for each group would cost more than reading.
        rooms = [np.empty((most, self.detector.n_cells), np.float32) for _ in range(2)]
        # What was drawn by its weight does not carry it any more.
        found = replace(self.found, weights=None) if self.by_weight else self.found
        with Pieces(found, self.how) as pieces:
            yield from read_ahead(
                (pieces.load(group, room), order)
                for (group, order), room in zip(self._plan(), cycle(rooms), strict=False)
            )


def slowness(
    source: Source,
    chunks: Sequence[Chunks],
    block: int,
    n_events: int,
    n_cells: int,
    how: How,
    memory: int | None = None,
    world: int = 1,
) -> str:
    """Return why streaming a file is slow and what helps, in a sentence; empty if it is not.

    It is where the ``chunks`` that are decompressed for the cells hold many more events than a
    piece. ``block`` events of the file are stored together; ``n_events`` are those of all files.
    """
    memory = memory or _MEMORY
    group = _group_events(memory, n_cells)
    step = step_of(block, _piece_events(group, n_events, world), max(1, group // 2))
    # Chunks that are no larger than ours would not become smaller.
    large = [one for one in chunks if one.sizes[0] * one.row_bytes > CHUNK_BYTES]
    worst = max(large, key=lambda one: one.wasted(step), default=None)
    if worst is None or worst.times(step) < _OFTEN or worst.wasted(step) < _MUCH:
        return ""
    sizes = " x ".join(map(str, worst.sizes))
    same = "" if how == How() else ", with the same options"
    return (
        f"streamed in {max(1, memory >> 20):,} MiB, each chunk of '{worst.name}' ({sizes}) is "
        f"decompressed {worst.times(step):,.0f} times: rewrite the file first (phys-gan convert "
        f"{shlex.quote(str(source))} OUT.h5{same})"
    )


def _group_events(memory: int, n_cells: int) -> int:
    return max(1, memory // (2 * 4 * n_cells))


def _piece_events(group: int, n_events: int, world: int) -> int:
    """Return how many events a piece may have, with enough of them to shuffle and distribute."""
    return max(1, min(group // _PIECES_PER_GROUP, -(-n_events // (4 * world))))


def _groups_of(pieces: Sequence[tuple[Piece, int]], most: int) -> Iterator[list[tuple[Piece, int]]]:
    """Yield consecutive pieces, which together hold at most ``most`` events if they allow it."""
    group: list[tuple[Piece, int]] = []
    events = 0
    for piece, n in pieces:
        if group and events + len(piece) > most:
            yield group
            group, events = [], 0
        group.append((piece, n))
        events += len(piece)
    if group:
        yield group
