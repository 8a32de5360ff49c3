"""Adversarial losses: pure functions of logits, in their softplus forms."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["non_saturating_discriminator", "non_saturating_generator"]


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the discriminator's loss of the original GAN.

    .. math:: L_D = -\mathbb{E} \ln D(x) - \mathbb{E} \ln(1 - D(G(z))),
        \qquad D = 1 / (1 + e^{-\mathrm{logit}})

    At the optimum of the game D = 1/2 and L_D = 2 ln 2.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661

    Arguments:
        real: Logits of real events, (N,).
        fake: Logits of generated events, (M,).
    """
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's loss that does not saturate: L_G = -E ln D(G(z)).

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Sec. 3,
        https://arxiv.org/abs/1406.2661

    Arguments:
        fake: Logits of generated events, (N,).
    """
    return softplus(-fake).mean()
