"""Toys: points of known density, to try a method on before any shower."""

from phys_gan.toys.mixture import (
    TOYS,
    Mixture,
    ModeCount,
    count_modes,
    gaussian_kl,
    jensen_shannon,
    kullback_leibler,
    optimal_discriminator,
    optimal_value,
    simulate_toy,
    truth_of,
)

__all__ = [
    "TOYS",
    "Mixture",
    "ModeCount",
    "count_modes",
    "gaussian_kl",
    "jensen_shannon",
    "kullback_leibler",
    "optimal_discriminator",
    "optimal_value",
    "simulate_toy",
    "truth_of",
]
