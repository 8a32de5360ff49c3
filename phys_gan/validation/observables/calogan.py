"""The observables of CaloGAN: depths counted in layers, and the two brightest cells of a layer.

References:
    CaloGAN: Simulating 3D High Energy Particle Showers in Multi-Layer Electromagnetic
    Calorimeters with Generative Adversarial Networks (Paganini, de Oliveira, Nachman, 2017),
    https://arxiv.org/abs/1705.02355, and the longer https://arxiv.org/abs/1712.10321
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Layer, ShowerLayer
from phys_gan.validation.observables.binning import Binning
from phys_gan.validation.observables.registry import observable
from phys_gan.validation.observables.showers import Showers, ratio, spread

__all__: list[str] = []


def _several_cells(layer: Layer) -> bool:
    return isinstance(layer, ShowerLayer) and layer.n_cells > 1


def _numbers(showers: Showers) -> NDArray[np.float64]:
    """Return the numbers of the layers; the first one is 0."""
    return np.arange(showers.detector.n_layers, dtype=np.float64)


# In a detector of many equal layers these say the same as the depth in mm: not essential there.


@observable(
    "depth_energy",
    label=r"$\sum_i i\,E_i$",
    unit="GeV",
    binning=Binning("auto"),
    essential=False,
    min_layers=2,
)
def depth_energy(showers: Showers) -> NDArray[np.float64]:
    """Depth-weighted total energy: sum of the layer energies times the layer number from 0."""
    return showers.layer_energy @ _numbers(showers) / 1000


@observable("layer_depth", label=r"$\sum_i i\,E_i/E_\mathrm{tot}$", essential=False, min_layers=2)
def layer_depth(showers: Showers) -> NDArray[np.float64]:
    """Shower depth in layers: energy-weighted mean of the layer number, which starts at 0."""
    return ratio(showers.layer_energy @ _numbers(showers), showers.total)


@observable("layer_depth_width", label=r"$\sigma_\mathrm{layer}$", essential=False, min_layers=2)
def layer_depth_width(showers: Showers) -> NDArray[np.float64]:
    """Width of the depth in layers: energy-weighted standard deviation of the layer number."""
    second = ratio(showers.layer_energy @ _numbers(showers) ** 2, showers.total)
    return spread(layer_depth(showers), second)


@observable("deepest_layer", label="deepest layer", min_layers=2)
def deepest_layer(showers: Showers) -> NDArray[np.float64]:
    """Deepest layer with a cell above the read-out threshold, counted from 0."""
    hit = showers.hits > 0
    last = showers.detector.n_layers - 1 - np.argmax(hit[:, ::-1], axis=1)
    return np.where(hit.any(axis=1), last, np.nan)


@observable(
    "E_ratio_{k}",
    label=r"$E_{\mathrm{ratio},{k}}$",
    applies=_several_cells,
    essential=False,
)
def energy_ratio(showers: Showers) -> NDArray[np.float64]:
    """Difference of the two brightest cells of layer {k} over their sum."""
    first, second = showers.brightest, showers.second_brightest
    return ratio(first - second, first + second)
