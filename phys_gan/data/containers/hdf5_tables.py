"""Write HDF5 files event by event (:class:`Tables`), and join files of one layout.

The same events give the same bytes in whatever blocks they come: rows are kept until they fill a
chunk, data sets are created with their first chunk, and chunks are written in an order that depends
on the number of events only. All that writes raises ``OSError`` on a full disk.

Chunks are compressed here, in threads, and written as they are: bytes of equal significance
together (HDF5's shuffle), then deflated, which every HDF5 library reads. h5py itself compresses
under one lock for all threads, and looks for matches of any length. Here they are looked for in
runs of one byte, which is what empty cells leave. With h5py's own gzip and shuffle, showers of
CaloGAN took 1.6 times as much time of the processor and 12 % more room, and were written at 0.58 of
the speed on two busy cores. The filters of hdf5plugin are 1.6 to 3.7 times as fast, but can only be
read where they are installed (``benchmarks/writing.py``; h5py 3.16, hdf5plugin 7.1).
"""

from __future__ import annotations

import io
import math
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5 import entries, metadata, require_own
from phys_gan.data.containers.hdf5_probe import attributes, put_attributes
from phys_gan.data.containers.opening import opened
from phys_gan.data.source import Source
from phys_gan.files import atomic_file
from phys_gan.work import parallel_map

CHUNK_ROWS = 8192
"""Most events of a chunk. All chunks have a power of two of them, except in smaller files."""

CHUNK_BYTES = 1 << 20
"""Most bytes of a chunk, where a row has less."""

_SMALLEST_CHUNK = 64
_THREADS = min(os.cpu_count() or 1, 16)


