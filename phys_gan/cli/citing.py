"""The command that says what to cite."""

from __future__ import annotations

from typing import Annotated

import typer

from phys_gan.cli.app import app

__all__ = ["cite"]


@app.command()
def cite(
    what: Annotated[
        str,
        typer.Argument(
            help="Recipe, recipe .toml, run directory, .safetensors file or pretrained model."
        ),
    ],
) -> None:
    """Print the BibTeX of exactly what a recipe or a model used.

    Example: `phys-gan cite runs/ecal > references.bib`
    """
    from phys_gan.workflows.citing import cite as run

    typer.echo(run(what))
