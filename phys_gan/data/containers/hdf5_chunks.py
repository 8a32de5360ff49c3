"""Chunks of HDF5 data sets, compressed outside of the HDF5 library, which has one lock for all."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.damage import damage_reported

__all__ = [
    "CHUNK_BYTES",
    "CHUNK_ROWS",
    "Piece",
    "Stored",
    "create",
    "encode",
    "gather",
    "is_ours",
    "rows_of",
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
