"""One-sided label smoothing: a discriminator that is never entirely sure of real events."""

from __future__ import annotations

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["LabelSmoothing"]


class LabelSmoothing(Section):
    """Ask for less than certainty where events are real, and only there.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.4,
        https://arxiv.org/abs/1606.03498

    Attributes:
        real: Target of real events.
    """

    real: float = Field(default=0.9, gt=0.5, lt=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Salimans et al."""
        return ("salimans2016improved",)
