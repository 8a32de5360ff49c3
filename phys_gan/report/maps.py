"""Maps of the cells of a layer."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, ImageLayer, Layer, PolarLayer

__all__ = ["draw_map", "layer_title", "length_unit", "log_norm", "name_row"]

_EMPTY = "#eeeeee"


def draw_map(
    axes: Axes,
    layer: Layer,
    values: NDArray[np.float64],
    norm: Normalize,
    colours: str = "viridis",
) -> QuadMesh:
    """Draw one value per cell where the cells are; NaN stays grey."""
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.minorticks_off()
    x, y, grid = _corners(layer, values)
    mesh = axes.pcolormesh(x, y, grid, norm=norm, cmap=colours, rasterized=True)
    axes.set_aspect("equal")
    return mesh


def layer_title(layer: Layer, k: int) -> str:
    """Return what a layer is called."""
    return f"{'band' if isinstance(layer, ImageLayer) else 'layer'} {layer.name or k}"


def length_unit(layer: Layer) -> str:
    """Return the unit in which a map of a layer is drawn."""
    return "arcsec" if isinstance(layer, ImageLayer) else "mm"


def log_norm(values: NDArray[np.float64], decades: float = 6) -> LogNorm:
    """Return logarithmic colours for the positive values, over at most so many decades."""
    positive = values[values > 0]
    if not len(positive):
        return LogNorm(0.1, 1)
    high = float(positive.max())
    low = max(float(positive.min()), high / 10**decades)
    return LogNorm(low, high if high > low else 10 * low, clip=True)


def name_row(axes: Axes, text: str, colour: str, size: float) -> None:
    """Write the name of a sample along the left side of its row of maps, outside their labels.

    Arguments:
        axes: The first map of the row.
        text: The name.
        colour: Its colour.
        size: Size of its letters [points].
    """
    axes.annotate(
        text,
        (0, 0.5),
        xytext=(-52, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="center",
        fontsize=size,
        fontweight="bold",
        color=colour,
    )


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
    # Only these are left: coordinates have no place in space, and are never drawn as maps.
    assert isinstance(layer, ImageLayer)
    rows, columns = (np.arange(n + 1) - n / 2 for n in layer.shape)
    x, y = np.meshgrid(columns * layer.pixel_scale, rows * layer.pixel_scale)
    return x, y, grid
