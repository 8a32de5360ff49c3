"""Figures of maps: the average shower in every layer, of all samples, and the differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import Detector, Layer
from phys_gan.report.maps import draw_map, layer_title, length_unit, log_norm, name_row
from phys_gan.report.style import Look
from phys_gan.validation.profiles import Profiles

__all__ = ["average_figure", "chosen_layers"]

_MAX_LAYERS = 6
_NARROW = 50.0


def chosen_layers(detector: Detector, reference: Profiles) -> list[int]:
    """Choose the layers to draw: all of up to 6, else 6 spread over the energy of the shower.

    Those are the layers in which the cumulated mean energy passes 2, 20, 40, 60, 80 and 98 %.
    """
    if detector.n_layers <= _MAX_LAYERS:
        return list(range(detector.n_layers))
    cumulated = np.cumsum(reference.depth.mean)
    if cumulated[-1] <= 0:
        return list(range(_MAX_LAYERS))
    passed = np.searchsorted(cumulated / cumulated[-1], [0.02, 0.2, 0.4, 0.6, 0.8, 0.98])
    return sorted(set(np.minimum(passed, detector.n_layers - 1).tolist()))


def average_figure(
    detector: Detector, reference: Profiles, candidates: Sequence[tuple[Look, Profiles]]
) -> Figure:
    """Draw the mean energy of every cell: one column per layer; below, the relative differences.

    Colours of the energies are logarithmic over at most six decades and shared by the samples
    of a layer; grey cells are empty. A difference is left grey where its statistical error is
    larger than the range of the colours. Of several candidates only the differences are drawn.
    """
    layers = chosen_layers(detector, reference)
    means = candidates if len(candidates) == 1 else []
    span = max(_span(reference.cells.mean, p.cells.mean) for _, p in candidates)
    n_means, n_rows = 1 + len(means), 1 + len(means) + len(candidates)
    side = 3.05 if len(layers) < 4 else 2.2
    figure = Figure(
        figsize=(side * len(layers) + 1.2, side * (0.93 * n_rows + 0.1)), layout="constrained"
    )
    axes = figure.subplots(n_rows, len(layers), squeeze=False)
    for column, k in enumerate(layers):
        layer, cells = detector.layers[k], detector.slice(k)
        shown = [reference.cells.mean[cells], *(p.cells.mean[cells] for _, p in means)]
        norm = log_norm(np.concatenate(shown))
        for one, values in zip(axes[:, column], shown, strict=False):
            mesh = draw_map(one, layer, np.where(values > 0, values, np.nan), norm)
        _bar(figure, mesh, axes[:n_means, column], _mean_label(detector), 0.02)
        for one, (_, profiles) in zip(axes[n_means:, column], candidates, strict=True):
            difference = _difference(reference, profiles, cells, span)
            mesh = draw_map(one, layer, difference, Normalize(-span, span), "RdBu_r")
        label = "candidate / reference $-$ 1"
        _bar(figure, mesh, axes[n_means:, column], label, 0.04, extend="both")
        axes[0, column].set_title(layer_title(layer, k))
        _label_axes(axes[:, column], layer, column)
    names = [("reference", "black"), *((look.name, look.colour) for look, _ in means)]
    differences = [(look.name, look.colour) for look, _ in candidates]
    names += differences if len(candidates) > 1 else [("difference", "black")]
    for one, (text, colour) in zip(axes[:, 0], names, strict=True):
        name_row(one, text, colour, 13 if len(text) < 16 else 10)
    return figure


def _bar(
    figure: Figure,
    mesh: QuadMesh,
    axes: NDArray[np.object_],
    label: str,
    pad: float,
    extend: str = "neither",
) -> None:
    bar = figure.colorbar(
        mesh, ax=list(axes), location="bottom", shrink=0.9, pad=pad, extend=extend
    )
    bar.set_label(label, fontsize=11)
    low, high = (float(v) for v in mesh.get_clim())
    if 0 < low < high < _NARROW * low:
        # Within little more than a decade the usual labels run into each other.
        bar.set_ticks([low, high], labels=[f"{low:.2g}", f"{high:.2g}"])
        bar.minorticks_off()


def _mean_label(detector: Detector) -> str:
    return rf"$\langle E_\mathrm{{cell}}\rangle$ [{detector.cell_unit}]"


def _difference(
    reference: Profiles, candidate: Profiles, cells: slice, span: float
) -> NDArray[np.float64]:
    first, second = reference.cells.mean[cells], candidate.cells.mean[cells]
    difference = np.full(first.shape, np.nan)
    error = np.hypot(reference.cells.error[cells], candidate.cells.error[cells])
    known = (first > 0) & (error < span * first)
    np.divide(second - first, first, out=difference, where=known)
    return difference


def _span(reference: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    """Return the range of relative differences that covers the cells with 95 % of the energy."""
    filled = reference > 0
    if not filled.any():
        return 1.0
    off = np.abs(candidate[filled] / reference[filled] - 1)
    order = np.argsort(off)
    covered = np.cumsum(reference[filled][order]) / reference[filled].sum()
    typical = off[order[min(int(np.searchsorted(covered, 0.95)), len(order) - 1)]]
    return next((span for span in (0.1, 0.2, 0.5) if typical < span / 2), 1.0)


def _label_axes(axes: NDArray[np.object_], layer: Layer, column: int) -> None:
    unit = length_unit(layer)
    for one in axes:
        one.tick_params(labelsize=9)
    for one in axes[:-1]:
        one.tick_params(labelbottom=False)
    axes[-1].set_xlabel(f"$x$ [{unit}]", loc="center", fontsize=11, labelpad=1)
    if column == 0:
        for one in axes:
            one.set_ylabel(f"$y$ [{unit}]", loc="center", fontsize=11, labelpad=0)
