"""Texts that an HDF5 file says about itself: its attributes.

Texts of variable length stand in a heap. Where one is damaged, the library may read beyond its
memory, which takes the process with it. Such attributes, which other programs write, are read by a
process of their own; ours have fixed lengths. That process runs this file as a script, which is why
nothing of phys_gan is imported here.

References:
    HDF5 File Format Specification, III.E. "Global Heap",
    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html

HDF5's heaps of texts and lists, looked at before the library reads them.

The library follows the sizes in a heap without an end where one is zero, and beyond the end of the
memory where one is too large: a damaged text would take the process with it.

References:
    HDF5 File Format Specification, III.E. "Global Heap",
    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS = 30.0
_MOST_FIXED = 60_000
"""Bytes of a text; an attribute beside its object has at most 64 kiB."""


def attributes(handle: Any) -> dict[str, str]:
    """Return the attributes of an open file as texts, by name.

    Raises:
        OSError: They are damaged.
    """
    if all(_is_plain(handle, name) for name in handle.attrs):
        return _read(handle)
    state = Path(handle.filename).stat()
    return dict(_read_apart(handle.filename, state.st_size, state.st_mtime_ns))


def put_attributes(handle: Any, texts: Mapping[str, str]) -> None:
    """Write texts as the attributes of an open file."""
    import h5py

    for name, text in sorted(texts.items()):
        content = text.encode()
        # HDF5 has no fixed length of zero.
        length = None if len(content) > _MOST_FIXED else max(1, len(content))
        value = text if length is None else content
        handle.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", length))


def _is_plain(handle: Any, name: str) -> bool:
    """Return whether a value stands in its attribute itself."""
    import h5py

    kind = h5py.h5a.open(handle.id, name.encode(errors="surrogateescape")).get_type()
    if isinstance(kind, h5py.h5t.TypeStringID):
        return not kind.is_variable_str()
    return isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID | h5py.h5t.TypeEnumID)


def _read(handle: Any) -> dict[str, str]:
    return {str(name): _text(value) for name, value in handle.attrs.items()}


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


@lru_cache(64)
def _read_apart(path: str, size: int, modified: int) -> tuple[tuple[str, str], ...]:
    """Read the attributes in another process; its size and time tell one file from the next."""
    command = [sys.executable, "-P", __file__, path]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    except subprocess.SubprocessError:
        raise OSError("the texts among its attributes cannot be read") from None
    return tuple(json.loads(done.stdout).items())


def _main() -> None:
    import h5py

    with h5py.File(sys.argv[1], "r") as handle:
        sys.stdout.write(json.dumps(_read(handle)))


if __name__ == "__main__":
    _main()


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
