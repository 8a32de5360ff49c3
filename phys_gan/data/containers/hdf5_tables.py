"""Write HDF5 files event by event (:class:`Tables`), and join those of one layout."""

from __future__ import annotations

import io
import math
import os
import shutil
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5 import metadata, require_own
from phys_gan.data.containers.hdf5_probe import attributes, put_attributes
from phys_gan.data.containers.opening import OpenFile, opened
from phys_gan.data.source import Source
from phys_gan.files import atomic_file

CHUNK_ROWS = 8192
"""Most events of a chunk. All chunks have a power of two of them, except in smaller files."""

CHUNK_BYTES = 1 << 20
"""Most bytes of a chunk, where a row has less."""

_SMALLEST_CHUNK = 64


_THREADS = min(os.cpu_count() or 1, 16)


@dataclass(frozen=True)
class Stored:
    """Rows of a data set of an open file, which nobody has read yet.

    Arguments:
        data_set: The data set.
        start: Its first row that is meant.
        stop: The row behind the last.
    """

    data_set: Any
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> Stored:
        first, last, _ = rows.indices(len(self))
        return Stored(self.data_set, self.start + first, self.start + max(first, last))

    def read(self) -> NDArray[Any]:
        """Read and decompress them.

        Raises:
            DataError: The file is damaged.
        """
        with damage_reported("HDF5"):
            return np.asarray(self.data_set[self.start : self.stop])

    def chunk(self, shape: tuple[int, ...]) -> bytes | None:
        """Return them as they are compressed, if they are one chunk of this shape.

        Raises:
            DataError: The file is damaged.
        """
        whole = self.start % shape[0] == 0 and len(self) == shape[0]
        if not whole or self.data_set.chunks != shape or not is_ours(self.data_set):
            return None
        origin = (self.start, *(0 for _ in shape[1:]))
        with damage_reported("HDF5"):
            skipped, content = self.data_set.id.read_direct_chunk(origin)
        return None if skipped else bytes(content)


Piece = NDArray[Any] | Stored
"""Some rows of a data set."""


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


