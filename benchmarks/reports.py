"""Whole validation reports of large files: how long they take, and how much memory."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.common import SAMPLE, SampleOption, print_header
from benchmarks.validation import make_samples
from phys_gan.data import write
from phys_gan.detectors import load_detector


def main(
    n: Annotated[int, typer.Option("-n", help="Events of each file of 504 cells.")] = 100_000,
    many: Annotated[int, typer.Option(help="Events of each file of 6480 cells.")] = 20_000,
    sample: SampleOption = SAMPLE,
) -> None:
    """Write two files of events, and validate one against the other by the command line.

    Example: python -m benchmarks.reports -n 20000 --many 0
    """
    print_header("events", "cells of a file [MB]", "report [s]", "peak memory [MB]")
    for detector, size in (("calogan", n), ("calochallenge-2", many)):
        if size:
            _report(detector, size, sample)


def _report(detector: str, n: int, sample: str) -> None:
    n_cells = load_detector(detector).n_cells
    with TemporaryDirectory() as name:
        folder = Path(name)
        # By another process, so that the memory of this one does not count.
        _run([sys.executable, "-c", _WRITE, detector, str(n), sample, name])
        files = [str(folder / "reference.h5"), str(folder / "candidate.h5")]
        began = time.perf_counter()
        peak = _run([sys.executable, "-m", "phys_gan", "validate", *files, "--out", f"{name}/r"])
        seconds = time.perf_counter() - began
    megabytes = 4 * n * n_cells / 1e6
    typer.echo(f"| 2 x {n} x {n_cells} cells | {megabytes:.0f} | {seconds:.0f} | {peak:.0f} |")


_WRITE = (
    "import sys; from benchmarks.reports import write_samples; "
    "write_samples(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])"
)


def write_samples(detector: str, n: int, sample: str, folder: str) -> None:
    """Write ``reference.h5`` and ``candidate.h5``, n events each."""
    for name, events in zip(
        ("reference", "candidate"), make_samples(detector, n, sample), strict=True
    ):
        write(Path(folder) / f"{name}.h5", events)


def _run(command: list[str]) -> float:
    """Run a command; return the most memory that it had [MB]."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status:
        typer.echo(f"{' '.join(command[:4])} ended with {status}", err=True)
        raise typer.Exit(1)
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
