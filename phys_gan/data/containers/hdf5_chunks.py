"""Rows of compressed HDF5 data sets, of which each chunk is decompressed once (:class:`Ahead`).

A chunk is decompressed as a whole for each of its rows that is read by itself. Where a chunk holds
a few columns of many events, reading some events at a time decompresses all of them each time.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_USUAL_MEMORY = 1 << 33


@dataclass(frozen=True)
class Chunks:
    """The chunks of a compressed data set.

    Attributes:
        name: The data set.
        shape: Its shape.
        sizes: Shape of a chunk.
        row_bytes: Bytes of a row.
    """

    name: str
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    row_bytes: int

    def times(self, rows: int) -> float:
        """Return how often a chunk is decompressed on average where ``rows`` are read at a time."""
        n = self.shape[0]
        starts = np.arange(0, n, rows)
        last = np.minimum(starts + rows, n) - 1
        touched = last // self.sizes[0] - starts // self.sizes[0] + 1
        return float(touched.sum()) / -(-n // self.sizes[0])

    def wasted(self, rows: int) -> float:
        """Return how many bytes are decompressed more than once then, beyond the first time."""
        return (self.times(rows) - 1) * self.shape[0] * self.row_bytes


def chunks_of(name: str, data_set: Any) -> Chunks | None:
    """Return the chunks of a data set of numbers; None where its rows are not compressed.

    Of the data sets of the same file that a virtual one shows, those with the longest chunks count.
    """
    if data_set.is_virtual:
        inside = {s.dset_name for s in data_set.virtual_sources() if s.file_name == "."}
        stored = [data_set.file[inner] for inner in inside if inner in data_set.file]
    else:
        stored = [data_set]
    sizes = [
        one.chunks for one in stored if one.chunks and one.id.get_create_plist().get_nfilters()
    ]
    shape = data_set.shape
    if not sizes or 0 in shape or data_set.dtype.kind not in "fiub":
        return None
    row_bytes = data_set.dtype.itemsize * math.prod(shape[1:])
    return Chunks(name, tuple(shape), tuple(max(sizes)), row_bytes)


class Ahead:
    """Rows that were decompressed with their neighbours, kept until they are asked for.

    When a file is read in order, each chunk is decompressed once, or as few times as the memory
    allows.

    Arguments:
        most: Bytes that may be kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, tuple[int, NDArray[Any]]] = {}

    def rows(self, name: str, data_set: Any, start: int, stop: int) -> NDArray[Any] | None:
        """Return the rows ``start`` to ``stop - 1`` of a data set; None where nothing is gained."""
        chunks = chunks_of(name, data_set)
        if chunks is None or chunks.sizes[0] <= stop - start:
            return None
        first, kept = self._kept.pop(name, (0, np.empty(0)))
        end = first + len(kept)
        if first <= start and stop <= end:
            self._kept[name] = first, kept
            return kept[start - first : stop - first]
        # A copy of what is still needed, to free the rest for what follows.
        before = kept[start - first :].copy() if first <= start < end else None
        del kept
        if before is None:
            return self._fetch(chunks, data_set, start, stop)
        return np.concatenate([before, self._fetch(chunks, data_set, end, stop)])

    def _fetch(self, chunks: Chunks, data_set: Any, start: int, stop: int) -> NDArray[Any]:
        """Read rows, and those after them up to the end of a chunk, or as many as may be kept."""
        left = self._most - sum(values.nbytes for _, values in self._kept.values())
        most = max(stop - start, left // 2 // chunks.row_bytes)
        last = min(-(-stop // chunks.sizes[0]) * chunks.sizes[0], start + most, chunks.shape[0])
        values = np.asarray(data_set[start:last])
        if last > stop:
            self._kept[chunks.name] = start, values
        return values[: stop - start]


def spare_memory() -> int:
    """Return the bytes that may be kept of a file that is read in order."""
    return physical_memory() // 8


def physical_memory() -> int:
    """Return the bytes of memory of this machine, or those that this process may have of them."""
    try:
        import resource

        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if allowed != resource.RLIM_INFINITY:
            most = min(most, allowed)
    except (ImportError, AttributeError):
        # Windows has neither.
        most = _USUAL_MEMORY
    try:
        return min(most, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return most
