"""Spectral normalisation: which of the two networks."""

from __future__ import annotations

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
    """

    discriminator: bool = True
    generator: bool = False

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of what is normalised."""
        return (
            *(("miyato2018spectral",) if self.discriminator else ()),
            *(("zhang2018sagan",) if self.generator else ()),
        )
