"""The exponential moving average of a generator, with its half-life in events shown."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from phys_gan.networks import Generator

__all__ = ["GeneratorAverage"]


class GeneratorAverage:
    """Average a generator's weights over training.

    The average starts with a short memory, a twentieth of the events shown, so that the first
    weights are soon forgotten.

    References:
        The Unusual Effectiveness of Averaging in GAN Training (Yazıcı et al., 2018),
        https://arxiv.org/abs/1806.04498; for the half-life in events and its start, Training
        Generative Adversarial Networks with Limited Data (Karras et al., 2020),
        https://arxiv.org/abs/2006.06676

    Arguments:
        generator: A copy of the generator, which becomes the average.
        half_life: Events shown after which a weight counts half; 0 follows the latest weights.
    """

    def __init__(self, generator: Generator, half_life: float) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.half_life = half_life
        self._parameters: list[Tensor] = list(generator.parameters())
        self._buffers = list(generator.buffers())

    @torch.no_grad()
    def update(self, generator: nn.Module, batch: int, shown: int) -> None:
        """Move towards ``generator`` after ``batch`` events, ``shown`` in all."""
        weight = 1.0
        if self.half_life:
            weight -= 0.5 ** (batch / min(self.half_life, max(0.05 * shown, batch)))
        current = [p.detach() for p in generator.parameters()]
        torch._foreach_lerp_(self._parameters, current, weight)
        for own, latest in zip(self._buffers, generator.buffers(), strict=True):
            own.copy_(latest)
