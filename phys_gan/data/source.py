"""What the user names: files, patterns of files, and trees inside files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from phys_gan.errors import DataError, MissingError

__all__ = ["Paths", "Source", "find_sources"]

Paths = str | Path | Sequence[str | Path]
"""One file or several, each maybe a pattern (``runs/*.h5``) or with a tree (``file.root:tree``)."""


@dataclass(frozen=True)
class Source:
    """A file, and the tree in it that the user named (empty where none was)."""

    path: Path
    tree: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.tree}" if self.tree else str(self.path)


def find_sources(paths: Paths) -> list[Source]:
    """Return the files that ``paths`` name, those of a pattern in the order of their names.

    Raises:
        MissingError: There is no such file, or a pattern matches none.
        DataError: Nothing is named, or a file is named twice.
    """
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    sources = [source for name in named for source in _expand(str(name))]
    if not sources:
        raise DataError("no file is named", remedy="name at least one")
    seen: set[tuple[Path, str]] = set()
    for source in sources:
        key = (source.path.resolve(), source.tree)
        if key in seen:
            raise DataError(
                f"'{source}' is named twice",
                remedy="name each file once, or its events count double",
                value=str(source),
            )
        seen.add(key)
    return sources


def _expand(name: str) -> Iterator[Source]:
    if Path(name).exists():
        yield Source(Path(name))
        return
    # A colon may also belong to the name of a file: only what remains when no such file is there
    # names a tree.
    stem, colon, tree = name.rpartition(":")
    if not (colon and (Path(stem).exists() or stem.endswith(".root"))):
        stem, tree = name, ""
    if Path(stem).exists():
        yield Source(Path(stem), tree)
        return
    if not any(character in stem for character in "*?["):
        raise MissingError(f"there is no file '{stem}'", remedy="check the path", value=stem)
    root = Path(Path(stem).anchor)
    matches = sorted(root.glob(str(Path(stem).relative_to(root))))
    if not matches:
        raise MissingError(f"no file matches '{stem}'", remedy="check the pattern", value=stem)
    for match in matches:
        yield Source(match, tree)
