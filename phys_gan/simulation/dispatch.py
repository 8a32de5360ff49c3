"""One function for all that is simulated here: showers, galaxies, points of a toy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.simulation import showers
from phys_gan.simulation.galaxies import Engine, Given, simulate_galaxies
from phys_gan.simulation.showers import Spectrum
from phys_gan.toys import TOYS, simulate_toy, truth_of
from phys_gan.units import find_particle

__all__ = ["require_meaning", "simulate"]

_OWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "a toy, whose points": (),
        "an image, whose galaxies": ("conditions", "engine"),
        "a calorimeter, whose showers": ("particle", "energy", "spectrum"),
    }
)
"""What each kind of detector is simulated with, beside the number of events and the seed."""


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
            for :func:`phys_gan.simulation.showers.simulate`, an image of one band, as for
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
        raise RangeError(
            f"threads = {threads} is no number of threads", remedy="ask for at least one"
        )
    given = {
        "particle": particle,
        "energy": energy,
        "spectrum": spectrum,
        "conditions": conditions,
        "engine": engine,
    }
    require_meaning(detector, given)
    if detector.is_image:
        return simulate_galaxies(
            detector,
            n,
            conditions=conditions,
            seed=seed,
            engine=engine or "numpy",
            threads=threads,
        )
    if detector.is_toy:
        if truth_of(detector) is None:
            raise DetectorError(
                f"the density of '{detector.name}' is not known; available: {', '.join(TOYS)}",
                remedy="name one of these",
                value=detector.name,
                constraint=tuple(TOYS),
            )
        return simulate_toy(detector.name, n, seed)
    return showers.simulate(
        detector,
        n,
        particle=find_particle(particle or "e+").name,
        energy=(1e3, 1e5) if energy is None else energy,
        seed=seed,
        spectrum=spectrum or "uniform",
        threads=threads,
    )


def require_meaning(
    detector: Detector, given: Mapping[str, Any], options: Mapping[str, str] | None = None
) -> None:
    """Require that everything that is given (is not None) says something about such a detector.

    Arguments:
        detector: The detector.
        given: Arguments of :func:`simulate` by name.
        options: How those are spelt where their user wrote them, if not by these names.

    Raises:
        ConfigError: Something means nothing for this kind of detector.
    """
    if detector.is_toy:
        kind = "a toy, whose points"
    else:
        kind = "an image, whose galaxies" if detector.is_image else "a calorimeter, whose showers"
    for name, value in given.items():
        if value is not None and name not in _OWN[kind]:
            raise ConfigError(
                f"'{detector.name}' is {kind} have no {name}",
                remedy=f"leave {options[name] if options else name} out",
                value=value,
            )
