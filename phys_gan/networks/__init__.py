"""Generator and discriminator pairs, one architecture per file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.detectors import Detector
from phys_gan.networks.base import Discriminator, Generator
from phys_gan.networks.calogan import CaloganConfig, CaloganDiscriminator, CaloganGenerator
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator, CompactGenerator
from phys_gan.networks.head import Assessment, Conditioning, HeadConfig
from phys_gan.networks.mlp import MlpConfig, MlpDiscriminator, MlpGenerator

__all__ = [
    "AnyNetworkConfig",
    "Assessment",
    "CaloganConfig",
    "CompactConfig",
    "Conditioning",
    "Discriminator",
    "Generator",
    "HeadConfig",
    "MlpConfig",
    "build_discriminator",
    "build_generator",
]

AnyNetworkConfig = Annotated[
    CompactConfig | CaloganConfig | MlpConfig, Field(discriminator="kind")
]


def build_generator(
    config: AnyNetworkConfig, detector: Detector, n_globals: int, n_conditions: int
) -> Generator:
    """Build the generator that a configuration describes.

    Raises:
        ConfigError: The architecture does not fit the detector or the encoding.
    """
    match config:
        case CaloganConfig():
            return CaloganGenerator(detector, n_globals, n_conditions, config)
        case CompactConfig():
            return CompactGenerator(detector, n_globals, n_conditions, config)
        case MlpConfig():
            return MlpGenerator(n_globals + detector.n_cells, n_conditions, config)


def build_discriminator(
    config: AnyNetworkConfig,
    detector: Detector,
    n_globals: int,
    n_conditions: int,
    head: HeadConfig | None = None,
) -> Discriminator:
    """Build the discriminator of the same pair.

    Raises:
        ConfigError: As in :func:`build_generator`.
    """
    head = head or HeadConfig()
    match config:
        case CaloganConfig():
            return CaloganDiscriminator(detector, n_globals, n_conditions, config, head)
        case CompactConfig():
            return CompactDiscriminator(detector, n_globals, n_conditions, config, head)
        case MlpConfig():
            return MlpDiscriminator(n_globals + detector.n_cells, n_conditions, config, head)
