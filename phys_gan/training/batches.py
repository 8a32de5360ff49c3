"""Batches of encoded events, from the memory of the device or from a stream, augmented there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phys_gan.encodings import Encoding
from phys_gan.events import Events
from phys_gan.randomness import draw_by_weight, stream

__all__ = ["Batches", "Flow", "ResidentBatches", "StreamedBatches"]

Flow = Callable[[int, int, int, int], Iterator[Events]]
"""Endless batches of events, given their size, the number of this process, how many processes
there are, and the number of the first batch. All events count the same: what has weights was drawn
by them."""


class Batches(ABC):
    """Draw batches whose content depends only on the seed and the number of the batch.

    Arguments:
        n_globals: Numbers in front of the cells of an encoded event.
        symmetries: Permutations of the cells (G, n_cells), of which one is applied to each event.
        seed: Seed of order and symmetries.
        rank: Number of this process, which takes its own share of the events.
        world: Number of processes.
    """

    def __init__(
        self, n_globals: int, symmetries: Tensor, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.n_globals, self.symmetries = n_globals, symmetries.to(torch.int64)
        self.seed, self.rank, self.world = seed, rank, world

    @abstractmethod
    def _take(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return batch number ``step`` as it is."""

    def draw(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return batch number ``step``: encoded events (size, F) and conditions (size, C)."""
        x, c = self._take(step, size)
        if len(self.symmetries) > 1:
            # Drawn for the batch of all processes, so that their number changes no event.
            everyones = torch.randint(
                len(self.symmetries), (size * self.world,), generator=self._stream(1, step, 0)
            )
            which = everyones[self.rank * size :][:size]
            self.symmetries = self.symmetries.to(x.device)
            cells = x[:, self.n_globals :].gather(1, self.symmetries[which.to(x.device)])
            x = torch.cat([x[:, : self.n_globals], cells], dim=1)
        return x, c

    def _stream(self, *key: int) -> torch.Generator:
        """Return a stream of its own for each purpose and number."""
        seed = self.seed
        for part in key:
            seed = (seed * 1_000_003 + part + 1) % (2**63)
        return torch.Generator().manual_seed(seed)


class ResidentBatches(Batches):
    """Batches of events that went to the device once and are indexed there.

    Arguments:
        x: Encoded events, (N, n_globals + n_cells), on the device.
        c: Encoded conditions, (N, n_conditions), on the device.
        n_globals: As in :class:`Batches`.
        symmetries: As in :class:`Batches`.
        seed: As in :class:`Batches`.
        rank: As in :class:`Batches`.
        world: As in :class:`Batches`.
        weights: Weights of the events, (N,), none negative: an epoch then draws N events by them
            instead of each once.
    """

    def __init__(
        self,
        x: Tensor,
        c: Tensor,
        n_globals: int,
        symmetries: Tensor,
        seed: int,
        rank: int = 0,
        world: int = 1,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(n_globals, symmetries, seed, rank, world)
        self.x, self.c, self.weights = x, c, weights
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
            # A batch reaches over the end of an epoch at most: older orders are not needed again.
            self._orders = {k: order for k, order in self._orders.items() if k >= epoch - 1}
            self._orders[epoch] = self._new_order(epoch)
        return self._orders[epoch]

    def _new_order(self, epoch: int) -> Tensor:
        if self.weights is None:
            return torch.randperm(len(self.x), generator=self._stream(0, epoch, 0))
        random = stream(self.seed, f"weighted epoch {epoch}")
        return torch.from_numpy(draw_by_weight(self.weights, len(self.x), random))


class StreamedBatches(Batches):
    """Batches of events that are read and encoded when they are needed.

    Arguments:
        flow: Where the events come from.
        encoding: The fitted encoding, on the device.
        symmetries: As in :class:`Batches`.
        seed: As in :class:`Batches`.
        rank: As in :class:`Batches`.
        world: As in :class:`Batches`.
    """

    def __init__(
        self,
        flow: Flow,
        encoding: Encoding,
        symmetries: Tensor,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(encoding.n_globals, symmetries, seed, rank, world)
        self.flow, self.encoding = flow, encoding
        self._next = -1
        self._batches: Iterator[Events] = iter(())

    def _take(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        if step != self._next:
            self._batches = self.flow(size, self.rank, self.world, step)
        self._next = step + 1
        return self.encoding.encode(next(self._batches))
