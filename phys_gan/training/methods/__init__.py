"""Methods: one step of training, one module each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.training.methods.adversarial import Adversarial, AdversarialConfig, GameConfig
from phys_gan.training.methods.base import Method, Setup, SourceEvents
from phys_gan.training.methods.cycle import Cycle, CycleConfig
from phys_gan.training.methods.moments import MomentMatching, MomentMatchingConfig
from phys_gan.training.methods.stacked import Stacked, StackedMethodConfig
from phys_gan.training.methods.variational import (
    VaeGan,
    VaeGanConfig,
    Variational,
    VariationalConfig,
)

__all__ = [
    "AdversarialConfig",
    "AnyMethodConfig",
    "CycleConfig",
    "GameConfig",
    "Method",
    "MomentMatchingConfig",
    "Setup",
    "SourceEvents",
    "StackedMethodConfig",
    "VaeGanConfig",
    "VariationalConfig",
    "build_method",
]

AnyMethodConfig = Annotated[
    AdversarialConfig
    | VariationalConfig
    | VaeGanConfig
    | MomentMatchingConfig
    | CycleConfig
    | StackedMethodConfig,
    Field(discriminator="kind"),
]


def build_method(config: AnyMethodConfig, setup: Setup) -> Method:
    """Build the method that a configuration describes.

    Raises:
        ConfigError: It does not fit the networks, the encoding or the events.
    """
    match config:
        case AdversarialConfig():
            return Adversarial(config, setup)
        case VariationalConfig():
            return Variational(config, setup)
        case VaeGanConfig():
            return VaeGan(config, setup)
        case MomentMatchingConfig():
            return MomentMatching(config, setup)
        case CycleConfig():
            return Cycle(config, setup)
        case StackedMethodConfig():
            return Stacked(config, setup)
