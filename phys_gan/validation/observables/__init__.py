"""What is compared: observables of events with labels, units and binning rules."""

# Whoever asks for the registry finds it filled.
from phys_gan.validation.observables import builtin as _builtin  # noqa: F401
from phys_gan.validation.observables.registry import (
    MANY_LAYERS,
    OBSERVABLES,
    Observable,
    measure,
    observable,
    select,
)

__all__ = ["MANY_LAYERS", "OBSERVABLES", "Observable", "measure", "observable", "select"]
