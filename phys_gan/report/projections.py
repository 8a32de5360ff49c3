"""Showers of many layers as one map: depth along x, and the radius (or x) along y."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer

__all__ = ["draw_projection", "projected"]

_EMPTY = "#eeeeee"


def draw_projection(
    axes: Axes, detector: Detector, cells: NDArray[np.float64], norm: LogNorm
) -> None:
    """Draw one shower, cells (n_cells,), summed around the axis, or along y."""
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False, labelsize=10)
    axes.minorticks_off()
    # Layers that share their edges are drawn in one go.
    for edges, group in groupby(range(detector.n_layers), key=lambda k: _edges(detector, k)):
        layers = list(group)
        columns = [projected(detector, k, cells) for k in layers]
        depth = np.arange(layers[0], layers[-1] + 2) - 0.5
        energy = np.stack(columns, axis=1)
        axes.pcolormesh(
            depth,
            np.array(edges),
            np.where(energy > 0, energy, np.nan),
            norm=norm,
            cmap="viridis",
            rasterized=True,
        )


def projected(detector: Detector, k: int, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energies of layer k of one shower, summed around the axis, or along y."""
    layer = detector.layers[k]
    grid = cells[detector.slice(k)].reshape(layer.shape)
    return np.asarray(grid.sum(axis=0 if isinstance(layer, PolarLayer) else 1), np.float64)


def _edges(detector: Detector, k: int) -> tuple[float, ...]:
    layer = detector.layers[k]
    return tuple(layer.r if isinstance(layer, PolarLayer) else layer.x)  # type: ignore[union-attr]
