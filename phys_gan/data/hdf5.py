"""HDF5: what its layouts share, from columns and blocks of rows to attributes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.container import OpenFile, damage_reported, listing, nearest
from phys_gan.data.metadata import Metadata, from_texts
from phys_gan.errors import DataError, MissingError
from phys_gan.events import Events
from phys_gan.files import atomic_file

__all__ = [
    "column",
    "created",
    "data_sets",
    "has",
    "metadata",
    "put",
    "put_extras",
    "read_conditions",
    "read_overflow",
    "read_rows",
    "shape_of",
]

_BLOCK_BYTES = 1 << 25
_CHUNK_BYTES = 1 << 20
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
        raise DataError(
            f"data set '{name}' has shape {shape}, but must be (N, 1)",
            remedy="store one value per event",
            value=shape,
            constraint=("N", 1),
        )
    with damage_reported("HDF5"):
        return np.asarray(file.handle[name][()], np.float64).reshape(-1)


def read_rows(file: OpenFile, name: str, out: NDArray[np.float32]) -> None:
    """Read a data set of shape (N, ...) into ``out`` of shape (N, cells), in blocks of events.

    Raises:
        DataError: The data set is damaged.
    """
    with damage_reported("HDF5"):
        data_set = file.handle[name]
        if data_set.dtype == out.dtype and out.flags.c_contiguous and data_set.ndim == 2:
            if len(out):
                data_set.read_direct(out)
            return
        # Whole chunks per block: else those on the border are decompressed twice.
        chunk = data_set.chunks[0] if data_set.chunks else 1
        rows = max(1, _BLOCK_BYTES // (4 * max(1, out.shape[1])))
        rows = -(-rows // chunk) * chunk
        for start in range(0, len(out), rows):
            block = data_set[start : start + rows]
            out[start : start + rows] = block.reshape(len(block), -1)


def read_conditions(file: OpenFile) -> dict[str, NDArray[np.float64]]:
    """Read the conditions other than energy that files of ours keep in a group."""
    if file.handle.get(_CONDITIONS, getclass=True) is None:
        return {}
    prefix = f"{_CONDITIONS}/"
    names = [name for name in data_sets(file) if name.startswith(prefix)]
    return {name.removeprefix(prefix): column(file, name) for name in names}


def read_overflow(file: OpenFile, n_layers: int, factor: float) -> NDArray[np.float32] | None:
    """Read what each layer's cells did not catch, shape (N, n_layers), where it is stored.

    Raises:
        DataError: It has another shape, or is damaged.
    """
    if not has(file, _OVERFLOW):
        return None
    shape = shape_of(file, _OVERFLOW)
    if len(shape) != 2 or shape[1] != n_layers:
        raise DataError(
            f"data set '{_OVERFLOW}' has shape {shape}, but must be (N, {n_layers})",
            remedy="store one value per event and layer, or none",
            value=shape,
            constraint=("N", n_layers),
        )
    with damage_reported("HDF5"):
        values = np.asarray(file.handle[_OVERFLOW][()], np.float32)
    return values if factor == 1 else values * np.float32(factor)


def metadata(file: OpenFile) -> Metadata:
    """Read the attributes of the file."""
    with damage_reported("HDF5"):
        texts = {str(name): _text(value) for name, value in file.handle.attrs.items()}
    return from_texts(texts, str(file.path))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return ", ".join(_text(entry) for entry in value.ravel())
    # An attribute without a value comes as h5py.Empty.
    return str(value) if getattr(value, "shape", ()) is not None else ""


@contextmanager
def created(path: Path, texts: Mapping[str, str]) -> Iterator[Any]:
    """Yield a new HDF5 file with these attributes; it appears at ``path`` when the block succeeds.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import h5py

    # On a full disk HDF5 can neither write nor close, and takes the whole process down when it
    # tries again at exit. In memory it cannot fail, and writing bytes fails as it should.
    image = io.BytesIO()
    with h5py.File(image, "w") as handle:
        for name, text in texts.items():
            handle.attrs[name] = text
        yield handle
    with atomic_file(path) as temporary:
        temporary.write_bytes(image.getbuffer())


def put(handle: Any, name: str, values: NDArray[Any]) -> None:
    """Store an array (N, ...) in compressed chunks of about one MiB."""
    row_bytes = values[:1].nbytes
    rows = min(len(values), max(1, _CHUNK_BYTES // row_bytes))
    handle.create_dataset(
        name,
        data=values,
        chunks=(rows, *values.shape[1:]),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def put_extras(handle: Any, events: Events) -> None:
    """Store the conditions other than energy, (N, 1) each, and the overflow where it is known."""
    for name, values in events.conditions.items():
        if name != "energy":
            put(handle, f"{_CONDITIONS}/{name}", values[:, np.newaxis])
    if events.overflow is not None:
        put(handle, _OVERFLOW, events.overflow)
