"""HDF5 files that are written event by event."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5 import CONDITIONS, OVERFLOW
from phys_gan.data.containers.opening import damage_reported
from phys_gan.data.containers.storage import Storage
from phys_gan.events import Events
from phys_gan.files import atomic_file

__all__ = ["Tables", "created", "resizable"]

_CHUNK_BYTES = 1 << 20
_SMALLEST_CHUNK = 64


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
                for name, text in texts.items():
                    handle.attrs[name] = text
                yield Tables(handle, storage)
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
    """Data sets that grow event by event.

    Arguments:
        handle: The open HDF5 file.
        storage: Where it is stored.
    """

    def __init__(self, handle: Any, storage: Storage) -> None:
        self._handle, self._storage = handle, storage

    def put(self, name: str, values: NDArray[Any], dtype: Any = None) -> None:
        """Append an array (n, ...) to a data set; compressed in chunks of about one MiB.

        Arguments:
            name: Name of the data set.
            values: The array; of objects where each event has an array of its own length.
            dtype: How to store it, ``h5py.vlen_dtype(...)`` for such objects.

        Raises:
            OSError: The disk is full.
        """
        if name not in self._handle:
            row_bytes = max(1, values[:1].nbytes)
            rows = max(1, min(max(len(values), _SMALLEST_CHUNK), _CHUNK_BYTES // row_bytes))
            self._handle.create_dataset(
                name,
                shape=(0, *values.shape[1:]),
                maxshape=(None,) * values.ndim,
                dtype=dtype or values.dtype,
                chunks=(rows, *values.shape[1:]),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
        data_set = self._handle[name]
        first = len(data_set)
        data_set.resize(first + len(values), axis=0)
        if values.dtype == object and len(values):
            # Item assignment takes arrays that happen to be of one length for a table.
            data_set.write_direct(values.astype(data_set.dtype), dest_sel=np.s_[first:])
        else:
            data_set[first:] = values
        self._storage.check()

    def width(self, name: str) -> int | None:
        """Return how many entries per event a data set (N, P, ...) has room for; None if new."""
        return int(self._handle[name].shape[1]) if name in self._handle else None

    def widen(self, name: str, width: int) -> None:
        """Make room for ``width`` entries per event in a data set (N, P, ...).

        The entries that are there move to the end; zeros take their place.
        """
        data_set = self._handle[name]
        more = width - data_set.shape[1]
        if more <= 0:
            return
        data_set.resize(width, axis=1)
        rows = data_set.chunks[0]
        for start in range(0, len(data_set), rows):
            data_set[start : start + rows] = np.roll(data_set[start : start + rows], more, axis=1)
        self._storage.check()

    def put_extras(self, events: Events, known: Collection[str] = ("energy",)) -> None:
        """Append the conditions that the layout itself does not hold, (n, 1) each, and overflow.

        Arguments:
            events: The events.
            known: Names of the conditions that the layout holds.
        """
        for name, values in events.conditions.items():
            if name not in known:
                self.put(f"{CONDITIONS}/{name}", values[:, np.newaxis])
        if events.overflow is not None:
            self.put(OVERFLOW, events.overflow)

    def get(self, name: str) -> NDArray[Any] | None:
        """Return a small array that is there already, or None."""
        return np.asarray(self._handle[name][()]) if name in self._handle else None

    def set(self, name: str, values: NDArray[Any]) -> None:
        """Store a small array that says something about the whole file; replace an earlier one."""
        if name in self._handle:
            del self._handle[name]
        # As all others it may be replaced when the file grows.
        self._handle.create_dataset(name, data=values, maxshape=(None,) * values.ndim or None)
        self._storage.check()
