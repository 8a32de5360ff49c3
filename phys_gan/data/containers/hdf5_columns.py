"""One data set that grows by whole chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_chunks import Piece, create, gather, is_ours, rows_of

__all__ = ["Chunk", "Column"]


@dataclass(frozen=True)
class Chunk:
    """Rows that are due to be written.

    Arguments:
        start: Number of the first.
        stop: Number behind the last.
        pieces: The rows.
    """

    start: int
    stop: int
    pieces: list[Piece]


class Column:
    """Keep rows until they fill a chunk.

    The data set is created with its first chunk, so that nothing about it depends on the blocks
    in which rows come.

    Arguments:
        handle: The open HDF5 file.
        name: Name of the data set. If it is there, rows are added to it.
        tail: Shape of a row, of a new one.
        dtype: How a new one stores numbers, or lists of them (``h5py.vlen_dtype(...)``).
    """

    def __init__(self, handle: Any, name: str, tail: tuple[int, ...], dtype: Any) -> None:
        self._handle, self._name = handle, name
        self.tail: tuple[int, ...]
        self._dtype: np.dtype[Any]
        self.data_set: Any = handle.get(name)
        self._pieces: list[Piece] = []
        self._written = 0
        self.n = 0
        if self.data_set is None:
            self.tail, self._dtype = tail, np.dtype(dtype)
            return
        self.tail, self._dtype = tuple(self.data_set.shape[1:]), np.dtype(self.data_set.dtype)
        self.n = len(self.data_set)
        self._written = self.n - self.n % self.data_set.chunks[0]
        if self._written < self.n:
            self._pieces = [self.data_set[self._written :]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        if self.data_set is not None:
            return tuple(self.data_set.chunks)
        return (rows_of(self._row_bytes), *self.tail)

    @property
    def dtype(self) -> np.dtype[Any]:
        """How numbers are stored."""
        return self._dtype

    @property
    def direct(self) -> bool:
        """Whether its chunks can be compressed outside of HDF5."""
        return self._dtype.kind in "fiu" and (self.data_set is None or is_ours(self.data_set))

    @property
    def _row_bytes(self) -> int:
        return self._dtype.itemsize * math.prod(self.tail)

    def add(self, rows: Piece) -> None:
        """Take more rows, which nobody may change any more."""
        if len(rows):
            self._pieces.append(rows)
            self.n += len(rows)

    def due(self, last: bool) -> list[Chunk]:
        """Hand out the rows of all chunks that are full, and the rest when nothing follows.

        What stays is copied: blocks of events need not stay in memory for it.
        """
        if last and self.data_set is None:
            rows = rows_of(self._row_bytes, self.n)
            self.data_set = create(self._handle, self._name, rows, self.tail, self._dtype)
        rows, chunks = self.shape[0], []
        while self.n - self._written >= rows or (last and self._written < self.n):
            stop = min(self._written + rows, self.n)
            chunks.append(Chunk(self._written, stop, self._take(stop - self._written)))
            self._written = stop
        if self._pieces:
            self._pieces = [np.array(gather(self._pieces))]
        return chunks

    def _take(self, count: int) -> list[Piece]:
        taken: list[Piece] = []
        while count:
            piece = self._pieces.pop(0)
            if len(piece) > count:
                self._pieces.insert(0, piece[count:])
                piece = piece[:count]
            taken.append(piece)
            count -= len(piece)
        return taken

    def write(self, chunk: Chunk, content: bytes | None = None) -> None:
        """Write a chunk that was due.

        Arguments:
            chunk: The chunk.
            content: How it is stored; None leaves that to HDF5.
        """
        if self.data_set is None:
            self.data_set = create(self._handle, self._name, self.shape[0], self.tail, self._dtype)
        if len(self.data_set) < chunk.stop:
            self.data_set.resize(chunk.stop, axis=0)
        if content is not None:
            origin = (chunk.start, *(0 for _ in self.tail))
            self.data_set.id.write_direct_chunk(origin, content)
            return
        values = gather(chunk.pieces)
        if values.dtype == object:
            # Item assignment takes arrays that happen to be of one length for a table.
            rows = np.s_[chunk.start : chunk.stop]
            self.data_set.write_direct(values.astype(self._dtype), dest_sel=rows)
        else:
            self.data_set[chunk.start : chunk.stop] = values

    def widen(self, width: int) -> None:
        """Make room for ``width`` entries per row (P, ...); zeros come before what is there."""
        more = width - self.tail[0]
        if more <= 0:
            return
        self.tail = (width, *self.tail[1:])
        self._pieces = [_padded(gather([piece]), more) for piece in self._pieces]
        if self.data_set is None:
            return
        self.data_set.resize(width, axis=1)
        rows = self.data_set.chunks[0]
        for start in range(0, len(self.data_set), rows):
            there = self.data_set[start : start + rows]
            self.data_set[start : start + rows] = np.roll(there, more, axis=1)


def _padded(rows: NDArray[Any], more: int) -> NDArray[Any]:
    return np.pad(rows, [(0, 0), (more, 0), *[(0, 0)] * (rows.ndim - 2)])
