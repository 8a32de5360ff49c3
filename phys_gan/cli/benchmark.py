"""The command that measures how fast a model generates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phys_gan.cli.app import CompileOption, DeviceOption, ModelArgument, PrecisionOption, app
from phys_gan.errors import MissingError
from phys_gan.files import atomic_file

if TYPE_CHECKING:
    from phys_gan.benchmark.generation import Generate

__all__ = ["benchmark"]


@app.command()
def benchmark(
    model: ModelArgument = "calogan-eplus",
    n: Annotated[int, typer.Option("-n", help="Events to generate into a file.", min=1)] = 100_000,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    compiled: CompileOption = False,
    onnx: Annotated[
        bool, typer.Option(help="Measure the exported graph in ONNX Runtime as well.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Write the numbers into this .json.")] = None,
) -> None:
    """Measure how fast a model generates on this machine, and against what.

    Example: `phys-gan benchmark calogan-eplus --out speed.json`
    """
    from phys_gan.benchmark.exported import exported
    from phys_gan.benchmark.generation import benchmark as measure
    from phys_gan.generation import FastSim

    fast = FastSim.load(model, device, precision=precision, compiled=compiled)
    others: dict[str, Generate] = {}
    if onnx and fast.model.device.type == "cpu":
        typer.echo("… exporting", err=True)
        try:
            others["phys_gan, ONNX Runtime"] = exported(fast)
        except MissingError as error:
            typer.echo(f"… left out: {error}", err=True)
    found = measure(fast, n=n, others=others, report=lambda text: typer.echo(f"… {text}", err=True))
    if out is not None:
        with atomic_file(out) as temporary:
            temporary.write_text(json.dumps(found.to_dict(), indent=2) + "\n", "utf-8")
    typer.echo(found.table(model))
