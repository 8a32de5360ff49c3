"""The observables of points: coordinates, the true density there, and the mode they belong to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import AxisLayer, Detector, Layer
from phys_gan.toys import Mixture, truth_of
from phys_gan.validation.observables.registry import observable
from phys_gan.validation.observables.showers import Showers

__all__: list[str] = []


def _axis(layer: Layer) -> bool:
    return isinstance(layer, AxisLayer)


def _known(detector: Detector) -> bool:
    return truth_of(detector) is not None


def _several_modes(detector: Detector) -> bool:
    mixture = truth_of(detector)
    return mixture is not None and mixture.n_modes > 1


def _truth(showers: Showers) -> Mixture:
    mixture = truth_of(showers.detector)
    assert mixture is not None
    return mixture


@observable("{k}", label=r"${k}$", applies=_axis)
def coordinate(showers: Showers) -> NDArray[np.float64]:
    """Coordinate {k} of the point."""
    return showers.doubles


@observable("log_density", label=r"$\ln p(x)$", applies=_axis, exists=_known)
def log_density(showers: Showers) -> NDArray[np.float64]:
    """Logarithm of the exact density of the truth at the point: low between and beside modes."""
    return _truth(showers).log_density(showers.doubles)


@observable("mode", label="nearest mode", applies=_axis, exists=_several_modes)
def mode(showers: Showers) -> NDArray[np.float64]:
    """Mode of the truth that the point belongs to: the number of the nearest centre."""
    return _truth(showers).nearest(showers.doubles)[0].astype(np.float64)
