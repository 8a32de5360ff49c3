"""A process that reads damaged files, and may die of it: limits in memory and time."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.fuzzing.cases import Case, Kind, make_case, timed

__all__ = ["run_cases"]

_MEMORY = 4 << 30
_SECONDS = 10.0


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
