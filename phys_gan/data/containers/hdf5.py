"""HDF5: data sets by name, as columns and in blocks of rows; the attributes of a file.

Where the numbers of an HDF5 data set lie: in its own file, as far as they are read.

HDF5 files that are written event by event.

HDF5 files of one layout, one behind the other, without decompression where that is possible.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import Storage, damage_reported
from phys_gan.data.containers.hdf5_chunks import Chunk, Column, Piece, Stored, encode
from phys_gan.data.containers.hdf5_probe import attributes, put_attributes
from phys_gan.data.containers.opening import OpenFile, listing, nearest, opened
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.data.source import Source
from phys_gan.errors import DataError, MissingError
from phys_gan.files import atomic_file

__all__ = [
    "Tables",
    "alike",
    "column",
    "created",
    "data_sets",
    "has",
    "join_tables",
    "metadata",
    "read_rows",
    "require_length",
    "require_own",
    "resizable",
    "row_blocks",
    "rows",
    "rows_at_once",
    "rows_per_chunk",
    "shape_of",
    "unequal",
    "wrong_shape",
]

_MOST_COMPRESSED = 2_000
"""Bytes that one byte of a file stands for: no more than about 1,000 with gzip."""
_MOST_EMPTY = 1 << 26
"""Bytes that may be declared beside: a small file may hold little but zeros."""
_SAME_FILE = "."


def require_own(file: OpenFile, name: str, entry: Any) -> None:
    """Refuse a data set whose numbers lie in another file, or cannot be all there.

    Only what was named is opened. A virtual data set, which is a view of others, is read where
    those are plain ones of the same file.

    Arguments:
        file: The open file.
        name: Name of the data set.
        entry: The data set; anything else is passed over.

    Raises:
        DataError: The numbers lie elsewhere, are more than the file can hold, or are compressed by
            something that is not installed.
    """
    import h5py

    if not isinstance(entry, h5py.Dataset):
        return
    made = entry.id.get_create_plist()
    if made.get_external_count():
        outside = [made.get_external(i)[0].decode() for i in range(made.get_external_count())]
        raise _elsewhere(file, name, f"other files ({listing(outside)})")
    declared = entry.dtype.itemsize * math.prod(entry.shape or ())
    held = file.path.stat().st_size
    if declared > _MOST_EMPTY + _MOST_COMPRESSED * held:
        raise DataError(
            f"data set '{name}' declares {declared:.3g} bytes in a file of {held:,}",
            remedy="copy or make the file again",
            value=declared,
            constraint=held,
        )
    if made.get_layout() == h5py.h5d.VIRTUAL:
        _require_plain_sources(file, name, entry, made)
    else:
        _require_filters(file, name, entry, made)


def _require_plain_sources(file: OpenFile, name: str, entry: Any, made: Any) -> None:
    """Look at what a virtual data set shows, before the library follows it anywhere."""
    import h5py

    numbers = range(made.get_virtual_count())
    outside = dict.fromkeys(made.get_virtual_filename(i) for i in numbers)
    if others := [source for source in outside if source != _SAME_FILE]:
        raise _elsewhere(file, name, f"other files ({listing(others)})")
    shown = 0
    for inner in dict.fromkeys(made.get_virtual_dsetname(i) for i in numbers):
        # A per cent sign stands for a number that counts data sets.
        source = None if "%" in inner else file.handle.get(inner)
        if not isinstance(source, h5py.Dataset) or source == entry:
            # The library would give zeros, or follow it to itself without an end.
            what = "itself" if source == entry else f"'{inner}', which is no data set of the file"
            raise DataError(
                f"data set '{name}' takes its numbers from {what}",
                remedy="make the file again from all of its parts",
                value=inner,
            )
        if source.id.get_create_plist().get_layout() == h5py.h5d.VIRTUAL:
            raise _elsewhere(file, name, f"'{inner}', which takes them from elsewhere")
        require_own(file, inner, source)
    for i in numbers:
        try:
            shown += made.get_virtual_vspace(i).get_select_npoints()
        except RuntimeError:
            # It has no end, and shows as much as there is.
            return
    if shown < math.prod(entry.shape or ()):
        raise DataError(
            f"the virtual data set '{name}' shows nothing in a part of its cells",
            remedy="make the file again from all of its parts",
            value=shown,
            constraint=math.prod(entry.shape or ()),
        )


def _require_filters(file: OpenFile, name: str, entry: Any, made: Any) -> None:
    """Require what the chunks were compressed with; a filter may be left out of single ones."""
    from h5py import h5z

    filters = [made.get_filter(i) for i in range(made.get_nfilters())]
    missing = [i for i, (code, *_) in enumerate(filters) if not h5z.filter_avail(code)]
    if not missing or not entry.id.get_num_chunks():
        return
    skipped = entry.id.get_chunk_info(0).filter_mask
    for i in missing:
        code, _, _, text = filters[i]
        if not skipped >> i & 1:
            called = text.decode(errors="replace").partition(";")[0]
            raise DataError(
                f"data set '{name}' is compressed with the filter {called or 'of number'} {code}, "
                f"which is not installed",
                remedy="install it (pip install hdf5plugin) and set HDF5_PLUGIN_PATH to "
                f"hdf5plugin.PLUGIN_PATH, or where it is installed: h5repack -f GZIP=1 "
                f"{shlex.quote(str(file.path))} OUT.h5",
                value=code,
            )


def _elsewhere(file: OpenFile, name: str, where: str) -> DataError:
    """Return an error that says where the numbers are, and how to bring them into one file."""
    return DataError(
        f"data set '{name}' takes its numbers from {where}",
        remedy=f"copy them into one file: h5repack -l {shlex.quote(name)}:CONTI "
        f"{shlex.quote(str(file.path))} OUT.h5",
        value=name,
    )


_BLOCK_VALUES = 1 << 23


def data_sets(file: OpenFile) -> dict[str, tuple[int, ...]]:
    """Return the shape of each data set by its name; those in groups have a path as name."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str | bytes, entry: Any) -> None:
        shape = getattr(entry, "shape", None)
        if shape is not None:
            # A damaged name that is no text comes as bytes.
            text = name if isinstance(name, str) else name.decode(errors="replace")
            shapes[text] = tuple(shape)

    with damage_reported("HDF5"):
        file.handle.visititems(note)
    return shapes


