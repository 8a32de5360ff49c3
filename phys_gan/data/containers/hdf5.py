"""HDF5: data sets by name, as columns and in blocks of rows; the attributes of a file.

Numbers are read from the file itself: data sets that take them from other files are refused. All
functions raise ``DataError`` where the file is damaged.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5_chunks import Chunks, chunks_of
from phys_gan.data.containers.hdf5_probe import attributes
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError

_MOST_COMPRESSED = 2_000
"""Bytes that one byte of a file stands for: no more than about 1,000 with gzip."""
_MOST_EMPTY = 1 << 26
"""Bytes that may be declared beside: a small file may hold little but zeros."""
_SAME_FILE = "."
_BLOCK_VALUES = 1 << 23


def require_own(file: OpenFile, name: str, entry: Any) -> None:
    """Refuse a data set whose numbers lie in another file, or cannot be all there.

    A virtual data set, which is a view of others, is read where those are plain ones of the same
    file. Nothing happens where ``entry`` is not a data set.

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
    """Check what a virtual data set shows, before the library follows it anywhere."""
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
            what = (
                "itself" if source == entry else f"'{inner}', which is not a data set of the file"
            )
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


def entries(handle: Any) -> dict[str, Any]:
    """Return the data sets of an open file by name; those in groups have a path as name."""
    found: dict[str, Any] = {}

    def note(name: str | bytes, entry: Any) -> None:
        if hasattr(entry, "shape"):
            # A damaged name that is no text comes as bytes.
            found[name if isinstance(name, str) else name.decode(errors="replace")] = entry

    with damage_reported("HDF5"):
        handle.visititems(note)
    return found


def data_sets(file: OpenFile) -> dict[str, tuple[int, ...]]:
    """Return the shape of each data set by its name."""
    found = entries(file.handle)
    with damage_reported("HDF5"):
        return {name: tuple(e.shape) for name, e in found.items() if e.shape is not None}


def compressed(handle: Any, n_events: int) -> list[Chunks]:
    """Return the chunks of all compressed data sets with a row of several numbers per event.

    Damaged data sets are left to what reads them.
    """
    found: list[Chunks | None] = []
    with suppress(DataError), damage_reported("HDF5"):
        for name, entry in entries(handle).items():
            if (entry.shape or ())[:1] == (n_events,) and math.prod(entry.shape[1:]) > 1:
                found.append(chunks_of(name, entry))
    return [one for one in found if one is not None]


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
    """Read the events ``start`` to ``stop - 1`` of a data set (N, ...), in its own type."""
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
