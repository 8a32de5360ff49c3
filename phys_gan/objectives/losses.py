"""The adversarial losses by name: a discriminator's and a generator's loss that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from phys_gan.objectives.adversarial import (
    hinge_discriminator,
    hinge_generator,
    least_squares_discriminator,
    least_squares_generator,
    minimax_generator,
    non_saturating_discriminator,
    non_saturating_generator,
    wasserstein_discriminator,
    wasserstein_generator,
)
from phys_gan.objectives.relativistic import (
    relativistic_average_discriminator,
    relativistic_average_generator,
    relativistic_discriminator,
    relativistic_generator,
)

__all__ = ["LOSSES", "AdversarialLoss", "DiscriminatorLoss", "GeneratorLoss", "value"]


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
