"""The files of an export: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from phys_gan.errors import OutputError
from phys_gan.files import atomic_file

__all__ = ["MARK", "require_free", "write_together"]

MARK = "written by phys_gan"
"""What tells a file of this package from one that somebody else made."""


def require_free(paths: Iterable[Path]) -> None:
    """Raise unless files may be written, or written again.

    Raises:
        OutputError: A folder is in the place of a file, or somebody else's binning.xml.
    """
    for path in paths:
        if path.is_dir():
            raise OutputError(
                f"cannot write '{path}': it is a folder", remedy="choose another name"
            )
        # It has a name that is not the user's choice, and may describe other networks as well.
        if path.name == "binning.xml" and path.exists() and MARK.encode() not in path.read_bytes():
            raise OutputError(
                f"'{path}' is there already, and phys_gan did not write it",
                remedy="export into another folder, and join the two by hand",
            )


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write all files under temporary names, and then give them theirs.

    Raises:
        OutputError: A file cannot be written; nothing is changed then.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_file(path)).write_bytes(content)
