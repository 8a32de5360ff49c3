"""Observables and histograms of showers as a plain NumPy script computes them: the yardstick.

Everything is one array in double precision, a loop runs over the layers, and formulas stand as in
the papers. It is written to be read, not to be fast, nor to be slow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer

Values = NDArray[np.float64]
Histograms = dict[str, tuple[Values, NDArray[np.int64], NDArray[np.int64]]]
"""Name to edges, entries of the reference and entries of the candidate."""


def plain_comparison(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    energies: tuple[Values, Values],
    detector: Detector,
) -> tuple[Histograms, list[Values]]:
    """Return the histograms of all observables and of all cells, and the average showers.

    Arguments:
        reference: Cells [MeV], shape (n, n_cells).
        candidate: Cells [MeV], shape (m, n_cells).
        energies: Incident energies of both [MeV], shapes (n,) and (m,).
        detector: The detector of both.
    """
    samples = [cells.astype(np.float64) for cells in (reference, candidate)]
    first, second = (
        plain_observables(cells, energy, detector)
        for cells, energy in zip(samples, energies, strict=True)
    )
    histograms = {}
    for name in first:
        p, q = first[name], second[name]
        p, q = p[~np.isnan(p)], q[~np.isnan(q)]
        edges = np.linspace(p.min(), p.max(), 51)
        histograms[name] = edges, np.histogram(p, edges)[0], np.histogram(q, edges)[0]
    p, q = (cells[cells > detector.threshold] for cells in samples)
    edges = np.geomspace(np.quantile(p, 0.001), p.max(), 61)
    histograms["cell_energy"] = edges, np.histogram(p, edges)[0], np.histogram(q, edges)[0]
    profiles = []
    for cells in samples:
        profiles += [cells.mean(axis=0), cells.std(axis=0) / np.sqrt(len(cells))]
    return histograms, profiles


def plain_observables(cells: Values, energy: Values, detector: Detector) -> dict[str, Values]:
    """Return the observables by name, NaN where not defined, each of shape (N,).

    Those of the registry for Cartesian layers; of polar ones the radial width alone.

    Arguments:
        cells: Cells [MeV], shape (N, n_cells).
        energy: Incident energies [MeV], shape (N,).
        detector: The detector.
    """
    total = cells.sum(axis=1)
    layers = [cells[:, detector.slice(k)] for k in range(detector.n_layers)]
    energies = np.stack([layer.sum(axis=1) for layer in layers], axis=1)
    number = np.arange(detector.n_layers)
    result = {"E_inc": energy / 1000, "E_tot/E_inc": total / energy}
    result["sparsity"] = 1 - (cells > detector.threshold).sum(axis=1) / detector.n_cells
    with np.errstate(invalid="ignore"):
        result["depth"] = (energies * detector.depths).sum(axis=1) / total
        square = (energies * detector.depths**2).sum(axis=1) / total
        result["depth_width"] = np.sqrt(np.maximum(0, square - result["depth"] ** 2))
        hit = np.stack([(layer > detector.threshold).any(axis=1) for layer in layers], axis=1)
        result["deepest_layer"] = np.where(hit, number, -1).max(axis=1).astype(np.float64)
        result["deepest_layer"][result["deepest_layer"] < 0] = np.nan
        for k, layer in enumerate(layers):
            result[f"E_{k}/E_tot"] = energies[:, k] / total
            hits = (layer > detector.threshold).sum(axis=1)
            result[f"sparsity_{k}"] = 1 - hits / layer.shape[1]
            geometry = detector.layers[k]
            if isinstance(geometry, PolarLayer):
                result[f"width_r_{k}"] = _centre_and_width(layer, geometry.radii)[1]
                continue
            for axis, places in zip("xy", geometry.positions.T, strict=True):
                centre, width = _centre_and_width(layer, places)
                result[f"EC_{axis}_{k}"], result[f"width_{axis}_{k}"] = centre, width
            second, brightest = np.partition(layer, -2, axis=1)[:, -2:].T
            result[f"E_{k}"] = energies[:, k] / 1000
            result[f"brightest_{k}"] = brightest / energies[:, k]
            result[f"E_ratio_{k}"] = (brightest - second) / (brightest + second)
        if not isinstance(detector.layers[0], PolarLayer):
            weighted = (energies * number).sum(axis=1)
            result["depth_energy"] = weighted / 1000
            result["layer_depth"] = weighted / total
            square = (energies * number**2).sum(axis=1) / total
            difference = square - result["layer_depth"] ** 2
            result["layer_depth_width"] = np.sqrt(np.maximum(0, difference))
    return result


def _centre_and_width(layer: Values, places: Values) -> tuple[Values, Values]:
    energy = layer.sum(axis=1)
    centre = (layer * places).sum(axis=1) / energy
    square = (layer * places**2).sum(axis=1) / energy
    return centre, np.sqrt(np.maximum(0, square - centre**2))
