"""Adversarial losses that judge each event by itself: functions of logits, in softplus forms.

A discriminator gives logits, large for real, and D = 1 / (1 + exp(-logit)). Written with
softplus(t) = ln(1 + e^t), no loss overflows and no gradient is lost to rounding.

Adversarial losses that judge events of one kind against events of the other.

Only differences of logits enter, so a constant added to all logits changes nothing, and the
generator's loss is the discriminator's with real and generated events exchanged.

The adversarial losses by name: a discriminator's and a generator's loss that belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn.functional import relu, softplus

from phys_gan.errors import DataError

__all__ = [
    "LOSSES",
    "AdversarialLoss",
    "DiscriminatorLoss",
    "GeneratorLoss",
    "hinge_discriminator",
    "hinge_generator",
    "least_squares_discriminator",
    "least_squares_generator",
    "minimax_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "relativistic_average_discriminator",
    "relativistic_average_generator",
    "relativistic_discriminator",
    "relativistic_generator",
    "value",
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


class DiscriminatorLoss(Protocol):
    """Map logits of real (N,) and generated events (M,) to a scalar."""

    def __call__(self, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        """Return the loss; ``real_label`` below 1 smooths the labels of real events."""


class GeneratorLoss(Protocol):
    """Map logits of generated (M,) and real events (N,) to a scalar."""

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the loss; only relativistic ones look at the real logits."""


@dataclass(frozen=True)
class AdversarialLoss:
    """The two losses of a game, and what a trainer must know to play it.

    Attributes:
        name: Its name in recipes.
        discriminator: The loss of the logits of real events, of generated events, and of the label
            of real events (1 unless smoothed).
        generator: The loss of the logits of generated and of real events.
        reference: Key of its BibTeX entry.
        relativistic: Whether the generator's loss needs the logits of real events.
        smooth: Whether the label of real events has an effect; the others ignore it.
        bounded: Whether the discriminator's loss has a minimum without a Lipschitz constraint.

    Example:
        >>> import torch
        >>> undecided = torch.zeros(4)
        >>> print(f"{LOSSES['hinge'].discriminator(undecided, undecided):.1f}")
        2.0
    """

    name: str
    discriminator: DiscriminatorLoss
    generator: GeneratorLoss
    reference: str
    relativistic: bool = False
    smooth: bool = False
    bounded: bool = True


def _with_hard_labels(loss: Callable[[Tensor, Tensor], Tensor]) -> DiscriminatorLoss:
    """Let a loss without probabilities, hence without labels to smooth, ignore the label."""

    def discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        return loss(real, fake)

    return discriminator


def _of_fake_alone(loss: Callable[[Tensor], Tensor]) -> GeneratorLoss:
    """Let a loss of generated events ignore the real ones."""

    def generator(fake: Tensor, real: Tensor) -> Tensor:
        return loss(fake)

    return generator


def value(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the value of the game that the minimax losses play.

    .. math:: V = \mathbb{E} \ln D(x) + \mathbb{E} \ln(1 - D(G(z)))

    For the best discriminator V = 2 JS - 2 ln 2 (Theorem 1), and -2 ln 2 = -1.386 when generated
    events are distributed as real ones.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661

    Arguments:
        real: Logits of real events, (N,).
        fake: Logits of generated events, (M,).

    Example:
        >>> import torch
        >>> print(f"{value(torch.zeros(3), torch.zeros(5)):.3f}")
        -1.386
    """
    return -non_saturating_discriminator(real, fake)


LOSSES: dict[str, AdversarialLoss] = {
    loss.name: loss
    for loss in (
        AdversarialLoss(
            "minimax",
            non_saturating_discriminator,
            _of_fake_alone(minimax_generator),
            "goodfellow2014gan",
            smooth=True,
        ),
        AdversarialLoss(
            "non-saturating",
            non_saturating_discriminator,
            _of_fake_alone(non_saturating_generator),
            "goodfellow2014gan",
            smooth=True,
        ),
        AdversarialLoss(
            "least-squares",
            least_squares_discriminator,
            _of_fake_alone(least_squares_generator),
            "mao2016lsgan",
            smooth=True,
        ),
        AdversarialLoss(
            "wasserstein",
            _with_hard_labels(wasserstein_discriminator),
            _of_fake_alone(wasserstein_generator),
            "arjovsky2017wgan",
            bounded=False,
        ),
        AdversarialLoss(
            "hinge",
            _with_hard_labels(hinge_discriminator),
            _of_fake_alone(hinge_generator),
            "lim2017geometric",
        ),
        AdversarialLoss(
            "relativistic",
            _with_hard_labels(relativistic_discriminator),
            relativistic_generator,
            "jolicoeur2018relativistic",
            relativistic=True,
        ),
        AdversarialLoss(
            "relativistic-average",
            _with_hard_labels(relativistic_average_discriminator),
            relativistic_average_generator,
            "jolicoeur2018relativistic",
            relativistic=True,
        ),
    )
}
