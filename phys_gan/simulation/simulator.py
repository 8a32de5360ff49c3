"""Events without files: :func:`simulate` makes what a detector measures.

A calorimeter measures showers (:mod:`phys_gan.simulation.showers`), an image galaxies
(:mod:`phys_gan.simulation.galaxies`), and a toy points of known density (:mod:`phys_gan.toys`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.simulation.galaxies import Engine, Given, simulate_galaxies
from phys_gan.simulation.showers import Spectrum, simulate_showers
from phys_gan.toys import TOYS, simulate_toy, truth_of
from phys_gan.units import find_particle

# What is simulated in each kind of detector, and its arguments beside number, seed and threads.
_CONTENT = {
    "calorimeter": ("a calorimeter, whose showers", ("particle", "energy", "spectrum")),
    "image": ("an image, whose galaxies", ("conditions", "engine")),
    "points": ("a toy, whose points", ()),
}


def simulate(
    detector: Detector | str | Path,
    n: int,
    *,
    particle: str | None = None,
    energy: tuple[float, float] | NDArray[np.float64] | None = None,
    seed: int = 0,
    spectrum: Spectrum | None = None,
    conditions: Mapping[str, Given] | None = None,
    engine: Engine | None = None,
    threads: int | None = None,
) -> Events:
    """Simulate showers in a calorimeter or galaxies in an image, or draw the points of a toy.

    Arguments:
        detector: A detector, the name of a built-in one or the path of a file: a calorimeter, as
            for :func:`phys_gan.simulation.showers.simulate_showers`, an image of one band, as for
            :func:`phys_gan.simulation.galaxies.simulate_galaxies`, or a toy, one of
            ``toy-gaussian``, ``toy-ring`` and ``toy-grid``.
        n: How many events.
        particle: ``"e+"`` (the default), ``"e-"`` or ``"gamma"``; only of showers.
        energy: Range of the incident kinetic energy [MeV], or its values, shape (n,); by default
            1 to 100 GeV; only of showers.
        seed: Seed of all random numbers.
        spectrum: Distribution of the energy within a range, by default uniform; only of showers.
        conditions: Conditions of galaxies by name: a value, a range, or values of shape (n,).
        engine: What makes galaxies: ``"numpy"`` (the default) or ``"galsim"``.
        threads: How many threads work on showers or galaxies.

    Returns:
        Events; those of a toy without conditions.

    Raises:
        PhysGanError: As in the simulators of showers and of galaxies.
        ConfigError: An argument means nothing for this kind of detector.
        RangeError: There is less than one thread.
        DetectorError: There is no such detector, or the density of the toy is not known here.

    Example:
        >>> simulate("toy-ring", 3)
        Events(3 x 2 cells, toy-ring, no conditions)
    """
    detector = load_detector(detector)
    if threads is not None and threads < 1:
        raise RangeError(f"threads = {threads} is less than 1", remedy="ask for at least one")
    showers = {"particle": particle, "energy": energy, "spectrum": spectrum}
    require_meaning(detector, {**showers, "conditions": conditions, "engine": engine})
    if detector.kind == "calorimeter":
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
            detector, n, conditions=conditions, seed=seed, engine=engine or "numpy", threads=threads
        )
    if truth_of(detector) is None:
        raise DetectorError(
            f"the density of '{detector.name}' is not known; available: {', '.join(TOYS)}",
            remedy="name one of these",
            value=detector.name,
            constraint=tuple(TOYS),
        )
    return simulate_toy(detector.name, n, seed)


def require_meaning(
    detector: Detector, given: Mapping[str, Any], options: Mapping[str, str] | None = None
) -> None:
    """Require that every argument that is given (is not None) has a meaning for the detector.

    Arguments:
        detector: The detector.
        given: Arguments of :func:`simulate` by name.
        options: How they are spelt where the user wrote them, if not by these names.

    Raises:
        ConfigError: One means nothing for this kind of detector.
    """
    content, arguments = _CONTENT[detector.kind]
    for name, value in given.items():
        if value is not None and name not in arguments:
            raise ConfigError(
                f"'{detector.name}' is {content} have no {name}",
                remedy=f"leave {options[name] if options else name} out",
                value=value,
            )
