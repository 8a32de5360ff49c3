"""Put events aside that nobody learns from: split."""

from __future__ import annotations

from typing import Annotated

import typer

from phys_gan.cli.app import DetectorOption, FormatOption, MappingOption, Seed, app, note
from phys_gan.errors import ConfigError

__all__ = ["split"]


@app.command()
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
