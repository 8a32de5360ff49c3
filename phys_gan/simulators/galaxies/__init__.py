"""Galaxies: Sersic profiles seen through the atmosphere by a camera, and by GalSim."""

from phys_gan.simulators.galaxies.conditions import CONDITIONS, Condition, Given
from phys_gan.simulators.galaxies.simulation import Engine, simulate_galaxies

__all__ = ["CONDITIONS", "Condition", "Engine", "Given", "simulate_galaxies"]
