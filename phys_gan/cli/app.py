"""The program itself: how it ends, and the options that several commands share.

Exit codes, also of ``python -m phys_gan``:

| code | meaning |
|---|---|
| 0 | done |
| 1 | a requirement of ``validate`` is not met, and nothing else |
| 2 | wrong input or options, or what this machine has not: no room, no memory, no GPU |
| 70 | a fault of phys_gan (EX_SOFTWARE of sysexits.h) |
| 85 | ``train`` stopped in time, and goes on with ``--resume`` |
| 130 | Ctrl-C |
| 141 | whoever read the output is gone, as ``head`` is after ten lines |

Progress bars.

Durations as people and batch systems write them.

Conditions as people write them on the command line: ``flux=50``, ``flux=50:100``.

The workers that ``--cluster`` names.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from phys_gan._version import __version__
from phys_gan.errors import ConfigError, Notice, PhysGanError, is_shortage
from phys_gan.randomness import stream
from phys_gan.units import Values, draw_values, parse_values

if TYPE_CHECKING:
    from rich.progress import TaskID

    from phys_gan.simulation.galaxies import Given
    from phys_gan.training.loop import StepCallback
    from phys_gan.workflows.cluster import Cluster

__all__ = [
    "ClusterOption",
    "CompileOption",
    "DetectorOption",
    "DeviceOption",
    "FiguresOption",
    "FormatOption",
    "MappingOption",
    "ModelArgument",
    "PrecisionOption",
    "Seed",
    "Set",
    "app",
    "counting",
    "galaxy_conditions",
    "main",
    "note",
    "on_cluster",
    "parse_duration",
    "progress",
    "read_conditions",
    "stages",
]

_WRONG, _FAULT, _INTERRUPTED, _NOT_READ = 2, 70, 130, 141
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST = 300
"""Characters of what an unexpected error says."""


class _Program(TyperGroup):
    """All commands, each of which ends with one sentence and the exit code of its failure."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with _notices_said():
                return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            # Typer's own, for wrong options and for the end of the program, carry an exit code.
            if hasattr(error, "exit_code"):
                raise
            if ctx.params["debug"]:
                traceback.print_exception(error)
            sys.exit(_explained(error, ctx.invoked_subcommand))


app = typer.Typer(
    name="phys-gan",
    cls=_Program,
    help="Fast detector simulation with conditional GANs: train on Geant4, generate, validate.\n\n"
    "Begin with `phys-gan demo`; `phys-gan COMMAND --help` shows an example of each command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override one option of the recipe, as section.key=value; may be repeated."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
ModelArgument = Annotated[
    str, typer.Argument(help="Run directory, .safetensors file or pretrained model.")
]
FiguresOption = Annotated[
    bool, typer.Option(help="Write every figure as PDF and PNG beside the page.")
]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        help="Built-in detector, or a .toml or binning .xml file (file.xml:pion where it holds "
        "several particles); by default the content of the files tells."
    ),
]
FormatOption = Annotated[
    str | None, typer.Option(help="Layout of the files to read; by default their content tells.")
]
MappingOption = Annotated[
    Path | None, typer.Option(help="TOML file that says where hits and conditions are.")
]
DeviceOption = Annotated[
    str, typer.Option(help="Where to run, such as cpu or cuda; auto: cuda if there is one.")
]
PrecisionOption = Annotated[
    Literal["float32", "bfloat16"],
    typer.Option(help="Of matrix products; bfloat16 is faster where the processor knows it."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Dask workers that do the work: tcp://scheduler:8786, or local:4 for four processes."
    ),
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Let torch compile the network first: a minute.")
]


def note(text: str) -> None:
    """Say on stderr what of the files is not kept."""
    from phys_gan.data.inspection import shown

    typer.echo(f"note: {shown(text)}", err=True)


def main() -> None:
    """Run the command line; the exit codes are those of this module."""
    app()


def _explained(error: BaseException, command: str | None) -> int:
    """Say on stderr in one sentence why a command failed, and return its exit code."""
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        return _NOT_READ
    if isinstance(error, KeyboardInterrupt):
        said, code = "interrupted", _INTERRUPTED
    elif isinstance(error, PhysGanError):
        said, code = str(error), _WRONG
    elif is_shortage(error):
        said, code = (
            f"the memory of this machine is too small: {_one_line(error)}; free some, take fewer "
            "events, or take a machine with more",
            _WRONG,
        )
    elif isinstance(error, OSError) and error.errno in _NO_ROOM:
        said, code = f"there is no room to write: {_one_line(error)}; free space", _WRONG
    else:
        said, code = (
            f"{_one_line(error)}; this is a fault of phys_gan {__version__}, please report it "
            f"with what 'phys-gan --debug {command} ...' shows",
            _FAULT,
        )
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    # Where nobody reads stderr, the exit code still tells.
    with contextlib.suppress(BrokenPipeError):
        typer.echo(f"phys-gan: {said}{notes}", err=True)
    return code


