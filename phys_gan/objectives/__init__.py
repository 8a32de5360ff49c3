"""Losses and penalties as pure functions."""

from phys_gan.objectives.losses import non_saturating_discriminator, non_saturating_generator
from phys_gan.objectives.penalties import r1

__all__ = ["non_saturating_discriminator", "non_saturating_generator", "r1"]
