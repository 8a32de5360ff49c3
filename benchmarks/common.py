"""What benchmarks share: events to measure with, times, tables, and processes to measure in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from phys_gan.workflows.benchmark import seconds

_ROOT = Path(__file__).resolve().parents[1]

SAMPLE = str(_ROOT / "datasets" / "geant4_calogan_eplus.h5")
"""The Geant4 showers of the repository."""

SampleOption = Annotated[str, typer.Option(help="A file of CaloGAN showers.", show_default=False)]


def sparse_cells(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return cells as sparse as those of CaloChallenge's data set 2: a tenth of them hit."""
    cells = np.zeros(shape, np.float32)
    hit = random.random(shape, np.float32) < 0.1
    cells[hit] = random.exponential(10.0, np.count_nonzero(hit))
    return cells


def in_turns(actions: Sequence[Callable[[], Any]], times: int) -> NDArray[np.float64]:
    """Return the seconds of each action, (times, n); a shared machine is slow for minutes."""
    return np.array([[seconds(action) for action in actions] for _ in range(times)])


def print_header(*columns: str) -> None:
    """Print the first two lines of a table in Markdown."""
    typer.echo(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def run_child(module: str, words: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a benchmark in a process of its own, and return what it prints.

    Arguments:
        module: Its name in this folder.
        words: Its arguments.
        environment: All its variables; by default those of this process.

    Raises:
        typer.Exit: It failed; the end of its error output is printed.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        typer.echo(done.stderr[-2000:], err=True)
        raise typer.Exit(1)
    return done.stdout
