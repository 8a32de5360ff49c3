"""Events without files: parametric electromagnetic showers and galaxies, and points of toys."""

from phys_gan.simulation.galaxies import simulate_galaxies
from phys_gan.simulation.simulator import require_meaning, simulate

__all__ = ["require_meaning", "simulate", "simulate_galaxies"]
