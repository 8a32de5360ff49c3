"""Commands about files of events: simulate, inspect, convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from phys_gan.cli.app import DetectorOption, FormatOption, MappingOption, Seed, app
from phys_gan.errors import ConfigError
from phys_gan.units import parse_energies

__all__ = ["convert", "inspect", "simulate"]


@app.command()
def simulate(
    detector: Annotated[str, typer.Argument(help="Built-in detector, or a .toml or .xml file.")],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int, typer.Option("-n", help="Number of showers, or of points.", min=1)],
    particle: Annotated[
        str | None, typer.Option(help="e+, e- or gamma.", show_default="e+")
    ] = None,
    energy: Annotated[
        str | None, typer.Option(help="Incident energy, or low:high.", show_default="1GeV:100GeV")
    ] = None,
    spectrum: Annotated[
        Literal["uniform", "log-uniform"] | None,
        typer.Option(help="How energies fill the range.", show_default="uniform"),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make parametric electromagnetic showers, or points of a toy, for when there are no files yet.

    Example: `phys-gan simulate calogan showers.h5 -n 10000 --particle e+ --energy 1GeV:100GeV`
    """
    from phys_gan.data import write
    from phys_gan.detectors import load_detector
    from phys_gan.simulators import simulate as run

    where = load_detector(detector)
    if where.is_toy:
        _refuse_beam(where.name, particle=particle, energy=energy, spectrum=spectrum)
        write(out, run(where, n, seed=seed))
        typer.echo(f"Wrote {n} points of '{where.name}' to {out}")
        return
    low, high = parse_energies(energy or "1GeV:100GeV")
    energies: tuple[float, float] | np.ndarray = (low, high) if low < high else np.full(n, low)
    particle, spectrum = particle or "e+", spectrum or "uniform"
    events = run(where, n, particle=particle, energy=energies, spectrum=spectrum, seed=seed)
    write(out, events)
    typer.echo(f"Wrote {n} {particle} showers in '{where.name}' to {out}")


def _refuse_beam(toy: str, **given: str | None) -> None:
    """Refuse options that say with what a shower begins."""
    for name, value in given.items():
        if value is not None:
            raise ConfigError(
                f"'{toy}' is a toy, whose points have no {name}",
                remedy=f"leave --{name} out",
                value=value,
            )


@app.command()
def inspect(
    file: Annotated[str, typer.Argument(help="A file, or file.root:tree.")],
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
) -> None:
    """Say what a file holds: format, detector, number, energies, and what is wrong with it.

    Example: `phys-gan inspect showers.root`
    """
    from phys_gan.data import inspect as run

    found = run(file, detector=detector, format=format, mapping=mapping)
    typer.echo("\n".join(found.lines()))


@app.command()
def convert(
    source: Annotated[
        list[str],
        typer.Argument(help="Files to read (also patterns, file.root:tree, file.h5@e+), then OUT."),
    ],
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    to: Annotated[
        str | None, typer.Option(help="Layout of the file to write; by default its ending tells.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="Leave out a condition, or overflow.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the events that OUT holds.")
    ] = False,
) -> None:
    """Rewrite files of events in another format; the last name is the one to write.

    What the format cannot hold is an error that names it, unless --drop leaves it out.

    Example: `phys-gan convert run1.root run2.root showers.h5`
    """
    from phys_gan.data import convert as run

    if len(source) < 2:
        raise ConfigError("only one file is named", remedy="name what to read and what to write")
    *sources, out = source
    n_events = run(
        sources,
        out,
        detector=detector,
        format=format,
        mapping=mapping,
        to=to,
        drop=drop or [],
        append=append,
    )
    typer.echo(f"{'Added' if append else 'Wrote'} {n_events} events to {out}")
