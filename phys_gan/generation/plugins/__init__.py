"""The generator inside analysis pipelines: awkward arrays, coffea's processors, Dask."""

from phys_gan.generation.plugins.chunks import (
    ParticleProcessor,
    add_up,
    file_seed,
    map_particles,
    sum_energies,
)
from phys_gan.generation.plugins.detector import NORMAL_INCIDENCE, Coverage, FastDetector
from phys_gan.generation.plugins.particles import read_particles
from phys_gan.generation.plugins.showers import (
    MOST_PARTICLES,
    SimulatedCells,
    SimulatedHits,
    simulate_hits,
    simulate_particles,
)

__all__ = [
    "MOST_PARTICLES",
    "NORMAL_INCIDENCE",
    "Coverage",
    "FastDetector",
    "ParticleProcessor",
    "SimulatedCells",
    "SimulatedHits",
    "add_up",
    "file_seed",
    "map_particles",
    "read_particles",
    "simulate_hits",
    "simulate_particles",
    "sum_energies",
]
