"""Coverage: the particles that a model may simulate, by kind, energy and angle."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError, RangeError
from phys_gan.generation.fastsim import FastSim, model_card, pretrained_names
from phys_gan.units import find_particle

NORMAL_INCIDENCE = 0.01
"""Largest angle to the axis [rad] that still counts as normal incidence: the axis of the shower
moves by 1 mm in 100 mm of depth."""

_RECORDED = ("data_particle", "particle")


@dataclass(frozen=True)
class Coverage:
    """Particles that a model simulates; the others are left to full simulation.

    Arguments:
        pdg: Numbers of the Particle Data Group.
        energy: Lowest and highest kinetic energy [MeV].
        max_angle: Largest angle to the axis of the detector [rad]; pi takes all directions.

    Raises:
        RangeError: The energies run from high to low, or the angle is negative.
    """

    pdg: tuple[int, ...]
    energy: tuple[float, float]
    max_angle: float = NORMAL_INCIDENCE

    def __post_init__(self) -> None:
        low, high = self.energy
        if not 0 <= low <= high:
            raise RangeError(
                f"the energies {low:g} to {high:g} MeV are not a range",
                remedy="give (low, high)",
                value=self.energy,
            )
        if not 0 <= self.max_angle <= math.pi:
            raise RangeError(
                f"the largest angle {self.max_angle:g} is not between 0 and pi",
                remedy="give radians",
                value=self.max_angle,
                constraint=(0, math.pi),
            )

    @classmethod
    def of(
        cls,
        fast: FastSim,
        particles: Sequence[str | int] | None = None,
        *,
        name: str = "",
        energy: tuple[float, float] | None = None,
        max_angle: float = NORMAL_INCIDENCE,
    ) -> Coverage:
        """Take what is not given from the model.

        Arguments:
            fast: The model.
            particles: Names or PDG numbers; by default the one kind that it learned from.
            name: Name of a pretrained model, whose card names the particle.
            energy: Kinetic energies [MeV]; by default those of the training events.
            max_angle: Largest angle to the axis of the detector [rad].

        Raises:
            ConfigError: The model does not name the one kind of particle that it learned from.
            MissingError: A particle is not known.
            RangeError: The energies are outside the range of the model.

        Example:
            >>> fast = FastSim.load("calogan-eplus")
            >>> Coverage.of(fast, name="calogan-eplus").pdg
            (-11,)
        """
        if isinstance(particles, str | int):
            particles = [particles]
        if particles is None:
            particles = [_learned(fast, name)]
        low, high = fast.energy_range
        least, most = fast.model.encoding.allowed("energy", low, high)
        if energy is not None and not (energy[0] >= least and energy[1] <= most):
            raise RangeError(
                f"the model was trained from {low:g} to {high:g} MeV, not from {energy[0]:g} to "
                f"{energy[1]:g} MeV",
                remedy="cover energies inside this range",
                value=energy,
                constraint=(low, high),
            )
        pdg = tuple(dict.fromkeys(find_particle(particle).pdg for particle in particles))
        return cls(pdg, energy or (low, high), max_angle)

    def holds(
        self,
        pdg: NDArray[np.int64],
        energy: NDArray[np.float64],
        angle: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return which particles are covered, shape (n,); NaN is not.

        Arguments:
            pdg: PDG numbers, shape (n,).
            energy: Kinetic energies [MeV], shape (n,).
            angle: Angles to the axis of the detector [rad], shape (n,).
        """
        low, high = self.energy
        inside = (energy >= low) & (energy <= high)
        return np.isin(pdg, self.pdg) & inside & (angle <= self.max_angle)


def _learned(fast: FastSim, name: str) -> str:
    """Return the kind of particle that a model learned from."""
    recorded = next((text for key in _RECORDED if (text := fast.model.provenance.get(key))), "")
    if not recorded and name in pretrained_names():
        title = re.search(rf"^# {re.escape(name)}: (\S+) showers", model_card(name))
        recorded = title[1] if title else ""
    try:
        return find_particle(recorded).name
    except MissingError:
        known = f"'{recorded}'" if recorded else "nothing"
        raise ConfigError(
            f"the model{f' {name!r}' if name else ''} names {known} as its particle",
            remedy="name the particles that it may simulate, such as ['gamma']",
            value=recorded,
        ) from None
