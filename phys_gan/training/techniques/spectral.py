"""Spectral normalisation: which of the two networks."""

from __future__ import annotations

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["Spectral"]


class Spectral(Section):
    """Bound the Lipschitz constant by the largest singular value of each layer.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018),
        https://arxiv.org/abs/1802.05957; for the generator as well, Self-Attention Generative
        Adversarial Networks (Zhang et al., 2018), Sec. 4.1, https://arxiv.org/abs/1805.08318

    Attributes:
        discriminator: Normalise the discriminator.
        generator: Normalise the generator.
        lipschitz: Lipschitz constant K of the discriminator, whose logits are multiplied by it:
            standardised events lie within a few units of each other, where a slope of 1 hardly
            tells narrow structures apart.
    """

    discriminator: bool = True
    generator: bool = False
    lipschitz: float = Field(default=1.0, gt=0)

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of what is normalised."""
        return (
            *(("miyato2018spectral",) if self.discriminator else ()),
            *(("zhang2018sagan",) if self.generator else ()),
        )
