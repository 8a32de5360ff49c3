"""The command that lists the pretrained models."""

from __future__ import annotations

from typing import Annotated

import typer

from phys_gan.cli.app import app

__all__ = ["models"]


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="Show the card of this one.")] = None,
) -> None:
    """List the pretrained models, or print the card of one: data, numbers, validity, licence.

    Example: `phys-gan models calogan-eplus`
    """
    from phys_gan.generation import model_card, pretrained_names

    if name is not None:
        typer.echo(model_card(name), nl=False)
        return
    for known in pretrained_names():
        title = next(line for line in model_card(known).splitlines() if line.startswith("# "))
        typer.echo(f"{known:28} {title.removeprefix('# ').partition(': ')[2]}")
