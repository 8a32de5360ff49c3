"""Find the cell of many points at once: :class:`CellFinder`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors.edges import Edges
from phys_gan.detectors.layers import CartesianLayer, Layer, ShowerLayer

_BLOCK = 1 << 16
_ROUNDING = 1e-9
_LARGEST_TABLE = 1 << 20


class CellFinder:
    """Look up the cells of layers, from the front to the back, prepared once for a detector.

    Layers that share a grid are looked up together: 45 equal layers cost as much as one. Different
    Cartesian grids are looked up in a common finer one, which takes half as long as one after the
    other. Points are taken in blocks that fit into the cache of the processor.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._offsets = np.cumsum([0, *(layer.n_cells for layer in layers)])[:-1]
        depths = [layer.z for layer in layers if isinstance(layer, ShowerLayer)]
        self._fronts, self._backs = np.reshape(depths, (-1, 2)).T
        self._stack = Edges([*self._fronts, self._backs[-1]]) if depths else None
        # Repeated layers may leave gaps of a rounding error, in which no hit is to be lost.
        self._gaps = bool(np.any(self._fronts[1:] - self._backs[:-1] > _ROUNDING))
        texts = [layer.model_dump_json(exclude={"name", "z"}) for layer in layers]
        grids = dict(zip(texts, layers, strict=True))
        self._grids = list(grids.values())
        self._grid_of_layer = np.array([list(grids).index(text) for text in texts], np.int16)
        self._table = _common_grid(layers) if len(grids) > 1 else None

    def layers(self, z: ArrayLike) -> NDArray[np.int64]:
        """Return the layer of each depth [mm]; -1 in none. An image has no depth: always 0."""
        z = np.asarray(z, np.float64)
        if self._stack is None:
            return np.zeros(z.shape, np.int64)
        number = self._stack.find(z)
        return np.where(z < self._backs[number], number, -1) if self._gaps else number

    def nearest_layers(self, z: ArrayLike) -> NDArray[np.int64]:
        """Return the layer that each depth [mm] is in or closest to, between two the front one."""
        z = np.asarray(z, np.float64)
        if self._stack is None:
            return np.zeros(z.shape, np.int64)
        # Halfway through the gap between two layers the next one begins.
        halfway = (self._backs[:-1] + self._fronts[1:]) / 2
        return np.searchsorted(halfway, z, side="left" if self._gaps else "right")

    def cells(self, x: ArrayLike, y: ArrayLike, layer: ArrayLike) -> NDArray[np.int64]:
        """Return the flat cell of each point across the axis in the given layers; -1 in none."""
        x, y, layer = np.broadcast_arrays(
            np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(layer, np.int64)
        )
        shape = x.shape
        x, y, layer = x.ravel(), y.ravel(), layer.ravel()
        found = np.empty(len(x), np.int64)
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = self._block(x[part], y[part], layer[part])
        return found.reshape(shape)

    def _block(
        self, x: NDArray[np.float64], y: NDArray[np.float64], layer: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        if self._table is not None:
            return self._table.find(x, y, layer)
        outside = (layer < 0) | (layer >= len(self._offsets))
        number = np.where(outside, 0, layer)
        if len(self._grids) == 1:
            flat = self._grids[0].find(x, y)
        else:
            flat = np.empty(len(x), np.int64)
            which = self._grid_of_layer.take(number)
            for index, grid in enumerate(self._grids):
                chosen = np.flatnonzero(which == index)
                flat[chosen] = grid.find(x.take(chosen), y.take(chosen))
        outside |= flat < 0
        flat += self._offsets.take(number)
        flat[outside] = -1
        return flat


class _CommonGrid:
    """The edges of all Cartesian layers together, and the cell that each of the finer cells is in.

    Arguments:
        layers: The layers.
        x: Their edges along x, of all layers together.
        y: Their edges along y.
    """

    def __init__(
        self, layers: Sequence[CartesianLayer], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> None:
        self._x, self._y = Edges(x.tolist()), Edges(y.tolist())
        self._n_layers = len(layers)
        # A border of -1 takes what is outside: layers and bins that are not there are number -1.
        self._table = np.full((len(layers) + 1, len(x), len(y)), -1, np.int64)
        offset = 0
        for k, layer in enumerate(layers):
            # The low edges of the finer cells lie in the cell that they are part of.
            flat = layer.find(x[:-1, np.newaxis], y[:-1])
            self._table[k + 1, 1:, 1:] = np.where(flat >= 0, flat + offset, -1)
            offset += layer.n_cells

    def find(
        self, x: NDArray[np.float64], y: NDArray[np.float64], layer: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the flat cell of each point in the given layers; -1 in none."""
        layer = np.where((layer < 0) | (layer >= self._n_layers), 0, layer + 1)
        _, rows, columns = self._table.shape
        index = (layer * rows + self._x.find(x) + 1) * columns + self._y.find(y) + 1
        return self._table.ravel().take(index)


def _common_grid(layers: Sequence[Layer]) -> _CommonGrid | None:
    """Return the common grid of Cartesian layers, where its table is not too large."""
    cartesian = [layer for layer in layers if isinstance(layer, CartesianLayer)]
    if len(cartesian) < len(layers):
        return None
    x = np.unique(np.concatenate([layer.x for layer in cartesian]))
    y = np.unique(np.concatenate([layer.y for layer in cartesian]))
    if (len(layers) + 1) * len(x) * len(y) > _LARGEST_TABLE:
        return None
    return _CommonGrid(cartesian, x, y)
