"""HDF5 files of one layout, one behind the other, without decompression where that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.hdf5 import metadata
from phys_gan.data.containers.hdf5_attributes import attributes
from phys_gan.data.containers.hdf5_chunks import Stored
from phys_gan.data.containers.hdf5_places import require_own
from phys_gan.data.containers.hdf5_tables import created
from phys_gan.data.containers.opening import OpenFile, opened
from phys_gan.data.source import Source

__all__ = ["alike", "join_tables"]

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
