""":class:`Batches` of encoded events, from the device or from a stream, with random symmetries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.encodings import Encoding
from phys_gan.events import Events
from phys_gan.randomness import draw_by_weight, stream

Flow = Callable[[int, int, int, int], Iterator[Events]]
"""Endless batches of events of equal weight, given their size, the number of this process, the
number of processes, and the number of the first batch."""


@dataclass(eq=False)
class Symmetries:
    """What the symmetries of a detector do to encoded events and their conditions.

    Attributes:
        encoding: The fitted encoding.
        cells: Permutations of the cells, (G, n_cells); the first is identity.
        actions: What they do to points (x, y), (G, 2, 2).
    """

    encoding: Encoding
    cells: Tensor
    actions: Tensor

    @classmethod
    def of(cls, encoding: Encoding, moves: NDArray[np.int64]) -> Symmetries:
        """Return some elements of the symmetry group of the detector of an encoding."""
        detector = encoding.detector
        cells, actions = detector.symmetry_group()[moves], detector.symmetry_actions()[moves]
        return cls(encoding, torch.from_numpy(cells), torch.from_numpy(actions))

    def __len__(self) -> int:
        return len(self.cells)

    def apply(self, numbers: Tensor, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Apply elements, by their numbers (N,), to encoded events and their conditions."""
        self.cells = self.cells.to(x.device, torch.int64)
        self.actions = self.actions.to(c.device, c.dtype)
        n_globals = self.encoding.n_globals
        cells = x[:, n_globals:].gather(1, self.cells[numbers])
        moved = self.encoding.moved(c, self.actions[numbers])
        return torch.cat([x[:, :n_globals], cells], dim=1), moved


@dataclass(kw_only=True, eq=False)
class Batches(ABC):
    """Draw batches whose content depends only on the seed and the number of the batch.

    Attributes:
        symmetries: Those of the detector, one of which is applied to each event.
        seed: Seed of order and symmetries.
        rank: Number of this process, which takes its own part of the events.
        world: Number of processes.
    """

    symmetries: Symmetries
    seed: int
    rank: int = 0
    world: int = 1

    @abstractmethod
    def _take(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return batch number ``step`` without symmetries."""

    def draw(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return batch number ``step``: encoded events (size, F) and conditions (size, C)."""
        x, c = self._take(step, size)
        if len(self.symmetries) > 1:
            # Drawn for the batch of all processes, so that their number changes no event.
            elements = torch.randint(
                len(self.symmetries), (size * self.world,), generator=self._stream(1, step, 0)
            )
            x, c = self.symmetries.apply(elements[self.rank * size :][:size].to(x.device), x, c)
        return x, c

    def _stream(self, *key: int) -> torch.Generator:
        """Return a stream of its own for each purpose and number."""
        seed = self.seed
        for part in key:
            seed = (seed * 1_000_003 + part + 1) % (2**63)
        return torch.Generator().manual_seed(seed)


@dataclass(kw_only=True, eq=False)
class ResidentBatches(Batches):
    """Batches of events that went to the device once and are indexed there.

    Attributes:
        x: Encoded events, (N, n_globals + n_cells), on the device.
        c: Encoded conditions, (N, n_conditions), on the device.
        weights: Weights of the events, (N,), none negative: an epoch then draws N events by them
            instead of each once.
    """

    x: Tensor
    c: Tensor
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        self._orders: dict[int, Tensor] = {}

    def _take(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        own = torch.arange(size) + (step * self.world + self.rank) * size
        index = torch.cat(
            [self._order(int(epoch))[own[own // len(self.x) == epoch] % len(self.x)]
             for epoch in torch.unique(own // len(self.x))]
        ).to(self.x.device)  # fmt: skip
        return self.x[index], self.c[index]

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            # A batch crosses the end of one epoch at most: older orders are not needed again.
            self._orders = {k: order for k, order in self._orders.items() if k >= epoch - 1}
            if self.weights is None:
                order = torch.randperm(len(self.x), generator=self._stream(0, epoch, 0))
            else:
                random = stream(self.seed, f"weighted epoch {epoch}")
                order = torch.from_numpy(draw_by_weight(self.weights, len(self.x), random))
            self._orders[epoch] = order
        return self._orders[epoch]


@dataclass(kw_only=True, eq=False)
class StreamedBatches(Batches):
    """Batches of events that are read and encoded when they are needed.

    Attributes:
        flow: The stream of events.
        encoding: The fitted encoding, on the device.
    """

    flow: Flow
    encoding: Encoding

    def __post_init__(self) -> None:
        self._next = -1
        self._batches: Iterator[Events] = iter(())

    def _take(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        if step != self._next:
            self._batches = self.flow(size, self.rank, self.world, step)
        self._next = step + 1
        return self.encoding.encode(next(self._batches))
