"""ROOT files that are written event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from phys_gan.data.containers.root import METADATA
from phys_gan.files import atomic_file

__all__ = ["Trees", "created"]

_EVENTS = 8192
_BYTES = 1 << 27
_FEW_BASKETS, _MANY_BASKETS = 10, 64

Columns = Mapping[str, Any]
"""Branches by name, of the same events."""


@contextmanager
def created(path: Path, texts: Mapping[str, str]) -> Iterator[Trees]:
    """Yield the trees of a new ROOT file; it appears at ``path`` when the block succeeds.

    Zstandard, which ROOT reads since version 6.20, takes half the time of zlib or less, for files
    that are a little smaller and are read faster.

    Arguments:
        path: The file.
        texts: What it says about itself, stored as JSON.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import uproot

    with (
        atomic_file(path) as temporary,
        # Opened here, because uproot leaves what it opens to the garbage collector on a full disk.
        temporary.open("w+b") as file,
        uproot.recreate(file, compression=uproot.ZSTD(1)) as handle,
    ):
        handle[METADATA] = json.dumps(dict(texts))
        trees = Trees(handle)
        yield trees
        trees.finish()


class Trees:
    """Trees that grow event by event, by baskets of a fixed number of events.

    Every basket of every branch costs a while, so they are as large as is handy to read.

    Arguments:
        handle: The open ROOT file.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._trees: dict[str, Any] = {}
        self._waiting: dict[str, list[Columns]] = {}

    def put(self, tree: str, columns: Columns) -> None:
        """Append events to a TTree.

        Arguments:
            tree: Its name.
            columns: By branch, a NumPy array (n,), or a jagged awkward array with a list of
                numbers per event, for which ROOT wants a branch of counts, ``n<branch>``, beside.
                Nobody may change them any more.

        Raises:
            OSError: The disk is full.
        """
        self._waiting.setdefault(tree, []).append(columns)
        self._write(tree, last=False)

    def finish(self) -> None:
        """Write what is left.

        Raises:
            OSError: The disk is full.
        """
        for tree in self._waiting:
            self._write(tree, last=True)

    def _write(self, tree: str, last: bool) -> None:
        parts = self._waiting[tree]
        total = sum(map(_length, parts))
        size = sum(values.nbytes for columns in parts for values in columns.values())
        rows = max(1, min(_EVENTS, _BYTES * total // max(1, size)))
        if not total or (not last and total < rows):
            return
        columns = _joined(parts)
        if tree not in self._trees:
            types = {name: _branch_type(values) for name, values in columns.items()}
            # Room for more baskets is made by writing the tree anew, which takes uproot a second
            # for hundreds of branches; where few events follow, it would be left empty.
            room = _FEW_BASKETS if last else _MANY_BASKETS
            self._trees[tree] = self._handle.mktree(tree, types, initial_basket_capacity=room)
        full = total if last else total - total % rows
        for start in range(0, full, rows):
            self._trees[tree].extend(_cut(columns, start, min(start + rows, full)))
        self._waiting[tree] = [_copied(_cut(columns, full, total))] if full < total else []


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _cut(columns: Columns, start: int, stop: int) -> Columns:
    return {name: values[start:stop] for name, values in columns.items()}


def _copied(columns: Columns) -> Columns:
    """Return columns that do not keep in memory what they were cut from."""
    import awkward as ak

    return {
        name: np.array(values) if isinstance(values, np.ndarray) else ak.to_packed(values)
        for name, values in columns.items()
    }


def _joined(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    import awkward as ak

    return {
        name: (np if isinstance(values, np.ndarray) else ak).concatenate([p[name] for p in parts])
        for name, values in parts[0].items()
    }


def _branch_type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values.dtype
    import awkward as ak

    return f"var * {np.asarray(ak.flatten(values)).dtype}"
