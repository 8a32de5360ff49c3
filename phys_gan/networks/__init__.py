"""Generators and discriminators, a module per published architecture.

Each architecture registers itself in ``ARCHITECTURES``, under the name of its options' ``kind``.
"""

from phys_gan.networks.architectures import (
    ARCHITECTURES,
    AnyNetworkConfig,
    Architecture,
    build_discriminator,
    build_generator,
    register_discriminator,
    register_generator,
)
from phys_gan.networks.autoencoder import AutoencoderConfig, Decoder, Encoder, build_encoder
from phys_gan.networks.base import (
    Conditioning,
    Discriminator,
    DiscriminatorOutput,
    Generator,
    HeadConfig,
    NetworkConfig,
    Sizes,
)
from phys_gan.networks.calogan import CaloganConfig
from phys_gan.networks.compact import CompactConfig
from phys_gan.networks.dcgan import DcganConfig
from phys_gan.networks.mlp import MlpConfig
from phys_gan.networks.physics import PhysicsDiscriminator
from phys_gan.networks.progressive import ProgressiveConfig
from phys_gan.networks.sagan import SaganConfig
from phys_gan.networks.stacked import StackedConfig
from phys_gan.networks.stylegan import StyleGanConfig
from phys_gan.networks.translator import TranslatorConfig

__all__ = [
    "ARCHITECTURES",
    "AnyNetworkConfig",
    "Architecture",
    "AutoencoderConfig",
    "CaloganConfig",
    "CompactConfig",
    "Conditioning",
    "DcganConfig",
    "Decoder",
    "Discriminator",
    "DiscriminatorOutput",
    "Encoder",
    "Generator",
    "HeadConfig",
    "MlpConfig",
    "NetworkConfig",
    "PhysicsDiscriminator",
    "ProgressiveConfig",
    "SaganConfig",
    "Sizes",
    "StackedConfig",
    "StyleGanConfig",
    "TranslatorConfig",
    "build_discriminator",
    "build_encoder",
    "build_generator",
    "register_discriminator",
    "register_generator",
]
