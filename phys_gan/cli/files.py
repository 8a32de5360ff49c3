"""Commands on files of events: simulate, inspect, convert, split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from phys_gan.cli.app import DetectorOption, FormatOption, MappingOption, Seed, read_conditions
from phys_gan.errors import ConfigError
from phys_gan.randomness import stream
from phys_gan.units import draw_values, parse_values

if TYPE_CHECKING:
    from phys_gan.simulation.galaxies import Given

_Spectrum = Literal["uniform", "log-uniform"]
_SOURCES = "Files to read (also patterns, file.root:tree, file.h5@e+), then "


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
            help="Of showers: incident energy, 50GeV; 10GeV,50GeV in turn; a range 1GeV:100GeV, "
            "filled as --spectrum says, or 1GeV:100GeV:log.",
            show_default="1GeV:100GeV",
        ),
    ] = None,
    spectrum: Annotated[
        _Spectrum | None,
        typer.Option(help="Of showers: distribution of --energy.", show_default="uniform"),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Of galaxies, may be repeated: NAME=VALUE, NAME=VALUE,VALUE in turn, or "
            "NAME=LOW:HIGH to draw from, uniformly (:lin) or log-uniformly (:log). Names: flux (in "
            "the detector's unit), half_light_radius (arcsec), sersic_index, axis_ratio, "
            "position_angle (rad), noise (as flux, of a pixel). The others are drawn from a "
            "default range.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["numpy", "galsim"] | None,
        typer.Option(help="Of galaxies: what draws the pixels.", show_default="numpy"),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Simulate showers, galaxies, or points of a toy, without other files.

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
        conditions = _galaxies(condition or [], n, seed)
        events = run(where, n, conditions=conditions, engine=engine, seed=seed)
        made = "galaxies in"
    else:
        energies, filled = _incident(energy or "1GeV:100GeV", n, spectrum)
        events = run(where, n, particle=particle, energy=energies, spectrum=filled, seed=seed)
        made = f"{particle or 'e+'} showers in"
    write(out, events)
    typer.echo(f"Wrote {n} {made} '{where.name}' to {out}")


def _galaxies(texts: list[str], n: int, seed: int) -> dict[str, Given]:
    """Read conditions of n galaxies, and draw those that their simulator does not draw itself."""
    given: dict[str, Given] = {}
    for name, values in read_conditions(texts).items():
        if isinstance(values, list) or (isinstance(values, tuple) and len(values) == 3):
            given[name] = draw_values(values, n, stream(seed, f"galaxies {name}"))
        else:
            given[name] = values
    return given


def _incident(
    text: str, n: int, spectrum: _Spectrum | None
) -> tuple[tuple[float, float] | NDArray[np.float64], _Spectrum | None]:
    """Return incident energies [MeV], or their range and how they fill it."""
    values = parse_values(text)
    if not isinstance(values, tuple):
        return np.resize(np.asarray(values, np.float64), n), spectrum
    low, high = values[:2]
    if len(values) == 3:
        stated: _Spectrum = "log-uniform" if values[2] == "log" else "uniform"
        if spectrum not in (None, stated):
            raise ConfigError(
                f"--energy {text} and --spectrum {spectrum} contradict each other",
                remedy="leave --spectrum out",
                value=spectrum,
            )
        spectrum = stated
    return (low, high), spectrum


def inspect(
    file: Annotated[str, typer.Argument(help="A file, or file.root:tree.")],
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
) -> None:
    """Show what a file holds: format, detector, number, energies, and what is wrong with it.

    Example: `phys-gan inspect showers.root`
    """
    from phys_gan.data import inspect as run

    found = run(file, detector=detector, format=format, mapping=mapping)
    typer.echo("\n".join(found.lines()))


def convert(
    source: Annotated[
        list[str],
        typer.Argument(help=f"{_SOURCES}OUT."),
    ],
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    to: Annotated[
        str | None, typer.Option(help="Layout of the file to write; by default that of its ending.")
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

    What the format cannot hold is an error that names it, unless --drop leaves it out. What no
    format can hold, such as texts, is noted.

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
        tell=_note,
    )
    typer.echo(f"{'Added' if append else 'Wrote'} {n_events} events to {out}")


def split(
    source: Annotated[
        list[str],
        typer.Argument(help=f"{_SOURCES}one file to write for each fraction."),
    ],
    shares: Annotated[
        str, typer.Option(help="Fractions of the files to write, which add up to 1.")
    ] = "0.8,0.2",
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    seed: Seed = 0,
) -> None:
    """Split events at random into files, to learn from and to judge by.

    All parts have the same spectra of conditions, and copies of an event (all cells equal) come
    into the same part; a note says if a fraction is wrong because of that.

    Example: `phys-gan split showers.root learn.h5 test.h5 --shares 0.8,0.2`
    """
    from phys_gan.data import split_files

    try:
        fractions = [float(word) for word in shares.split(",")]
    except ValueError:
        raise ConfigError(
            f"'{shares}' are not fractions", remedy="write numbers, such as 0.8,0.2", value=shares
        ) from None
    if len(source) <= len(fractions):
        raise ConfigError(
            f"{len(source)} files are named, and {len(fractions)} of them are to be written",
            remedy="name what to read, then one file to write for each fraction",
        )
    sources, outs = source[: -len(fractions)], source[-len(fractions) :]
    counts = split_files(
        sources,
        outs,
        fractions,
        seed,
        detector=detector,
        format=format,
        mapping=mapping,
        tell=_note,
    )
    for out, count in zip(outs, counts, strict=True):
        typer.echo(f"Wrote {count} events to {out}")


def _note(text: str) -> None:
    """Print on stderr what of the files is not kept."""
    from phys_gan.data.inspection import shown

    typer.echo(f"note: {shown(text)}", err=True)