@contextmanager
def created(path: Path, texts: Mapping[str, str], grow: bool = False) -> Iterator[Tables]:
    """Yield the tables of an HDF5 file; it appears at ``path`` when the block succeeds.

    Arguments:
        path: The file.
        texts: Its attributes.
        grow: Begin with a copy of what stands at ``path``.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import h5py

    with atomic_file(path) as temporary:
        if grow:
            shutil.copyfile(path, temporary)
        with Storage(temporary, "r+b" if grow else "w+b") as storage:
            with h5py.File(storage, "r+" if grow else "w") as handle:
                put_attributes(handle, texts)
                tables = Tables(handle, storage)
                yield tables
                tables.finish()
            storage.check()


def resizable(path: Path) -> bool:
    """Return whether all data sets of a file can take more events."""
    import h5py

    with damage_reported("HDF5"), h5py.File(path, "r") as handle:
        shapes = [entry.maxshape for entry in entries(handle).values() if entry.shape]
    return all(shape[0] is None for shape in shapes)


class Tables:
    """Data sets that grow event by event.

    A block of events is an array for each of the data sets.

    Arguments:
        handle: The open HDF5 file.
        storage: Where it is stored.
    """

    def __init__(self, handle: Any, storage: Storage) -> None:
        self._handle, self._storage = handle, storage
        self._columns: dict[str, _Column] = {}
        self._small: dict[str, NDArray[Any]] = {}
        # Events before the current block, and whether all data sets are known.
        self._begun, self._complete = 0, False

    def put(self, name: str, values: Piece, dtype: Any = None) -> None:
        """Append an array (n, ...) to a data set.

        Arguments:
            name: Name of the data set.
            values: The array, which must not change any more; of objects where each event has an
                array of its own length. Or rows of another file, which stays open until
                :meth:`settle`.
            dtype: How to store it, ``h5py.vlen_dtype(...)`` for such objects.
        """
        like = values if isinstance(values, np.ndarray) else values.data_set
        column = self._column(name, tuple(like.shape[1:]), dtype or like.dtype)
        if column.n > self._begun:
            # A data set that comes again ends the block before.
            self._complete = True
            self.settle()
        column.add(values)
        if self._complete and all(other.n == column.n for other in self._columns.values()):
            self.settle()

    def settle(self) -> None:
        """Write all full chunks, after a block that has come for every data set."""
        self._begun = max((column.n for column in self._columns.values()), default=0)
        self._write_due(last=False)

    def finish(self) -> None:
        """Write what is left."""
        self._write_due(last=False)
        self._write_due(last=True)
        for name, values in self._small.items():
            if name in self._handle:
                del self._handle[name]
            # As all others it may be replaced when the file grows.
            shape = (None,) * values.ndim or None
            self._handle.create_dataset(name, data=values, maxshape=shape)
        self._storage.check()

    def _write_due(self, last: bool) -> None:
        due = [
            (chunk.stop, order, column, chunk)
            for order, column in enumerate(self._columns.values())
            for chunk in column.due(last)
        ]
        due.sort(key=lambda entry: entry[:2])
        with closing(parallel_map(lambda entry: entry[2].encode(entry[3]), due, _THREADS)) as made:
            for (_, _, column, chunk), content in zip(due, made, strict=True):
                column.write(chunk, content)
                self._storage.check()

    def width(self, name: str) -> int | None:
        """Return how many entries per event a data set (N, P, ...) has room for; None if new."""
        if name in self._columns or name in self._handle:
            return int(self._column(name).tail[0])
        return None

    def widen(self, name: str, width: int) -> None:
        """Make room for ``width`` entries per event in a data set (N, P, ...).

        The entries that are there move to the end; zeros take their place.
        """
        self._column(name).widen(width)
        self._storage.check()

    def _column(self, name: str, tail: tuple[int, ...] = (), dtype: Any = None) -> _Column:
        if name not in self._columns:
            column = _Column(self._handle, name, tail, dtype)
            self._begun = self._begun if self._columns else column.n
            self._columns[name] = column
        return self._columns[name]

    def get(self, name: str) -> NDArray[Any] | None:
        """Return a small array that is there already, or None."""
        if name in self._small:
            return self._small[name]
        return np.asarray(self._handle[name][()]) if name in self._handle else None

    def set(self, name: str, values: NDArray[Any]) -> None:
        """Store a small array about the whole file; replace an earlier one."""
        self._small[name] = values


@dataclass(frozen=True)
class Stored:
    """Rows ``start`` to ``stop - 1`` of a data set of an open file, not read yet."""

    data_set: Any
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Stored:
        first, last, _ = rows.indices(len(self))
        return Stored(self.data_set, self.start + first, self.start + max(first, last))

    def read(self) -> NDArray[Any]:
        """Read and decompress them."""
        with damage_reported("HDF5"):
            return np.asarray(self.data_set[self.start : self.stop])

    def chunk(self, shape: tuple[int, ...]) -> bytes | None:
        """Return them as they are compressed, if they are one chunk of this shape."""
        whole = self.start % shape[0] == 0 and len(self) == shape[0]
        if not whole or self.data_set.chunks != shape or not _is_ours(self.data_set):
            return None
        with damage_reported("HDF5"):
            skipped, content = self.data_set.id.read_direct_chunk(_origin(self.start, shape))
        return None if skipped else bytes(content)


Piece = NDArray[Any] | Stored
"""Some rows of a data set."""


class _Chunk(NamedTuple):
    """Rows ``start`` to ``stop - 1``, which are due to be written."""

    start: int
    stop: int
    pieces: list[Piece]


class _Column:
    """Keep the rows of a data set until they fill a chunk.

    Arguments:
        handle: The open HDF5 file.
        name: Name of the data set. If it is there, rows are added to it.
        tail: Shape of a row, of a new one.
        dtype: How a new one stores numbers, or lists of them (``h5py.vlen_dtype(...)``).
    """

    def __init__(self, handle: Any, name: str, tail: tuple[int, ...], dtype: Any) -> None:
        self._handle, self._name = handle, name
        self._data_set: Any = handle.get(name)
        self._pieces: list[Piece] = []
        self._written = self.n = 0
        self.tail, self._dtype = tail, dtype
        if self._data_set is not None:
            self.tail, self._dtype = tuple(self._data_set.shape[1:]), self._data_set.dtype
            self.n = len(self._data_set)
            self._written = self.n - self.n % self._data_set.chunks[0]
            if self._written < self.n:
                self._pieces = [self._data_set[self._written :]]
        self._dtype = np.dtype(self._dtype)

    def _shape(self, n: int | None = None) -> tuple[int, ...]:
        """Return the shape of a chunk, of a new data set of ``n`` rows."""
        if self._data_set is not None:
            return tuple(self._data_set.chunks)
        return (rows_of(self._dtype.itemsize * math.prod(self.tail), n), *self.tail)

    def _create(self, n: int | None = None) -> None:
        """Create the data set, with filters that every HDF5 library has."""
        self._data_set = self._handle.create_dataset(
            self._name,
            shape=(0, *self.tail),
            maxshape=(None,) * (1 + len(self.tail)),
            dtype=self._dtype,
            chunks=self._shape(n),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )

    def add(self, rows: Piece) -> None:
        """Take more rows, which must not change any more."""
        if len(rows):
            self._pieces.append(rows)
            self.n += len(rows)

    def due(self, last: bool) -> list[_Chunk]:
        """Hand out the rows of all chunks that are full, and the rest when nothing follows."""
        if last and self._data_set is None:
            self._create(self.n)
        rows, chunks = self._shape()[0], []
        while self.n - self._written >= rows or (last and self._written < self.n):
            stop = min(self._written + rows, self.n)
            chunks.append(_Chunk(self._written, stop, self._take(stop - self._written)))
            self._written = stop
        if self._pieces:
            # A copy, so that blocks of events need not stay in memory for their last rows.
            self._pieces = [np.array(_gathered(self._pieces))]
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

    def encode(self, chunk: _Chunk) -> bytes | None:
        """Return what is stored of a chunk; None where HDF5 itself must encode it."""
        if self._dtype.kind in "fiu" and (self._data_set is None or _is_ours(self._data_set)):
            return encode(chunk.pieces, self._shape(), self._dtype)
        return None

    def write(self, chunk: _Chunk, content: bytes | None) -> None:
        """Write a chunk that was due, as :meth:`encode` returned it."""
        if self._data_set is None:
            self._create()
        if len(self._data_set) < chunk.stop:
            self._data_set.resize(chunk.stop, axis=0)
        if content is not None:
            self._data_set.id.write_direct_chunk(_origin(chunk.start, self._shape()), content)
            return
        values, rows = _gathered(chunk.pieces), np.s_[chunk.start : chunk.stop]
        if values.dtype == object:
            # Item assignment takes arrays that happen to be of one length for a table.
            self._data_set.write_direct(values.astype(self._dtype), dest_sel=rows)
        else:
            self._data_set[rows] = values

    def widen(self, width: int) -> None:
        """Make room for ``width`` entries per row (P, ...); zeros come before what is there."""
        more = width - self.tail[0]
        if more <= 0:
            return
        self.tail = (width, *self.tail[1:])
        front = [(0, 0), (more, 0), *[(0, 0)] * (len(self.tail) - 1)]
        self._pieces = [np.pad(_gathered([piece]), front) for piece in self._pieces]
        if self._data_set is None:
            return
        self._data_set.resize(width, axis=1)
        rows = self._data_set.chunks[0]
        for start in range(0, len(self._data_set), rows):
            there = self._data_set[start : start + rows]
            self._data_set[start : start + rows] = np.roll(there, more, axis=1)


def rows_of(row_bytes: int, n: int | None = None) -> int:
    """Return how many rows make a chunk of up to one MiB, which HDF5 keeps in its cache.

    Powers of two: parts of a production are joined without decompression where their number of
    events is a multiple of the rows of every data set.

    Arguments:
        row_bytes: Size of a row.
        n: Number of rows of a data set that is smaller than that.
    """
    most = min(CHUNK_ROWS, max(1, CHUNK_BYTES // max(1, row_bytes)))
    rows = 1 << (most.bit_length() - 1)
    return rows if n is None else min(rows, max(n, _SMALLEST_CHUNK))


def encode(pieces: Sequence[Piece], shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Return a chunk as HDF5 stores it: shuffled, then deflated.

    Arguments:
        pieces: Its rows in order; fewer than the chunk has are filled up with zeros.
        shape: Shape of the chunk.
        dtype: Type of the numbers in the file.
    """
    if len(pieces) == 1 and isinstance(pieces[0], Stored):
        content = pieces[0].chunk(shape)
        if content is not None:
            return content
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(_gathered(pieces), dtype)
    if len(values) < shape[0]:
        padded = np.zeros(shape, dtype)
        padded[: len(values)] = values
        values = padded
    planes = np.ascontiguousarray(values.reshape(-1, 1).view(np.uint8).T)
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(planes.data) + packer.flush()


