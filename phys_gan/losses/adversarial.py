"""The adversarial losses by name, as functions of logits.

``real`` (N,) and ``fake`` (M,) are the logits of real events x and of generated events G(z), large
for real ones: f or C in the papers on critics, and D = 1 / (1 + exp(-logit)) elsewhere. Written
with softplus(t) = ln(1 + e^t), no loss overflows and no gradient is lost to rounding.

Relativistic losses compare real events with generated ones: only differences of logits enter, so
that a constant added to all of them changes nothing, and the generator's loss is the
discriminator's with real and generated events exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from phys_gan.errors import ConfigError, DataError

_Generator = TypeVar("_Generator", bound=Callable[..., Tensor])


class DiscriminatorLoss(Protocol):
    """Map logits of real (N,) and generated events (M,) to a scalar."""

    def __call__(self, real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        """Return the loss; ``real_label`` below 1 smooths the labels of real events."""


class GeneratorLoss(Protocol):
    """Map logits of generated (M,) and real events (N,) to a scalar."""

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the loss; only relativistic losses depend on the real logits."""


@dataclass(frozen=True)
class AdversarialLoss:
    """The losses of discriminator and generator, and what training must know of them.

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
        >>> zeros = torch.zeros(4)
        >>> print(f"{LOSSES['hinge'].discriminator(zeros, zeros):.1f}")
        2.0
    """

    name: str
    discriminator: DiscriminatorLoss
    generator: GeneratorLoss
    reference: str
    relativistic: bool = False
    smooth: bool = False
    bounded: bool = True


LOSSES: dict[str, AdversarialLoss] = {}
"""The adversarial losses by name."""


def register_loss(
    name: str,
    discriminator: Callable[..., Tensor],
    *,
    reference: str,
    relativistic: bool = False,
    smooth: bool = False,
    bounded: bool = True,
) -> Callable[[_Generator], _Generator]:
    """Register a generator's loss together with the discriminator's that belongs to it.

    The generator's loss is a function of the logits of generated events, and of those of real
    events where it is relativistic; the discriminator's, of the logits of real and of generated
    events, and of the label of real events where it is smooth.

    The other arguments are those of :class:`AdversarialLoss`.

    Raises:
        ConfigError: The name is taken.

    Example:
        >>> @register_loss("mean", wasserstein_discriminator, reference="arjovsky2017wgan")
        ... def mean(fake):
        ...     return -fake.mean()
        >>> LOSSES.pop("mean").name
        'mean'
    """

    def hard(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
        return discriminator(real, fake)

    def register(generator: _Generator) -> _Generator:
        if name in LOSSES:
            raise ConfigError(
                f"the loss '{name}' exists already", remedy="choose another name", value=name
            )

        def of_fake_alone(fake: Tensor, real: Tensor) -> Tensor:
            return generator(fake)

        LOSSES[name] = AdversarialLoss(
            name,
            discriminator if smooth else hard,
            generator if relativistic else of_fake_alone,
            reference,
            relativistic,
            smooth,
            bounded,
        )
        return generator

    return register


def non_saturating_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    r"""Return the discriminator's loss of the original GAN, with smoothed real labels.

    .. math:: L_D = -\mathbb{E}[\alpha \ln D(x) + (1 - \alpha) \ln(1 - D(x))]
        - \mathbb{E} \ln(1 - D(G(z)))

    Without smoothing it is minus the value of the game. The best discriminator is
    :math:`D = \alpha p / (p + q)`. At the optimum of the game with :math:`\alpha = 1`, D = 1/2
    and L_D = 2 ln 2. Real events have the label :math:`\alpha` = ``real_label``, in (0, 1].

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661;
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.4 (smoothing),
        https://arxiv.org/abs/1606.03498
    """
    # alpha softplus(-t) + (1 - alpha) softplus(t), with softplus(t) = softplus(-t) + t.
    return (softplus(-real) + (1 - real_label) * real).mean() + softplus(fake).mean()


@register_loss("minimax", non_saturating_discriminator, reference="goodfellow2014gan", smooth=True)
def minimax_generator(fake: Tensor) -> Tensor:
    r"""Return the generator's side of the zero-sum game: L_G = E ln(1 - D(G(z))).

    Its gradient vanishes where the discriminator is certain that events are generated
    (Goodfellow et al., 2014, Eq. 1).
    """
    return -softplus(fake).mean()


@register_loss(
    "non-saturating", non_saturating_discriminator, reference="goodfellow2014gan", smooth=True
)
def non_saturating_generator(fake: Tensor) -> Tensor:
    """Return the non-saturating loss, L_G = -E ln D(G(z)) (Goodfellow et al., 2014, Sec. 3)."""
    return softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    r"""Return the discriminator's loss of LSGAN with the labels 0 and 1.

    .. math:: L_D = \frac{1}{2} \mathbb{E} (D(x) - b)^2 + \frac{1}{2} \mathbb{E} (D(G(z)) - a)^2

    with D the logit itself, a = 0 and b = ``real_label``. With b = 1 the best discriminator is
    p / (p + q), and L_D = 1/4 when generated events are distributed as real ones.

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2016), Eq. 2 and Sec. 3.2
        (choice of labels), https://arxiv.org/abs/1611.04076
    """
    return ((real - real_label).square().mean() + fake.square().mean()) / 2


@register_loss("least-squares", least_squares_discriminator, reference="mao2016lsgan", smooth=True)
def least_squares_generator(fake: Tensor) -> Tensor:
    """Return LSGAN's loss, L_G = 1/2 E (D(G(z)) - c)^2 with c = 1 (Mao et al., 2016, Eq. 2)."""
    return (fake - 1).square().mean() / 2


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the critic's loss, minus its estimate of the Wasserstein distance.

    .. math:: L_D = \mathbb{E} f(G(z)) - \mathbb{E} f(x)

    The estimate holds for f of Lipschitz constant 1; without such a bound L_D has no minimum.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), Eq. 2, https://arxiv.org/abs/1701.07875
    """
    return fake.mean() - real.mean()


@register_loss(
    "wasserstein", wasserstein_discriminator, reference="arjovsky2017wgan", bounded=False
)
def wasserstein_generator(fake: Tensor) -> Tensor:
    """Return the generator's part of the Wasserstein distance, L_G = -E f(G(z))."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the hinge loss of the discriminator, that of a support vector machine.

    .. math:: L_D = \mathbb{E} \max(0, 1 - f(x)) + \mathbb{E} \max(0, 1 + f(G(z)))

    Events beyond the margin exert no force. L_D = 2 where all logits are 0.

    References:
        Geometric GAN (Lim and Ye, 2017), Sec. 3, https://arxiv.org/abs/1705.02894
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


