"""HDF5: data sets by name, as columns and in blocks of rows; the attributes of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.hdf5_attributes import attributes
from phys_gan.data.containers.hdf5_places import require_own
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError

__all__ = [
    "column",
    "data_sets",
    "has",
    "metadata",
    "read_rows",
    "require_length",
    "row_blocks",
    "rows",
    "rows_at_once",
    "rows_per_chunk",
    "shape_of",
    "unequal",
    "wrong_shape",
]

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
