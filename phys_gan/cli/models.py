"""Commands about models: train, generate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from phys_gan.cli.app import FormatOption, MappingOption, Seed, Set, app
from phys_gan.cli.progress import progress
from phys_gan.errors import ConfigError
from phys_gan.units import format_energy, parse_energies, parse_size

__all__ = ["generate", "train"]


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
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str | None, typer.Option(help="What events may take, such as 8GB; more is streamed.")
    ] = None,
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

    with progress(resolved.training.events) as report:
        run(
            resolved,
            files,
            out,
            devices=devices,
            resume=resume,
            report=report,
            format=format,
            mapping=mapping,
            memory=parse_size(memory) if memory else None,
        )
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
