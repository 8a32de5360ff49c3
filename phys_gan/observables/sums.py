""":class:`Showers`: the sums over cells that observables share, each computed once per block.

A block is a number of events whose cells fit into the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, cached_property, partial
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.events import Events
from phys_gan.units import MEV
from phys_gan.work import parallel_map

T = TypeVar("T")
Numbers = NDArray[np.float64]
Direction = Literal["x", "y", "r"]
_COLUMNS = {"x": 0, "y": 1, "r": 2}

_BLOCK_VALUES = 2**19
"""Cells in a block: in double precision they fill four megabytes and stay in the cache."""
_MIN_EVENTS = 16
_PRODUCT = 2**17
"""Multiplications up to which BLAS works in one thread; more of them would compete with ours."""
_ROUNDING = 1e-13
"""Rounding error of <x^2> - <x>^2, in units of <x^2>."""


class Showers:
    """A block of N showers in L layers, and their sums over cells in double precision.

    Energies are those of all cells, including those below the read-out threshold; only hits
    respect the threshold. They are in MeV whatever energy unit the cells of the detector have.

    Arguments:
        events: The events of this block.
        powers: Powers of the cell positions of each layer, computed once for all blocks.
    """

    def __init__(self, events: Events, powers: Callable[[], list[Numbers]] | None = None) -> None:
        self.events = events
        self.detector: Detector = events.detector
        self._powers = powers or partial(_position_powers, events.detector)
        self._mev = MEV.get(events.detector.cell_unit, 1.0)
        self._made: dict[Callable[[Showers], Any], Any] = {}

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def incident(self) -> Numbers:
        """Incident kinetic energy [MeV], shape (N,)."""
        return self.events.energy

    @cached_property
    def doubles(self) -> Numbers:
        """Cells in double precision in the unit of the detector, shape (N, n_cells)."""
        return self.events.cells.astype(np.float64)

    @cached_property
    def layer_sums(self) -> Numbers:
        """Sum over the cells of each layer in their own unit, shape (N, L)."""
        return np.ascontiguousarray(self._sums[:, :, 0])

    @cached_property
    def layer_energy(self) -> Numbers:
        """Energy in the cells of each layer [MeV], shape (N, L)."""
        return self.layer_sums * self._mev

    @cached_property
    def total(self) -> Numbers:
        """Energy in all cells [MeV], shape (N,)."""
        return np.asarray(self.layer_energy.sum(axis=1), np.float64)

    @cached_property
    def above(self) -> NDArray[np.bool_]:
        """Which cells are hit, i.e. above the threshold, shape (N, n_cells)."""
        return np.asarray(self.events.cells > self.detector.threshold)

    @cached_property
    def hits(self) -> NDArray[np.int64]:
        """Number of cells above the threshold in each layer, shape (N, L)."""
        return np.add.reduceat(self.above, self.detector.offsets[:-1], axis=1, dtype=np.int64)

    @cached_property
    def brightest(self) -> Numbers:
        """Energy of the brightest cell of each layer [MeV], shape (N, L)."""
        highest = np.maximum.reduceat(self.events.cells, self.detector.offsets[:-1], axis=1)
        return highest.astype(np.float64) * self._mev

    @cached_property
    def second_brightest(self) -> Numbers:
        """Energy of the second brightest cell of each layer [MeV], (N, L); 0 if it has one cell."""
        second = np.zeros((len(self), self.detector.n_layers))
        event = np.arange(len(self))
        for k, layer in enumerate(self.detector.layers):
            if layer.n_cells > 1:
                cells = self.events.cells[:, self.detector.slice(k)].copy()
                cells[event, cells.argmax(axis=1)] = -np.inf
                second[:, k] = cells.max(axis=1)
        return second * self._mev

    def once(self, make: Callable[[Showers], T]) -> T:
        """Return a function of this block, computed only once for all observables."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    def centre(self, direction: Direction) -> Numbers:
        r"""Return :math:`\sum_i E_i x_i / \sum_i E_i` of each layer [mm], shape (N, L).

        NaN where a layer is empty.
        """
        return self._moments[0][:, :, _COLUMNS[direction]]

    def width(self, direction: Direction) -> Numbers:
        r"""Return :math:`\sqrt{\max(0, \langle x^2\rangle - \langle x\rangle^2)}` [mm], (N, L).

        NaN where a layer is empty.
        """
        first, second = (moment[:, :, _COLUMNS[direction]] for moment in self._moments)
        return deviation(first, second)

    @cached_property
    def _moments(self) -> tuple[Numbers, Numbers]:
        """Energy-weighted means of (x, y, r) and of their squares, shapes (N, L, 3)."""
        energy = self._sums[:, :, :1]
        return ratio(self._sums[:, :, 1:4], energy), ratio(self._sums[:, :, 4:], energy)

    @cached_property
    def _sums(self) -> Numbers:
        """Sums of E, E x, E y, E r, E x^2, E y^2 and E r^2 in each layer, shape (N, L, 7)."""
        sums = np.empty((len(self), self.detector.n_layers, 7))
        for k, powers in enumerate(self._powers()):
            cells = self.doubles[:, self.detector.slice(k)]
            step = max(1, _PRODUCT // powers.size)
            for start in range(0, len(self), step):
                sums[start : start + step, k] = cells[start : start + step] @ powers
        return sums


def _position_powers(detector: Detector) -> list[Numbers]:
    """Return 1, x, y, r, x^2, y^2 and r^2 of the cells of each layer, shape (n_cells, 7) each."""
    result = []
    for layer in detector.layers:
        x, y = layer.positions.T
        r = layer.radii if isinstance(layer, PolarLayer) else np.hypot(x, y)
        result.append(np.stack([np.ones_like(x), x, y, r, x**2, y**2, r**2], axis=1))
    return result


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Numbers:
    """Divide; NaN where the denominator is not positive."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(numerator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator > 0))


def deviation(first: Numbers, second: Numbers) -> Numbers:
    r"""Return the standard deviation :math:`\sqrt{\langle x^2\rangle - \langle x\rangle^2}`.

    NaN stays NaN; the rounding error that a single position leaves becomes exactly 0.
    """
    variance = second - first**2
    return np.sqrt(np.where(variance <= _ROUNDING * second, 0.0, variance))


def blocks(events: Events) -> Iterator[tuple[slice, Showers]]:
    """Yield the events in blocks that fit into the cache, with the rows of each block."""
    powers = cache(partial(_position_powers, events.detector))
    for rows in _cuts(events):
        yield rows, Showers(events[rows], powers)


def map_blocks(
    events: Events, work: Callable[[Showers], T], threads: int | None = None
) -> Iterator[tuple[slice, T]]:
    """Apply a function to blocks of events in several threads; yield its results in order.

    Blocks, and hence results, do not depend on the number of threads. Only a few blocks exist at
    any time, so that memory stays bounded.

    Arguments:
        events: The events.
        work: Pure function of a block of showers.
        threads: Number of threads; by default one per CPU core, but at most 4.
    """
    cuts, powers = _cuts(events), cache(partial(_position_powers, events.detector))
    done = parallel_map(
        lambda rows: work(Showers(events[rows], powers)), cuts, 1 if len(cuts) < 2 else threads
    )
    # Close the pool at once where the caller stops early.
    with closing(done):
        yield from zip(cuts, done, strict=True)


def _cuts(events: Events) -> list[slice]:
    size = max(_MIN_EVENTS, _BLOCK_VALUES // events.detector.n_cells)
    n = len(events)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
