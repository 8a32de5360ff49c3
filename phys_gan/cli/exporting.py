"""The command that writes a model for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phys_gan.cli.app import ModelArgument, app
from phys_gan.units import parse_energies

__all__ = ["export"]


@app.command()
def export(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="File to write: OUT.onnx.")],
    target: Annotated[
        str,
        typer.Option(
            help="generic (any program), par04 (Geant4), ddml-grid (key4hep), fastcalosim (ATLAS) "
            "or galsim."
        ),
    ] = "generic",
    energy_scale: Annotated[
        float,
        typer.Option(help="Factor on all cells, such as 0.033 for CaloChallenge's 1/0.033."),
    ] = 1.0,
    energy_range: Annotated[
        str | None,
        typer.Option(
            help="Energies at which fastcalosim's condition is 0 and 1, such as 4GeV:4TeV.",
            show_default="the model's range",
        ),
    ] = None,
    particle: Annotated[
        str, typer.Option(help="Particle of the showers, for fastcalosim and ddml-grid.")
    ] = "gamma",
) -> None:
    """Write a model as ONNX for Geant4, DDML, FastCaloSim, GalSim or any other program.

    Example: `phys-gan export runs/ecal ecal.onnx --target par04`
    """
    from phys_gan.generation.export import export as run

    done = run(
        model,
        out,
        target,
        energy_scale=energy_scale,
        energy_range=parse_energies(energy_range) if energy_range else None,
        particle=particle,
    )
    typer.echo(f"Wrote {', '.join(map(str, done.files))}")
    typer.echo(
        f"ONNX Runtime gives the events of torch within {done.parity.worst:.1g} of their largest "
        f"cell ({done.parity.events} events in, at and beyond the range)"
    )
