"""Measurements in processes of their own, whose memory and threads are nobody else's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import typer

__all__ = ["run_child"]


def run_child(module: str, words: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a module of the benchmark, and return what it says.

    Arguments:
        module: Its name in this folder.
        words: Its arguments.
        environment: All its variables; those of this process without.

    Raises:
        typer.Exit: It failed; the end of what it said about that is shown.
    """
    command = [sys.executable, "-m", f"phys_gan.benchmark.{module}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        typer.echo(done.stderr[-2000:], err=True)
        raise typer.Exit(1)
    return done.stdout
