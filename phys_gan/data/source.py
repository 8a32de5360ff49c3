"""What the user names: files, patterns of files, trees inside files, and their particles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from phys_gan.errors import DataError, MissingError
from phys_gan.particles import find_particle

__all__ = ["Paths", "Source", "find_sources"]

Paths = str | Path | Sequence[str | Path]
"""One file or several, each maybe a pattern (``runs/*.h5``), with a tree (``file.root:tree``), with
the particle that all its events began with (``photons.h5@gamma``)."""


@dataclass(frozen=True)
class Source:
    """A file, and the tree in it and the particle that the user named (empty where none was)."""

    path: Path
    tree: str = ""
    particle: str = ""

    def __str__(self) -> str:
        tree = f":{self.tree}" if self.tree else ""
        return f"{self.path}{tree}" + (f"@{self.particle}" if self.particle else "")


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
    # Colons and @ may also belong to the name of a file: only what remains when no such file is
    # there names a tree or a particle.
    name, at, particle = name.rpartition("@") if "@" in name else (name, "", "")
    if at:
        particle = find_particle(particle).name
    if Path(name).exists():
        yield Source(Path(name), particle=particle)
        return
    stem, colon, tree = name.rpartition(":")
    if not (colon and (Path(stem).exists() or stem.endswith(".root"))):
        stem, tree = name, ""
    if Path(stem).exists():
        yield Source(Path(stem), tree, particle)
        return
    if not any(character in stem for character in "*?["):
        raise MissingError(f"there is no file '{stem}'", remedy="check the path", value=stem)
    root = Path(Path(stem).anchor)
    matches = sorted(root.glob(str(Path(stem).relative_to(root))))
    if not matches:
        raise MissingError(f"no file matches '{stem}'", remedy="check the pattern", value=stem)
    for match in matches:
        yield Source(match, tree, particle)
