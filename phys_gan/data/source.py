"""Files as the user names them (:class:`Source`): patterns, trees in files, and particles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from phys_gan.errors import DataError, MissingError
from phys_gan.units import find_particle

Paths = str | Path | Sequence[str | Path]
"""One file or several, each maybe a pattern (``runs/*.h5``), with a tree (``file.root:tree``), with
the incident particle of all its events (``photons.h5@gamma``)."""


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

    Colons, ``@`` and the characters of a pattern may also be part of the name of a file or folder:
    of several ways to read a name, the one with the longest existing path counts.

    Raises:
        MissingError: There is no such file, a pattern matches none, or a particle is not known.
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


def ends_in_particle(name: str) -> bool:
    """Return whether a name ends in ``@`` and a known particle."""
    try:
        find_particle(name.rpartition("@")[2])
    except MissingError:
        return False
    return "@" in name


def _expand(name: str) -> list[Source]:
    if not name:
        return []
    for path, tree, particle in _readings(name):
        # A folder has neither trees nor a particle.
        found = [p for p in _matches(path) if path == name or not _is_folder(p)]
        if found:
            # Looked up when the rest of the name is known to be a file.
            kind = find_particle(particle).name if particle is not None else ""
            return [Source(match, tree.strip("/"), kind) for match in found]
    path = name.rpartition("@")[0] if ends_in_particle(name) else name
    stem, ending, _ = path.rpartition(".root:")
    path = stem + ending.rstrip(":") or path
    if _is_folder(Path(path)):
        return [Source(Path(path))]
    if _wild(_cut(Path(path))[1]):
        raise MissingError(f"no file matches '{path}'", remedy="check the pattern", value=path)
    raise MissingError(f"there is no file '{path}'", remedy="check the path", value=path)


def _readings(name: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield the ways to read a name as a path, a tree and maybe a particle, longest path first."""
    yield name, "", None
    for cut in range(len(name) - 1, 0, -1):
        path, rest = name[:cut], name[cut + 1 :]
        if name[cut] == ":":
            tree, _, particle = rest.rpartition("@")
            yield (path, tree, particle) if ends_in_particle(rest) else (path, rest, None)
        elif name[cut] == "@" and "/" not in rest:
            yield path, "", rest


def _matches(path: str) -> list[Path]:
    """Return the file or folder of this path, or the files that match it as a pattern."""
    places = [Path(path)]
    # The home of a user that does not exist is the name of a folder.
    with suppress(RuntimeError):
        places.append(Path(path).expanduser())
    for place in places:
        if _is_there(place):
            return [place]
        folder, pattern = _cut(place)
        if _wild(pattern):
            hidden = pattern.name.startswith(".")
            found = sorted(p for p in folder.glob(str(pattern)) if hidden or p.name[:1] != ".")
            if found:
                return [match for match in found if not _is_folder(match)] or found
    return []


def _cut(place: Path) -> tuple[Path, Path]:
    """Split a pattern after the longest path to a folder, whose name is taken literally."""
    folder = next((parent for parent in place.parents if _is_folder(parent)), Path())
    parts = place.relative_to(folder).parts
    # Two asterisks stand for folders on any level only where they are a part of their own.
    return folder, Path(*(part if part == "**" else re.sub(r"\*+", "*", part) for part in parts))


def _wild(pattern: Path) -> bool:
    return any(character in str(pattern) for character in "*?[")


def _is_there(place: Path) -> bool:
    try:
        place.stat()
    except PermissionError:
        # It may be: opening it will raise an error with the reason.
        return True
    except (OSError, ValueError):
        return False
    return True


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:
        return False
