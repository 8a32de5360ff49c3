"""Events without files: :func:`simulate` makes what a detector measures.

A calorimeter measures showers, of parametrised profiles (:mod:`phys_gan.simulation.showers`) or of
full simulation (:mod:`phys_gan.simulation.workers`), an image galaxies
(:mod:`phys_gan.simulation.galaxies`), and a toy points of known density (:mod:`phys_gan.toys`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.simulation.galaxies import Given, simulate_galaxies
from phys_gan.simulation.geant4 import CUT
from phys_gan.simulation.geant4_data import ANALYTIC
from phys_gan.simulation.showers import Spectrum, incident_energies, simulate_showers
from phys_gan.simulation.workers import INCIDENCE, FullSimulation
from phys_gan.toys import TOYS, simulate_toy, truth_of
from phys_gan.units import find_particle

Engine = Literal["parametric", "geant4", "numpy", "galsim"]

# What only full simulation has, here and on the command line.
_FULL = ("conditions", "workers", "cut", "physics", "fast", "above", "resume", *INCIDENCE)
# What is simulated in each kind of detector, with what, and its arguments beside number, seed and
# threads.
_CONTENT: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "calorimeter": (
        "a calorimeter, whose showers",
        ("parametric", "geant4"),
        ("particle", "energy", "spectrum", *_FULL),
    ),
    "image": ("an image, whose galaxies", ("numpy", "galsim"), ("conditions",)),
    "points": ("a toy, whose points", (), ()),
}


def simulate(
    detector: Detector | str | Path,
    n: int,
    *,
    particle: str | Sequence[str] | None = None,
    energy: tuple[float, float] | NDArray[np.float64] | None = None,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    conditions: Mapping[str, Given] | None = None,
    engine: Engine | None = None,
    threads: int | None = None,
    workers: int | None = None,
    cut: float | None = None,
    physics: str | None = None,
) -> Events:
    """Simulate showers in a calorimeter or galaxies in an image, or draw the points of a toy.

    Arguments:
        detector: A detector, the name of a built-in one or the path of a file: a calorimeter, as
            for :func:`phys_gan.simulation.showers.simulate_showers`, an image of one band, as for
            :func:`phys_gan.simulation.galaxies.simulate_galaxies`, or a toy, one of
            ``toy-gaussian``, ``toy-ring`` and ``toy-grid``.
        n: How many events.
        particle: ``"e+"`` (the default), ``"e-"`` or ``"gamma"``; only of showers. With Geant4
            also several, in turn, and with its data sets others.
        energy: Range of the incident kinetic energy [MeV], or its values, shape (n,); by default
            1 to 100 GeV; only of showers.
        seed: Seed of all random numbers.
        spectrum: Distribution of the energy within a range, by default uniform; only of showers.
        conditions: Conditions by name: a value, a range, or values of shape (n,). Of galaxies, and
            with Geant4 of particles: ``theta``, ``phi`` [rad], ``x`` and ``y`` [mm], 0 by default.
        engine: What makes showers, ``"parametric"`` (the default) or ``"geant4"``, full
            simulation; or galaxies, ``"numpy"`` (the default) or ``"galsim"``.
        threads: How many threads work on parametric showers or galaxies.
        workers: How many processes run Geant4, by default one per CPU core.
        cut: Geant4's production cut [mm], by default 0.7.
        physics: What Geant4 simulates, see
            :class:`phys_gan.simulation.workers.FullSimulation`.

    Returns:
        Events; those of a toy without conditions. Showers have the condition ``energy`` [MeV], with
        Geant4 also ``pdg``, ``theta``, ``phi``, ``x`` and ``y``, and the energy beside the cells of
        each layer as ``overflow``.

    Raises:
        PhysGanError: As in the simulators of showers and of galaxies.
        ConfigError: An argument means nothing for this kind of detector or engine.
        RangeError: There is less than one thread.
        DetectorError: There is no such detector, or the density of the toy is not known here.

    Example:
        >>> simulate("toy-ring", 3)
        Events(3 x 2 cells, toy-ring, no conditions)
    """
    detector = load_detector(detector)
    if threads is not None and threads < 1:
        raise RangeError(f"threads = {threads} is less than 1", remedy="ask for at least one")
    given = {"particle": particle, "energy": energy, "spectrum": spectrum, "conditions": conditions}
    own = {"workers": workers, "cut": cut, "physics": physics}
    require_meaning(detector, {**given, **own}, engine)
    if detector.kind == "calorimeter" and engine == "geant4":
        full = FullSimulation(
            detector,
            cut=CUT if cut is None else cut,
            physics=physics or ANALYTIC,
            workers=workers,
        )
        incident = draw_incident(n, particle, energy, spectrum, conditions, seed)
        return Events.concatenate(list(full.stream(incident, seed)))
    if detector.kind == "calorimeter":
        if not isinstance(particle, str | None):
            raise ConfigError(
                "parametric showers have one kind of particle",
                remedy="give one name",
                value=particle,
            )
        return simulate_showers(
            detector,
            n,
            particle=find_particle(particle or "e+").name,
            energy=(1e3, 1e5) if energy is None else energy,
            seed=seed,
            spectrum=spectrum or "uniform",
            threads=threads,
        )
    if detector.kind == "image":
        return simulate_galaxies(
            detector,
            n,
            conditions=conditions,
            seed=seed,
            engine="galsim" if engine == "galsim" else "numpy",
            threads=threads,
        )
    if truth_of(detector) is None:
        raise DetectorError(
            f"the density of '{detector.name}' is not known; available: {', '.join(TOYS)}",
            remedy="name one of these",
            value=detector.name,
            constraint=tuple(TOYS),
        )
    return simulate_toy(detector.name, n, seed)


def draw_incident(
    n: int,
    particle: str | Sequence[str] | None = None,
    energy: tuple[float, float] | NDArray[np.float64] | None = None,
    spectrum: Spectrum | None = None,
    conditions: Mapping[str, Given] | None = None,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Draw the incident particles of full simulation; the arguments are those of :func:`simulate`.

    Ranges are filled uniformly, each from a random stream of its own: the first particles of a
    larger sample are those of a smaller one.

    Returns:
        ``energy`` [MeV], ``pdg``, ``theta``, ``phi`` [rad], ``x`` and ``y`` [mm], each (n,).

    Raises:
        MissingError: A particle is not known, or a condition is not one of a particle.
        RangeError: There are less than one, or a range does not rise.
        DataError: There is not one value per event.
    """
    if n < 1:
        raise RangeError(f"n = {n} is less than 1", remedy="ask for at least one event", value=n)
    kinds = [particle or "e+"] if isinstance(particle, str | None) else list(particle)
    numbers = [find_particle(kind).pdg for kind in kinds]
    drawn = {
        "energy": incident_energies((1e3, 1e5) if energy is None else energy, n, seed, spectrum),
        "pdg": np.resize(np.asarray(numbers, np.float64), n),
        **{name: np.zeros(n) for name in INCIDENCE},
    }
    for name, given in (conditions or {}).items():
        if name not in INCIDENCE:
            raise MissingError(
                f"a particle has no condition '{name}'; it has {', '.join(INCIDENCE)}",
                remedy="leave it out",
                value=name,
            )
        if isinstance(given, tuple):
            if not given[0] <= given[1]:
                raise RangeError(
                    f"the range {given[0]:g} to {given[1]:g} of {name} runs from high to low",
                    remedy="give the smaller value first",
                    value=given,
                )
            drawn[name] = stream(seed, f"incident {name}").uniform(*given, n)
            continue
        values = np.asarray(given, np.float64)
        if values.shape not in ((), (n,)):
            raise DataError(
                f"{name} has shape {values.shape}, but n = {n}",
                remedy="give one value per event, a number, or a range as a tuple of two numbers",
                value=values.shape,
                constraint=(n,),
            )
        drawn[name] = np.broadcast_to(values, (n,)).copy()
    return drawn


