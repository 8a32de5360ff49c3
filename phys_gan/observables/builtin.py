"""The observables of showers that come with the package.

The observables of CaloGAN: depths counted in layers, and the two brightest cells of a layer.

References:
    CaloGAN: Simulating 3D High Energy Particle Showers in Multi-Layer Electromagnetic
    Calorimeters with Generative Adversarial Networks (Paganini, de Oliveira, Nachman, 2017),
    https://arxiv.org/abs/1705.02355, and the longer https://arxiv.org/abs/1712.10321

The observables of points: coordinates, the true density there, and the mode they belong to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import AxisLayer, CartesianLayer, Detector, Layer, PolarLayer, ShowerLayer
from phys_gan.observables.registry import Binning, observable
from phys_gan.observables.sums import Showers, ratio, spread
from phys_gan.toys import Mixture, truth_of


def _cartesian(layer: Layer) -> bool:
    return isinstance(layer, CartesianLayer)


def _polar(layer: Layer) -> bool:
    return isinstance(layer, PolarLayer) and len(layer.r) > 2


def _divided(layer: Layer) -> bool:
    """Return whether a polar layer is divided in alpha; else its cells have no direction."""
    return isinstance(layer, PolarLayer) and layer.n_alpha > 1


# Whole showers


@observable(
    "E_inc",
    label=r"$E_\mathrm{inc}$",
    unit="GeV",
    binning=Binning("auto"),
    conditions=("energy",),
)
def incident_energy(showers: Showers) -> NDArray[np.float64]:
    """Incident kinetic energy: an input, which must agree before anything else is compared."""
    return showers.incident / 1000


@observable("E_tot/E_inc", label=r"$E_\mathrm{tot}/E_\mathrm{inc}$", conditions=("energy",))
def response(showers: Showers) -> NDArray[np.float64]:
    """Energy in all cells over the incident energy."""
    return ratio(showers.total, showers.incident)


@observable("depth", label=r"$\langle z\rangle$", unit="mm", min_layers=2)
def depth(showers: Showers) -> NDArray[np.float64]:
    """Longitudinal depth: energy-weighted mean of the layer centres."""
    return ratio(showers.layer_energy @ showers.detector.depths, showers.total)


@observable("depth_width", label=r"$\sigma_z$", unit="mm", min_layers=2)
def depth_width(showers: Showers) -> NDArray[np.float64]:
    """Longitudinal width: energy-weighted standard deviation of the layer centres."""
    second = ratio(showers.layer_energy @ showers.detector.depths**2, showers.total)
    return spread(depth(showers), second)


@observable("sparsity", label="sparsity")
def sparsity(showers: Showers) -> NDArray[np.float64]:
    """Fraction of all cells that are not above the read-out threshold."""
    return np.asarray(1 - showers.hits.sum(axis=1) / showers.detector.n_cells, np.float64)


# Per layer


@observable("E_{k}/E_tot", label=r"$E_{k}/E_\mathrm{tot}$", binning=Binning("auto"), min_layers=2)
def layer_fraction(showers: Showers) -> NDArray[np.float64]:
    """Energy in layer {k} over the energy in all cells."""
    return ratio(showers.layer_energy, showers.total[:, None])


@observable("E_{k}", label=r"$E_{k}$", unit="GeV", binning=Binning("auto"), essential=False)
def layer_energy(showers: Showers) -> NDArray[np.float64]:
    """Energy in layer {k}."""
    return showers.layer_energy / 1000


@observable(
    "EC_x_{k}", label=r"$\mathrm{EC}_{x,{k}}$", unit="mm", applies=_cartesian, essential=False
)
def centre_x(showers: Showers) -> NDArray[np.float64]:
    """Centre of energy along x in layer {k}."""
    return showers.centre("x")


@observable(
    "EC_y_{k}", label=r"$\mathrm{EC}_{y,{k}}$", unit="mm", applies=_cartesian, essential=False
)
def centre_y(showers: Showers) -> NDArray[np.float64]:
    """Centre of energy along y in layer {k}."""
    return showers.centre("y")


@observable(
    "EC_eta_{k}", label=r"$\mathrm{EC}_{\eta,{k}}$", unit="mm", applies=_divided, essential=False
)
def centre_eta(showers: Showers) -> NDArray[np.float64]:
    """Centre of energy along eta = r cos(alpha) in layer {k}."""
    return showers.centre("x")


@observable(
    "EC_phi_{k}", label=r"$\mathrm{EC}_{\phi,{k}}$", unit="mm", applies=_divided, essential=False
)
def centre_phi(showers: Showers) -> NDArray[np.float64]:
    """Centre of energy along phi = r sin(alpha) in layer {k}."""
    return showers.centre("y")


@observable("EC_r_{k}", label=r"$\mathrm{EC}_{r,{k}}$", unit="mm", applies=_polar, essential=False)
def centre_r(showers: Showers) -> NDArray[np.float64]:
    """Energy-weighted mean radius in layer {k}."""
    return showers.centre("r")


@observable("width_x_{k}", label=r"$\sigma_{x,{k}}$", unit="mm", applies=_cartesian)
def width_x(showers: Showers) -> NDArray[np.float64]:
    """Width along x in layer {k}: energy-weighted standard deviation of the cell centres."""
    return showers.width("x")


@observable("width_y_{k}", label=r"$\sigma_{y,{k}}$", unit="mm", applies=_cartesian)
def width_y(showers: Showers) -> NDArray[np.float64]:
    """Width along y in layer {k}: energy-weighted standard deviation of the cell centres."""
    return showers.width("y")


@observable(
    "width_eta_{k}", label=r"$\sigma_{\eta,{k}}$", unit="mm", applies=_divided, essential=False
)
def width_eta(showers: Showers) -> NDArray[np.float64]:
    """Width along eta in layer {k}: energy-weighted standard deviation of the cell centres."""
    return showers.width("x")


@observable(
    "width_phi_{k}", label=r"$\sigma_{\phi,{k}}$", unit="mm", applies=_divided, essential=False
)
def width_phi(showers: Showers) -> NDArray[np.float64]:
    """Width along phi in layer {k}: energy-weighted standard deviation of the cell centres."""
    return showers.width("y")


@observable("width_r_{k}", label=r"$\sigma_{r,{k}}$", unit="mm", applies=_polar)
def width_r(showers: Showers) -> NDArray[np.float64]:
    """Width in radius in layer {k}: energy-weighted standard deviation of the cell radii."""
    return showers.width("r")


@observable("sparsity_{k}", label=r"sparsity$_{k}$")
def layer_sparsity(showers: Showers) -> NDArray[np.float64]:
    """Fraction of the cells of layer {k} that are not above the read-out threshold."""
    return 1 - showers.hits / np.diff(showers.detector.offsets)


@observable("brightest_{k}", label=r"$E_{\max,{k}}/E_{k}$", essential=False)
def brightest_ratio(showers: Showers) -> NDArray[np.float64]:
    """Energy of the brightest cell of layer {k} over the energy in that layer."""
    return ratio(showers.brightest, showers.layer_energy)


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
