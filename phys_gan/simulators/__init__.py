"""Truth without files: parametric electromagnetic showers, the embedded default source."""

from phys_gan.simulators.showers import simulate

__all__ = ["simulate"]
