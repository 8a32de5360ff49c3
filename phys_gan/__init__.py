"""Fast detector simulation with conditional GANs: read, train, generate, validate.

Everything here is imported on first use: ``import phys_gan`` alone loads neither torch nor
matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Detector": "phys_gan.detectors",
    "Events": "phys_gan.events",
    "PhysGanError": "phys_gan.errors",
    "load_detector": "phys_gan.detectors",
}

__all__ = ["Detector", "Events", "PhysGanError", "__version__", "load_detector"]

if TYPE_CHECKING:
    from phys_gan.detectors import Detector, load_detector
    from phys_gan.errors import PhysGanError
    from phys_gan.events import Events


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'phys_gan' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
