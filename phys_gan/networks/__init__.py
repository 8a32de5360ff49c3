"""Generator and discriminator pairs, one architecture per file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.networks.autoencoder import AutoencoderConfig, Decoder, Encoder
from phys_gan.networks.base import Discriminator, Generator
from phys_gan.networks.calogan import CaloganConfig, CaloganDiscriminator, CaloganGenerator
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator, CompactGenerator
from phys_gan.networks.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
from phys_gan.networks.head import Assessment, Conditioning, HeadConfig
from phys_gan.networks.mlp import MlpConfig, MlpDiscriminator, MlpGenerator
from phys_gan.networks.physics import PhysicsDiscriminator
from phys_gan.networks.progressive import (
    ProgressiveConfig,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
)
from phys_gan.networks.sagan import SaganConfig, SaganDiscriminator, SaganGenerator
from phys_gan.networks.stacked import StackedConfig, StackedGenerator
from phys_gan.networks.stylegan import (
    StyleGanConfig,
    StyleGanDiscriminator,
    StyleGanGenerator,
)
from phys_gan.networks.translator import Translator, TranslatorConfig

__all__ = [
    "AnyNetworkConfig",
    "Assessment",
    "AutoencoderConfig",
    "CaloganConfig",
    "CompactConfig",
    "Conditioning",
    "DcganConfig",
    "Decoder",
    "Discriminator",
    "Encoder",
    "Generator",
    "HeadConfig",
    "MlpConfig",
    "ProgressiveConfig",
    "SaganConfig",
    "StackedConfig",
    "StyleGanConfig",
    "TranslatorConfig",
    "build_discriminator",
    "build_encoder",
    "build_generator",
]

AnyNetworkConfig = Annotated[
    CompactConfig
    | CaloganConfig
    | MlpConfig
    | DcganConfig
    | SaganConfig
    | StyleGanConfig
    | ProgressiveConfig
    | AutoencoderConfig
    | TranslatorConfig
    | StackedConfig,
    Field(discriminator="kind"),
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
        case DcganConfig():
            return DcganGenerator(detector, n_globals, n_conditions, config)
        case SaganConfig():
            return SaganGenerator(detector, n_globals, n_conditions, config)
        case StyleGanConfig():
            return StyleGanGenerator(detector, n_globals, n_conditions, config)
        case ProgressiveConfig():
            return ProgressiveGenerator(detector, n_globals, n_conditions, config)
        case AutoencoderConfig():
            return Decoder(detector, n_globals, n_conditions, config)
        case TranslatorConfig():
            return Translator(detector, n_globals, n_conditions, config)
        case StackedConfig():
            return StackedGenerator(detector, n_globals, n_conditions, config)
        case _:
            raise _unknown(config)


def build_discriminator(
    config: AnyNetworkConfig,
    detector: Detector,
    n_globals: int,
    n_conditions: int,
    head: HeadConfig | None = None,
) -> Discriminator:
    """Build the discriminator of the same pair.

    Raises:
        ConfigError: As in :func:`build_generator`, or the architecture has no discriminator.
    """
    head = head or HeadConfig()
    match config:
        case CaloganConfig():
            return CaloganDiscriminator(detector, n_globals, n_conditions, config, head)
        case CompactConfig():
            return CompactDiscriminator(detector, n_globals, n_conditions, config, head)
        case MlpConfig():
            return MlpDiscriminator(n_globals + detector.n_cells, n_conditions, config, head)
        case DcganConfig():
            return DcganDiscriminator(detector, n_globals, n_conditions, config, head)
        case SaganConfig():
            return SaganDiscriminator(detector, n_globals, n_conditions, config, head)
        case StyleGanConfig():
            return StyleGanDiscriminator(detector, n_globals, n_conditions, config, head)
        case ProgressiveConfig():
            return ProgressiveDiscriminator(detector, n_globals, n_conditions, config, head)
        case AutoencoderConfig():
            return PhysicsDiscriminator(detector, n_globals, n_conditions, config, head)
        case TranslatorConfig() | StackedConfig():
            method = "cycle" if isinstance(config, TranslatorConfig) else "stacked"
            raise ConfigError(
                f"the networks '{config.kind}' have two discriminators: they are for method.kind = "
                f"'{method}'",
                remedy="choose that method, or network.kind = 'compact', 'mlp' or 'dcgan'",
                value=config.kind,
            )
        case _:
            raise _unknown(config)


def build_encoder(
    config: AnyNetworkConfig, detector: Detector, n_globals: int, n_conditions: int
) -> Encoder:
    """Build the encoder of an autoencoder, whose decoder is the generator.

    Raises:
        ConfigError: The networks are no autoencoder.
    """
    if not isinstance(config, AutoencoderConfig):
        raise ConfigError(
            f"the networks '{config.kind}' have no encoder",
            remedy="choose network.kind = 'autoencoder'",
            value=config.kind,
        )
    return Encoder(n_globals + detector.n_cells, n_conditions, config)


def _unknown(config: object) -> ConfigError:
    kind = getattr(config, "kind", type(config).__name__)
    return ConfigError(
        f"there is no architecture '{kind}' in phys_gan",
        remedy="build such networks yourself, as docs/howto/adding.md does",
        value=kind,
    )
