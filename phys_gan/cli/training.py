"""The command that trains a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from phys_gan.cli.app import FormatOption, MappingOption, Set, app
from phys_gan.cli.progress import progress
from phys_gan.errors import ConfigError
from phys_gan.units import parse_size

if TYPE_CHECKING:
    from phys_gan.training.loop import Watch

__all__ = ["train"]

_LISTS = ("--data", "--source")


def _one_by_one(arguments: Iterable[str]) -> Iterator[str]:
    """Write ``--data A B`` as ``--data A --data B``, and so with every option that takes a list."""
    name, first = "", False
    for argument in arguments:
        if argument.startswith("-"):
            name, equals, _ = argument.partition("=")
            first = not equals
            yield argument
        elif name in _LISTS and not first:
            yield from (name, argument)
        else:
            first = False
            yield argument


class _Train(TyperCommand):
    """The command, with options that take several files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, list(_one_by_one(args)))


@contextmanager
def _following(out: Path, live: bool) -> Iterator[Watch]:
    """Write a live page where it is wanted, and say how to see it."""
    from phys_gan.training.loop import unwatched
    from phys_gan.workflows.live import tensorboard

    if not live:
        yield unwatched
        return
    with tensorboard(out / "tensorboard") as watch:
        typer.echo(f"Follow it with: tensorboard --logdir {shlex.quote(str(out))}")
        yield watch


@app.command(cls=_Train)
def train(
    recipe: Annotated[str, typer.Argument(help="Built-in recipe or the path of a TOML file.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Files of events to learn from; recipes of toys make their own without.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Files of events to translate into those of --data."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to make.")] = None,
    set_: Set = None,
    devices: Annotated[int, typer.Option(help="Number of devices.", min=1)] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str | None, typer.Option(help="What events may take, such as 8GB; more is streamed.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write curves and pictures for TensorBoard into OUT.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the recipe, and stop.")] = False,
) -> None:
    """Train a model by a recipe.

    Example: `phys-gan train ecal --data showers.root --out runs/ecal --set training.lr_g=5e-4`
    """
    from phys_gan.training import load_recipe

    resolved = load_recipe(recipe, set_ or [])
    if dry_run:
        typer.echo(resolved.to_toml(), nl=False)
        return
    if out is None or not (data or resolved.simulated):
        raise ConfigError(
            "training needs data and a run directory", remedy="add --data FILE... --out RUN"
        )
    from phys_gan.workflows import train as run

    with _following(out, live) as watch, progress(resolved.training.events) as report:
        run(
            resolved,
            data or None,
            out,
            source=source or None,
            devices=devices,
            resume=resume,
            report=report,
            watch=watch,
            format=format,
            mapping=mapping,
            memory=parse_size(memory) if memory else None,
        )
    typer.echo(f"The model is in {out / 'model.safetensors'}")
