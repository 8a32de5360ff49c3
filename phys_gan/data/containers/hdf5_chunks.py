"""Chunks of HDF5 data sets, compressed outside of the HDF5 library, which has one lock for all.

One data set that grows by whole chunks.

Rows of compressed HDF5 data sets: how often chunks are decompressed for them, and how once.

A chunk is decompressed as a whole for each of its rows that is asked for by itself. Where a chunk
holds a few columns of many events, whoever takes some events at a time pays for all of them, each
time.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import damage_reported
from phys_gan.errors import DataError

__all__ = [
    "CHUNK_BYTES",
    "CHUNK_ROWS",
    "Ahead",
    "Chunk",
    "Chunks",
    "Column",
    "Piece",
    "Stored",
    "chunks_of",
    "compressed",
    "create",
    "encode",
    "gather",
    "is_ours",
    "physical_memory",
    "rows_of",
    "spare_memory",
]

CHUNK_ROWS = 8192
"""Most events of a chunk. All chunks have a power of two of them, except in smaller files."""

CHUNK_BYTES = 1 << 20
"""Most bytes of a chunk, where a row has less."""

_SMALLEST_CHUNK = 64


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


_USUAL_MEMORY = 1 << 33


@dataclass(frozen=True)
class Chunks:
    """The chunks of a compressed data set.

    Attributes:
        name: The data set.
        shape: Its shape.
        sizes: Shape of a chunk.
        row_bytes: Bytes of a row.
    """

    name: str
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    row_bytes: int

    def times(self, rows: int) -> float:
        """Return how often a chunk is decompressed on average where ``rows`` are read at a time."""
        n = self.shape[0]
        starts = np.arange(0, n, rows)
        last = np.minimum(starts + rows, n) - 1
        touched = last // self.sizes[0] - starts // self.sizes[0] + 1
        return float(touched.sum()) / -(-n // self.sizes[0])

    def wasted(self, rows: int) -> float:
        """Return how many bytes are decompressed more than once then, beyond the first time."""
        return (self.times(rows) - 1) * self.shape[0] * self.row_bytes


def chunks_of(name: str, data_set: Any) -> Chunks | None:
    """Return the chunks of a data set of numbers; None where its rows are not compressed.

    Of the data sets of the same file that a virtual one shows, those with the longest chunks count.
    """
    if data_set.is_virtual:
        inside = {s.dset_name for s in data_set.virtual_sources() if s.file_name == "."}
        stored = [data_set.file[inner] for inner in inside if inner in data_set.file]
    else:
        stored = [data_set]
    sizes = [
        one.chunks for one in stored if one.chunks and one.id.get_create_plist().get_nfilters()
    ]
    shape = data_set.shape
    if not sizes or 0 in shape or data_set.dtype.kind not in "fiub":
        return None
    row_bytes = data_set.dtype.itemsize * math.prod(shape[1:])
    return Chunks(name, tuple(shape), tuple(max(sizes)), row_bytes)


def compressed(handle: Any, n_events: int) -> list[Chunks]:
    """Return the chunks of all compressed data sets of an open HDF5 file with a row per event.

    What is damaged is passed over: whoever reads it finds out.
    """
    import h5py

    found: list[Chunks | None] = []

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and entry.shape and entry.shape[0] == n_events:
            found.append(chunks_of(name, entry))

    with suppress(DataError), damage_reported("HDF5"):
        handle.visititems(note)
    return [one for one in found if one is not None and math.prod(one.shape[1:]) > 1]


class Ahead:
    """Rows that were decompressed before they are asked for, as neighbours of those that were.

    Whoever reads a file from its first event to the last has each chunk decompressed once, or as
    few times as the memory allows.

    Arguments:
        most: Bytes that may be kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, tuple[int, NDArray[Any]]] = {}

    def rows(self, name: str, data_set: Any, start: int, stop: int) -> NDArray[Any] | None:
        """Return the rows ``start`` to ``stop - 1`` of a data set; None where it has no need."""
        chunks = chunks_of(name, data_set)
        if chunks is None or chunks.sizes[0] <= stop - start:
            return None
        first, kept = self._kept.pop(name, (0, np.empty(0)))
        end = first + len(kept)
        if first <= start and stop <= end:
            self._kept[name] = first, kept
            return kept[start - first : stop - first]
        # A copy of what is still of use, so that all that was kept makes room for what follows.
        before = kept[start - first :].copy() if first <= start < end else None
        del kept
        if before is None:
            return self._fetch(chunks, data_set, start, stop)
        return np.concatenate([before, self._fetch(chunks, data_set, end, stop)])

    def _fetch(self, chunks: Chunks, data_set: Any, start: int, stop: int) -> NDArray[Any]:
        """Read rows, and those behind them up to the end of a chunk, or as many as may be kept."""
        left = self._most - sum(values.nbytes for _, values in self._kept.values())
        most = max(stop - start, left // 2 // chunks.row_bytes)
        last = min(-(-stop // chunks.sizes[0]) * chunks.sizes[0], start + most, chunks.shape[0])
        values = np.asarray(data_set[start:last])
        if last > stop:
            self._kept[chunks.name] = start, values
        return values[: stop - start]


def spare_memory() -> int:
    """Return the bytes that may be kept of a file that is read from its first event to its last."""
    return physical_memory() // 8


def physical_memory() -> int:
    """Return the bytes of memory of this machine, or those that this process may have of them."""
    try:
        import resource

        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if allowed != resource.RLIM_INFINITY:
            most = min(most, allowed)
    except (ImportError, AttributeError):
        # Windows tells neither.
        most = _USUAL_MEMORY
    try:
        return min(most, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return most
