"""Adversarial losses that judge each event by itself: functions of logits, in softplus forms.

A discriminator gives logits, large for real, and D = 1 / (1 + exp(-logit)). Written with
softplus(t) = ln(1 + e^t), no loss overflows and no gradient is lost to rounding.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu, softplus

__all__ = [
    "hinge_discriminator",
    "hinge_generator",
    "least_squares_discriminator",
    "least_squares_generator",
    "minimax_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "wasserstein_discriminator",
    "wasserstein_generator",
]


def non_saturating_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    r"""Return the discriminator's loss of the original GAN, with smoothed real labels.

    .. math:: L_D = -\mathbb{E}[\alpha \ln D(x) + (1 - \alpha) \ln(1 - D(x))]
        - \mathbb{E} \ln(1 - D(G(z)))

    Without smoothing it is minus the value of the game. The best discriminator is
    :math:`D = \alpha p / (p + q)`. At the optimum of the game with :math:`\alpha = 1`, D = 1/2
    and L_D = 2 ln 2.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661;
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.4 (smoothing),
        https://arxiv.org/abs/1606.03498

    Arguments:
        real: Logits of real events, (N,).
        fake: Logits of generated events, (M,).
        real_label: :math:`\alpha`, the probability that a real event is called real, in (0, 1].
    """
    # alpha softplus(-t) + (1 - alpha) softplus(t), with softplus(t) = softplus(-t) + t.
    return (softplus(-real) + (1 - real_label) * real).mean() + softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's loss that does not saturate: L_G = -E ln D(G(z)).

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Sec. 3,
        https://arxiv.org/abs/1406.2661

    Arguments:
        fake: Logits of generated events, (N,).
    """
    return softplus(-fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's side of the zero-sum game: L_G = E ln(1 - D(G(z))).

    Its gradient vanishes where the discriminator is sure that events are generated.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661

    Arguments:
        fake: Logits of generated events, (N,).
    """
    return -softplus(fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    r"""Return the discriminator's loss of LSGAN with the labels 0 and 1.

    .. math:: L_D = \frac{1}{2} \mathbb{E} (D(x) - b)^2 + \frac{1}{2} \mathbb{E} (D(G(z)) - a)^2

    with D the logit itself, a = 0 and b = 1. The best discriminator is p / (p + q); L_D = 1/4 when
    generated events are distributed as real ones.

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2016), Eq. 2 and Sec. 3.2
        (choice of labels), https://arxiv.org/abs/1611.04076

    Arguments:
        real: Logits of real events, (N,).
        fake: Logits of generated events, (M,).
        real_label: b, below 1 for one-sided label smoothing.
    """
    return ((real - real_label).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's loss of LSGAN, L_G = 1/2 E (D(G(z)) - c)^2 with c = 1.

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2016), Eq. 2 and Sec. 3.2
        (choice of labels), https://arxiv.org/abs/1611.04076

    Arguments:
        fake: Logits of generated events, (N,).
    """
    return (fake - 1).square().mean() / 2


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the critic's loss, minus its estimate of the Wasserstein distance.

    .. math:: L_D = \mathbb{E} f(G(z)) - \mathbb{E} f(x)

    The estimate holds for f of Lipschitz constant 1; without such a bound L_D has no minimum.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), Eq. 2, https://arxiv.org/abs/1701.07875

    Arguments:
        real: Logits f of real events, (N,).
        fake: Logits f of generated events, (M,).
    """
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's part of the Wasserstein distance: L_G = -E f(G(z)).

    References:
        Wasserstein GAN (Arjovsky et al., 2017), Algorithm 1, https://arxiv.org/abs/1701.07875

    Arguments:
        fake: Logits f of generated events, (N,).
    """
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the soft-margin loss of a support vector machine.

    .. math:: L_D = \mathbb{E} \max(0, 1 - f(x)) + \mathbb{E} \max(0, 1 + f(G(z)))

    Events beyond the margin exert no force. L_D = 2 for a discriminator that cannot decide.

    References:
        Geometric GAN (Lim and Ye, 2017), Sec. 3, https://arxiv.org/abs/1705.02894

    Arguments:
        real: Logits f of real events, (N,).
        fake: Logits f of generated events, (M,).
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    r"""Return the loss that moves events along the normal of the hyperplane: L_G = -E f(G(z)).

    References:
        Geometric GAN (Lim and Ye, 2017), Sec. 3, https://arxiv.org/abs/1705.02894

    Arguments:
        fake: Logits f of generated events, (N,).
    """
    return -fake.mean()
