"""Events without files: full simulation, parametric showers and galaxies, and points of toys."""

from phys_gan.simulation.galaxies import simulate_galaxies
from phys_gan.simulation.simulator import draw_incident, require_meaning, simulate
from phys_gan.simulation.workers import FullSimulation

__all__ = [
    "FullSimulation",
    "draw_incident",
    "require_meaning",
    "simulate",
    "simulate_galaxies",
]
