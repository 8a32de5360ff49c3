"""Truth without files: parametric electromagnetic showers, and toys of known density."""

from phys_gan.simulators.dispatch import simulate

__all__ = ["simulate"]
