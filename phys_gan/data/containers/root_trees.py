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

_BLOCK = 5000


@contextmanager
def created(path: Path, texts: Mapping[str, str]) -> Iterator[Trees]:
    """Yield the trees of a new ROOT file; it appears at ``path`` when the block succeeds.

    Arguments:
        path: The file.
        texts: What it says about itself, stored as JSON.

    Raises:
        OutputError: The file cannot be written; what stood there is untouched.
    """
    import uproot

    with atomic_file(path) as temporary, uproot.recreate(temporary) as handle:
        handle[METADATA] = json.dumps(dict(texts))
        yield Trees(handle)


class Trees:
    """Trees that grow event by event.

    Arguments:
        handle: The open ROOT file.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._trees: dict[str, Any] = {}

    def put(self, tree: str, columns: Mapping[str, Any]) -> None:
        """Append events to a TTree.

        Arguments:
            tree: Its name.
            columns: By branch, a NumPy array (n,), or a jagged awkward array with a list of
                numbers per event, for which ROOT wants a branch of counts, ``n<branch>``, beside.

        Raises:
            OSError: The disk is full.
        """
        if tree not in self._trees:
            types = {name: _branch_type(values) for name, values in columns.items()}
            self._trees[tree] = self._handle.mktree(tree, types)
        for start in range(0, len(next(iter(columns.values()))), _BLOCK):
            part = {name: values[start : start + _BLOCK] for name, values in columns.items()}
            self._trees[tree].extend(part)


def _branch_type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values.dtype
    import awkward as ak

    return f"var * {np.asarray(ak.flatten(values)).dtype}"
