"""The command that trains a model.

The demo.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from phys_gan.cli.app import (
    DetectorOption,
    DeviceOption,
    FiguresOption,
    FormatOption,
    MappingOption,
    Set,
    parse_duration,
    progress,
)
from phys_gan.errors import ConfigError
from phys_gan.units import parse_size

if TYPE_CHECKING:
    from phys_gan.training.loop import ReportCallback

__all__ = ["demo", "train"]

# What is imported after this counts as wall time, and may take seconds.
_BEGAN = time.monotonic()
_LISTS = ("--data", "--source")
_UNFINISHED = 85
"""Exit code of a training that stopped in time and waits for --resume: not 0, or a batch system
would start what comes after it; HTCondor's manual uses it for jobs that checkpoint themselves."""


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


class Train(TyperCommand):
    """The command, with options that take several files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, list(_one_by_one(args)))


@contextmanager
def _following(out: Path, live: bool) -> Iterator[ReportCallback]:
    """Write a live page where it is wanted, and say how to see it."""
    from phys_gan.training.loop import ignore
    from phys_gan.workflows.live import tensorboard

    if not live:
        yield ignore
        return
    with tensorboard(out / "tensorboard") as watch:
        typer.echo(f"Follow it with: tensorboard --logdir {shlex.quote(str(out))}")
        yield watch


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Built-in recipe, such as ecal (another name lists them), or the path of a TOML "
            "file."
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Files of events to learn from; recipes of toys and galaxies make their own "
            "without.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Files of events to translate into those of --data."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to make.")] = None,
    set_: Set = None,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option(help="Devices per machine, one process each.", min=1)] = 1,
    nodes: Annotated[int, typer.Option(help="Machines.", min=1)] = 1,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(
            help="Of matrix products; bfloat16 is faster where the processor knows it.",
            show_default="as in the recipe",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in OUT, if there is one.")
    ] = False,
    wall_time: Annotated[
        str | None,
        typer.Option(
            help="Stop in time to be over after so long, such as 55m, and exit with 85.",
            show_default="no limit",
        ),
    ] = None,
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What events may take, such as 8GB; more is streamed.",
            show_default="a third of the machine's",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write curves and pictures for TensorBoard into OUT.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the data, print the recipe, and stop.")
    ] = False,
) -> None:
    """Train a model by a recipe.

    `--set` changes one option, and `--set 'method.penalties={}'` drops the penalties of a recipe;
    `--dry-run` prints all options.

    SIGTERM, SIGUSR1, Ctrl-C and --wall-time stop it after a step with a checkpoint and exit code
    85; --resume goes on. A second signal stops it at once.

    Example: `phys-gan train ecal --data showers.root --out runs/ecal --set training.lr_g=5e-4`
    """
    from phys_gan.training import Unfinished, load_recipe

    overrides = [*(set_ or []), *([f"training.precision={precision}"] if precision else [])]
    resolved = load_recipe(recipe, overrides)
    if dry_run:
        from phys_gan.workflows.training import look

        said = ""
        if data:
            said = look(resolved, data, detector=detector, format=format, mapping=mapping)
        # A comment, so that what is printed is a recipe all the same.
        typer.echo(resolved.to_toml() + (f"\n# {said}\n" if said else ""), nl=False)
        return
    if out is None or not (data or resolved.simulated):
        raise ConfigError(
            "training needs data and a run directory", remedy="add --data FILE... --out RUN"
        )
    seconds = None if wall_time is None else parse_duration(wall_time)
    from phys_gan.training.loop import ignore
    from phys_gan.training.processes import is_first
    from phys_gan.workflows import train as run

    first = is_first()
    left = None if seconds is None else max(0.0, seconds - (time.monotonic() - _BEGAN))
    try:
        with (
            _following(out, live and first) as watch,
            progress(resolved.training.events) if first else nullcontext(ignore) as report,
        ):
            run(
                resolved,
                data or None,
                out,
                source=source or None,
                device=device,
                devices=devices,
                nodes=nodes,
                resume=resume,
                wall_time=left,
                report=report,
                watch=watch,
                detector=detector,
                format=format,
                mapping=mapping,
                memory=parse_size(memory) if memory else None,
                say=typer.echo if first else lambda text: None,
            )
    except Unfinished as stop:
        if not first:
            return
        typer.echo(f"phys-gan: {stop}", err=True)
        raise typer.Exit(_UNFINISHED) from stop
    if first:
        typer.echo(f"The model is in {out / 'model.safetensors'}")


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
