"""Look at those parts of an HDF5 file that could take the process down.

Texts and lists of variable length lie in heaps. The HDF5 library follows the sizes in a heap for
ever where one is zero, and beyond its memory where one is too large. Therefore

* :func:`sound_heaps` follows the sizes itself before the library does, which takes milliseconds;
* :func:`attributes` has those that lie in heaps, which other programs write, read by a process of
  their own with limits on time and memory; ours have fixed lengths. Starting it takes some
  tenths of a second, once per file. It runs this file as a script, which imports no phys_gan.

With HDF5 2.0, one in twenty of all damages to a single field of a heap makes the library run for
ever; the first function finds them.

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
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS, _MEMORY = 30.0, 1 << 30
_MOST_FIXED = 60_000
"""Bytes of a text; an attribute beside its object has at most 64 kiB."""

_MARK = b"GCOL\x01\x00\x00\x00"
_HEAD = 16
_LOOKED_AT = 1 << 24
"""Bytes at either end of a file that are searched: texts stand there, numbers in between."""


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
    """Write texts as the attributes of an open file, outside of heaps where they fit."""
    import h5py

    for name, text in sorted(texts.items()):
        content = text.encode()
        # HDF5 has no fixed length of zero.
        length = None if len(content) > _MOST_FIXED else max(1, len(content))
        value = text if length is None else content
        handle.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", length))


def sound_heaps(path: Path) -> bool:
    """Return whether the heaps near both ends of a file with lengths of 8 bytes are sound."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= 2 * _LOOKED_AT:
            return _sound(file.read(), cut=False)
        front = file.read(_LOOKED_AT)
        file.seek(size - _LOOKED_AT)
        return _sound(front, cut=True) and _sound(file.read(_LOOKED_AT), cut=False)


def _sound(content: bytes, cut: bool) -> bool:
    """Check every heap in a part of a file, of which the end may be missing."""
    begin = content.find(_MARK)
    while begin >= 0:
        head = content[begin : begin + _HEAD]
        end = begin + struct.unpack("<Q", head[8:])[0] if len(head) == _HEAD else -1
        if end > len(content) and cut:
            return True
        if not begin + _HEAD <= end <= len(content):
            return False
        # Go from object to object as the library does; each must be inside the heap.
        place = begin + _HEAD
        while end - place >= _HEAD:
            index, _, _, size = struct.unpack_from("<HHIQ", content, place)
            # Number 0 is what is free, and counts its own head.
            step = size if index == 0 else _HEAD + -(-size // 8) * 8
            if not _HEAD <= step <= end - place:
                return False
            place += step
        begin = content.find(_MARK, begin + _HEAD)
    return True


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
    """Read the attributes in another process; size and time tell a file from a later one."""
    command = [sys.executable, "-P", __file__, path]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    except subprocess.SubprocessError:
        raise OSError("the texts among its attributes cannot be read") from None
    return tuple(json.loads(done.stdout).items())


def _limit_memory(n_bytes: int) -> None:
    """Let this process take so much more memory, where the system can tell and limit it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _main() -> None:
    import h5py

    _limit_memory(_MEMORY)
    with h5py.File(sys.argv[1], "r") as handle:
        sys.stdout.write(json.dumps(_read(handle)))


if __name__ == "__main__":
    _main()
