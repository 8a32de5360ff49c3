"""HDF5 files that are written event by event."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.hdf5_attributes import put_attributes
from phys_gan.data.containers.hdf5_chunks import Piece, encode
from phys_gan.data.containers.hdf5_columns import Chunk, Column
from phys_gan.data.containers.storage import Storage
from phys_gan.files import atomic_file

__all__ = ["Tables", "created", "resizable"]

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
