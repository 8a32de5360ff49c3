"""Self-attention over the cells of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.networks.convolutions import GridConv2d

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    r"""Let every place see what is similar anywhere, starting from not looking.

    .. math:: y_i = x_i + \gamma \, W_v \sum_j
        \mathrm{softmax}_j\bigl((W_f x_j)^\top (W_g x_i)\bigr) \, W_h x_j

    References:
        Self-Attention Generative Adversarial Networks (Zhang et al., 2018), Eq. 1 to 3,
        https://arxiv.org/abs/1805.08318

    Arguments:
        channels: Channels C; queries and keys have an eighth of them, values half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(channels // 8, 1), max(channels // 2, 1)
        self.parts = [few, few, half]
        self.project = GridConv2d(channels, sum(self.parts), 1)
        self.back = GridConv2d(half, channels, 1)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, rows, columns) to the same shape."""
        query, key, value = self.project(x).flatten(2).transpose(1, 2).split(self.parts, dim=2)
        found = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        y: Tensor = x + self.weight * self.back(found.transpose(1, 2).unflatten(2, x.shape[2:]))
        return y