def require_meaning(
    detector: Detector,
    given: Mapping[str, Any],
    engine: str | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Require that every argument that is given (is not None) has a meaning for the detector.

    Arguments:
        detector: The detector.
        given: Arguments of :func:`simulate` by name.
        engine: What simulates; None for the default.
        options: How arguments are spelt where the user wrote them, if not by these names.

    Raises:
        ConfigError: One means nothing for this kind of detector or engine.
    """
    content, engines, arguments = _CONTENT[detector.kind]
    spelt = options or {}
    if engine is not None and engine not in engines:
        raise ConfigError(
            f"'{detector.name}' is {content} are not made by {engine}; "
            f"available: {', '.join(engines) or 'one way only'}",
            remedy=f"leave {spelt.get('engine', 'engine')} out, or name one of these",
            value=engine,
            constraint=engines,
        )
    for name, value in given.items():
        option = spelt.get(name, name)
        if value is not None and name not in arguments:
            raise ConfigError(
                f"'{detector.name}' is {content} have no {name}",
                remedy=f"leave {option} out",
                value=value,
            )
        if value is not None and name in _FULL and engines[:1] == ("parametric",):
            if engine == "geant4":
                continue
            raise ConfigError(
                f"parametric showers have no {option.removeprefix('--')}",
                remedy="leave it out, or simulate with Geant4 (--engine geant4)",
                value=value,
            )