@register_loss("hinge", hinge_discriminator, reference="lim2017geometric")
def hinge_generator(fake: Tensor) -> Tensor:
    """Return the loss that moves events along the normal of the hyperplane, L_G = -E f(G(z))."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the loss of the RSGAN's discriminator, which compares pairs of events.

    .. math:: L_D = -\mathbb{E} \ln \sigma(C(x) - C(G(z))), \qquad \sigma(t) = 1 / (1 + e^{-t})

    Generated event i is compared with real event i. L_D = ln 2 where all logits are equal.

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.1, https://arxiv.org/abs/1807.00734

    Raises:
        DataError: There are not as many generated events as real ones.
    """
    if real.shape != fake.shape:
        raise DataError(
            f"{len(real)} real and {len(fake)} generated events do not form pairs",
            remedy="give as many of each, or use the loss 'relativistic-average'",
            value=len(fake),
            constraint=len(real),
        )
    return softplus(fake - real).mean()


@register_loss(
    "relativistic",
    relativistic_discriminator,
    reference="jolicoeur2018relativistic",
    relativistic=True,
)
def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """Return the loss of the RSGAN's generator, L_G = -E ln sigma(C(G(z)) - C(x)).

    Raises:
        DataError: There are not as many generated events as real ones.
    """
    return relativistic_discriminator(fake, real)


def relativistic_average_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the loss of the RaSGAN's discriminator, which compares events with a mean.

    .. math:: L_D = -\mathbb{E} \ln \sigma(C(x) - \mathbb{E}\, C(G(z)))
        - \mathbb{E} \ln(1 - \sigma(C(G(z)) - \mathbb{E}\, C(x)))

    L_D = 2 ln 2 where all logits are equal.

    References:
        The relativistic discriminator: a key element missing from standard GAN
        (Jolicoeur-Martineau, 2018), Sec. 4.3 and Algorithm 2, https://arxiv.org/abs/1807.00734
    """
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


@register_loss(
    "relativistic-average",
    relativistic_average_discriminator,
    reference="jolicoeur2018relativistic",
    relativistic=True,
)
def relativistic_average_generator(fake: Tensor, real: Tensor) -> Tensor:
    r"""Return the loss of the RaSGAN's generator, which exchanges real and generated events.

    .. math:: L_G = -\mathbb{E} \ln \sigma(C(G(z)) - \mathbb{E}\, C(x))
        - \mathbb{E} \ln(1 - \sigma(C(x) - \mathbb{E}\, C(G(z))))
    """
    return relativistic_average_discriminator(fake, real)


def value(real: Tensor, fake: Tensor) -> Tensor:
    r"""Return the value of the minimax game.

    .. math:: V = \mathbb{E} \ln D(x) + \mathbb{E} \ln(1 - D(G(z)))

    For the best discriminator V = 2 JS - 2 ln 2 (Theorem 1), and -2 ln 2 = -1.386 when generated
    events are distributed as real ones.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), Eq. 1,
        https://arxiv.org/abs/1406.2661

    Example:
        >>> import torch
        >>> print(f"{value(torch.zeros(3), torch.zeros(5)):.3f}")
        -1.386
    """
    return -non_saturating_discriminator(real, fake)
