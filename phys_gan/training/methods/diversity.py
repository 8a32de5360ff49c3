"""How different generated events are from each other."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["diversity"]


def diversity(real: Tensor, fake: Tensor) -> float:
    """Return the mean distance of two generated events over that of two real ones.

    Far below 1, the generator repeats itself.

    Arguments:
        real: Encoded real events, (N, n_numbers).
        fake: Encoded generated events, (M, n_numbers).

    Example:
        >>> diversity(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [2.0]]))
        0.25
    """
    return float(torch.pdist(fake).mean() / torch.pdist(real).mean().clamp_min(1e-12))
