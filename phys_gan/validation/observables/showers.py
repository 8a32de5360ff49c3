"""The sums over cells that observables are made of, each computed once per block of events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.events import Events

__all__ = ["Direction", "Showers", "blocks", "ratio"]

Direction = Literal["x", "y", "r"]
_COLUMNS = {"x": 0, "y": 1, "r": 2}
_BLOCK_VALUES = 2**21


class Showers:
    """Offer what observables need of a block of showers. Sums run in float64.

    Energies are those of all cells, also of those below the read-out threshold; only hits know
    the threshold.

    Arguments:
        events: The events of this block, N of them in L layers.
    """

    def __init__(self, events: Events) -> None:
        self.events = events
        self.detector: Detector = events.detector

    @cached_property
    def incident(self) -> NDArray[np.float64]:
        """Incident kinetic energy [MeV], shape (N,)."""
        return self.events.energy

    @cached_property
    def layer_energy(self) -> NDArray[np.float64]:
        """Energy in the cells of each layer [MeV], shape (N, L)."""
        return self.events.layer_energies()

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Energy in all cells [MeV], shape (N,)."""
        return np.asarray(self.layer_energy.sum(axis=1), np.float64)

    @cached_property
    def hits(self) -> NDArray[np.int64]:
        """Number of cells above the threshold in each layer, shape (N, L)."""
        above = self.events.cells > self.detector.threshold
        starts = np.array(self.detector.offsets[:-1])
        return np.add.reduceat(above, starts, axis=1, dtype=np.int64)

    @cached_property
    def brightest(self) -> NDArray[np.float64]:
        """Energy of the brightest cell of each layer [MeV], shape (N, L)."""
        starts = np.array(self.detector.offsets[:-1])
        return np.maximum.reduceat(self.events.cells, starts, axis=1).astype(np.float64)

    def centre(self, direction: Direction) -> NDArray[np.float64]:
        r"""Return :math:`\sum_i E_i x_i / \sum_i E_i` of each layer [mm], shape (N, L).

        NaN where a layer is empty.
        """
        return self._moments[0][:, :, _COLUMNS[direction]]

    def width(self, direction: Direction) -> NDArray[np.float64]:
        r"""Return :math:`\sqrt{\max(0, \langle x^2\rangle - \langle x\rangle^2)}` [mm], (N, L).

        NaN where a layer is empty.
        """
        first, second = (moment[:, :, _COLUMNS[direction]] for moment in self._moments)
        return np.sqrt(np.maximum(0.0, second - first**2))

    @cached_property
    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Energy-weighted means of (x, y, r) and of their squares, shapes (N, L, 3)."""
        detector = self.detector
        sums = np.empty((2, len(self.events), detector.n_layers, 3))
        for k, layer in enumerate(detector.layers):
            x, y = layer.positions.T
            r = layer.radii if isinstance(layer, PolarLayer) else np.hypot(x, y)
            places = np.stack([x, y, r], axis=1)
            cells = self.events.cells[:, detector.slice(k)].astype(np.float64)
            sums[0, :, k] = cells @ places
            sums[1, :, k] = cells @ places**2
        energy = self.layer_energy[:, :, None]
        return ratio(sums[0], energy), ratio(sums[1], energy)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Divide; NaN where the denominator is not positive."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(numerator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator > 0))


def blocks(events: Events) -> Iterator[tuple[slice, Showers]]:
    """Yield the events in blocks whose temporary arrays stay at some ten megabytes."""
    size = max(1, _BLOCK_VALUES // events.detector.n_cells)
    for start in range(0, len(events), size):
        rows = slice(start, min(start + size, len(events)))
        yield rows, Showers(events[rows])
