"""The past of a player's weights as what holds it from going round in circles."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["historical_distance"]


def historical_distance(parameters: Iterable[Tensor], averages: Iterable[Tensor]) -> Tensor:
    r"""Return the squared distance of parameters from their average over the past.

    .. math:: \Bigl\lVert \theta - \frac{1}{t} \sum_{i=1}^t \theta_i \Bigr\rVert^2

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1606.03498

    Arguments:
        parameters: The player's parameters; gradients flow into these only.
        averages: Their averages, in the same order.

    Raises:
        ValueError: There are not as many averages as parameters.
    """
    squares = [
        (parameter - average.detach()).square().sum()
        for parameter, average in zip(parameters, averages, strict=True)
    ]
    return torch.stack(squares).sum()
