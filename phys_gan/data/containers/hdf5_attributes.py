"""Texts that an HDF5 file says about itself: its attributes.

Texts of variable length stand in a heap. Where one is damaged, the library may read beyond its
memory, which takes the process with it. Such attributes, which other programs write, are read by a
process of their own; ours have fixed lengths. That process runs this file as a script, which is why
nothing of phys_gan is imported here.

References:
    HDF5 File Format Specification, III.E. "Global Heap",
    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["attributes", "put_attributes"]

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
