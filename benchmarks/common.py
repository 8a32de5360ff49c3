"""What benchmarks share: the events they measure with, and child processes to measure in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["SAMPLE", "SampleOption", "run_child"]

_ROOT = Path(__file__).resolve().parents[1]

SAMPLE = str(_ROOT / "datasets" / "geant4_calogan_eplus.h5")
"""The Geant4 showers of the repository."""

SampleOption = Annotated[str, typer.Option(help="A file of CaloGAN showers.", show_default=False)]


def run_child(module: str, words: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a benchmark in a process of its own, and return what it prints.

    Arguments:
        module: Its name in this folder.
        words: Its arguments.
        environment: All its variables; those of this process without.

    Raises:
        typer.Exit: It failed; the end of its error output is shown.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *words]
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        typer.echo(done.stderr[-2000:], err=True)
        raise typer.Exit(1)
    return done.stdout
