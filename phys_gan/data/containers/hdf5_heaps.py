"""HDF5's heaps of texts and lists, looked at before the library reads them.

The library follows the sizes in a heap without an end where one is zero, and beyond the end of the
memory where one is too large: a damaged text would take the process with it.

References:
    HDF5 File Format Specification, III.E. "Global Heap",
    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["sound_heaps"]

_MARK = b"GCOL\x01\x00\x00\x00"
_HEAD = 16
_LOOKED_AT = 1 << 24
"""Bytes at either end of a file that are searched: texts stand there, numbers in between."""


def sound_heaps(path: Path) -> bool:
    """Return whether the heaps near both ends of a file with lengths of 8 bytes are sound."""
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = [file.read(min(size, 2 * _LOOKED_AT))]
        if size > 2 * _LOOKED_AT:
            parts = [parts[0][:_LOOKED_AT]]
            file.seek(size - _LOOKED_AT)
            parts.append(file.read(_LOOKED_AT))
    return all(_sound(part, cut) for part, cut in zip(parts, (len(parts) > 1, False), strict=False))


def _sound(content: bytes, cut: bool) -> bool:
    """Look at every heap in a part of a file, of which the end may be missing."""
    begin = content.find(_MARK)
    while begin >= 0:
        head = content[begin : begin + _HEAD]
        end = begin + struct.unpack("<Q", head[8:])[0] if len(head) == _HEAD else -1
        if end > len(content) and cut:
            return True
        if not begin + _HEAD <= end <= len(content) or not _walk(content, begin + _HEAD, end):
            return False
        begin = content.find(_MARK, begin + _HEAD)
    return True


def _walk(content: bytes, place: int, end: int) -> bool:
    """Go from object to object as the library does; each must be inside the heap."""
    while end - place >= _HEAD:
        index, _, _, size = struct.unpack_from("<HHIQ", content, place)
        # Number 0 is what is free, and counts its own head.
        step = size if index == 0 else _HEAD + -(-size // 8) * 8
        if step < _HEAD or step > end - place:
            return False
        place += step
    return True
