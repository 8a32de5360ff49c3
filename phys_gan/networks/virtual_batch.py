"""Virtual batch normalisation: every event is normalised by a fixed reference batch and itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["VirtualBatchNorm"]


class VirtualBatchNorm(nn.Module):
    r"""Normalise each event with statistics of the reference batch and of that event.

    The reference batch is the first ``n_reference`` rows of every input. With R of them,

    .. math:: \mu_i = \frac{R \mu_R + x_i}{R + 1}, \qquad
        s_i = \frac{R \overline{x^2}_R + x_i^2}{R + 1}, \qquad
        y_i = \gamma \frac{x_i - \mu_i}{\sqrt{s_i - \mu_i^2 + \epsilon}} + \beta

    so that an event's output does not depend on the others of its batch, unlike with batch
    normalisation.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.5,
        https://arxiv.org/abs/1606.03498

    Arguments:
        n: Features.
        n_reference: Rows R of the reference batch.
    """

    def __init__(self, n: int, n_reference: int) -> None:
        super().__init__()
        self.n_reference = n_reference
        self.gain, self.shift = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        """Map (R + N, n) to (R + N, n)."""
        reference = x[: self.n_reference]
        own = 1 / (self.n_reference + 1)
        mean = (1 - own) * reference.mean(0) + own * x
        square = (1 - own) * reference.square().mean(0) + own * x.square()
        spread = (square - mean.square()).clamp_min(0).add(1e-5).sqrt()
        return self.gain * (x - mean) / spread + self.shift
