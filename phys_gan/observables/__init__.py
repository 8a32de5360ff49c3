"""Observables of events, with labels, units and binning rules."""

# Importing these modules fills the registry.
from phys_gan.observables import builtin as _builtin  # noqa: F401
from phys_gan.observables import images as _images  # noqa: F401
from phys_gan.observables.registry import (
    MANY_LAYERS,
    OBSERVABLES,
    Compute,
    Observable,
    Wanted,
    measure,
    measure_block,
    observable,
    select,
)
from phys_gan.observables.sums import Showers, blocks, map_blocks

__all__ = [
    "MANY_LAYERS",
    "OBSERVABLES",
    "Compute",
    "Observable",
    "Showers",
    "Wanted",
    "blocks",
    "map_blocks",
    "measure",
    "measure_block",
    "observable",
    "select",
]
