"""The maximum mean discrepancy, a distance of two samples in all their moments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from phys_gan.errors import DataError, RangeError


def mmd2(x: Tensor, y: Tensor, bandwidths: Sequence[float], unbiased: bool = False) -> Tensor:
    r"""Return the squared maximum mean discrepancy under a mixture of Gaussian kernels.

    .. math:: \mathrm{MMD}^2 = \mathbb{E}\, k(x, x') - 2\, \mathbb{E}\, k(x, y)
        + \mathbb{E}\, k(y, y'), \qquad
        k(a, b) = \sum_q \exp\Bigl(-\frac{\lVert a - b \rVert^2}{2 \sigma_q^2}\Bigr)

    The biased estimate averages over all pairs and is never negative; the unbiased one leaves out
    the pairs of an event with itself and vanishes on average for equal distributions. Memory grows
    as (N + M)^2 for each bandwidth.

    References:
        Generative Moment Matching Networks (Li et al., 2015), Eq. 3-6,
        https://arxiv.org/abs/1502.02761;
        Training generative neural networks via Maximum Mean Discrepancy optimization
        (Dziugaite et al., 2015), https://arxiv.org/abs/1505.03906;
        A Kernel Two-Sample Test (Gretton et al., 2012), Eq. 3 (unbiased) and 5 (biased),
        https://jmlr.org/papers/v13/gretton12a.html

    Arguments:
        x: A sample, (N, ...).
        y: Another sample, (M, ...), of the same shape beyond the first axis.
        bandwidths: The sigma_q, in the units of x.
        unbiased: Whether to leave out the pairs of an event with itself.

    Returns:
        A scalar, differentiable with respect to both samples.

    Raises:
        DataError: The events of the samples differ in shape.
        RangeError: A bandwidth is not positive, or a sample has too few events.

    Example:
        >>> x = torch.zeros(1, 3)
        >>> print(f"{mmd2(x, x + 100, bandwidths=(1.0, 2.0)):.1f}")  # 2 per bandwidth, at most
        4.0
    """
    _check(x, y, bandwidths, 2 if unbiased else 1)
    x, y = x.flatten(1), y.flatten(1)
    # Kernels depend on differences only; near the origin, squared distances lose fewer digits.
    centre = x.detach().mean(0)
    x, y = x - centre, y - centre
    return (
        _mean_within(_kernel(x, x, bandwidths), unbiased)
        - 2 * _kernel(x, y, bandwidths).mean()
        + _mean_within(_kernel(y, y, bandwidths), unbiased)
    )


def median_distance(x: Tensor) -> float:
    """Return the median Euclidean distance between different events, a scale for bandwidths.

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), Sec. 8,
        https://jmlr.org/papers/v13/gretton12a.html

    Arguments:
        x: A sample, (N, ...); a thousand events suffice, since memory grows as N^2.

    Raises:
        RangeError: There are fewer than two events.

    Example:
        >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]))
        2.0
    """
    if len(x) < 2:
        raise RangeError(
            f"{len(x)} events have no distances",
            remedy="give at least two",
            value=len(x),
            constraint=">= 2",
        )
    return float(torch.pdist(x.detach().flatten(1)).median())


def _kernel(a: Tensor, b: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Return k(a_i, b_j), (N, M), from rows (N, F) and (M, F)."""
    # Without a square root the slope at distance zero is finite.
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    squares = torch.addmm(norms, a, b.T, alpha=-2).clamp(min=0)
    kernel = torch.zeros_like(squares)
    for sigma in bandwidths:
        kernel = kernel + torch.exp(squares / (-2 * sigma**2))
    return kernel


def _mean_within(kernel: Tensor, unbiased: bool) -> Tensor:
    """Return the mean of a square kernel matrix, with or without its diagonal."""
    if not unbiased:
        return kernel.mean()
    n = len(kernel)
    return (kernel.sum() - kernel.trace()) / (n * (n - 1))


def _check(x: Tensor, y: Tensor, bandwidths: Sequence[float], least: int) -> None:
    """Raise what :func:`mmd2` promises."""
    if x.shape[1:] != y.shape[1:]:
        raise DataError(
            f"events of shape {tuple(x.shape[1:])} and {tuple(y.shape[1:])} cannot be compared",
            remedy="give two samples of the same encoding",
            value=tuple(y.shape[1:]),
            constraint=tuple(x.shape[1:]),
        )
    if min(len(x), len(y)) < least:
        raise RangeError(
            f"samples of {len(x)} and {len(y)} events are too small",
            remedy=f"give at least {least} of each",
            value=min(len(x), len(y)),
            constraint=f">= {least}",
        )
    if not bandwidths or not all(sigma > 0 for sigma in bandwidths):
        raise RangeError(
            f"the bandwidths {tuple(bandwidths)} are not positive numbers",
            remedy="take multiples of the median distance between events",
            value=tuple(bandwidths),
            constraint="> 0",
        )
