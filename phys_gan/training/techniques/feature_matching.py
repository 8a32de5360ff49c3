"""Feature matching: a generator's goal that a discriminator's confidence cannot spoil."""

from __future__ import annotations

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["FeatureMatching"]


class FeatureMatching(Section):
    """Match the means of the discriminator's features over real and generated events.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.1,
        https://arxiv.org/abs/1606.03498

    Attributes:
        weight: Weight in the generator's loss.
        replace: Whether it replaces the generator's adversarial loss, as published, or is added.
    """

    weight: float = Field(default=1.0, gt=0)
    replace: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """Salimans et al."""
        return ("salimans2016improved",)
