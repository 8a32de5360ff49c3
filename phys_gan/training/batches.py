"""Batches of encoded events that live on the device, shuffled and augmented there."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Batches"]


class Batches:
    """Draw batches whose content depends only on the seed and on the events shown before.

    Arguments:
        x: Encoded events, (N, n_globals + n_cells), on the device.
        c: Encoded conditions, (N, n_conditions), on the device.
        n_globals: Numbers in front of the cells.
        symmetries: Permutations of the cells (G, n_cells), of which one is applied to each event.
        seed: Seed of order and symmetries.
        rank: Number of this process, which takes its own share of the events.
        world: Number of processes.
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
    ) -> None:
        self.x, self.c, self.n_globals = x, c, n_globals
        self.symmetries = symmetries.to(x.device, torch.int64)
        self.seed, self.rank, self.world = seed, rank, world

    def draw(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Return batch number ``step`` of ``size`` events: encoded events and conditions."""
        own = torch.arange(size) + (step * self.world + self.rank) * size
        index = torch.cat(
            [self._order(int(epoch))[own[own // len(self.x) == epoch] % len(self.x)]
             for epoch in torch.unique(own // len(self.x))]
        ).to(self.x.device)  # fmt: skip
        x, c = self.x[index], self.c[index]
        if len(self.symmetries) > 1:
            which = torch.randint(
                len(self.symmetries), (size,), generator=self._stream(1, step, self.rank)
            )
            cells = x[:, self.n_globals :].gather(1, self.symmetries[which.to(x.device)])
            x = torch.cat([x[:, : self.n_globals], cells], dim=1)
        return x, c

    def _order(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.x), generator=self._stream(0, epoch, 0))

    def _stream(self, *key: int) -> torch.Generator:
        """Return a stream of its own for each purpose and number."""
        seed = self.seed
        for part in key:
            seed = (seed * 1_000_003 + part + 1) % (2**63)
        return torch.Generator().manual_seed(seed)
