"""Observables of showers, and of points with a known density.

References:
    CaloGAN: Simulating 3D High Energy Particle Showers in Multi-Layer Electromagnetic
    Calorimeters with Generative Adversarial Networks (Paganini, de Oliveira, Nachman, 2017),
    https://arxiv.org/abs/1705.02355, and the longer https://arxiv.org/abs/1712.10321, for depths
    counted in layers and the two brightest cells of a layer
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import methodcaller

import numpy as np
from scipy.ndimage import label
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from phys_gan.detectors import AxisLayer, CartesianLayer, Detector, Layer, PolarLayer, ShowerLayer
from phys_gan.observables.registry import Binning, observable
from phys_gan.observables.sums import Numbers, Showers, deviation, ratio
from phys_gan.toys import Mixture, truth_of


def _cartesian(layer: Layer) -> bool:
    return isinstance(layer, CartesianLayer)


def _polar(layer: Layer) -> bool:
    return isinstance(layer, PolarLayer) and len(layer.r) > 2


def _divided(layer: Layer) -> bool:
    """Return whether a polar layer is divided in alpha, without which no cell has a direction."""
    return isinstance(layer, PolarLayer) and layer.n_alpha > 1


# Whole showers


@observable(
    "E_inc",
    label=r"$E_\mathrm{inc}$",
    unit="GeV",
    binning=Binning("auto"),
    conditions=("energy",),
)
def incident_energy(showers: Showers) -> Numbers:
    """Incident kinetic energy: an input, which must agree before anything else is compared."""
    return showers.incident / 1000


@observable("E_tot/E_inc", label=r"$E_\mathrm{tot}/E_\mathrm{inc}$", conditions=("energy",))
def response(showers: Showers) -> Numbers:
    """Energy in all cells over the incident energy."""
    return ratio(showers.total, showers.incident)


@observable("depth", label=r"$\langle z\rangle$", unit="mm", min_layers=2)
def depth(showers: Showers) -> Numbers:
    """Longitudinal depth: energy-weighted mean of the layer centres."""
    return ratio(showers.layer_energy @ showers.detector.depths, showers.total)


@observable("depth_width", label=r"$\sigma_z$", unit="mm", min_layers=2)
def depth_width(showers: Showers) -> Numbers:
    """Longitudinal width: energy-weighted standard deviation of the layer centres."""
    second = ratio(showers.layer_energy @ showers.detector.depths**2, showers.total)
    return deviation(depth(showers), second)


@observable("sparsity", label="sparsity")
def sparsity(showers: Showers) -> Numbers:
    """Fraction of all cells that are not above the read-out threshold."""
    return np.asarray(1 - showers.hits.sum(axis=1) / showers.detector.n_cells)


# Per layer


@observable("E_{k}/E_tot", label=r"$E_{k}/E_\mathrm{tot}$", binning=Binning("auto"), min_layers=2)
def layer_fraction(showers: Showers) -> Numbers:
    """Energy in layer {k} over the energy in all cells."""
    return ratio(showers.layer_energy, showers.total[:, None])


@observable("E_{k}", label=r"$E_{k}$", unit="GeV", binning=Binning("auto"), essential=False)
def layer_energy(showers: Showers) -> Numbers:
    """Energy in layer {k}."""
    return showers.layer_energy / 1000


_LATERAL = (
    ("x", "x", "x", "along x", _cartesian, True),
    ("y", "y", "y", "along y", _cartesian, True),
    ("eta", "x", r"\eta", "along eta = r cos(alpha)", _divided, False),
    ("phi", "y", r"\phi", "along phi = r sin(alpha)", _divided, False),
    ("r", "r", "r", "along r", _polar, True),
)
"""Name, coordinate, symbol, words, layers, and whether the width is essential."""

for _name, _axis, _symbol, _along, _applies, _ in _LATERAL:
    observable(
        f"EC_{_name}_{{k}}",
        label=rf"$\mathrm{{EC}}_{{{_symbol},{{k}}}}$",
        unit="mm",
        description=f"Centre of energy {_along} in layer {{k}}.",
        applies=_applies,
        essential=False,
    )(methodcaller("centre", _axis))

for _name, _axis, _symbol, _along, _applies, _essential in _LATERAL:
    observable(
        f"width_{_name}_{{k}}",
        label=rf"$\sigma_{{{_symbol},{{k}}}}$",
        unit="mm",
        description=f"Width {_along} in layer {{k}}: energy-weighted standard deviation.",
        applies=_applies,
        essential=_essential,
    )(methodcaller("width", _axis))


@observable("sparsity_{k}", label=r"sparsity$_{k}$")
def layer_sparsity(showers: Showers) -> Numbers:
    """Fraction of the cells of layer {k} that are not above the read-out threshold."""
    return 1 - showers.hits / np.diff(showers.detector.offsets)


@observable("brightest_{k}", label=r"$E_{\max,{k}}/E_{k}$", essential=False)
def brightest_ratio(showers: Showers) -> Numbers:
    """Energy of the brightest cell of layer {k} over the energy in that layer."""
    return ratio(showers.brightest, showers.layer_energy)


def _several_cells(layer: Layer) -> bool:
    return isinstance(layer, ShowerLayer) and layer.n_cells > 1


def _numbers(showers: Showers) -> Numbers:
    """Return the numbers of the layers; the first one is 0."""
    return np.arange(showers.detector.n_layers, dtype=np.float64)


# In a detector of many equal layers these are redundant with the depth in mm: not essential.


@observable(
    "depth_energy",
    label=r"$\sum_i i\,E_i$",
    unit="GeV",
    binning=Binning("auto"),
    essential=False,
    min_layers=2,
)
def depth_energy(showers: Showers) -> Numbers:
    """Depth-weighted total energy: sum of the layer energies times the layer number from 0."""
    return showers.layer_energy @ _numbers(showers) / 1000


@observable("layer_depth", label=r"$\sum_i i\,E_i/E_\mathrm{tot}$", essential=False, min_layers=2)
def layer_depth(showers: Showers) -> Numbers:
    """Shower depth in layers: energy-weighted mean of the layer number, which starts at 0."""
    return ratio(showers.layer_energy @ _numbers(showers), showers.total)


@observable("layer_depth_width", label=r"$\sigma_\mathrm{layer}$", essential=False, min_layers=2)
def layer_depth_width(showers: Showers) -> Numbers:
    """Width of the depth in layers: energy-weighted standard deviation of the layer number."""
    second = ratio(showers.layer_energy @ _numbers(showers) ** 2, showers.total)
    return deviation(layer_depth(showers), second)


@observable("deepest_layer", label="deepest layer", min_layers=2)
def deepest_layer(showers: Showers) -> Numbers:
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
def energy_ratio(showers: Showers) -> Numbers:
    """Difference of the two brightest cells of layer {k} over their sum."""
    first, second = showers.brightest, showers.second_brightest
    return ratio(first - second, first + second)


# Clusters of hits


def _plane(layer: Layer) -> bool:
    """Return whether cells of a layer can touch each other."""
    return isinstance(layer, ShowerLayer) and layer.n_cells > 1


@dataclass(frozen=True)
class _Clusters:
    """Hits that touch each other with an edge, in each layer, shapes (N, L).

    Attributes:
        isolated: Hits without a neighbour that is hit.
        pairs: Pairs of neighbours that are both hit.
        number: Clusters: groups of hits that touch each other.
        largest: Hits of the largest cluster.
    """

    isolated: Numbers
    pairs: Numbers
    number: Numbers
    largest: Numbers


def _clusters(showers: Showers) -> _Clusters:
    """Count clusters in each layer; those of polar layers are closed in alpha."""
    n, n_layers = len(showers), showers.detector.n_layers
    isolated, pairs, number, largest = (np.zeros((n, n_layers)) for _ in range(4))
    # Cells touch along both axes of a layer, and never those of another event.
    touching = np.zeros((3, 3, 3), bool)
    touching[1, 1, :] = touching[1, :, 1] = True
    for k, layer in enumerate(showers.detector.layers):
        if not _plane(layer):
            continue
        hit = showers.above[:, showers.detector.slice(k)].reshape(n, *layer.shape)
        closed = isinstance(layer, PolarLayer) and layer.n_alpha > 2
        along, across = hit[:, :-1] & hit[:, 1:], hit[:, :, :-1] & hit[:, :, 1:]
        ends = hit[:, -1] & hit[:, 0] if closed else np.zeros_like(hit[:, 0])
        pairs[:, k] = sum(
            np.count_nonzero(part, axis=axes)
            for part, axes in ((along, (1, 2)), (across, (1, 2)), (ends, 1))
        )
        beside = np.zeros_like(hit)
        beside[:, :-1] |= along
        beside[:, 1:] |= along
        beside[:, :, :-1] |= across
        beside[:, :, 1:] |= across
        beside[:, 0] |= ends
        beside[:, -1] |= ends
        isolated[:, k] = np.count_nonzero(hit & ~beside, axis=(1, 2))
        labels, n_labels = label(hit, touching)
        if not n_labels:
            continue
        if ends.any():
            # Groups that meet where alpha begins are one.
            edges = labels[:, -1][ends] - 1, labels[:, 0][ends] - 1
            links = csr_array((np.ones(len(edges[0])), edges), shape=(n_labels, n_labels))
            n_labels, joined = connected_components(links, directed=False)
            labels = np.append(0, joined + 1)[labels]
        event, _, _ = np.nonzero(hit)
        group = labels[hit] - 1
        sizes = np.bincount(group, minlength=n_labels)
        owner = np.empty(n_labels, np.int64)
        owner[group] = event
        number[:, k] = np.bincount(owner, minlength=n)
        np.maximum.at(largest[:, k], owner, sizes)
    return _Clusters(isolated, pairs, number, largest)


@observable("isolated_{k}", label=r"isolated hits$_{k}$", applies=_plane, essential=False)
def isolated_hits(showers: Showers) -> Numbers:
    """Hits of layer {k} without a hit in a cell that shares an edge with theirs."""
    return showers.once(_clusters).isolated


@observable("pairs_{k}", label=r"neighbouring pairs$_{k}$", applies=_plane, essential=False)
def neighbouring_pairs(showers: Showers) -> Numbers:
    """Pairs of hits of layer {k} in cells that share an edge."""
    return showers.once(_clusters).pairs


@observable("clusters_{k}", label=r"clusters$_{k}$", applies=_plane, essential=False)
def clusters(showers: Showers) -> Numbers:
    """Clusters of layer {k}: groups of hits whose cells share edges."""
    return showers.once(_clusters).number


@observable("largest_cluster_{k}", label=r"largest cluster$_{k}$", applies=_plane, essential=False)
def largest_cluster(showers: Showers) -> Numbers:
    """Hits in the largest cluster of layer {k}."""
    return showers.once(_clusters).largest


# Points


def _is_axis(layer: Layer) -> bool:
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


@observable("{k}", label=r"${k}$", applies=_is_axis)
def coordinate(showers: Showers) -> Numbers:
    """Coordinate {k} of the point."""
    return showers.doubles


@observable("log_density", label=r"$\ln p(x)$", applies=_is_axis, exists=_known)
def log_density(showers: Showers) -> Numbers:
    """Logarithm of the exact density of the truth at the point: low between and beside modes."""
    return _truth(showers).log_density(showers.doubles)


@observable("mode", label="nearest mode", applies=_is_axis, exists=_several_modes)
def mode(showers: Showers) -> Numbers:
    """Mode of the truth that the point belongs to: the number of the nearest centre."""
    return _truth(showers).nearest(showers.doubles)[0].astype(np.float64)
