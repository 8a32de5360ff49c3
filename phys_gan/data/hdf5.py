"""HDF5: what its layouts share, from columns and blocks of rows to attributes."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.container import OpenFile, damage_reported, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.data.storage import Storage
from phys_gan.errors import DataError, MissingError
from phys_gan.events import Events
from phys_gan.files import atomic_file

__all__ = [
    "Overflow",
    "Tables",
    "column",
    "created",
    "data_sets",
    "has",
    "metadata",
    "read_conditions",
    "read_rows",
    "require_length",
    "resizable",
    "rows_per_chunk",
    "shape_of",
    "unfit_conditions",
    "wrong_shape",
]

_BLOCK_BYTES = 1 << 25
_CHUNK_BYTES = 1 << 20
_SMALLEST_CHUNK = 64
_CONDITIONS = "conditions"
_OVERFLOW = "overflow"


def data_sets(file: OpenFile) -> dict[str, tuple[int, ...]]:
    """Return the shape of each data set by its name; those in groups have a path as name."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, entry: Any) -> None:
        shape = getattr(entry, "shape", None)
        if shape is not None:
            shapes[name] = tuple(shape)

    with damage_reported("HDF5"):
        file.handle.visititems(note)
    return shapes


def has(file: OpenFile, *names: str) -> bool:
    """Return whether the file has data sets of all these names."""
    with damage_reported("HDF5"):
        return all(hasattr(file.handle.get(name), "shape") for name in names)


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


def rows_per_chunk(file: OpenFile, name: str) -> int:
    """Return how many events are stored together; 1 where each stands for itself."""
    chunks = file.handle[name].chunks
    return int(chunks[0]) if chunks else 1


def read_rows(file: OpenFile, name: str, out: NDArray[np.float32], start: int = 0) -> None:
    """Read events of a data set (N, ...) into ``out`` (n, cells), in blocks of events.

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
        if data_set.dtype == out.dtype and out.flags.c_contiguous and data_set.ndim == 2:
            data_set.read_direct(out, np.s_[start : start + len(out)])
            return
        # Whole chunks per block: else those on the border are decompressed twice.
        chunk = rows_per_chunk(file, name)
        rows = max(1, _BLOCK_BYTES // (4 * max(1, out.shape[1])))
        rows = -(-rows // chunk) * chunk
        first = start
        while first < start + len(out):
            last = min((first // chunk) * chunk + rows, start + len(out))
            block = data_set[first:last]
            out[first - start : last - start] = block.reshape(len(block), -1)
            first = last


def read_conditions(file: OpenFile) -> dict[str, NDArray[np.float64]]:
    """Read the conditions other than energy that files of ours keep in a group."""
    if file.handle.get(_CONDITIONS, getclass=True) is None:
        return {}
    prefix = f"{_CONDITIONS}/"
    names = [name for name in data_sets(file) if name.startswith(prefix)]
    return {name.removeprefix(prefix): column(file, name) for name in names}


def unfit_conditions(events: Events) -> dict[str, str]:
    """Return which conditions no data set can be named after, and why."""
    names = list(events.conditions)
    return {name: "cannot be the name of a data set" for name in names if not _fits(name, names)}


def _fits(name: str, names: Collection[str]) -> bool:
    # A slash makes a group, which cannot have the name of a data set beside it.
    parts = name.split("/")
    groups = ["/".join(parts[:count]) for count in range(1, len(parts))]
    named = all(part not in ("", ".") for part in parts)
    return named and name.isprintable() and not set(groups) & set(names)


def require_length(n_events: int, conditions: Mapping[str, NDArray[np.float64]]) -> None:
    """Require one value of each condition per event.

    Raises:
        DataError: A condition has more or fewer.
    """
    for name, values in conditions.items():
        if len(values) != n_events:
            raise DataError(
                f"there are {len(values)} values of '{name}' for {n_events} events",
                remedy="give one per event",
                value=len(values),
                constraint=n_events,
            )


class Overflow:
    """What each layer's cells did not catch, where the file stores it.

    Arguments:
        file: The open file.
        n_events: Number of events.
        n_layers: Number of layers.
        factor: From the unit of the file to that of the detector.

    Raises:
        DataError: The data set has another shape.
    """

    def __init__(self, file: OpenFile, n_events: int, n_layers: int, factor: float = 1.0) -> None:
        self._file, self._factor, self._n_layers = file, factor, n_layers
        self.known = has(file, _OVERFLOW)
        if self.known and shape_of(file, _OVERFLOW) != (n_events, n_layers):
            raise wrong_shape(
                _OVERFLOW,
                shape_of(file, _OVERFLOW),
                (n_events, n_layers),
                "store one value per event and layer, or none",
            )

    def read(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Read the overflow of some events, shape (n, n_layers)."""
        if not self.known:
            return None
        values = np.empty((stop - start, self._n_layers), np.float32)
        read_rows(self._file, _OVERFLOW, values, start)
        return values if self._factor == 1 else values * np.float32(self._factor)


def metadata(file: OpenFile) -> Metadata:
    """Read the attributes of the file."""
    with damage_reported("HDF5"):
        texts = {str(name): _text(value) for name, value in file.handle.attrs.items()}
    return from_texts(texts, str(file.path))


def _text(value: Any) -> str:
    if isinstance(value, str):
        # h5py turns bytes that are not UTF-8 into characters that nothing else can take.
        value = value.encode("utf-8", errors="surrogateescape")
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return ", ".join(_text(entry) for entry in value.ravel())
    # An attribute without a value comes as h5py.Empty.
    return str(value) if getattr(value, "shape", ()) is not None else ""


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
                self.put(f"{_CONDITIONS}/{name}", values[:, np.newaxis])
        if events.overflow is not None:
            self.put(_OVERFLOW, events.overflow)

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
