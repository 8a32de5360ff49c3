"""Commands on trained models: generate, export, explore, models, cite, benchmark."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phys_gan.cli.app import (
    ClusterOption,
    CompileOption,
    DeviceOption,
    FiguresOption,
    ModelArgument,
    PrecisionOption,
    Seed,
    counter,
    on_cluster,
    read_conditions,
    stages,
)
from phys_gan.errors import ConfigError, MissingError
from phys_gan.files import atomic_file
from phys_gan.units import format_energy, parse_energies, parse_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from phys_gan.generation import FastSim
    from phys_gan.workflows.benchmark import Generate
    from phys_gan.workflows.cluster import Cluster


def generate(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int | None, typer.Option("-n", help="Number of events.", min=1)] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Incident energy: 50GeV; 10GeV,50GeV in turn; a range 1GeV:100GeV, drawn from "
            "uniformly, or log-uniformly, 1GeV:100GeV:log.",
            show_default="the model's range",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="Take conditions and weights from the events in this file."),
    ] = None,
    translate: Annotated[
        str | None, typer.Option(help="Translate the events in this file, one for one.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE, NAME=VALUE,VALUE in turn, or NAME=LOW:HIGH, such as flux=50:100, "
            "drawn from uniformly (:lin) or log-uniformly (:log), by default as the model learned; "
            "may be repeated.",
            show_default="the model's range",
        ),
    ] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    compiled: CompileOption = False,
    cluster: ClusterOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted production, if there is one.")
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
            "one of -n, --like and --translate is needed; --energy and --condition go with -n",
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
    conditions, weights = _wanted(fast, n, like, energy, condition or [], seed)
    with on_cluster(cluster) as workers:
        _produce(fast, out, conditions, weights, seed, resume, workers, device)


def _wanted(
    fast: FastSim,
    n: int | None,
    like: str | None,
    energy: str | None,
    conditions: Sequence[str],
    seed: int,
) -> tuple[Mapping[str, NDArray[np.float64]] | int, NDArray[np.float64] | None]:
    """Return conditions, or of a model without any the number of events, and weights."""
    named = fast.model.encoding.named
    if like:
        from phys_gan.data import read

        sample = read(like, detector=fast.detector)
        return sample.conditions if named else len(sample), sample.weights
    from phys_gan.generation import draw_conditions

    given = read_conditions(conditions)
    if energy:
        if "energy" not in named:
            raise ConfigError(
                f"events in '{fast.detector.name}' have no incident energy",
                remedy="leave --energy out",
                value=energy,
            )
        given["energy"] = parse_values(energy)
    n = n or 0
    return draw_conditions(fast.model.encoding, n, given, seed) or n, None


def _translate(fast: FastSim, file: str, out: Path, seed: int) -> None:
    from phys_gan.data import read, write

    began = time.monotonic()
    events = fast.translate(read(file, detector=fast.detector), seed=seed)
    write(out, events)
    energy = events.conditions.get("energy")
    _summarise(fast, out, len(events), 0, energy, time.monotonic() - began)


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
    from phys_gan.workflows.manifest import events_written
    from phys_gan.workflows.production import produce

    began = time.monotonic()
    named = {} if isinstance(conditions, int) else conditions
    total = conditions if isinstance(conditions, int) else len(next(iter(conditions.values())))
    found = events_written(out) if resume else None
    worked = False
    with counter("events written", total) as bar:

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
    if not worked:
        typer.echo(f"{out} holds these {count} events already: nothing to do")
        return
    before = found[0] if found else 0
    _summarise(fast, out, count, before, named.get("energy"), time.monotonic() - began)


def _summarise(
    fast: FastSim,
    out: Path,
    count: int,
    before: int,
    energies: NDArray[np.float64] | None,
    seconds: float,
) -> None:
    """Print what was written, and how fast those events that had not been there before."""
    span = ""
    if energies is not None:
        span = f" from {format_energy(energies.min())} to {format_energy(energies.max())}"
    typer.echo(
        f"Wrote {count} events in '{fast.detector.name}'{span} to {out} "
        f"({(count - before) / max(seconds, 1e-9):,.0f} events per second"
        + (f", {before} were there)" if before else ")")
    )


def export(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="File to write: OUT.onnx.")],
    target: Annotated[
        str,
        typer.Option(
            help="Program to write for: generic (any), par04 (Geant4), ddml-grid (key4hep), "
            "fastcalosim (ATLAS) or galsim."
        ),
    ] = "generic",
    energy_scale: Annotated[
        float,
        typer.Option(help="Factor on all cells, such as 0.033 for CaloChallenge's 1/0.033."),
    ] = 1.0,
    energy_range: Annotated[
        str | None,
        typer.Option(
            help="For fastcalosim, energies at which its condition is 0 and 1, such as 4GeV:4TeV.",
            show_default="the model's range",
        ),
    ] = None,
    particle: Annotated[
        str, typer.Option(help="For fastcalosim and ddml-grid, particle of the showers.")
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
        f"ONNX Runtime reproduces the events of torch within {done.parity.worst:.1g} of their "
        f"largest cell ({done.parity.events} events in, at and beyond the range)"
    )


def explore(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Directory for index.html and explore.json.")],
    n: Annotated[
        int, typer.Option("-n", help="Latents at each value of a condition.", min=2)
    ] = 200,
    figures: FiguresOption = False,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Show what a model does: events, every condition over its range, latent walks.

    The page tells of each condition whether what is measured rises with it over its whole range.

    Example: `phys-gan explore runs/galaxies --out explored`
    """
    from phys_gan.workflows import explore as run

    with stages() as report:
        done = run(model, out, n=n, seed=seed, figures=figures, device=device, report=report)
    typer.echo(done.summary())
    typer.echo(f"\nOpen the page: {(out / 'index.html').resolve()}")


def models(
    name: Annotated[str | None, typer.Argument(help="Print the card of this model.")] = None,
) -> None:
    """List the pretrained models, or print the card of one: data, numbers, validity, licence.

    Example: `phys-gan models calogan-eplus`
    """
    from phys_gan.generation import model_card, pretrained_names

    if name is not None:
        typer.echo(model_card(name), nl=False)
        return
    for known in pretrained_names():
        title = next(line for line in model_card(known).splitlines() if line.startswith("# "))
        typer.echo(f"{known:28} {title.removeprefix('# ').partition(': ')[2]}")


def cite(
    what: Annotated[
        str,
        typer.Argument(
            help="Recipe, recipe .toml, run directory, .safetensors file or pretrained model."
        ),
    ],
) -> None:
    """Print the BibTeX of exactly what a recipe or a model used.

    Example: `phys-gan cite runs/ecal > references.bib`
    """
    from phys_gan.workflows.exploration import cite as run

    typer.echo(run(what))


def benchmark(
    model: ModelArgument = "calogan-eplus",
    n: Annotated[int, typer.Option("-n", help="Events to generate into a file.", min=1)] = 100_000,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    compiled: CompileOption = False,
    onnx: Annotated[
        bool, typer.Option(help="Measure the exported graph in ONNX Runtime too.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Write the numbers to this .json file.")] = None,
) -> None:
    """Measure how fast a model generates on this machine, and relative to what.

    Example: `phys-gan benchmark calogan-eplus --out speed.json`
    """
    from phys_gan.generation import FastSim
    from phys_gan.workflows.benchmark import benchmark as measure
    from phys_gan.workflows.benchmark import exported

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
            temporary.write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")
    typer.echo(found.table(model))
