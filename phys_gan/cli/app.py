"""The program ``phys-gan``: its exit codes, and what several commands share.

Exit codes, also of ``python -m phys_gan``:

| code | meaning |
|---|---|
| 0 | done |
| 1 | a requirement of ``validate`` is not met, and nothing else |
| 2 | wrong input or options, or not enough room, memory or GPU on this machine |
| 70 | a fault of phys_gan (EX_SOFTWARE of sysexits.h) |
| 85 | ``train`` stopped in time, and goes on with ``--resume`` |
| 130 | Ctrl-C |
| 141 | the reader of the output is gone, as ``head`` is after ten lines |
"""

from __future__ import annotations

import contextlib
import errno
import os
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
from phys_gan.units import Values, parse_values
from phys_gan.work import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, TaskID

    from phys_gan.training.loop import StepCallback
    from phys_gan.workflows.cluster import Cluster

_WRONG, _FAULT, _INTERRUPTED, _NOT_READ = 2, 70, 130, 141
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST = 300
"""Characters that are shown of an unexpected error."""


class _Program(TyperGroup):
    """All commands, each of which ends with one sentence and the exit code of its failure."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with _notices_printed():
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


def main() -> None:
    """Run the command line; the exit codes are those of this module."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phys_gan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, to report it.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""


def _explained(error: BaseException, command: str | None) -> int:
    """Print one sentence on stderr about why a command failed, and return its exit code."""
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        return _NOT_READ
    if isinstance(error, KeyboardInterrupt):
        sentence, code = "interrupted", _INTERRUPTED
    elif isinstance(error, PhysGanError):
        sentence, code = str(error), _WRONG
    elif is_shortage(error):
        sentence, code = (
            f"the memory of this machine is too small: {_one_line(error)}; free some, take fewer "
            "events, or take a machine with more",
            _WRONG,
        )
    elif isinstance(error, OSError) and error.errno in _NO_ROOM:
        sentence, code = f"there is no room to write: {_one_line(error)}; free space", _WRONG
    else:
        sentence, code = (
            f"{_one_line(error)}; this is a fault of phys_gan {__version__}, please report it "
            f"with what 'phys-gan --debug {command} ...' shows",
            _FAULT,
        )
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    # If nobody reads stderr either, the exit code still tells.
    with contextlib.suppress(BrokenPipeError):
        typer.echo(f"phys-gan: {sentence}{notes}", err=True)
    return code


def _one_line(error: BaseException) -> str:
    """Return kind and text of an error, of which libraries may write a page."""
    text = " ".join(str(error).split()).rstrip(".;")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more; if so, nothing is written to it from then on."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):
        # What replaces it, as in notebooks, is read.
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
def _notices_printed() -> Iterator[None]:
    """Print notices as one sentence on stderr, as errors are."""
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


# Options.

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override an option of the recipe, as section.key=value; may be repeated."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)]
ModelArgument = Annotated[
    str, typer.Argument(help="Run directory, .safetensors file or pretrained model.")
]
FiguresOption = Annotated[
    bool, typer.Option(help="Write every figure as PDF and PNG as well, beside the page.")
]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        help="Built-in detector, or a .toml or binning .xml file (file.xml:pion if it holds "
        "several particles); by default recognised by the content of the files."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(help="Layout of the files to read; by default recognised by their content."),
]
MappingOption = Annotated[
    Path | None, typer.Option(help="TOML file that names the branches of hits and conditions.")
]
DeviceOption = Annotated[
    str, typer.Option(help="Where to run, such as cpu or cuda; auto: cuda if there is one.")
]
_PRECISION = "Precision of matrix products; bfloat16 is faster on processors that support it."
PrecisionOption = Annotated[Literal["float32", "bfloat16"], typer.Option(help=_PRECISION)]
RecipePrecisionOption = Annotated[
    Literal["float32", "bfloat16"] | None,
    typer.Option(help=_PRECISION, show_default="as in the recipe"),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Dask workers that do the work: tcp://scheduler:8786, or local:4 for four processes."
    ),
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Compile the network with torch first: about a minute.")
]


def read_conditions(texts: Sequence[str]) -> dict[str, Values]:
    """Read conditions, ``NAME=`` and what :func:`phys_gan.units.parse_values` reads.

    Raises:
        ConfigError: A text is not a condition, or a name is given twice.
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


@contextmanager
def on_cluster(address: str | None) -> Iterator[Cluster | None]:
    """Connect to the workers at an address and print how many there are; None without one."""
    if address is None:
        yield None
        return
    from phys_gan.workflows.cluster import connect

    with connect(address) as cluster:
        n = cluster.n_workers
        count = f"{n} workers" if n else "no workers yet: waiting for some"
        typer.echo(f"{address}: {count}", err=True)
        yield cluster


# Progress.


@contextmanager
def _bar(*columns: str | ProgressColumn, stderr: bool) -> Iterator[Bar]:
    """Show columns until the block ends; on stderr only if it is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=stderr)
    hidden = stderr and not console.is_terminal
    with Bar(*columns, transient=True, console=console, disable=hidden) as bar:
        yield bar


@contextmanager
def training_progress(total: int) -> Iterator[StepCallback]:
    """Show a bar of events shown, and a line for each report."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with _bar("events shown", *columns, stderr=False) as bar:
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
def counter(what: str, total: int, *, rate: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a bar of how many of a total are done, with the time that is left.

    Arguments:
        what: What is counted.
        total: How many there will be.
        rate: Whether to show how many there are per second.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns: list[str | ProgressColumn] = [what, BarColumn(), MofNCompleteColumn()]
    if rate:
        columns.append(TextColumn("{task.fields[rate]}"))
    with _bar(*columns, TimeRemainingColumn(), stderr=True) as bar:
        task = bar.add_task("", total=total, rate="")

        def show(done: int) -> None:
            bar.update(task, completed=done)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:.3g}/s" if speed else "")

        yield show


@contextmanager
def stages() -> Iterator[Progress]:
    """Show each stage of the work, its time, and how much of it is done."""
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), "{task.description}", "{task.completed:,}", TimeElapsedColumn())
    with _bar(*columns, stderr=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bar.stop_task(task)
                tasks[stage] = bar.add_task(stage, total=None)
            bar.update(tasks[stage], completed=done)

        yield report
