"""The folder in which the parts of a file stand until all are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phys_gan.errors import DataError
from phys_gan.files import locked
from phys_gan.workflows.manifest import Manifest

__all__ = ["MANIFEST", "alone", "name_of", "parts_of", "remove", "standing"]

MANIFEST = "production.json"
_LOCK = ".lock"


def parts_of(out: str | Path) -> Path:
    """Return the folder of the parts of a file."""
    return Path(f"{out}.parts")


def name_of(number: int, out: str | Path) -> str:
    """Return the name of a part."""
    return f"{number:06d}{Path(out).suffix}"


def standing(out: str | Path) -> tuple[int, int] | None:
    """Return how many events of how many a broken production left; None where there is none.

    Raises:
        DataError: There is a folder of this name that no production made.
    """
    folder = parts_of(out)
    if not folder.is_dir():
        return None
    names = {entry.name for entry in folder.iterdir()}
    if MANIFEST not in names:
        if any(not name.startswith(".") for name in names):
            raise DataError(
                f"'{folder}' is in the way, and no production made it",
                remedy="rename it, or name another file",
            )
        return None
    begun = Manifest.load(folder / MANIFEST)
    there = [
        min(begun.part, begun.n_events - start)
        for number, start in enumerate(range(0, begun.n_events, begun.part))
        if name_of(number, out) in names
    ]
    return sum(there), begun.n_events


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other productions from a folder while the block runs; sweep up what is half-written.

    Raises:
        ConfigError: Another process is at it.
    """
    problem = f"another process is writing the parts in '{folder}'"
    with locked(folder / _LOCK, problem, "wait for it, or name another file"):
        for entry in folder.glob(".*"):
            if entry.name != _LOCK:
                entry.unlink(missing_ok=True)
        yield


def remove(folder: Path) -> None:
    """Remove the parts, and what they are parts of last, so that a break leaves no riddle."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name == MANIFEST):
        entry.unlink(missing_ok=True)
    # Network file systems keep a file for a while that somebody has open.
    with suppress(OSError):
        folder.rmdir()
