"""The exponential moving average of a generator, with its half-life in events shown."""

from __future__ import annotations

import torch
from torch import nn

from phys_gan.networks import Generator

__all__ = ["GeneratorAverage"]


class GeneratorAverage:
    """Average a generator's weights over training.

    The average starts with a short memory, a twentieth of the events shown, so that the first
    weights are soon forgotten (as in Karras et al., 2020, https://arxiv.org/abs/2006.06676).

    Arguments:
        generator: A copy of the generator, which becomes the average.
        half_life: Events shown after which a weight counts half.
    """

    def __init__(self, generator: Generator, half_life: float) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, generator: nn.Module, batch: int, shown: int) -> None:
        """Move towards ``generator`` after ``batch`` events, ``shown`` in all."""
        half_life = min(self.half_life, max(0.05 * shown, batch))
        weight = 1 - 0.5 ** (batch / half_life)
        weights = zip(self.generator.parameters(), generator.parameters(), strict=True)
        for mine, current in weights:
            mine.lerp_(current, weight)
        for own, latest in zip(self.generator.buffers(), generator.buffers(), strict=True):
            own.copy_(latest)
