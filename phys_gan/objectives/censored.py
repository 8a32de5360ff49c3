"""The likelihood of numbers that a read-out cuts at zero."""

from __future__ import annotations

import torch
from torch import Tensor

from phys_gan.objectives.variational import gaussian_log_density

__all__ = ["censored_log_likelihood"]


def censored_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor, censored: Tensor) -> Tensor:
    r"""Return how likely events are when negative numbers of a Gaussian are read as zero.

    .. math:: \ln p(x) = \sum_{x_j > 0} \ln \mathcal{N}(x_j; \mu_j, \sigma_j)
        + \sum_{x_j = 0} \ln \Phi(-\mu_j / \sigma_j)

    A cell that is empty has the probability of a Gaussian below zero, not a density: under a plain
    Gaussian, numbers that are mostly exactly zero would draw its spread to nothing.

    References:
        Estimation of Relationships for Limited Dependent Variables (Tobin, Econometrica 26, 1958),
        https://doi.org/10.2307/1907382

    Arguments:
        x: Events, (N, F).
        mean: mu, of the same shape.
        log_scale: ln sigma, of the same shape.
        censored: Which numbers are cut at zero, (F,); the others are plain Gaussians.

    Returns:
        The logarithm of the likelihood of each event, (N,).

    Example:
        >>> one = torch.ones(1)
        >>> odds = censored_log_likelihood(0 * one[None], 0 * one[None], 0 * one[None], one > 0)
        >>> print(f"{odds.exp().item():.2f}")
        0.50
    """
    empty = censored & (x <= 0)
    below = torch.special.log_ndtr((x - mean) * (-log_scale).exp())
    return torch.where(empty, below, gaussian_log_density(x, mean, log_scale)).sum(1)
