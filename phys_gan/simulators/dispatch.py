"""One function for all that is simulated here: showers in a detector, points of a toy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events
from phys_gan.simulators import showers
from phys_gan.simulators.showers import Spectrum
from phys_gan.toys import TOYS, simulate_toy, truth_of

__all__ = ["simulate"]


def simulate(
    detector: Detector,
    n: int,
    *,
    particle: str = "e+",
    energy: tuple[float, float] | NDArray[np.float64] = (1e3, 1e5),
    seed: int = 0,
    spectrum: Spectrum = "uniform",
    threads: int | None = None,
) -> Events:
    """Simulate parametric showers in a calorimeter, or draw the points of a toy.

    Arguments:
        detector: A calorimeter, as for :func:`phys_gan.simulators.showers.simulate`, or a toy, one
            of ``toy-gaussian``, ``toy-ring`` and ``toy-grid``.
        n: How many events.
        particle: ``"e+"``, ``"e-"`` or ``"gamma"``; a toy has none.
        energy: Range of the incident kinetic energy [MeV], or its values, shape (n,); a toy has
            none.
        seed: Seed of all random numbers.
        spectrum: Distribution of the energy within a range.
        threads: How many threads work on showers.

    Returns:
        Events; those of a toy without conditions.

    Raises:
        PhysGanError: As in :func:`phys_gan.simulators.showers.simulate`.
        DetectorError: The density of the toy is not known here.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> simulate(load_detector("toy-ring"), 3)
        Events(3 x 2 cells, toy-ring, no conditions)
    """
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
        particle=particle,
        energy=energy,
        seed=seed,
        spectrum=spectrum,
        threads=threads,
    )
