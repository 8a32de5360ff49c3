"""Features of a discriminator as what a generator has to match."""

from __future__ import annotations

from torch import Tensor

__all__ = ["feature_matching"]


def feature_matching(real_features: Tensor, fake_features: Tensor) -> Tensor:
    r"""Return the squared distance between mean features of real and generated events.

    .. math:: L_G = \lVert \mathbb{E} f(x) - \mathbb{E} f(G(z)) \rVert_2^2

    The target is detached: only generated events move.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.1,
        https://arxiv.org/abs/1606.03498

    Arguments:
        real_features: An inner layer of the discriminator for real events, (N, ...).
        fake_features: The same for generated events, (M, ...).
    """
    return (real_features.detach().mean(0) - fake_features.mean(0)).square().sum()
