"""The command that shows what a trained model does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phys_gan.cli.app import DeviceOption, FiguresOption, ModelArgument, Seed, app
from phys_gan.cli.progress import stages

__all__ = ["explore"]


@app.command()
def explore(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Directory for index.html and explore.json.")],
    n: Annotated[
        int, typer.Option("-n", help="Latents at each value of a condition.", min=2)
    ] = 200,
    figures: FiguresOption = True,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Show what a model does: events, every condition over its range, latent walks.

    Says of each condition whether what is measured rises with it over its whole range.

    Example: `phys-gan explore runs/galaxies --out explored`
    """
    from phys_gan.workflows import explore as run

    with stages() as report:
        done = run(model, out, n=n, seed=seed, figures=figures, device=device, report=report)
    typer.echo(done.summary())
    typer.echo(f"\nOpen the page: {(out / 'index.html').resolve()}")
