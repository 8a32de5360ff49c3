"""The command that generates events, or translates those of another simulation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phys_gan.cli.app import ClusterOption, CompileOption, DeviceOption, PrecisionOption, Seed, app
from phys_gan.cli.clusters import on_cluster
from phys_gan.cli.conditions import read_conditions
from phys_gan.cli.progress import counting
from phys_gan.errors import ConfigError
from phys_gan.units import format_energy, parse_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from phys_gan.generation import FastSim

__all__ = ["generate"]


@app.command()
def generate(
    model: Annotated[
        Path, typer.Argument(help="Run directory, .safetensors file or pretrained model.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int | None, typer.Option("-n", help="Number of events.", min=1)] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Incident energy: 50GeV; 10GeV,50GeV in turn; from 1GeV:100GeV, evenly, or with "
            "even logarithms, 1GeV:100GeV:log; default: the model's range."
        ),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Take the conditions of the events in this file.")
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Translate the events in this file, one for one.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE, NAME=VALUE,VALUE in turn, or NAME=LOW:HIGH, such as flux=50:100, "
            "drawn evenly (:lin), or with even logarithms (:log), as the model learned by default; "
            "default: its range."
        ),
    ] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    compiled: CompileOption = False,
    cluster: ClusterOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a production that broke off, if one did.")
    ] = False,
) -> None:
    """Generate events with a trained model, or translate those of another simulation.

    Example: `phys-gan generate runs/ecal fast.h5 -n 100000 --energy 1GeV:100GeV`
    """
    from phys_gan.data import read, write
    from phys_gan.generation import FastSim
    from phys_gan.workflows.parts import standing
    from phys_gan.workflows.producing import produce

    if sum(given is not None for given in (n, like, translate)) != 1 or (
        n is None and (energy or condition)
    ):
        raise ConfigError(
            "one of -n, --like and --translate says what to generate; --energy and --condition go "
            "with -n",
            remedy="give one of them",
        )
    for option, given in (("--resume", resume), ("--cluster", cluster)):
        if translate and given:
            raise ConfigError(f"{option} goes with -n and --like", remedy="leave it out")
    # The machine that talks to a cluster may be without a GPU.
    here = "cpu" if cluster else device
    fast = FastSim.load(model, here, precision=precision, compiled=compiled)
    before, began = 0, time.monotonic()
    if translate:
        events = fast.translate(read(translate, detector=fast.detector), seed=seed)
        write(out, events)
        count, energies = len(events), events.conditions.get("energy")
    else:
        wanted: Mapping[str, NDArray[np.float64]] | int
        if like:
            sample = read(like, detector=fast.detector)
            wanted = sample.conditions if _told(fast) else len(sample)
        else:
            wanted = _drawn(fast, n or 0, energy, condition or [], seed)
        total = wanted if isinstance(wanted, int) else len(next(iter(wanted.values())))
        before = ((resume and standing(out)) or (0, 0))[0]
        told: list[int] = []
        with on_cluster(cluster) as workers, counting("events written", total) as bar:

            def report(done: int) -> None:
                told.append(done)
                bar(done)

            count = produce(
                fast,
                out,
                wanted,
                seed=seed,
                resume=resume,
                cluster=workers,
                device=device,
                report=report,
            )
        if not told:
            typer.echo(f"{out} holds these {count} events already: nothing to do")
            return
        energies = None if isinstance(wanted, int) else wanted.get("energy")
    seconds = time.monotonic() - began
    span = ""
    if energies is not None:
        span = f" from {format_energy(energies.min())} to {format_energy(energies.max())}"
    typer.echo(
        f"Wrote {count} events in '{fast.detector.name}'{span} to {out} "
        f"({(count - before) / max(seconds, 1e-9):,.0f} events per second"
        + (f", {before} were there)" if before else ")")
    )


def _told(fast: FastSim) -> tuple[str, ...]:
    """Return the names of the conditions that a model is told."""
    return fast.model.encoding.named


def _drawn(
    fast: FastSim, n: int, energy: str | None, conditions: Sequence[str], seed: int
) -> dict[str, NDArray[np.float64]] | int:
    """Draw conditions as they are asked for; of a model without any, return the number."""
    from phys_gan.generation.drawing import draw_conditions

    given = read_conditions(conditions)
    if energy:
        if "energy" not in _told(fast):
            raise ConfigError(
                f"events in '{fast.detector.name}' have no incident energy",
                remedy="leave --energy out",
                value=energy,
            )
        given["energy"] = parse_values(energy)
    return draw_conditions(fast.model.encoding, n, given, seed) or n
