"""Commands that train: train, demo."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from phys_gan.cli.app import (
    DetectorOption,
    DeviceOption,
    FiguresOption,
    FormatOption,
    MappingOption,
    RecipePrecisionOption,
    Set,
    training_progress,
)
from phys_gan.errors import ConfigError
from phys_gan.units import parse_size

# What is imported after this counts as wall time, and may take seconds.
_BEGAN = time.monotonic()
_LISTS = ("--data", "--source")
_UNFINISHED = 85
"""Exit code of a training that stopped in time and waits for --resume: not 0, or a batch system
would start what comes after it; HTCondor's manual uses it for jobs that checkpoint themselves."""
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART = r"(\d+(?:\.\d*)?)\s*(d|h|min|m|s)\s*"


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


def parse_duration(text: str) -> float:
    """Return a duration such as ``55m``, ``1h30m``, ``90s`` or ``1-12:00:00`` in seconds.

    Raises:
        ConfigError: It is not a duration, or not positive.

    Example:
        >>> parse_duration("1h30m"), parse_duration("01:30:00"), parse_duration("1-00:00:30")
        (5400.0, 5400.0, 86430.0)
    """
    seconds = 0.0
    clock = re.fullmatch(r"\s*(?:(\d+)-)?(\d+):(\d{2}):(\d{2})\s*", text)
    if clock:
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    elif re.fullmatch(rf"\s*(?:{_PART})+", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
    if not seconds > 0:
        raise ConfigError(
            f"'{text}' is not a duration",
            remedy="write it like 55m, 1h30m, 90s or 01:30:00",
            value=text,
        )
    return seconds


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
            help="Files of events to learn from; without, recipes of toys and galaxies simulate "
            "their own.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Files of events to translate into those of --data."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory.")] = None,
    set_: Set = None,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option(help="Devices per machine, one process each.", min=1)] = 1,
    nodes: Annotated[int, typer.Option(help="Number of machines.", min=1)] = 1,
    precision: RecipePrecisionOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in OUT, if there is one.")
    ] = False,
    wall_time: Annotated[
        str | None,
        typer.Option(
            help="Stop within this time, such as 55m, and exit with 85.",
            show_default="no limit",
        ),
    ] = None,
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory for events, such as 8GB; larger files are streamed.",
            show_default="a third of the machine's",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write curves and pictures for TensorBoard into OUT.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the data, print the recipe and exit.")
    ] = False,
) -> None:
    """Train a model as a recipe says.

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

        remark = ""
        if data:
            remark = look(resolved, data, detector=detector, format=format, mapping=mapping)
        # A comment, so that the output is still a recipe.
        typer.echo(resolved.to_toml() + (f"\n# {remark}\n" if remark else ""), nl=False)
        return
    if out is None or not (data or resolved.simulated):
        raise ConfigError(
            "training needs data and a run directory", remedy="add --data FILE... --out RUN"
        )
    seconds = None if wall_time is None else parse_duration(wall_time)
    from phys_gan.training.loop import ignore
    from phys_gan.training.processes import is_first
    from phys_gan.workflows import train as run
    from phys_gan.workflows.live import tensorboard

    # Of several processes, only the first one prints.
    first = is_first()
    live = live and first
    left = None if seconds is None else max(0.0, seconds - (time.monotonic() - _BEGAN))
    try:
        with (
            tensorboard(out / "tensorboard") if live else nullcontext(ignore) as watch,
            training_progress(resolved.training.events) if first else nullcontext(ignore) as report,
        ):
            if live:
                typer.echo(f"Follow it with: tensorboard --logdir {shlex.quote(str(out))}")
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
    figures: FiguresOption = False,
    set_: Set = None,
) -> None:
    """Train on a Geant4 sample, generate showers and compare: minutes on two CPU cores.

    Example: `phys-gan demo --out demo`
    """
    from phys_gan.training import Unfinished, load_recipe
    from phys_gan.workflows import demo as run

    began = time.monotonic()
    recipe = load_recipe("demo", set_ or [])
    try:
        with training_progress(recipe.training.events) as report:
            done = run(out, overrides=set_ or [], figures=figures, say=typer.echo, report=report)
    except Unfinished as stop:
        # The demo has no --resume.
        raise KeyboardInterrupt from stop
    typer.echo(done.comparison.summary())
    typer.echo(f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes.")
    typer.echo(f"Open the report: {(done.out / 'report' / 'index.html').resolve()}")
