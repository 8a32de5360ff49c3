"""The command that measures how fast a model generates."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phys_gan.cli.app import CompileOption, DeviceOption, PrecisionOption, app
from phys_gan.errors import MissingError
from phys_gan.files import atomic_file

if TYPE_CHECKING:
    from phys_gan.benchmark.generation import Generate, Report
    from phys_gan.generation import FastSim

__all__ = ["benchmark"]


@app.command()
def benchmark(
    model: Annotated[
        str, typer.Argument(help="Run directory, .safetensors file or pretrained model.")
    ] = "calogan-eplus",
    n: Annotated[int, typer.Option("-n", help="Events of the file.", min=1)] = 100_000,
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
    from phys_gan.benchmark.generation import benchmark as measure
    from phys_gan.generation import FastSim
    from phys_gan.generation.export import export

    fast = FastSim.load(model, device, precision=precision, compiled=compiled)
    with TemporaryDirectory() as folder:
        others: dict[str, Generate] = {}
        if onnx and fast.model.device.type == "cpu":
            path = Path(folder) / "model.onnx"
            typer.echo("… exporting", err=True)
            try:
                export(fast, path)
                others["phys_gan, ONNX Runtime"] = _exported(path, fast)
            except MissingError as error:
                typer.echo(f"… left out: {error}", err=True)
        found = measure(
            fast, n=n, others=others, report=lambda text: typer.echo(f"… {text}", err=True)
        )
    if out is not None:
        with atomic_file(out) as temporary:
            temporary.write_text(json.dumps(found.to_dict(), indent=2) + "\n", "utf-8")
    typer.echo(_table(model, found))


def _exported(path: Path, fast: FastSim) -> Generate:
    """Return what generates with an exported graph, in as many threads as torch has."""
    import numpy as np
    import onnxruntime
    import torch

    from phys_gan.generation.drawing import draw_conditions
    from phys_gan.randomness import normal_noise

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    encoding, latent = fast.model.encoding, fast.model.generator.latent

    def generate(n: int) -> object:
        conditions: dict[str, Any] = draw_conditions(encoding, n)
        inputs = {name: values[:, None].astype(np.float32) for name, values in conditions.items()}
        return session.run(None, {"noise": normal_noise(1, 0, n, latent), **inputs})

    return generate


def _table(model: str, found: Report) -> str:
    """Return what was measured as lines of text."""
    from phys_gan.benchmark.generation import GEANT4_MS, SIZES

    machine, largest = found.machine, SIZES[-1]
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}",
        "",
        f"{'ms per event, median (95 %)':30}" + "".join(f"{f'{n:,} at once':>22}" for n in SIZES),
    ]
    for name in found.names:
        cells = [s for n in SIZES for s in found.speeds if (s.name, s.n) == (name, n)]
        shown = (f"{f'{s.p50:.3g} ({s.p95:.3g})':>22}" for s in cells)
        lines.append(f"{name.replace('phys_gan', model):30}" + "".join(shown))
    mine = found.p50("phys_gan", largest)
    published = found.p50("CaloGAN's generator, eager", largest)
    best = min(found.p50(name, largest) for name in found.names)
    lines += [
        "",
        f"{published / mine:.0f} times as fast as CaloGAN's generator at {largest:,} at once, "
        f"{published / best:.0f} times in the fastest way",
        f"{found.ceiling / mine:.0%} of what matrix products allow: {found.flops / 1e6:.2f} MFLOP "
        f"per event, {found.peak / 1e9:.0f} GFLOP/s measured",
        f"{GEANT4_MS / mine:,.0f} times as fast as Geant4 in CaloGAN's detector "
        f"({GEANT4_MS:g} ms on one core, recorded, not measured here)",
        f"{found.in_memory:,.0f} events per second in memory, {found.to_file:,.0f} into compressed "
        f"HDF5 ({found.to_file / found.in_memory:.0%}), {found.memory / 1e9:.2f} GB of memory",
    ]
    return "\n".join(lines)