def _is_ours(data_set: Any) -> bool:
    """Return whether its chunks are what :func:`encode` makes: of whole rows, of numbers."""
    from h5py import h5z

    properties = data_set.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    return (
        filters == [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE]
        and data_set.dtype.kind in "fiu"
        and data_set.chunks[1:] == data_set.shape[1:]
    )


def _gathered(pieces: Sequence[Piece]) -> NDArray[Any]:
    arrays = [piece.read() if isinstance(piece, Stored) else piece for piece in pieces]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _origin(start: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place of the chunk of whole rows that begins with row ``start``."""
    return (start, *(0 for _ in shape[1:]))


def alike(sources: Sequence[Source], counts: Sequence[int], layout: str) -> bool:
    """Return whether files that phys_gan wrote have the same attributes and tables of numbers.

    Arguments:
        sources: HDF5 files.
        counts: How many events they hold.
        layout: Their layout.

    Raises:
        PhysGanError: A file cannot be read.
    """
    first: Any = None
    for source, n in zip(sources, counts, strict=True):
        with opened(source) as file, damage_reported("HDF5"):
            tables = entries(file.handle)
            for name, table in tables.items():
                require_own(file, name, table)
            plain = all(
                table.dtype.kind in "fiu" and (table.shape or ())[:1] == (n,)
                for table in tables.values()
            )
            if not plain or metadata(file).format != layout:
                return False
            shapes = {name: (table.shape[1:], table.dtype) for name, table in tables.items()}
            described = attributes(file.handle), shapes
        if described != (first or described):
            return False
        first = described
    return True


def join_tables(sources: Sequence[Source], out: Path) -> None:
    """Write one file with the rows of files that are alike, in order.

    Chunks are copied as they are where they stand at the same place of their chunk in ``out``.

    Raises:
        DataError: A file is damaged.
        OutputError: The file cannot be written; what stood there is untouched.
    """
    with opened(sources[0]) as file:
        texts = attributes(file.handle)
    with created(out, texts) as tables:
        for source in sources:
            with opened(source) as file:
                for name, table in entries(file.handle).items():
                    tables.put(name, Stored(table, 0, len(table)))
                tables.settle()


class Storage(io.RawIOBase):
    """A file on disk that remembers its first failure instead of raising it.

    On a full disk the HDF5 library can neither write nor close, and takes the process down when
    it tries again at exit. From the first failure on, what is written stays in memory: HDF5 can
    close, :meth:`check` raises, and the file is thrown away.

    Arguments:
        path: The file.
        mode: ``"w+b"`` for a new one, ``"r+b"`` to go on with one.
    """

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__()
        self._file: Any = path.open(mode, buffering=0)
        self._kept: list[tuple[int, bytes]] = []
        self._failure: OSError | None = None
        self._position = 0
        self._end = self._file.seek(0, io.SEEK_END)

    def check(self) -> None:
        """Raise what went wrong so far.

        Raises:
            OSError: The disk is full or broken.
        """
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write at the current position; in memory after a failure."""
        content = memoryview(data).cast("B")
        written = 0
        try:
            self._file.seek(self._position)
            while self._failure is None and written < len(content):
                written += self._file.write(content[written:])
        except OSError as error:
            self._failure = error
        if self._failure is not None:
            self._kept.append((self._position + written, bytes(content[written:])))
        self._position += len(content)
        self._end = max(self._end, self._position)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, wherever it is."""
        target = memoryview(buffer).cast("B")
        begin, size = self._position, max(0, min(len(target), self._end - self._position))
        self._file.seek(begin)
        got = self._file.readinto(target[:size])
        target[got:size] = bytes(size - got)
        for position, content in self._kept:
            first, last = max(begin, position), min(begin + size, position + len(content))
            if first < last:
                target[first - begin : last - begin] = content[first - position : last - position]
        self._position += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}
        self._position = start[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file."""
        self._end = self._position if size is None else size
        try:
            self._file.truncate(self._end)
        except OSError as error:
            self._failure = self._failure or error
        return self._end

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file on disk."""
        if not self.closed:
            try:
                self._file.close()
            except OSError as error:
                self._failure = self._failure or error
            super().close()
