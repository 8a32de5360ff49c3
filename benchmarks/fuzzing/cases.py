"""One damaged file by its number: how it is made, and what reading it must do."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.fuzzing.bases import input_files, model_files
from benchmarks.fuzzing.mutations import damage, lie
from phys_gan.data import inspect, read
from phys_gan.errors import PhysGanError
from phys_gan.model import Model

__all__ = ["Case", "Kind", "Outcome", "make_case", "prepared", "try_case"]

Kind = Literal["models", "inputs"]
Outcome = Literal["read", "refused", "memory", "sentence", "exception", "crash", "hang"]
"""Read; refused in one sentence; refused for want of memory; then the findings: a sentence that is
none, another exception, a process that died, a process that did not end."""

_LONGEST = 1500
_SLOW = ("calogan-root",)
"""Layouts with hundreds of branches: damaged in one of twenty cases only."""


@dataclass(frozen=True)
class Case:
    """A damaged file.

    Attributes:
        number: Its number, from which all else follows for a given seed and folder.
        base: The file that was damaged.
        change: What was done to it.
        path: Where it is.
    """

    number: int
    base: str
    change: str
    path: Path


def prepared(kind: Kind, folder: Path) -> dict[str, Path]:
    """Return the sound files by name, written where they are not there yet."""
    make: Callable[[Path], object] = model_files if kind == "models" else input_files
    found = make(folder / "sound" / kind)
    assert isinstance(found, dict)
    return found


def make_case(kind: Kind, sound: dict[str, Path], seed: int, number: int, place: Path) -> Case:
    """Write the damaged file with this number into a folder, with what belongs beside it."""
    rng = np.random.default_rng([seed, number, kind == "models"])
    names = [name for name in sound if name not in _SLOW or number % 20 == 0]
    base = names[int(rng.integers(len(names)))]
    source = sound[base]
    content = source.read_bytes()
    if kind == "models":
        size = 8 + struct.unpack("<Q", content[:8])[0]
        if rng.random() < 0.4:
            change, content = "lie", lie(rng, content)
        else:
            change, content = damage(rng, content, size if rng.random() < 0.7 else None)
        path = place / source.name
    else:
        # Catalogues have stamps beside them, which may be the damaged ones.
        for beside in source.parent.iterdir():
            shutil.copyfile(beside, place / beside.name)
        others = sorted(p.name for p in source.parent.iterdir() if p != source)
        path = place / source.name
        target = path
        if others and rng.random() < 0.5:
            target = place / others[0]
            content = target.read_bytes()
        change, content = damage(rng, content)
        target.write_bytes(content)
        return Case(number, base, f"{change} of {target.name}", path)
    path.write_bytes(content)
    return Case(number, base, change, path)


def try_case(kind: Kind, case: Case) -> tuple[Outcome, str]:
    """Read a damaged file in this process; return what came of it and what was said."""
    users: list[Callable[[], object]] = [lambda: _generate(case.path)]
    if kind == "inputs":
        users = [lambda: inspect(case.path).lines(), lambda: read(case.path)]
    outcome: Outcome = "read"
    said = ""
    for use in users:
        try:
            use()
        except PhysGanError as error:
            said = str(error)
            outcome = "memory" if "do not fit into memory" in said else "refused"
            if _no_sentence(error, case.path):
                return "sentence", said[:_LONGEST]
        except MemoryError as error:
            return "exception", f"MemoryError: {error}"
        except Exception as error:
            return "exception", f"{type(error).__name__}: {error}"[:_LONGEST]
    return outcome, said[:_LONGEST]


def _generate(path: Path) -> None:
    model = Model.load(path)
    middle = {
        name: np.full(4, (low + high) / 2)
        for name, (low, high) in zip(
            model.encoding.named, model.encoding.ranges.tolist(), strict=True
        )
    }
    if not model.translates:
        model.sample(middle, seed=1, n=4)


def _no_sentence(error: PhysGanError, path: Path) -> bool:
    text = str(error)
    return not text.isprintable() or len(text) > _LONGEST or not error.remedy


def timed(kind: Kind, case: Case) -> tuple[Outcome, str, float]:
    """Return the same and the seconds that it took."""
    begin = time.monotonic()
    outcome, said = try_case(kind, case)
    return outcome, said, time.monotonic() - begin
