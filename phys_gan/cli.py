"""The command line: one thin command per verb. Exit codes: 0 done, 1 not met, 2 wrong input."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from phys_gan import __version__
from phys_gan.errors import ConfigError, PhysGanError
from phys_gan.units import format_energy, parse_energies

if TYPE_CHECKING:
    from phys_gan.training.loop import Report

__all__ = ["app", "main"]

app = typer.Typer(
    name="phys-gan",
    help="Fast detector simulation with conditional GANs: train on Geant4, generate, validate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one option of the recipe, as section.key=value."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
DetectorOption = Annotated[
    str | None, typer.Option(help="Built-in detector, or a .toml or binning .xml file.")
]


def main() -> None:
    """Run the command line; what is wrong with the input is said in one sentence."""
    try:
        app()
    except PhysGanError as error:
        typer.echo(f"phys-gan: {error}", err=True)
        sys.exit(2)


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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory for model, events and report.")] = Path(
        "demo"
    ),
    set_: Set = None,
) -> None:
    """Train on a real Geant4 sample, generate showers and compare: minutes on two CPU cores.

    Example: `phys-gan demo --out demo`
    """
    from phys_gan.training import load_recipe
    from phys_gan.workflows import demo as run

    began = time.monotonic()
    recipe = load_recipe("demo", set_ or [])
    with _progress(recipe.training.events) as report:
        done = run(out, overrides=set_ or [], say=typer.echo, report=report)
    typer.echo(done.comparison.summary())
    typer.echo(f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes.")
    typer.echo(f"Open the report: {(done.out / 'report' / 'index.html').resolve()}")


@app.command()
def simulate(
    detector: Annotated[str, typer.Argument(help="Built-in detector, or a .toml or .xml file.")],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int, typer.Option("-n", help="Number of showers.", min=1)],
    particle: Annotated[str, typer.Option(help="e+, e- or gamma.")] = "e+",
    energy: Annotated[str, typer.Option(help="Incident energy, or low:high.")] = "1GeV:100GeV",
    spectrum: Annotated[
        Literal["uniform", "log-uniform"], typer.Option(help="How energies fill the range.")
    ] = "uniform",
    seed: Seed = 0,
) -> None:
    """Make parametric electromagnetic showers, for when there are no files yet.

    Example: `phys-gan simulate calogan showers.h5 -n 10000 --particle e+ --energy 1GeV:100GeV`
    """
    from phys_gan.data import write
    from phys_gan.detectors import load_detector
    from phys_gan.simulators import simulate as run

    low, high = parse_energies(energy)
    energies: tuple[float, float] | np.ndarray = (low, high) if low < high else np.full(n, low)
    events = run(
        load_detector(detector), n, particle=particle, energy=energies, spectrum=spectrum, seed=seed
    )
    write(out, events)
    typer.echo(f"Wrote {n} {particle} showers in '{events.detector.name}' to {out}")


@app.command()
def inspect(
    file: Annotated[str, typer.Argument(help="A file, or file.root:tree.")],
    detector: DetectorOption = None,
) -> None:
    """Say what a file holds: format, detector, number, energies, and what is wrong with it.

    Example: `phys-gan inspect showers.root`
    """
    from phys_gan.data import inspect as run

    typer.echo("\n".join(run(file, detector=detector).lines()))


@app.command()
def convert(
    source: Annotated[list[str], typer.Argument(help="Files to read, then the file to write.")],
    detector: DetectorOption = None,
    format: Annotated[str | None, typer.Option(help="Layout of the file to write.")] = None,
) -> None:
    """Rewrite files of events in another format; the last name is the one to write.

    Example: `phys-gan convert showers.root showers.h5`
    """
    from phys_gan.data import read, write

    if len(source) < 2:
        raise ConfigError("only one file is named", remedy="name what to read and what to write")
    *sources, out = source
    events = read(sources, detector=detector)
    write(out, events, format=format)
    typer.echo(f"Wrote {len(events)} events in '{events.detector.name}' to {out}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Built-in recipe or the path of a TOML file.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", hidden=True)] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="FILE...", help="Files of events to learn from.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to make.")] = None,
    set_: Set = None,
    devices: Annotated[int, typer.Option(help="Number of devices.", min=1)] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the recipe, and stop.")] = False,
) -> None:
    """Train a model by a recipe.

    Example: `phys-gan train showers --data showers.root --out runs/ecal --set training.lr_d=1e-4`
    """
    from phys_gan.training import load_recipe

    resolved = load_recipe(recipe, set_ or [])
    if dry_run:
        typer.echo(resolved.to_toml(), nl=False)
        return
    files = [*(data or []), *(more or [])]
    if not files or out is None:
        raise ConfigError(
            "training needs data and a run directory", remedy="add --data FILE... --out RUN"
        )
    from phys_gan.workflows import train as run

    with _progress(resolved.training.events) as report:
        run(resolved, files, out, devices=devices, resume=resume, report=report)
    typer.echo(f"The model is in {out / 'model.safetensors'}")


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="Run directory or .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int | None, typer.Option("-n", help="Number of events.", min=1)] = None,
    energy: Annotated[
        str | None, typer.Option(help="Incident energy, or low:high; default: the model's range.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take the conditions of the events in this file.")
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="Where to run, such as cpu or cuda.")] = "cpu",
) -> None:
    """Generate events with a trained model.

    Example: `phys-gan generate runs/ecal fast.h5 -n 100000 --energy 1GeV:100GeV`
    """
    from phys_gan.data import read, write
    from phys_gan.generation import FastSim
    from phys_gan.randomness import stream

    if (n is None) == (like is None) or (like and energy):
        raise ConfigError(
            "either -n (with --energy) or --like says what to generate", remedy="give one of them"
        )
    fast = FastSim.load(model, device)
    conditions: Mapping[str, np.ndarray]
    if like:
        conditions = read(like, detector=fast.detector).conditions
    else:
        low, high = parse_energies(energy) if energy else fast.energy_range
        conditions = {"energy": stream(seed, "energies").uniform(low, high, size=n)}
    began = time.monotonic()
    events = fast.generate(conditions, seed=seed)
    seconds = time.monotonic() - began
    write(out, events)
    typer.echo(
        f"Wrote {len(events)} events in '{events.detector.name}' from "
        f"{format_energy(events.energy.min())} to {format_energy(events.energy.max())} to {out} "
        f"({len(events) / max(seconds, 1e-9):,.0f} events per second without the file)"
    )


@app.command()
def validate(
    reference: Annotated[str, typer.Argument(help="Events of full simulation.")],
    candidate: Annotated[str, typer.Argument(help="Events to judge.")],
    out: Annotated[Path, typer.Option(help="Directory for index.html and metrics.json.")],
    require: Annotated[
        list[str] | None, typer.Option(help="Fail unless this holds, such as 'ks.max<0.1'.")
    ] = None,
    detector: DetectorOption = None,
    seed: Seed = 0,
) -> None:
    """Compare generated with simulated events in a report with errors and floors.

    Exits with 1 when a requirement is not met.

    Example: `phys-gan validate geant4.h5 fast.h5 --out report --require 'ks.max<0.1'`
    """
    from phys_gan.data import read
    from phys_gan.validation import compare, evaluate, parse

    requirements = [parse(text) for text in require or []]
    result = compare(
        read(reference, detector=detector), read(candidate, detector=detector), seed=seed
    )
    result.save(out)
    typer.echo(result.summary())
    typer.echo(f"\nOpen the report: {(out / 'index.html').resolve()}")
    checks = [evaluate(requirement, result.metrics) for requirement in requirements]
    for check in checks:
        verdict = "met" if check.met else "NOT met"
        typer.echo(f"requirement {check.requirement.text}: {verdict} ({check.value:.4g})")
    if not all(check.met for check in checks):
        raise typer.Exit(1)


@contextmanager
def _progress(total: int) -> Iterator[Report]:
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

        def report(shown: int, scalars: Mapping[str, float]) -> None:
            bar.start_task(task)
            bar.update(task, completed=shown)
            if scalars:
                bar.console.print(
                    f"{shown:>12,} events {scalars['seconds']:7.0f} s   "
                    f"mean KS {scalars['score']:.4f}   "
                    f"loss D {scalars['loss_d']:.3f}  G {scalars['loss_g']:.3f}",
                    highlight=False,
                )

        yield report
