"""The terms of the evidence lower bound of a variational autoencoder, in closed form.

Likelihoods are those of a diagonal Gaussian, plain or censored at zero, as a read-out censors it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Return the divergence of a diagonal Gaussian from the standard normal distribution.

    .. math:: D_\mathrm{KL} = -\frac{1}{2} \sum_j (1 + \ln \sigma_j^2 - \mu_j^2 - \sigma_j^2)

    References:
        Auto-Encoding Variational Bayes (Kingma and Welling, 2013), App. B,
        https://arxiv.org/abs/1312.6114

    Returns:
        The divergence of each event [nat], (N,), from mean and log-variance (N, ...).

    Example:
        >>> import torch
        >>> kl_to_normal(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.zeros(2, 2)).tolist()
        [0.0, 2.0]
    """
    # expm1(t) - t keeps its digits where the posterior is close to the prior.
    terms = mean.square() + log_variance.expm1() - log_variance
    return terms.flatten(1).sum(1) / 2


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    r"""Return the log-likelihood of events under a diagonal Gaussian.

    .. math:: \ln p(x) = -\sum_j \Bigl(\frac{(x_j - \mu_j)^2}{2 \sigma_j^2} + \ln \sigma_j
        + \frac{1}{2} \ln 2 \pi\Bigr)

    References:
        Auto-Encoding Variational Bayes (Kingma and Welling, 2013), App. C.2,
        https://arxiv.org/abs/1312.6114

    Returns:
        The logarithm of the density of each event x (N, ...), (N,); ``log_scale``, ln sigma, may
        broadcast.
    """
    return _log_density(x, mean, log_scale).flatten(1).sum(1)


def _log_density(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return ln N(x; mean, exp(log_scale)) of each number; the shapes broadcast."""
    pull = (x - mean) * (-log_scale).exp()
    return -(pull.square() + math.log(2 * math.pi)) / 2 - log_scale


def censored_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor, censored: Tensor) -> Tensor:
    r"""Return the log-likelihood of events under a Gaussian whose negative numbers read as zero.

    .. math:: \ln p(x) = \sum_{x_j > 0} \ln \mathcal{N}(x_j; \mu_j, \sigma_j)
        + \sum_{x_j = 0} \ln \Phi(-\mu_j / \sigma_j)

    An empty cell has the probability of a Gaussian below zero, not a density: under a plain
    Gaussian, numbers that are mostly exactly zero would make its standard deviation vanish.

    References:
        Estimation of Relationships for Limited Dependent Variables (Tobin, Econometrica 26, 1958),
        https://doi.org/10.2307/1907382

    Arguments:
        x: Events, (N, F).
        mean: mu, (N, F).
        log_scale: ln sigma, (N, F).
        censored: Which numbers are censored at zero, (F,); the others are plain Gaussians.

    Example:
        >>> one = torch.ones(1)
        >>> zero = torch.zeros(1, 1)
        >>> empty = censored_log_likelihood(zero, zero, zero, one > 0)
        >>> print(f"{empty.exp().item():.2f}")
        0.50
    """
    empty = censored & (x <= 0)
    below = torch.special.log_ndtr((x - mean) * (-log_scale).exp())
    return torch.where(empty, below, _log_density(x, mean, log_scale)).sum(1)
