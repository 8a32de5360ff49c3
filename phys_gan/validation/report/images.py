"""Figures of maps: the average shower in every layer, of both samples, and their difference."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, Detector, ImageLayer, Layer, PolarLayer
from phys_gan.validation.profiles import Profiles

__all__ = ["average_figure", "chosen_layers"]

_MAX_LAYERS = 6
_DECADES = 6
_EMPTY = "#eeeeee"


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


def average_figure(detector: Detector, reference: Profiles, candidate: Profiles) -> Figure:
    """Draw the mean energy of every cell: one column per layer; below, the relative difference.

    Colours of the energies are logarithmic over at most six decades and shared by both samples
    of a layer; grey cells are empty. The difference is left grey where its statistical error is
    larger than the range of the colours.
    """
    layers = chosen_layers(detector, reference)
    span = _span(reference.cells.mean, candidate.cells.mean)
    side = 3.05 if len(layers) < 4 else 2.2
    figure = Figure(figsize=(side * len(layers) + 1.2, 2.8 * side), layout="constrained")
    axes = figure.subplots(3, len(layers), squeeze=False)
    for column, k in enumerate(layers):
        layer, cells = detector.layers[k], detector.slice(k)
        first, second = reference.cells.mean[cells], candidate.cells.mean[cells]
        norm = _log_norm(np.concatenate([first, second]))
        for row, values in enumerate((first, second)):
            mesh = _map(axes[row, column], layer, np.where(values > 0, values, np.nan), norm)
        bar = figure.colorbar(mesh, ax=axes[:2, column], location="bottom", shrink=0.9, pad=0.02)
        bar.set_label(rf"$\langle E_\mathrm{{cell}}\rangle$ [{detector.cell_unit}]", fontsize=11)
        difference = np.full(first.shape, np.nan)
        error = np.hypot(reference.cells.error[cells], candidate.cells.error[cells])
        known = (first > 0) & (error < span * first)
        np.divide(second - first, first, out=difference, where=known)
        mesh = _map(axes[2, column], layer, difference, Normalize(-span, span), "RdBu_r")
        bar = figure.colorbar(
            mesh, ax=axes[2, column], location="bottom", shrink=0.9, pad=0.04, extend="both"
        )
        bar.set_label("candidate / reference $-$ 1", fontsize=11)
        axes[0, column].set_title(f"{_kind(layer)} {layer.name or k}")
        _label_axes(axes[:, column], layer, column)
    for row, text in enumerate(("reference", "candidate", "difference")):
        axes[row, 0].annotate(
            text,
            (0, 0.5),
            xytext=(-52, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="center",
            fontsize=13,
            fontweight="bold",
        )
    return figure


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


def _map(
    axes: Axes,
    layer: Layer,
    values: NDArray[np.float64],
    norm: Normalize,
    colours: str = "viridis",
) -> QuadMesh:
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.minorticks_off()
    x, y, grid = _corners(layer, values)
    mesh = axes.pcolormesh(x, y, grid, norm=norm, cmap=colours, rasterized=True)
    axes.set_aspect("equal")
    return mesh


def _corners(
    layer: Layer, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the cells [mm, or arcsec for images] and the values on that grid."""
    grid = values.reshape(layer.shape)
    if isinstance(layer, CartesianLayer):
        x, y = np.meshgrid(layer.x, layer.y, indexing="ij")
        return x, y, grid
    if isinstance(layer, PolarLayer):
        # Each ring segment is drawn as several quadrangles, so that it looks round.
        pieces = max(1, -(-144 // layer.n_alpha))
        alpha = np.linspace(-np.pi, np.pi, layer.n_alpha * pieces + 1)[:, None]
        r = np.array(layer.r)[None]
        return r * np.cos(alpha), r * np.sin(alpha), np.repeat(grid, pieces, axis=0)
    rows, columns = (np.arange(n + 1) - n / 2 for n in layer.shape)
    x, y = np.meshgrid(columns * layer.pixel_scale, rows * layer.pixel_scale)
    return x, y, grid


def _label_axes(axes: NDArray[np.object_], layer: Layer, column: int) -> None:
    unit = "arcsec" if isinstance(layer, ImageLayer) else "mm"
    for one in axes:
        one.tick_params(labelsize=9)
    for one in axes[:-1]:
        one.tick_params(labelbottom=False)
    axes[-1].set_xlabel(f"$x$ [{unit}]", loc="center", fontsize=11, labelpad=1)
    if column == 0:
        for one in axes:
            one.set_ylabel(f"$y$ [{unit}]", loc="center", fontsize=11, labelpad=0)


def _kind(layer: Layer) -> str:
    return "band" if isinstance(layer, ImageLayer) else "layer"


def _log_norm(values: NDArray[np.float64]) -> LogNorm:
    positive = values[values > 0]
    if not len(positive):
        return LogNorm(0.1, 1)
    high = float(positive.max())
    low = max(float(positive.min()), high / 10**_DECADES)
    return LogNorm(low, high if high > low else 10 * low, clip=True)
