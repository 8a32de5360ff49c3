"""Spots to cells: find the cell of every spot and add up the energies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, Detector, Layer, PolarLayer, ShowerLayer
from phys_gan.simulators.spots import Spots

__all__ = ["Deposits", "Readout"]


@dataclass(frozen=True)
class Deposits:
    """Hold where the energy of some events went [MeV].

    Attributes:
        cells: Energy in each cell, shape (n_events, n_cells).
        overflow: Energy beside the cells of each layer, shape (n_events, n_layers).
        lost: Energy in no layer: behind the last one or between two, shape (n_events,).
    """

    cells: NDArray[np.float64]
    overflow: NDArray[np.float64]
    lost: NDArray[np.float64]


class Readout:
    """Sum spots into the cells of a detector.

    A spot has one of ``n_cells + n_layers + 1`` slots: the cells, the overflow of the layers,
    and nowhere. Nothing is ever dropped, so the slots of an event sum up to its energy.

    Arguments:
        detector: A detector of Cartesian or polar layers.
    """

    def __init__(self, detector: Detector) -> None:
        self._n_cells, self._n_layers = detector.n_cells, detector.n_layers
        layers = [layer for layer in detector.layers if isinstance(layer, ShowerLayer)]
        self._fronts = _Edges((*(layer.z[0] for layer in layers), layers[-1].z[1]))
        self._backs = np.array([layer.z[1] for layer in layers], np.float32)
        self._offsets = np.array(detector.offsets[:-1])
        # Layers that share a grid are looked up together: 45 equal layers cost as much as one.
        grids: dict[Layer, list[int]] = {}
        for number, layer in enumerate(layers):
            grid = layer.model_copy(update={"name": "", "z": (0.0, 1.0)})
            grids.setdefault(grid, []).append(number)
        self._grids = [_grid(layer) for layer in grids]
        self._grid_of_layer = np.zeros(self._n_layers, np.int16)
        for index, members in enumerate(grids.values()):
            self._grid_of_layer[members] = index

    def slots(self, spots: Spots) -> NDArray[np.int64]:
        """Return the slot of each spot, shape (n_spots,)."""
        layer = self._fronts.find(spots.depth)
        inside = (layer >= 0) & (spots.depth < self._backs[layer])
        index = np.where(inside, self._grid_of_layer[layer], -1)
        slots = np.full(len(layer), self._n_cells + self._n_layers)
        for member, grid in enumerate(self._grids):
            chosen = np.flatnonzero(index == member)
            number = layer[chosen]
            cell = grid.find(spots.radius[chosen], spots.turn[chosen])
            slots[chosen] = np.where(
                cell >= 0, cell + self._offsets[number], self._n_cells + number
            )
        return slots

    def deposit(self, spots: Spots, n_events: int) -> Deposits:
        """Return the summed energies of the spots of the events 0 ... n_events - 1."""
        n_slots = self._n_cells + self._n_layers + 1
        index = spots.event * n_slots + self.slots(spots)
        sums = np.bincount(index, spots.energy, n_events * n_slots)
        flat = np.asarray(sums, np.float64).reshape(n_events, n_slots)
        return Deposits(
            cells=flat[:, : self._n_cells],
            overflow=flat[:, self._n_cells : -1],
            lost=flat[:, -1],
        )


class _Edges:
    """Find the half-open bin of values; regular bins by arithmetic, others by bisection."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = np.array(edges, np.float32)
        self._n = len(edges) - 1
        width = (edges[-1] - edges[0]) / self._n
        self._regular = bool(np.allclose(np.diff(edges), width, rtol=1e-6))
        self._first, self._per_width = np.float32(edges[0]), np.float32(1 / width)

    def find(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the bin of each value, -1 outside."""
        if self._regular:
            bins = np.floor((values - self._first) * self._per_width).astype(np.int64)
        else:
            bins = np.searchsorted(self._edges, values, side="right") - 1
        return np.where((bins >= 0) & (bins < self._n), bins, -1)


class _CartesianGrid:
    def __init__(self, layer: CartesianLayer) -> None:
        self._x, self._y = _Edges(layer.x), _Edges(layer.y)
        self._n_y = layer.shape[1]

    def find(self, radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
        angle = np.float32(2 * np.pi) * turn - np.float32(np.pi)
        x, y = self._x.find(radius * np.cos(angle)), self._y.find(radius * np.sin(angle))
        return np.where((x >= 0) & (y >= 0), x * self._n_y + y, -1)


class _PolarGrid:
    def __init__(self, layer: PolarLayer) -> None:
        self._r = _Edges(layer.r)
        self._n_alpha, self._n_r = layer.shape

    def find(self, radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
        alpha = np.minimum((turn * self._n_alpha).astype(np.int64), self._n_alpha - 1)
        r = self._r.find(radius)
        return np.where(r >= 0, alpha * self._n_r + r, -1)


def _grid(layer: Layer) -> _CartesianGrid | _PolarGrid:
    if isinstance(layer, CartesianLayer):
        return _CartesianGrid(layer)
    if isinstance(layer, PolarLayer):
        return _PolarGrid(layer)
    raise TypeError(f"a layer of kind '{layer.kind}' has no depth")
