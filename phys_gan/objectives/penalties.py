"""Gradient penalties that keep a discriminator smooth."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["r1"]


def r1(real: Tensor, logits: Tensor) -> Tensor:
    r"""Return the zero-centred gradient penalty on real events, without its weight.

    .. math:: R_1 = \frac{1}{2} \mathbb{E}_{x \sim p} \lVert \nabla_x D(x) \rVert^2

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), Eq. 9,
        https://arxiv.org/abs/1801.04406

    Arguments:
        real: Real events (N, F) that require a gradient.
        logits: The discriminator's logits for them, (N,).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum(1).mean() / 2