def _one_line(error: BaseException) -> str:
    """Return kind and text of an error, of which libraries may write a page."""
    text = " ".join(str(error).split()).rstrip(".;")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more, to which nothing is written from then on."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):
        # Whoever took its place, as notebooks do, is there.
        return False
    # Windows has no poll, and no other way to ask.
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(out, 0)
        if not any(event & select.POLLERR for _, event in poll.poll(0)):
            return False
    # What is left in the buffer would fail once more when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), out)
    return True


@contextmanager
def _notices_said() -> Iterator[None]:
    """Say notices in one sentence on stderr, as errors are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        before = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
            if issubclass(category, Notice):
                typer.echo(f"phys-gan: {message}", err=True)
            else:
                before(message, category, *where, **options)

        warnings.showwarning = show
        yield


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phys_gan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, to report it.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""


@contextmanager
def progress(total: int) -> Iterator[StepCallback]:
    """Show a progress bar, and a line for each report."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("events shown"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=total, start=False)

        def report(shown: int, scalars: Mapping[str, Any]) -> None:
            bar.start_task(task)
            bar.update(task, completed=shown)
            if scalars:
                losses = "  ".join(
                    f"{name.replace('_', ' ')} {value:.3f}"
                    for name, value in scalars.items()
                    if name.startswith("loss")
                )
                bar.console.print(
                    f"{shown:>12,} events {scalars['seconds']:7.0f} s   "
                    f"mean KS {scalars['score']:.4f}   {losses}",
                    highlight=False,
                )
                for warning in scalars["warnings"]:
                    bar.console.print(f"  {warning}", style="yellow", markup=False, highlight=False)

        yield report


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of things that are done, with the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Remaining())
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, transient=True, console=console, disable=silent) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def stages() -> Iterator[Callable[[str, int], None]]:
    """Show what is being done, for how long, and how much of it is done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, transient=True, console=console, disable=silent) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bar.stop_task(task)
                tasks[stage] = bar.add_task(stage, total=None)
            bar.update(tasks[stage], completed=done)

        yield report


_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART = r"(\d+(?:\.\d*)?)\s*(d|h|min|m|s)\s*"


def parse_duration(text: str) -> float:
    """Return a duration such as ``55m``, ``1h30m``, ``90s`` or ``1-12:00:00`` in seconds.

    Raises:
        ConfigError: It is none, or not positive.

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
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, text))
    if not seconds > 0:
        raise ConfigError(
            f"'{text}' is not a duration",
            remedy="write it like 55m, 1h30m, 90s or 01:30:00",
            value=text,
        )
    return seconds


def read_conditions(texts: Sequence[str]) -> dict[str, Values]:
    """Read conditions, each with what :func:`phys_gan.units.parse_values` reads.

    Raises:
        ConfigError: A text is none, or a name is given twice.
        RangeError: A range runs backwards, or has no logarithms.

    Example:
        >>> read_conditions(["flux=50:100:log", "noise=0.05", "axis_ratio=0.4,0.8"])
        {'flux': (50.0, 100.0, 'log'), 'noise': 0.05, 'axis_ratio': [0.4, 0.8]}
    """
    found: dict[str, Values] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name in found:
            raise ConfigError(f"--condition {name} is given twice", remedy="leave one out")
        try:
            found[name] = parse_values(values, float)
        except PhysGanError:
            raise
        except ValueError:
            raise ConfigError(
                f"'{text}' is not a condition",
                remedy="write NAME=VALUE or NAME=LOW:HIGH, such as flux=50:100",
                value=text,
            ) from None
    return found


def galaxy_conditions(texts: Sequence[str], n: int, seed: int) -> dict[str, Given]:
    """Read conditions of n galaxies, and draw what their simulator does not draw itself.

    Raises:
        PhysGanError: As in :func:`read_conditions`.
    """
    given: dict[str, Given] = {}
    for name, values in read_conditions(texts).items():
        if isinstance(values, list) or (isinstance(values, tuple) and len(values) == 3):
            given[name] = draw_values(values, n, stream(seed, f"galaxies {name}"))
        else:
            given[name] = values
    return given


@contextmanager
def on_cluster(address: str | None) -> Iterator[Cluster | None]:
    """Connect to the workers at an address and say how many there are; None where none is named."""
    if address is None:
        yield None
        return
    from phys_gan.workflows.cluster import connect

    with connect(address) as cluster:
        n = cluster.n_workers
        said = f"{n} workers" if n else "no workers yet: waiting for some"
        typer.echo(f"{address}: {said}", err=True)
        yield cluster
