"""Instance noise: two narrow distributions overlap before the discriminator compares them."""

from __future__ import annotations

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["InstanceNoise"]


class InstanceNoise(Section):
    """Add normal noise, less and less of it, to what the discriminator sees.

    References:
        Amortised MAP Inference for Image Super-resolution (Sønderby et al., 2016), Sec. 3.3,
        https://arxiv.org/abs/1610.04490; Towards Principled Methods for Training Generative
        Adversarial Networks (Arjovsky and Bottou, 2017), Sec. 3, https://arxiv.org/abs/1701.04862

    Attributes:
        scale: Standard deviation at the beginning; what is seen has about 1.
        events: Events shown over which it falls to 0, linearly.
    """

    scale: float = Field(default=0.1, gt=0)
    events: int = Field(default=1_000_000, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """Both papers."""
        return ("sonderby2016noise", "arjovsky2017principled")

    def level(self, shown: int) -> float:
        """Return the standard deviation after ``shown`` events."""
        return self.scale * max(0.0, 1 - shown / self.events)
