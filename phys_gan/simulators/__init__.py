"""Truth without files: parametric electromagnetic showers, galaxies, and toys of known density."""

from phys_gan.simulators.dispatch import require_meaning, simulate
from phys_gan.simulators.galaxies import simulate_galaxies

__all__ = ["require_meaning", "simulate", "simulate_galaxies"]
