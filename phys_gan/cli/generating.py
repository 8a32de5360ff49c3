"""The command that generates events, or translates those of another simulation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phys_gan.cli.app import (
    ClusterOption,
    CompileOption,
    DeviceOption,
    ModelArgument,
    PrecisionOption,
    Seed,
    app,
)
from phys_gan.cli.clusters import on_cluster
from phys_gan.cli.conditions import read_conditions
from phys_gan.cli.progress import counting
from phys_gan.errors import ConfigError
from phys_gan.units import format_energy, parse_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from phys_gan.generation import FastSim
    from phys_gan.workflows.cluster import Cluster

__all__ = ["generate"]


@app.command()
def generate(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int | None, typer.Option("-n", help="Number of events.", min=1)] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Incident energy: 50GeV; 10GeV,50GeV in turn; from 1GeV:100GeV, evenly, or with "
            "even logarithms, 1GeV:100GeV:log.",
            show_default="the model's range",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="Take conditions and weights of the events in this file."),
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Translate the events in this file, one for one.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Once for each: NAME=VALUE, NAME=VALUE,VALUE in turn, or NAME=LOW:HIGH, such as "
            "flux=50:100, drawn evenly (:lin), or with even logarithms (:log), as the model "
            "learned by default.",
            show_default="the model's range",
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

    Example: `phys-gan generate calogan-eplus fast.h5 --like geant4.h5`
    """
    from phys_gan.generation import FastSim

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
    if translate:
        _translate(fast, translate, out, seed)
        return
    weights = None
    if like:
        conditions, weights = _like(fast, like)
    else:
        conditions = _drawn(fast, n or 0, energy, condition or [], seed)
    with on_cluster(cluster) as workers:
        _produce(fast, out, conditions, weights, seed, resume, workers, device)


def _translate(fast: FastSim, file: str, out: Path, seed: int) -> None:
    """Translate the events of a file."""
    from phys_gan.data import read, write

    began = time.monotonic()
    events = fast.translate(read(file, detector=fast.detector), seed=seed)
    write(out, events)
    _say(fast, out, len(events), 0, events.conditions.get("energy"), time.monotonic() - began)


def _produce(
    fast: FastSim,
    out: Path,
    conditions: Mapping[str, NDArray[np.float64]] | int,
    weights: NDArray[np.float64] | None,
    seed: int,
    resume: bool,
    workers: Cluster | None,
    device: str,
) -> None:
    """Generate events into a file, or go on with it."""
    from phys_gan.workflows.parts import standing
    from phys_gan.workflows.producing import produce

    began = time.monotonic()
    named = {} if isinstance(conditions, int) else conditions
    total = conditions if isinstance(conditions, int) else len(next(iter(conditions.values())))
    found = standing(out) if resume else None
    before = found[0] if found else 0
    worked = False
    with counting("events written", total) as bar:

        def report(done: int) -> None:
            nonlocal worked
            worked = True
            bar(done)

        count = produce(
            fast,
            out,
            conditions,
            weights=weights,
            seed=seed,
            resume=resume,
            cluster=workers,
            device=device,
            report=report,
        )
    if worked:
        _say(fast, out, count, before, named.get("energy"), time.monotonic() - began)
    else:
        typer.echo(f"{out} holds these {count} events already: nothing to do")


def _say(
    fast: FastSim,
    out: Path,
    count: int,
    before: int,
    energies: NDArray[np.float64] | None,
    seconds: float,
) -> None:
    """Say what was written, and how fast what had not been there before."""
    span = ""
    if energies is not None:
        span = f" from {format_energy(energies.min())} to {format_energy(energies.max())}"
    typer.echo(
        f"Wrote {count} events in '{fast.detector.name}'{span} to {out} "
        f"({(count - before) / max(seconds, 1e-9):,.0f} events per second"
        + (f", {before} were there)" if before else ")")
    )


def _like(
    fast: FastSim, file: str
) -> tuple[Mapping[str, NDArray[np.float64]] | int, NDArray[np.float64] | None]:
    """Return the conditions of the events in a file, or their number, and their weights."""
    from phys_gan.data import read

    sample = read(file, detector=fast.detector)
    conditions = sample.conditions if fast.model.encoding.named else len(sample)
    return conditions, sample.weights


def _drawn(
    fast: FastSim, n: int, energy: str | None, conditions: Sequence[str], seed: int
) -> Mapping[str, NDArray[np.float64]] | int:
    """Draw conditions as they are asked for; of a model without any, return the number."""
    from phys_gan.generation.drawing import draw_conditions

    given = read_conditions(conditions)
    if energy:
        if "energy" not in fast.model.encoding.named:
            raise ConfigError(
                f"events in '{fast.detector.name}' have no incident energy",
                remedy="leave --energy out",
                value=energy,
            )
        given["energy"] = parse_values(energy)
    return draw_conditions(fast.model.encoding, n, given, seed) or n
