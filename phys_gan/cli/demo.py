"""The demo."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from phys_gan.cli.app import FiguresOption, Set, app
from phys_gan.cli.progress import progress

__all__ = ["demo"]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory for model, events and report.")] = Path(
        "demo"
    ),
    figures: FiguresOption = True,
    set_: Set = None,
) -> None:
    """Train on a real Geant4 sample, generate showers and compare: minutes on two CPU cores.

    Example: `phys-gan demo --out demo`
    """
    from phys_gan.training import Unfinished, load_recipe
    from phys_gan.workflows import demo as run

    began = time.monotonic()
    recipe = load_recipe("demo", set_ or [])
    try:
        with progress(recipe.training.events) as report:
            done = run(out, overrides=set_ or [], figures=figures, say=typer.echo, report=report)
    except Unfinished as stop:
        # A demo is over in minutes, and has no --resume.
        raise KeyboardInterrupt from stop
    typer.echo(done.comparison.summary())
    typer.echo(f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes.")
    typer.echo(f"Open the report: {(done.out / 'report' / 'index.html').resolve()}")
