"""Methods: what one step of training is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.training.methods.adversarial import Adversarial, AdversarialConfig
from phys_gan.training.methods.base import Method, Setup, Sources
from phys_gan.training.methods.game import GameConfig

__all__ = [
    "AdversarialConfig",
    "AnyMethodConfig",
    "GameConfig",
    "Method",
    "Setup",
    "Sources",
    "build_method",
]

AnyMethodConfig = Annotated[AdversarialConfig, Field()]


def build_method(config: AnyMethodConfig, setup: Setup) -> Method:
    """Build the method that a configuration describes.

    Raises:
        ConfigError: It does not fit the networks, the encoding or the events.
    """
    return Adversarial(config, setup)
