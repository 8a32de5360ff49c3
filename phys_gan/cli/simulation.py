"""Commands that simulate: simulate, with all its engines, and new-geometry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from phys_gan.cli.app import (
    DeviceOption,
    FiguresOption,
    Seed,
    Set,
    counter,
    read_conditions,
    training_progress,
)
from phys_gan.cli.validation import print_checks
from phys_gan.errors import ConfigError
from phys_gan.randomness import stream
from phys_gan.units import (
    ANGLES,
    LENGTHS,
    Values,
    draw_values,
    format_energy,
    parse_energy,
    parse_quantity,
    parse_values,
)

if TYPE_CHECKING:
    from phys_gan.simulation import FullSimulation
    from phys_gan.simulation.galaxies import Given

_Spectrum = Literal["uniform", "log-uniform"]
_WAYS = "a value, values in turn or a range to draw from uniformly"
ThetaOption = Annotated[
    str | None,
    typer.Option(help=f"Of geant4: angle to the axis, 0.3 or 20deg; {_WAYS}.", show_default="0"),
]
PhiOption = Annotated[
    str | None,
    typer.Option(help="Of geant4: azimuth, such as 0:360deg.", show_default="0"),
]
XOption = Annotated[
    str | None,
    typer.Option(help="Of geant4: where particles enter, such as -5mm:5mm.", show_default="0"),
]
YOption = Annotated[
    str | None,
    typer.Option(help="Of geant4: where particles enter, such as -5mm:5mm.", show_default="0"),
]


def simulate(
    detector: Annotated[
        str,
        typer.Argument(
            help="Built-in detector, such as calogan, galaxies-32 or toy-ring, or a .toml or "
            "binning .xml file (file.xml:pion where it holds several particles)."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="File to write: .h5 or .root.")],
    n: Annotated[int, typer.Option("-n", help="Number of showers, galaxies or points.", min=1)],
    engine: Annotated[
        Literal["parametric", "geant4", "numpy", "galsim"] | None,
        typer.Option(
            help="Of showers: parametric, or geant4 for full simulation. Of galaxies: numpy or "
            "galsim.",
            show_default="parametric, numpy",
        ),
    ] = None,
    particle: Annotated[
        str | None,
        typer.Option(
            help="Of showers: e+, e- or gamma; with geant4 also several, in turn: e-,gamma.",
            show_default="e+",
        ),
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(
            help="Of showers: incident energy, 50GeV; 10GeV,50GeV in turn; a range 1GeV:100GeV, "
            "filled as --spectrum says, or 1GeV:100GeV:log.",
            show_default="1GeV:100GeV",
        ),
    ] = None,
    spectrum: Annotated[
        _Spectrum | None,
        typer.Option(help="Of showers: distribution of --energy.", show_default="uniform"),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Of galaxies, may be repeated: NAME=VALUE, NAME=VALUE,VALUE in turn, or "
            "NAME=LOW:HIGH to draw from, uniformly (:lin) or log-uniformly (:log). Names: flux (in "
            "the detector's unit), half_light_radius (arcsec), sersic_index, axis_ratio, "
            "position_angle (rad), noise (as flux, of a pixel). The others are drawn from a "
            "default range.",
            show_default=False,
        ),
    ] = None,
    theta: ThetaOption = None,
    phi: PhiOption = None,
    x: XOption = None,
    y: YOption = None,
    cut: Annotated[
        str | None,
        typer.Option(help="Of geant4: production cut.", show_default="0.7mm"),
    ] = None,
    physics: Annotated[
        str | None,
        typer.Option(
            help="Of geant4: em-analytic (e-, e+ and gamma, no data sets); em-standard or a "
            "reference list such as FTFP_BERT, with GEANT4_DATA_DIR set to Geant4's data sets.",
            show_default="em-analytic",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Of geant4: number of processes.", min=1, show_default="CPU cores"),
    ] = None,
    fast: Annotated[
        list[str] | None,
        typer.Option(
            help="Of geant4: model that simulates the particles it covers; may be repeated.",
            show_default=False,
        ),
    ] = None,
    above: Annotated[
        str | None,
        typer.Option(help="Of --fast: kinetic energy from which on it does.", show_default="all"),
    ] = None,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of geant4: continue an interrupted production.")
    ] = False,
) -> None:
    """Simulate showers, galaxies, or points of a toy, without other files.

    Example: `phys-gan simulate calogan showers.h5 -n 10000 --particle e+ --energy 1GeV:100GeV`

    Example: `phys-gan simulate calogan full.h5 -n 1000 --engine geant4 --energy 1GeV:100GeV:log`

    Example: `phys-gan simulate galaxies-32 stamps.h5 -n 10000 --condition flux=50:100`
    """
    from phys_gan.data import write
    from phys_gan.detectors import load_detector
    from phys_gan.simulation import FullSimulation, draw_incident, require_meaning
    from phys_gan.simulation import simulate as run
    from phys_gan.simulation.geant4 import CUT
    from phys_gan.simulation.geant4_data import ANALYTIC

    where = load_detector(detector)
    directions = {"theta": theta, "phi": phi, "x": x, "y": y}
    given: dict[str, Any] = {"particle": particle, "energy": energy, "spectrum": spectrum}
    given |= {"conditions": condition or None, **directions, "cut": cut, "physics": physics}
    given |= {"workers": workers, "fast": fast or None, "above": above, "resume": resume or None}
    names = {name: f"--{name}" for name in (*given, "engine")}
    names["conditions"] = "--condition"
    require_meaning(where, given, engine, names)
    if where.is_toy:
        events, made = run(where, n, seed=seed), "points of"
    elif where.is_image:
        conditions = _drawn(read_conditions(condition or []), n, seed, "galaxies")
        events = run(where, n, conditions=conditions, engine=engine, seed=seed)
        made = "galaxies in"
    elif engine == "geant4":
        if above and not fast:
            raise ConfigError("--above goes with --fast", remedy="name a model, or leave it out")
        energies, filled = _incident(energy or "1GeV:100GeV", n, spectrum)
        values = read_conditions(condition or []) | _incidence(directions)
        incident = draw_incident(
            n,
            particle.split(",") if particle else None,
            energies,
            filled,
            _drawn(values, n, seed, "incident"),
            seed,
        )
        full = FullSimulation(
            where,
            cut=CUT if cut is None else parse_quantity(cut, LENGTHS),
            physics=physics or ANALYTIC,
            workers=workers,
        )
        _full_simulation(full, out, incident, seed, resume, fast, above)
        return
    else:
        energies, filled = _incident(energy or "1GeV:100GeV", n, spectrum)
        events = run(where, n, particle=particle, energy=energies, spectrum=filled, seed=seed)
        made = f"{particle or 'e+'} showers in"
    write(out, events)
    typer.echo(f"Wrote {n} {made} '{where.name}' to {out}")


def _drawn(given: Mapping[str, Values], n: int, seed: int, what: str) -> dict[str, Given]:
    """Draw conditions of n events that their simulator does not draw itself."""
    drawn: dict[str, Given] = {}
    for name, values in given.items():
        if isinstance(values, list) or (isinstance(values, tuple) and len(values) == 3):
            drawn[name] = draw_values(values, n, stream(seed, f"{what} {name}"))
        else:
            drawn[name] = values
    return drawn


def _incident(
    text: str, n: int, spectrum: _Spectrum | None
) -> tuple[tuple[float, float] | NDArray[np.float64], _Spectrum | None]:
    """Return incident energies [MeV], or their range and how they fill it."""
    values = parse_values(text)
    if not isinstance(values, tuple):
        return np.resize(np.asarray(values, np.float64), n), spectrum
    low, high = values[:2]
    if len(values) == 3:
        stated: _Spectrum = "log-uniform" if values[2] == "log" else "uniform"
        if spectrum not in (None, stated):
            raise ConfigError(
                f"--energy {text} and --spectrum {spectrum} contradict each other",
                remedy="leave --spectrum out",
                value=spectrum,
            )
        spectrum = stated
    return (low, high), spectrum


def _incidence(given: Mapping[str, str | None]) -> dict[str, Values]:
    """Read angles [rad] and positions [mm]."""
    found = {}
    for name, text in given.items():
        if text is not None:
            units = ANGLES if name in ("theta", "phi") else LENGTHS
            found[name] = parse_values(text, partial(parse_quantity, units=units))
    return found


def _full_simulation(
    full: FullSimulation,
    out: Path,
    incident: Mapping[str, NDArray[np.float64]],
    seed: int,
    resume: bool,
    models: list[str] | None,
    above: str | None,
) -> None:
    """Write a production of full simulation, perhaps with models in it."""
    from phys_gan.workflows.manifest import Simulation, events_written
    from phys_gan.workflows.production import produce

    source: Simulation = full
    hybrid = None
    if models:
        from phys_gan.generation.plugins.geant4 import HybridSimulation

        least = parse_energy(above) if above else 0.0
        source = hybrid = HybridSimulation.of(full, models, above=least)
    began, total = time.monotonic(), len(incident["energy"])
    found = events_written(out) if resume else None
    before, worked = found[0] if found else 0, False
    with counter("showers", total, rate=True) as bar:

        def report(done: int) -> None:
            nonlocal worked
            worked = True
            bar(done)

        produce(source, out, incident, seed=seed, resume=resume, report=report)
    if not worked:
        typer.echo(f"{out} holds these {total} showers already: nothing to do")
        return
    kinds = full.provenance(incident["pdg"])["particle"]
    low, high = (format_energy(end(incident["energy"])) for end in (np.min, np.max))
    rate = (total - before) / max(time.monotonic() - began, 1e-9)
    there = f", {before} were there" if before else ""
    typer.echo(
        f"Wrote {total} {kinds} showers in '{full.detector.name}' from {low} to {high} to {out} "
        f"({rate:.3g} showers per second{there})"
    )
    if hybrid:
        typer.echo(hybrid.summary())


def new_geometry(
    detector: Annotated[
        str,
        typer.Argument(help="Calorimeter: a .toml file with its slabs, or a built-in one."),
    ],
    out: Annotated[Path, typer.Option(help="Directory for everything.")],
    n: Annotated[int, typer.Option("-n", help="Number of showers of full simulation.")] = 5000,
    particle: Annotated[str, typer.Option(help="The incident particle: e-, e+ or gamma.")] = "e-",
    energy: Annotated[
        str, typer.Option(help="Range of the incident energy, LOW:HIGH:log or :lin.")
    ] = "1GeV:100GeV:log",
    minutes: Annotated[float, typer.Option(help="Longest training.")] = 10.0,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe to train with.", show_default="demo; ecal-fine for over 2,000 cells"
        ),
    ] = None,
    set_: Set = None,
    cut: Annotated[str, typer.Option(help="Production cut of Geant4.")] = "0.7mm",
    physics: Annotated[str, typer.Option(help="As for simulate.")] = "em-analytic",
    workers: Annotated[
        int | None,
        typer.Option(help="Number of processes with Geant4.", min=1, show_default="CPU cores"),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(help="Requirement such as 'ks.max<0.1'; may be repeated. Exit 1 if not met."),
    ] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    figures: FiguresOption = False,
) -> None:
    """Simulate a detector with Geant4, train a model of it, and write a page about both.

    Simulate, split, train, generate, compare, export: the same command goes on where it broke off.
    The showers take what they take; the time that is left is shown.

    Example: `phys-gan new-geometry my.toml --out studies/my -n 5000 --minutes 10`
    """
    from phys_gan.detectors import load_detector
    from phys_gan.training import Unfinished
    from phys_gan.workflows import new_geometry as run
    from phys_gan.workflows.geometry import choose_recipe

    energies, filled = _incident(energy, n, None)
    if not isinstance(energies, tuple):
        raise ConfigError(
            f"'{energy}' is not a range of energies", remedy="write LOW:HIGH, such as 1GeV:100GeV"
        )
    where = load_detector(detector)
    chosen = choose_recipe(where, recipe, minutes, set_ or [])
    # One bar at a time.
    bars, shown = ExitStack(), dict[str, Callable[..., None]]()

    def say(text: str) -> None:
        bars.close()
        typer.echo(text)

    def simulated(done: int) -> None:
        if "simulation" not in shown:
            shown["simulation"] = bars.enter_context(counter("showers", n, rate=True))
        shown["simulation"](done)

    def trained(events: int, scalars: Mapping[str, Any]) -> None:
        if "training" not in shown:
            bar = training_progress(chosen.training.events)
            shown["training"] = bars.enter_context(bar)
        shown["training"](events, scalars)

    try:
        with bars:
            done = run(
                where,
                out,
                n,
                particle=particle,
                energy=energies,
                spectrum=filled or "uniform",
                recipe=chosen,
                seed=seed,
                cut=parse_quantity(cut, LENGTHS),
                physics=physics,
                workers=workers,
                require=require or [],
                device=device,
                figures=figures,
                say=say,
                simulated=simulated,
                trained=trained,
            )
    except Unfinished as stop:
        # The command itself goes on.
        raise KeyboardInterrupt from stop
    typer.echo(done.comparison.summary().partition("\n")[0])
    typer.echo(str(done.speed))
    print_checks({"generated": done.checks})
    typer.echo(f"\nOpen the page: {done.page.resolve()}")
    if not all(check.met for check in done.checks):
        raise typer.Exit(1)
