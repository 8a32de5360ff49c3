"""Fast detector simulation with conditional GANs: read, train, generate, validate.

Everything here is imported on first use: ``import phys_gan`` alone loads neither torch nor
matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from phys_gan._version import __version__

_HOMES = {
    "Comparison": "phys_gan.validation",
    "Detector": "phys_gan.detectors",
    "Events": "phys_gan.events",
    "FastSim": "phys_gan.generation",
    "PhysGanError": "phys_gan.errors",
    "Recipe": "phys_gan.training",
    "blocks": "phys_gan.data",
    "cite": "phys_gan.workflows",
    "compare": "phys_gan.validation",
    "compare_all": "phys_gan.validation",
    "convert": "phys_gan.data",
    "explore": "phys_gan.workflows",
    "export": "phys_gan.generation.export",
    "inspect": "phys_gan.data",
    "join": "phys_gan.data",
    "load_detector": "phys_gan.detectors",
    "load_recipe": "phys_gan.training",
    "new_geometry": "phys_gan.workflows",
    "produce": "phys_gan.workflows",
    "read": "phys_gan.data",
    "simulate": "phys_gan.simulation",
    "split": "phys_gan.data",
    "stream": "phys_gan.data",
    "train": "phys_gan.workflows",
    "write": "phys_gan.data",
}

__all__ = [
    "Comparison",
    "Detector",
    "Events",
    "FastSim",
    "PhysGanError",
    "Recipe",
    "__version__",
    "blocks",
    "cite",
    "compare",
    "compare_all",
    "convert",
    "explore",
    "export",
    "inspect",
    "join",
    "load_detector",
    "load_recipe",
    "new_geometry",
    "produce",
    "read",
    "simulate",
    "split",
    "stream",
    "train",
    "write",
]

if TYPE_CHECKING:
    from phys_gan.data import blocks, convert, inspect, join, read, split, stream, write
    from phys_gan.detectors import Detector, load_detector
    from phys_gan.errors import PhysGanError
    from phys_gan.events import Events
    from phys_gan.generation import FastSim
    from phys_gan.generation.export import export
    from phys_gan.simulation import simulate
    from phys_gan.training import Recipe, load_recipe
    from phys_gan.validation import Comparison, compare, compare_all
    from phys_gan.workflows import cite, explore, new_geometry, produce, train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'phys_gan' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
