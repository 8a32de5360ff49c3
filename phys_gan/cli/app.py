"""The program itself, and the options that several commands share."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from phys_gan import __version__
from phys_gan.errors import Notice, PhysGanError

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

app = typer.Typer(
    name="phys-gan",
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
    """Run the command line; what is wrong with the input is said in one sentence."""
    try:
        with _notices_said():
            app()
    except PhysGanError as error:
        typer.echo(f"phys-gan: {error}", err=True)
        sys.exit(2)


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
) -> None:
    """Hold the options of the program itself."""
