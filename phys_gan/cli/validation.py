"""The commands validate and reweight: compare generated events with simulated ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phys_gan.cli.app import (
    ClusterOption,
    DetectorOption,
    FiguresOption,
    FormatOption,
    MappingOption,
    Seed,
    on_cluster,
    stages,
)
from phys_gan.errors import ConfigError, PhysGanError
from phys_gan.units import parse_energy, parse_size

if TYPE_CHECKING:
    from phys_gan.validation import Check


def validate(
    reference: Annotated[str, typer.Argument(help="Events of full simulation.")],
    candidates: Annotated[list[str], typer.Argument(help="Events to judge; one file or several.")],
    out: Annotated[Path, typer.Option(help="Directory for index.html and metrics.json.")],
    require: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 unless this holds, such as 'ks.max<0.1'; may be repeated."),
    ] = None,
    observable: Annotated[
        list[str] | None, typer.Option(help="Compare only this observable; may be repeated.")
    ] = None,
    slice_: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="NAME[=EDGES]",
            help="Compare also in slices of a condition, such as energy=1GeV,10GeV,100GeV; "
            "by default of the incident energy, or of the flux of galaxies.",
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME,NAME[=OBSERVABLES]",
            help="Map response, resolution, KS and AUC over two conditions, such as energy,theta "
            "or energy,theta=depth; may be repeated. By default the incident energy with each "
            "further condition that varies.",
        ),
    ] = None,
    reconstruction: Annotated[
        list[str] | None,
        typer.Option(
            help="Reconstruct and compare: photon (position, direction) or pi0 (mass of two "
            "photons); may be repeated."
        ),
    ] = None,
    classifier: Annotated[
        list[str] | None,
        typer.Option(help="Train a classifier on this: high, low, low-normalised or cnn."),
    ] = None,
    trees: Annotated[
        bool, typer.Option("--trees/--no-trees", help="Judge whole events by boosted trees.")
    ] = True,
    preset: Annotated[
        str, typer.Option(help="Settings of the classifier: quick or challenge.")
    ] = "quick",
    features: Annotated[
        list[str] | None,
        typer.Option(help="Further features for multivariate distances: conditions or inception."),
    ] = None,
    training: Annotated[
        str | None, typer.Option(help="Events that the model was trained on, to look for copies.")
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="The candidates are trainings of one model: show their spread as a band, and "
            "write histfactory.json.",
        ),
    ] = False,
    figures: FiguresOption = False,
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    memory: Annotated[
        str, typer.Option(help="Memory for the events of a sample, such as 1GB.")
    ] = "256MB",
    device: Annotated[
        str, typer.Option(help="Where to train classifiers, such as cpu or cuda.")
    ] = "cpu",
    cluster: ClusterOption = None,
    seed: Seed = 0,
) -> None:
    """Compare generated with simulated events in a report with errors and floors.

    Several candidates are shown side by side. The exit code is 1 if a requirement is not met.

    Example: `phys-gan validate geant4.h5 fast.h5 --out report --require 'ks.max<0.1'`
    """
    from phys_gan.validation import Options
    from phys_gan.workflows import validate as run

    options = Options(
        seed=seed,
        observables=observable or None,
        slices=dict(map(_slice, slice_)) if slice_ else ("energy", "flux"),
        maps=dict(map(_map, map_)) if map_ else None,
        reconstructions=tuple(reconstruction or ()),
        features=tuple(features or ()),
        classifiers=tuple(classifier or ()),
        trees=trees,
        preset=preset,
        device=device,
        kept_bytes=parse_size(memory),
    )
    with on_cluster(cluster) as workers, stages() as report:
        verdict = run(
            reference,
            candidates,
            out,
            require=require or [],
            training=training,
            ensemble=ensemble,
            options=options,
            figures=figures,
            detector=detector,
            format=format,
            mapping=mapping,
            report=report,
            cluster=workers,
        )
    typer.echo(verdict.comparisons.summary())
    print_checks(verdict.checks)
    typer.echo(f"\nOpen the report: {verdict.page.resolve()}")
    if not verdict.met:
        raise typer.Exit(1)


def reweight(
    reference: Annotated[str, typer.Argument(help="Events of full simulation.")],
    candidate: Annotated[str, typer.Argument(help="Generated events.")],
    out: Annotated[Path, typer.Argument(help="File to write: the generated events with weights.")],
    classifier: Annotated[
        str,
        typer.Option(help="What weights come from: trees, high, low or low-normalised."),
    ] = "trees",
    clip: Annotated[
        float, typer.Option(help="Largest weight, and the inverse of the smallest.")
    ] = 20.0,
    report: Annotated[
        Path | None,
        typer.Option(help="Directory for a report on the weighted beside the unweighted events."),
    ] = None,
    detector: DetectorOption = None,
    format: FormatOption = None,
    mapping: MappingOption = None,
    device: Annotated[
        str, typer.Option(help="Where to train networks, such as cpu or cuda.")
    ] = "cpu",
    seed: Seed = 0,
) -> None:
    """Give generated events weights with which they agree with full simulation.

    The weights of each half come from classifiers trained on the other half. What they close and
    what they cost is printed.

    Example: `phys-gan reweight geant4.h5 fast.h5 weighted.h5 --report report`
    """
    from phys_gan.workflows import reweight as run

    with stages() as progress:
        done = run(
            reference,
            candidate,
            out,
            classifier=classifier,
            clip=clip,
            report=report,
            seed=seed,
            device=device,
            detector=detector,
            format=format,
            mapping=mapping,
            progress=progress,
        )
    typer.echo(done.summary())
    typer.echo(f"\nWrote {done.n} weighted events to {done.out}")
    if done.page is not None:
        typer.echo(f"Open the report: {done.page.resolve()}")


def _slice(text: str) -> tuple[str, list[float] | None]:
    """Read ``NAME`` or ``NAME=EDGE,EDGE,...``; energies with their unit."""
    name, equals, edges = text.partition("=")
    if not equals:
        return name, None
    try:
        if name == "energy":
            return name, [parse_energy(edge) for edge in edges.split(",")]
        return name, [float(edge) for edge in edges.split(",")]
    except (ValueError, PhysGanError) as error:
        raise ConfigError(
            f"cannot read the edges of the slices '{text}'",
            remedy="write them like 'energy=1GeV,10GeV,100GeV' or 'theta=0,0.5,1'",
            value=text,
        ) from error


def _map(text: str) -> tuple[str, list[str]]:
    """Read ``NAME,NAME`` or ``NAME,NAME=OBSERVABLE,OBSERVABLE,...``."""
    pair, _, observables = text.partition("=")
    return pair, [name.strip() for name in observables.split(",") if name.strip()]


def print_checks(checks: Mapping[str, Sequence[Check]]) -> None:
    """Print which requirements are met, the others first."""
    rows = [(name, check) for name, found in checks.items() for check in found]
    if not rows:
        return
    failed = sum(not check.met for _, check in rows)
    typer.echo(f"\n{len(rows) - failed} of {len(rows)} requirements are met")
    width = max(len(check.requirement.text) for _, check in rows)
    for name, check in sorted(rows, key=lambda row: row[1].met):
        verdict = "met" if check.met else "NOT met"
        value = "not defined" if math.isnan(check.value) else f"{check.value:.4g}"
        where = f"   ({name})" if len(checks) > 1 else ""
        typer.echo(f"  {check.requirement.text:<{width}}  {value:>11}  {verdict}{where}")
