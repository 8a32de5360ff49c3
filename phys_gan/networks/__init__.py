"""Generator and discriminator pairs, one architecture per file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.detectors import Detector
from phys_gan.networks.base import Discriminator, Generator
from phys_gan.networks.calogan import CaloganConfig, CaloganDiscriminator, CaloganGenerator
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator, CompactGenerator

__all__ = [
    "AnyNetworkConfig",
    "CaloganConfig",
    "CompactConfig",
    "Discriminator",
    "Generator",
    "build_discriminator",
    "build_generator",
]

AnyNetworkConfig = Annotated[CompactConfig | CaloganConfig, Field(discriminator="kind")]


def build_generator(
    config: AnyNetworkConfig, detector: Detector, n_globals: int, n_conditions: int
) -> Generator:
    """Build the generator that a configuration describes.

    Raises:
        ConfigError: The architecture does not fit the detector or the encoding.
    """
    if isinstance(config, CaloganConfig):
        return CaloganGenerator(detector, n_globals, n_conditions, config)
    return CompactGenerator(detector, n_globals, n_conditions, config)


def build_discriminator(
    config: AnyNetworkConfig, detector: Detector, n_globals: int, n_conditions: int
) -> Discriminator:
    """Build the discriminator of the same pair.

    Raises:
        ConfigError: As in :func:`build_generator`.
    """
    if isinstance(config, CaloganConfig):
        return CaloganDiscriminator(detector, n_globals, n_conditions, config)
    return CompactDiscriminator(detector, n_globals, n_conditions, config)