def has(file: OpenFile, *names: str) -> bool:
    """Return whether the file has data sets of all these names."""
    with damage_reported("HDF5"):
        found = [file.handle.get(name) for name in names]
        for name, entry in zip(names, found, strict=True):
            require_own(file, name, entry)
        return all(hasattr(entry, "shape") for entry in found)


def shape_of(file: OpenFile, name: str) -> tuple[int, ...]:
    """Return the shape of a data set of numbers.

    Raises:
        MissingError: There is none of this name.
        DataError: It does not hold numbers.
    """
    if not has(file, name):
        names = list(data_sets(file))
        raise MissingError(
            f"'{file.path}' has no data set '{name}'{nearest(name, names)}; it holds "
            f"{listing(names)}",
            remedy="name the format or convert the file",
            value=name,
        )
    with damage_reported("HDF5"):
        data_set = file.handle[name]
        kind, shape = data_set.dtype.kind, data_set.shape
    if kind not in "fiub" or shape is None:
        raise DataError(
            f"'{file.path}' does not hold numbers in data set '{name}'",
            remedy="convert the file",
            value=name,
        )
    return tuple(shape)


def column(file: OpenFile, name: str) -> NDArray[np.float64]:
    """Read one value per event, shape (N,), from a data set of shape (N,) or (N, 1).

    Raises:
        MissingError: There is no such data set.
        DataError: It has another shape, or is damaged.
    """
    shape = shape_of(file, name)
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise wrong_shape(name, shape, ("N", 1), "store one value per event")
    with damage_reported("HDF5"):
        return np.asarray(file.handle[name][()], np.float64).reshape(-1)


def wrong_shape(
    name: str, shape: tuple[int, ...], needed: tuple[int | str, ...], remedy: str
) -> DataError:
    """Return an error that says which shape a data set must have."""
    wanted = f"({', '.join(map(str, needed))}{',' if len(needed) == 1 else ''})"
    return DataError(
        f"data set '{name}' has shape {shape}, but must be {wanted}",
        remedy=remedy,
        value=shape,
        constraint=needed,
    )


