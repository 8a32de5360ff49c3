"""Truth without files: parametric electromagnetic showers, galaxies, and toys of known density."""

from phys_gan.simulation.dispatch import require_meaning, simulate
from phys_gan.simulation.galaxies import simulate_galaxies

__all__ = ["require_meaning", "simulate", "simulate_galaxies"]