def create(handle: Any, name: str, rows: int, tail: tuple[int, ...], dtype: Any) -> Any:
    """Create an empty data set (0, *tail) with the filters that every HDF5 library has."""
    return handle.create_dataset(
        name,
        shape=(0, *tail),
        maxshape=(None,) * (1 + len(tail)),
        dtype=dtype,
        chunks=(rows, *tail),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def is_ours(data_set: Any) -> bool:
    """Return whether its chunks are what :func:`encode` makes: of whole rows, of numbers."""
    from h5py import h5z

    properties = data_set.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    return (
        filters == [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE]
        and data_set.dtype.kind in "fiu"
        and data_set.chunks[1:] == data_set.shape[1:]
    )


def gather(pieces: Sequence[Piece]) -> NDArray[Any]:
    """Return pieces as one array."""
    arrays = [piece.read() if isinstance(piece, Stored) else piece for piece in pieces]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def encode(pieces: Sequence[Piece], shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Return a chunk as HDF5 stores it: bytes of equal significance together, then deflated.

    Matches are looked for in runs of one byte only, which is what empty cells leave; the search
    for longer ones takes most of zlib's time and makes files of showers larger.

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
        values = np.ascontiguousarray(gather(pieces), dtype)
    if len(values) < shape[0]:
        padded = np.zeros(shape, dtype)
        padded[: len(values)] = values
        values = padded
    planes = np.ascontiguousarray(values.reshape(-1, 1).view(np.uint8).T)
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(planes.data) + packer.flush()


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
                with ThreadPoolExecutor(_THREADS) as threads:
                    tables = Tables(handle, storage, threads)
                    yield tables
                    tables.finish()
            storage.check()


def resizable(path: Path) -> bool:
    """Return whether all data sets of a file can take more events."""
    import h5py

    fixed: list[str] = []

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and entry.ndim and entry.maxshape[0] is not None:
            fixed.append(name)

    with damage_reported("HDF5"), h5py.File(path, "r") as handle:
        handle.visititems(note)
    return not fixed


class Tables:
    """Data sets that grow event by event; the same events give the same file in any blocks.

    A block of events is an array for each of the data sets. Threads compress chunks while others
    are written, in an order that depends on the number of events only.

    Arguments:
        handle: The open HDF5 file.
        storage: Where it is stored.
        threads: They compress.
    """

    def __init__(self, handle: Any, storage: Storage, threads: ThreadPoolExecutor) -> None:
        self._handle, self._storage, self._threads = handle, storage, threads
        self._columns: dict[str, Column] = {}
        self._small: dict[str, NDArray[Any]] = {}
        self._begun = 0
        self._complete = False

    def put(self, name: str, values: Piece, dtype: Any = None) -> None:
        """Append an array (n, ...) to a data set.

        Arguments:
            name: Name of the data set.
            values: The array, which nobody may change any more; of objects where each event has
                an array of its own length. Or rows of another file, which stays open until
                :meth:`settle`.
            dtype: How to store it, ``h5py.vlen_dtype(...)`` for such objects.

        Raises:
            OSError: The disk is full.
        """
        like = values if isinstance(values, np.ndarray) else values.data_set
        column = self._column(name, tuple(like.shape[1:]), dtype or like.dtype)
        if column.n > self._begun:
            # It has its share of the last block, which is therefore complete.
            self._complete = True
            self.settle()
        column.add(values)
        if self._complete and all(other.n == column.n for other in self._columns.values()):
            self.settle()

    def settle(self) -> None:
        """Write all chunks that are full, after a block of which every data set has its share.

        Raises:
            OSError: The disk is full.
        """
        self._begun = max((column.n for column in self._columns.values()), default=0)
        self._write_due(last=False)

    def finish(self) -> None:
        """Write what is left.

        Raises:
            OSError: The disk is full.
        """
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
        waiting: deque[tuple[Column, Chunk, Future[bytes] | None]] = deque()
        for _, _, column, chunk in sorted(due, key=lambda entry: entry[:2]):
            coming = None
            if column.direct:
                coming = self._threads.submit(encode, chunk.pieces, column.shape, column.dtype)
            waiting.append((column, chunk, coming))
            if len(waiting) > 2 * _THREADS:
                self._write(*waiting.popleft())
        while waiting:
            self._write(*waiting.popleft())

    def _write(self, column: Column, chunk: Chunk, coming: Future[bytes] | None) -> None:
        column.write(chunk, None if coming is None else coming.result())
        self._storage.check()

    def width(self, name: str) -> int | None:
        """Return how many entries per event a data set (N, P, ...) has room for; None if new."""
        if name in self._columns:
            return int(self._columns[name].tail[0])
        return int(self._handle[name].shape[1]) if name in self._handle else None

    def widen(self, name: str, width: int) -> None:
        """Make room for ``width`` entries per event in a data set (N, P, ...).

        The entries that are there move to the end; zeros take their place.
        """
        self._column(name).widen(width)
        self._storage.check()

    def _column(self, name: str, tail: tuple[int, ...] = (), dtype: Any = None) -> Column:
        if name not in self._columns:
            column = Column(self._handle, name, tail, dtype)
            self._begun = self._begun if self._columns else column.n
            self._columns[name] = column
        return self._columns[name]

    def get(self, name: str) -> NDArray[Any] | None:
        """Return a small array that is there already, or None."""
        if name in self._small:
            return self._small[name]
        return np.asarray(self._handle[name][()]) if name in self._handle else None

    def set(self, name: str, values: NDArray[Any]) -> None:
        """Store a small array that says something about the whole file; replace an earlier one."""
        self._small[name] = values


_Described = tuple[dict[str, Any], dict[str, tuple[tuple[int, ...], Any]]]


def alike(sources: Sequence[Source], counts: Sequence[int], layout: str) -> bool:
    """Return whether files of ours say the same of themselves, and hold the same tables of numbers.

    Arguments:
        sources: HDF5 files.
        counts: How many events they hold.
        layout: Their layout.

    Raises:
        PhysGanError: A file cannot be read.
    """
    first: _Described | None = None
    for source, n in zip(sources, counts, strict=True):
        with opened(source) as file:
            described = _describe(file, n) if metadata(file).format == layout else None
        if described is None or described != (first or described):
            return False
        first = described
    return True


def _describe(file: OpenFile, n: int) -> _Described | None:
    """Return attributes and data sets; None where a data set is no table with a row per event."""
    with damage_reported("HDF5"):
        tables = _tables(file.handle)
        for name, table in tables.items():
            require_own(file, name, table)
        texts = attributes(file.handle)
        plain = all(
            table.dtype.kind in "fiu" and table.shape[:1] == (n,) for table in tables.values()
        )
        shapes = {name: (table.shape[1:], table.dtype) for name, table in tables.items()}
    return (texts, shapes) if plain else None


def _tables(handle: Any) -> dict[str, Any]:
    found = {}

    def note(name: str, entry: Any) -> None:
        if hasattr(entry, "shape"):
            found[name] = entry

    handle.visititems(note)
    return found


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
                for name, table in _tables(file.handle).items():
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
