"""PacGAN: a discriminator that judges several events at once sees when they are too alike."""

from __future__ import annotations

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["Packing"]


class Packing(Section):
    """Judge m events together, all real or all generated; only the first layer gets wider.

    References:
        PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017),
        Sec. 2, https://arxiv.org/abs/1712.04086

    Attributes:
        m: Events that are judged together.
    """

    m: int = Field(default=2, ge=2)

    @property
    def references(self) -> tuple[str, ...]:
        """Lin et al."""
        return ("lin2017pacgan",)
