"""The likelihood of numbers that a read-out cuts at zero."""

from __future__ import annotations

import math

import torch
from torch import Tensor

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
    pull = (x - mean) * (-log_scale).exp()
    density = -(pull.square() + math.log(2 * math.pi)) / 2 - log_scale
    empty = censored & (x <= 0)
    return torch.where(empty, torch.special.log_ndtr(pull), density).sum(1)
