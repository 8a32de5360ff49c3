"""Find the cell of many points at once: :class:`CellFinder`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors.edges import Edges
from phys_gan.detectors.layers import Layer, ShowerLayer

_BLOCK = 1 << 16
_ROUNDING = 1e-9


class CellFinder:
    """Look up the cells of layers, from the front to the back, prepared once for a detector.

    Layers that share a grid are looked up together: 45 equal layers cost as much as one. Points are
    taken in blocks that fit into the cache of the processor.
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
