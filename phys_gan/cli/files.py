"""Commands about files of events: simulate, inspect, convert.

Put events aside that nobody learns from: split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from phys_gan.cli.app import (
    DetectorOption,
    FormatOption,
    MappingOption,
    Seed,
    galaxy_conditions,
    note,
)
from phys_gan.errors import ConfigError
from phys_gan.units import parse_values

__all__ = ["convert", "inspect", "simulate", "split"]

_Filling = Literal["uniform", "log-uniform"]


def simulate(
    detector: Annotated[
        str,
        typer.Argument(
            help="Built-in detector, such as calogan, galaxies-32 or toy-ring, or a .toml or "
            "binning .xml file (file.xml:pion where it holds several particles)."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int, typer.Option("-n", help="Number of showers, galaxies or points.", min=1)],
    particle: Annotated[
        str | None, typer.Option(help="Of showers: e+, e- or gamma.", show_default="e+")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Of showers: incident energy, 50GeV; 10GeV,50GeV in turn; from 1GeV:100GeV, as "
            "--spectrum says, or 1GeV:100GeV:log.",
            show_default="1GeV:100GeV",
        ),
    ] = None,
    spectrum: Annotated[
        _Filling | None,
        typer.Option(help="Of showers: how energies fill the range.", show_default="uniform"),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Of galaxies, once for each: NAME=VALUE, NAME=VALUE,VALUE in turn, or "
            "NAME=LOW:HIGH to draw from, evenly (:lin) or with even logarithms (:log). Names: "
            "flux (in the detector's unit), half_light_radius (arcsec), sersic_index, axis_ratio, "
            "position_angle (rad), noise (as flux, of a pixel). Others are drawn from a default "
            "range.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["numpy", "galsim"] | None,
        typer.Option(help="Of galaxies: what makes the pixels.", show_default="numpy"),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make showers, galaxies, or points of a toy, for when there are no files yet.

    Example: `phys-gan simulate calogan showers.h5 -n 10000 --particle e+ --energy 1GeV:100GeV`

    Example: `phys-gan simulate galaxies-32 stamps.h5 -n 10000 --condition flux=50:100`
    """
    from phys_gan.data import write
    from phys_gan.detectors import load_detector
    from phys_gan.simulation import require_meaning
    from phys_gan.simulation import simulate as run

    where = load_detector(detector)
    given = {
        "particle": particle,
        "energy": energy,
        "spectrum": spectrum,
        "conditions": condition or None,
        "engine": engine,
    }
    require_meaning(where, given, {name: f"--{name.removesuffix('s')}" for name in given})
    if where.is_toy:
        events, made = run(where, n, seed=seed), "points of"
    elif where.is_image:
        conditions = galaxy_conditions(condition or [], n, seed)
        events = run(where, n, conditions=conditions, engine=engine, seed=seed)
        made = "galaxies in"
    else:
        energies, filled = _incident(energy or "1GeV:100GeV", n, spectrum)
        events = run(where, n, particle=particle, energy=energies, spectrum=filled, seed=seed)
        made = f"{particle or 'e+'} showers in"
    write(out, events)
    typer.echo(f"Wrote {n} {made} '{where.name}' to {out}")


def _incident(
    text: str, n: int, spectrum: _Filling | None
) -> tuple[tuple[float, float] | NDArray[np.float64], _Filling | None]:
    """Return incident energies [MeV], or their range and how they fill it."""
    values = parse_values(text)
    if not isinstance(values, tuple):
        return np.resize(np.asarray(values, np.float64), n), spectrum
    low, high = values[:2]
    if len(values) == 3:
        said: _Filling = "log-uniform" if values[2] == "log" else "uniform"
        if spectrum not in (None, said):
            raise ConfigError(
                f"--energy {text} and --spectrum {spectrum} contradict each other",
                remedy="leave --spectrum out",
                value=spectrum,
            )
        spectrum = said
    return (low, high), spectrum


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
        list[str] | None,
        typer.Option(help="Leave out a condition, overflow or weights; may be repeated."),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the events that OUT holds.")
    ] = False,
) -> None:
    """Rewrite files of events in another format; the last name is the one to write.

    What the format cannot hold is an error that names it, unless --drop leaves it out. What of the
    files no format can hold, such as texts, is noted.

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
        tell=note,
    )
    typer.echo(f"{'Added' if append else 'Wrote'} {n_events} events to {out}")


def split(
    source: Annotated[
        list[str],
        typer.Argument(
            help="Files to read (also patterns, file.root:tree, file.h5@e+), then one file to "
            "write for each share."
        ),
    ],
    shares: Annotated[
        str, typer.Option(help="Shares of the files to write, which add up to 1.")
    ] = "0.8,0.2",
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    seed: Seed = 0,
) -> None:
    """Split events at random into files, to learn from and to judge by.

    All parts have the same spectra of conditions, and copies of an event (all cells equal) come
    into the same part; it says so where that leaves a share wrong.

    Example: `phys-gan split showers.root learn.h5 test.h5 --shares 0.8,0.2`
    """
    from phys_gan.data import split_files

    parts = _shares(shares)
    if len(source) <= len(parts):
        raise ConfigError(
            f"{len(source)} files are named, and {len(parts)} of them are to be written",
            remedy="name what to read, then one file to write for each share",
        )
    sources, outs = source[: -len(parts)], source[-len(parts) :]
    counts = split_files(
        sources, outs, parts, seed, detector=detector, format=format, mapping=mapping, tell=note
    )
    for out, count in zip(outs, counts, strict=True):
        typer.echo(f"Wrote {count} events to {out}")


def _shares(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"'{text}' are no shares", remedy="write numbers, such as 0.8,0.2", value=text
        ) from None
