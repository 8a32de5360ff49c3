"""Manifest: what a production is made of, in the folder where its parts stand until all are there.

Of the file ``OUT`` the folder is ``OUT.parts``:

* ``production.json``, the manifest, so that nobody goes on with another production;
* ``000000.h5`` and so on, the parts, each of which appears when it is complete;
* the lock of the process that writes, and temporary files, whose names begin with a dot;
* for workers of a cluster: model, conditions and weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from numpy.typing import ArrayLike

from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.files import atomic_file, locked

MANIFEST = "production.json"
_LOCK = ".lock"


class Simulation(Protocol):
    """What simulates events by their numbers, as :class:`phys_gan.FastSim` generates them."""

    @property
    def detector(self) -> Detector:
        """The detector of the events."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of what decides about the events, seed and conditions apart."""
        ...

    def stream(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int = 0,
        *,
        number: int = 0,
        block: int = 64,
        weights: ArrayLike | None = None,
    ) -> Iterator[Events]:
        """Simulate events from a number on, block by block."""
        ...


@dataclass(frozen=True)
class Manifest:
    """Everything that decides about the bytes of a production.

    Arguments:
        phys_gan: Version of the package.
        model: Digest of the model or the simulation.
        conditions: SHA-256 of the values of each condition.
        seed: Seed of the production.
        n_events: Number of events.
        part: Events of a part.
        block: Events of a block.
        format: Name of the layout; None where the ending of the file decides.
        weights: SHA-256 of the weights of the events, or None.
        simulated: Whether a simulation makes the events, not a model.
    """

    phys_gan: str
    model: str
    conditions: Mapping[str, str]
    seed: int
    n_events: int
    part: int
    block: int
    format: str | None
    weights: str | None = None
    simulated: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of what the events are; versions and sizes of parts do not count."""
        content = [self.model, dict(self.conditions), self.seed, self.n_events, self.format]
        # Productions without weights keep the digest that they always had.
        content += [self.weights] if self.weights else []
        return sha256(json.dumps(content, sort_keys=True).encode())

    def save(self, path: Path) -> None:
        """Write the manifest as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: The file is not a manifest.
        """
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"'{path}' is not the description of a production",
                remedy=f"delete '{path.parent}' and begin again",
            ) from error

    def difference(self, begun: Manifest) -> str | None:
        """Return how a production that was begun differs from this one, as a clause."""
        if begun.model != self.model:
            return f"with another {'simulation' if self.simulated else 'model'}"
        before, now = begun._clauses(), self._clauses()
        for clause, value in before.items():
            if value != now[clause]:
                return f"{clause.format(value)}, not {now[clause]}"
        for name, values in self.conditions.items():
            if begun.conditions[name] != values:
                return f"with other values of '{name}'"
        return "with other weights" if begun.weights != self.weights else None

    def _clauses(self) -> dict[str, object]:
        return {
            "with seed {}": self.seed,
            "with {} events": self.n_events,
            "with the conditions {}": ", ".join(sorted(self.conditions)) or "none",
            "{}": "with weights" if self.weights else "without weights",
            "by phys_gan {}": self.phys_gan,
            "in {}": self.format or "the layout of the file's ending",
            "in parts of {} events": self.part,
            "in blocks of {} events": self.block,
        }


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def parts_folder(out: str | Path) -> Path:
    """Return the folder of the parts of a file."""
    return Path(f"{out}.parts")


def part_name(number: int, out: str | Path) -> str:
    """Return the name of a part in its folder."""
    return f"{number:06d}{Path(out).suffix}"


def events_written(out: str | Path) -> tuple[int, int] | None:
    """Return how many of how many events an interrupted production wrote; None if there is none.

    Raises:
        DataError: The folder exists, but does not belong to a production.
    """
    folder = parts_folder(out)
    if not folder.is_dir():
        return None
    names = {entry.name for entry in folder.iterdir()}
    if MANIFEST not in names:
        if any(not name.startswith(".") for name in names):
            raise DataError(
                f"the folder '{folder}' is in the way, and does not belong to a production",
                remedy="rename it, or name another file",
            )
        return None
    begun = Manifest.load(folder / MANIFEST)
    written = sum(
        min(begun.part, begun.n_events - start)
        for number, start in enumerate(range(0, begun.n_events, begun.part))
        if part_name(number, out) in names
    )
    return written, begun.n_events


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder of parts, and remove temporary files of earlier ones.

    Raises:
        ConfigError: Another process is writing there.
    """
    problem = f"another process is writing the parts in '{folder}'"
    with locked(folder / _LOCK, problem, "wait for it, or name another file"):
        for entry in folder.glob(".*"):
            if entry.name != _LOCK:
                entry.unlink(missing_ok=True)
        yield


def remove_parts(folder: Path) -> None:
    """Remove the parts and, last, the manifest: whatever interrupts this can still be told."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name == MANIFEST):
        entry.unlink(missing_ok=True)
    # Network file systems keep a file for a while that another process has open.
    with suppress(OSError):
        folder.rmdir()
