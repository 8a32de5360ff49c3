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
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from phys_gan._version import __version__
from phys_gan.errors import Notice, PhysGanError, is_shortage

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
    "main",
    "note",
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
