"""Damaged files by their numbers: how one is made, and what comes of reading it.

Files are read in a process with limits of time and memory, which may die.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import struct
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.fuzzing.damage import damage, lie
from benchmarks.fuzzing.files import input_files, model_files
from phys_gan.data import inspect, read
from phys_gan.errors import PhysGanError
from phys_gan.model import FastSim, Model

Kind = Literal["models", "inputs"]
Outcome = Literal["read", "refused", "memory", "sentence", "exception", "crash", "hang"]
"""Read; refused in one sentence; refused for lack of memory; then the findings: a malformed
sentence, another exception, a process that died, a process that did not end."""

_LONGEST = 1500
_MEMORY = 4 << 30
_SECONDS = 10.0
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
    make = model_files if kind == "models" else input_files
    return make(folder / "sound" / kind)


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
            if not said.isprintable() or len(said) > _LONGEST or not error.remedy:
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
        FastSim(model).generate(middle or 4, seed=1)


def timed(kind: Kind, case: Case) -> tuple[Outcome, str, float]:
    """Return the same and the seconds that it took."""
    begin = time.monotonic()
    outcome, said = try_case(kind, case)
    return outcome, said, time.monotonic() - begin


def run_cases(
    kind: Kind,
    sound: dict[str, Path],
    seed: int,
    numbers: list[int],
    findings: Path | None = None,
    seconds: float = _SECONDS,
) -> Iterator[dict[str, Any]]:
    """Read damaged files one after the other in a process that is begun again when it dies.

    Arguments:
        kind: Models or inputs.
        sound: The sound files by name.
        seed: Seed of the damage.
        numbers: Numbers of the cases.
        findings: Where files are kept that did what none should do; None keeps none.
        seconds: Time limit for each.

    Yields:
        What came of each case.
    """
    for name, path in sound.items():
        # What reading imports is imported here, once.
        outcome, said, _ = timed(kind, Case(-1, name, "nothing", path))
        assert outcome == "read", said
    # Forked, so that a new one has everything imported already.
    context = multiprocessing.get_context("fork")
    worker: tuple[Any, Connection] | None = None
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in numbers:
                place = Path(folder) / "case"
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                case = make_case(kind, sound, seed, number, place)
                if worker is None:
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_work, args=(kind, theirs), daemon=True)
                    process.start()
                    theirs.close()
                    worker = process, ours
                result = _ask(worker, case, seconds)
                if result["outcome"] in ("crash", "hang"):
                    worker[0].kill()
                    worker[0].join()
                    worker = None
                if findings is not None and result["outcome"] not in ("read", "refused"):
                    findings.mkdir(parents=True, exist_ok=True)
                    shutil.copytree(place, findings / f"{kind}-{number}", dirs_exist_ok=True)
                yield result
    finally:
        if worker is not None:
            worker[0].kill()
            worker[0].join()


def _ask(worker: tuple[Any, Connection], case: Case, seconds: float) -> dict[str, Any]:
    process, pipe = worker
    result = {"case": case.number, "base": case.base, "change": case.change}
    try:
        pipe.send(case)
        if not pipe.poll(seconds):
            return result | {"outcome": "hang", "said": f"no end after {seconds:g} s"}
        outcome, said, took = pipe.recv()
    except (EOFError, OSError):
        process.join()
        return result | {"outcome": "crash", "said": f"exit code {process.exitcode}"}
    return result | {"outcome": outcome, "said": said, "seconds": round(took, 3)}


def _work(kind: Kind, pipe: Connection) -> None:
    warnings.simplefilter("ignore")
    # The threads of the process before the fork are not here, and several would wait for them.
    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        pipe.send(timed(kind, case))
