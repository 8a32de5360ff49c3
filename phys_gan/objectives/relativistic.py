"""Adversarial losses that judge events of one kind against events of the other.

Only differences of logits enter, so a constant added to all logits changes nothing, and the
generator's loss is the discriminator's with real and generated events exchanged.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from phys_gan.errors import DataError

__all__ = [
    "relativistic_average_discriminator",
    "relativistic_average_generator",
    "relativistic_discriminator",
    "relativistic_generator",
]


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the loss of the RSGAN's discriminator, which compares pairs of events.

    .. math:: L_D = -\mathbb{E} \ln \sigma(C(x) - C(G(z))), \qquad \sigma(t) = 1 / (1 + e^{-t})

    L_D = ln 2 for a discriminator that cannot decide.

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.1, https://arxiv.org/abs/1807.00734

    Arguments:
        real: Logits C of real events, (N,).
        fake: Logits C of generated events, (N,); event i is compared with real event i.

    Raises:
        DataError: There are not as many generated events as real ones.
    """
    if real.shape != fake.shape:
        raise DataError(
            f"{len(real)} real and {len(fake)} generated events do not form pairs",
            remedy="judge as many of each, or use the loss 'relativistic-average'",
            value=len(fake),
            constraint=len(real),
        )
    return softplus(fake - real).mean()


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    r"""Return the loss of the RSGAN's generator, L_G = -E ln sigma(C(G(z)) - C(x)).

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.1, https://arxiv.org/abs/1807.00734

    Arguments:
        fake: Logits C of generated events, (N,).
        real: Logits C of real events, (N,).

    Raises:
        DataError: There are not as many generated events as real ones.
    """
    return relativistic_discriminator(fake, real)


def relativistic_average_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the loss of the RaSGAN's discriminator, which compares events with a mean.

    .. math:: L_D = -\mathbb{E} \ln \sigma(C(x) - \mathbb{E}\, C(G(z)))
        - \mathbb{E} \ln(1 - \sigma(C(G(z)) - \mathbb{E}\, C(x)))

    L_D = 2 ln 2 for a discriminator that cannot decide.

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.3 and Algorithm 2, https://arxiv.org/abs/1807.00734

    Arguments:
        real: Logits C of real events, (N,).
        fake: Logits C of generated events, (M,).
    """
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def relativistic_average_generator(fake: Tensor, real: Tensor) -> Tensor:
    r"""Return the loss of the RaSGAN's generator, in which the two kinds of events change roles.

    .. math:: L_G = -\mathbb{E} \ln \sigma(C(G(z)) - \mathbb{E}\, C(x))
        - \mathbb{E} \ln(1 - \sigma(C(x) - \mathbb{E}\, C(G(z))))

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.3 and Algorithm 2, https://arxiv.org/abs/1807.00734

    Arguments:
        fake: Logits C of generated events, (M,).
        real: Logits C of real events, (N,).
    """
    return relativistic_average_discriminator(fake, real)