def unequal(name: str, n_events: int, other: str, n_others: int) -> DataError:
    """Return an error that says that a data set does not hold the same events as another."""
    return DataError(
        f"data set '{name}' has {n_events} events, but {other} has {n_others}",
        remedy="store the same events in both",
        value=n_events,
        constraint=n_others,
    )


def rows_per_chunk(file: OpenFile, name: str) -> int:
    """Return how many events are stored together; 1 where each stands for itself."""
    with damage_reported("HDF5"):
        chunks = file.handle[name].chunks
    return int(chunks[0]) if chunks else 1


def rows_at_once(file: OpenFile, name: str) -> int:
    """Return how many events to read together: those of a chunk, if they are not too many."""
    with damage_reported("HDF5"):
        data_set = file.handle[name]
        values = math.prod(data_set.shape[1:])
        listed = data_set.dtype.kind == "O"
    chunk = rows_per_chunk(file, name)
    return 1 if listed or chunk * values > _BLOCK_VALUES else chunk


def rows(file: OpenFile, name: str, start: int, stop: int) -> NDArray[Any]:
    """Read the events ``start`` to ``stop - 1`` of a data set (N, ...), in its own type.

    Raises:
        DataError: The data set is damaged.
    """
    with damage_reported("HDF5"):
        kept = _kept(file, name, start, stop)
        return np.asarray(file.handle[name][start:stop]) if kept is None else kept


def _kept(file: OpenFile, name: str, start: int, stop: int) -> NDArray[Any] | None:
    return None if file.ahead is None else file.ahead.rows(name, file.handle[name], start, stop)


def read_rows(file: OpenFile, name: str, out: NDArray[np.float32], start: int = 0) -> None:
    """Read events of a data set (N, ...) into ``out`` (n, cells).

    Arguments:
        file: The open file.
        name: The data set.
        out: Takes the events ``start`` to ``start + n - 1``.
        start: Number of the first event.

    Raises:
        DataError: The data set is damaged.
    """
    if not len(out):
        return
    with damage_reported("HDF5"):
        data_set = file.handle[name]
        kept = _kept(file, name, start, start + len(out))
        if kept is not None:
            out[:] = kept.reshape(len(out), -1)
            return
        if data_set.dtype == out.dtype and out.flags.c_contiguous and data_set.ndim == 2:
            data_set.read_direct(out, np.s_[start : start + len(out)])
            return
    for part, block in row_blocks(file, name, start, start + len(out)):
        out[part] = block.reshape(len(block), -1)


def row_blocks(
    file: OpenFile, name: str, start: int, stop: int
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Read the events ``start`` to ``stop - 1`` of a data set (N, ...) in blocks of bounded size.

    Yields:
        Where the events of a block stand, counted from ``start``, and the block (n, ...).

    Raises:
        DataError: The data set is damaged.
    """
    with damage_reported("HDF5"):
        values = math.prod(file.handle[name].shape[1:])
    # Whole chunks per block: else those on the border are decompressed twice.
    chunk = rows_per_chunk(file, name)
    step = -(-max(1, _BLOCK_VALUES // max(1, values)) // chunk) * chunk
    first = start
    while first < stop:
        last = min((first // chunk) * chunk + step, stop)
        yield slice(first - start, last - start), rows(file, name, first, last)
        first = last


def require_length(n_events: int, columns: Mapping[str, NDArray[np.float64]]) -> None:
    """Require one value of each column per event.

    Raises:
        DataError: A column has more or fewer.
    """
    for name, values in columns.items():
        if len(values) != n_events:
            raise DataError(
                f"there are {len(values)} values of '{name}' for {n_events} events",
                remedy="give one per event",
                value=len(values),
                constraint=n_events,
            )


def metadata(file: OpenFile) -> Metadata:
    """Read the attributes of the file."""
    with damage_reported("HDF5"):
        texts = attributes(file.handle)
    return from_texts(texts, str(file.path))


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
