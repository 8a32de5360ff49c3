"""What is compared: observables of events with labels, units and binning rules."""

# Whoever asks for the registry finds it filled.
from phys_gan.validation.observables import builtin as _builtin  # noqa: F401
from phys_gan.validation.observables import calogan as _calogan  # noqa: F401
from phys_gan.validation.observables import points as _points  # noqa: F401
from phys_gan.validation.observables.images import registered as _images  # noqa: F401
from phys_gan.validation.observables.registry import (
    OBSERVABLES,
    Compute,
    Observable,
    measure,
    measure_block,
    observable,
)
from phys_gan.validation.observables.selecting import MANY_LAYERS, Wanted, select
from phys_gan.validation.observables.showers import Showers, blocks, map_blocks

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
