"""Commands on detectors and files of events: detectors, inspect, convert, split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phys_gan.cli.app import DetectorOption, FormatOption, MappingOption, Seed
from phys_gan.errors import ConfigError

_SOURCES = "Files to read (also patterns, file.root:tree, file.h5@e+), then "


def detectors(
    name: Annotated[
        str | None,
        typer.Argument(help="Built-in detector, or a .toml or binning .xml file, to describe."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Draw its slabs and cells into this .png, .pdf or .svg file."),
    ] = None,
) -> None:
    """List the built-in detectors, or describe and draw one: cells, materials, radiation lengths.

    It also says what full simulation with Geant4 lacks.

    Example: `phys-gan detectors ild-ecal --out ild.png`
    """
    from phys_gan.detectors import detector_names, load_detector
    from phys_gan.detectors.description import describe, detector_table

    if name is None:
        if out is not None:
            raise ConfigError("--out draws one detector, and none is named", remedy="name it first")
        typer.echo("\n".join(detector_table(list(map(load_detector, detector_names())))))
        return
    detector = load_detector(name)
    typer.echo("\n".join(describe(detector)))
    if out is not None:
        from phys_gan.report.detectors import save_detector

        save_detector(detector, out)
        typer.echo(f"Wrote {out}")


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
