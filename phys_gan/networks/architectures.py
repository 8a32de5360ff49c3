"""The pairs of networks by name, and how a configuration chooses one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.networks.autoencoder import AutoencoderConfig, Decoder, Encoder
from phys_gan.networks.base import Discriminator, Generator, HeadConfig, NetworkConfig
from phys_gan.networks.calogan import CaloganConfig, CaloganDiscriminator, CaloganGenerator
from phys_gan.networks.compact import CompactConfig, CompactDiscriminator, CompactGenerator
from phys_gan.networks.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
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
    "ARCHITECTURES",
    "AnyNetworkConfig",
    "Architecture",
    "build_discriminator",
    "build_encoder",
    "build_generator",
]


@dataclass(frozen=True)
class Architecture:
    """A generator and the discriminator that judges it.

    Attributes:
        config: Their options; the default of ``kind`` is the name in :data:`ARCHITECTURES`.
        generator: Builds the generator from the detector, the numbers per encoded event in front
            of the cells, the numbers per event that tell the conditions, and the options.
        discriminator: Builds the discriminator from the same and the options of its head; None
            where a method builds its own.
        methods: Methods that train these networks and no others; empty for networks that any
            other method trains.
    """

    config: type[NetworkConfig]
    generator: Callable[[Detector, int, int, Any], Generator]
    discriminator: Callable[[Detector, int, int, Any, HeadConfig], Discriminator] | None = None
    methods: tuple[str, ...] = ()


def _mlp_generator(
    detector: Detector, n_globals: int, n_conditions: int, config: MlpConfig
) -> MlpGenerator:
    return MlpGenerator(n_globals + detector.n_cells, n_conditions, config)


def _mlp_discriminator(
    detector: Detector, n_globals: int, n_conditions: int, config: MlpConfig, head: HeadConfig
) -> MlpDiscriminator:
    return MlpDiscriminator(n_globals + detector.n_cells, n_conditions, config, head)


ARCHITECTURES: dict[str, Architecture] = {
    "compact": Architecture(CompactConfig, CompactGenerator, CompactDiscriminator),
    "calogan": Architecture(CaloganConfig, CaloganGenerator, CaloganDiscriminator),
    "mlp": Architecture(MlpConfig, _mlp_generator, _mlp_discriminator),
    "dcgan": Architecture(DcganConfig, DcganGenerator, DcganDiscriminator),
    "sagan": Architecture(SaganConfig, SaganGenerator, SaganDiscriminator),
    "stylegan": Architecture(StyleGanConfig, StyleGanGenerator, StyleGanDiscriminator),
    "progressive": Architecture(ProgressiveConfig, ProgressiveGenerator, ProgressiveDiscriminator),
    "autoencoder": Architecture(
        AutoencoderConfig, Decoder, PhysicsDiscriminator, methods=("variational", "vae-gan")
    ),
    "translator": Architecture(TranslatorConfig, Translator, methods=("cycle",)),
    "stacked": Architecture(StackedConfig, StackedGenerator, methods=("stacked",)),
}
"""What ``network.kind`` names in a recipe and in a model file; scripts may add their own."""


def _chosen(options: object) -> object:
    """Check options by the architecture that their ``kind`` names, and that there is one."""
    if isinstance(options, NetworkConfig):
        kind: object = options.kind
    elif isinstance(options, dict):
        kind = options.get("kind")
    else:
        return options
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        problem = (
            "kind is missing"
            if kind is None
            else f"there is no architecture '{kind}' unless a script registers it"
        )
        raise ValueError(f"{problem}; there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[kind].config.model_validate(options)


AnyNetworkConfig = Annotated[SerializeAsAny[NetworkConfig], BeforeValidator(_chosen)]
"""Options of any pair in :data:`ARCHITECTURES`, told apart by ``kind``."""


def build_generator(
    config: NetworkConfig, detector: Detector, n_globals: int, n_conditions: int
) -> Generator:
    """Build the generator that a configuration describes.

    Raises:
        ConfigError: The architecture is not registered, or does not fit the detector or the
            encoding.
    """
    return _architecture(config).generator(detector, n_globals, n_conditions, config)


def build_discriminator(
    config: NetworkConfig,
    detector: Detector,
    n_globals: int,
    n_conditions: int,
    head: HeadConfig | None = None,
) -> Discriminator:
    """Build the discriminator of the same pair.

    Raises:
        ConfigError: As in :func:`build_generator`, or the architecture has no discriminator.
    """
    pair = _architecture(config)
    if pair.discriminator is None:
        methods = " or ".join(map(repr, pair.methods))
        raise ConfigError(
            f"the networks '{config.kind}' have no single discriminator"
            + (f": they are for method.kind = {methods}" if methods else ""),
            remedy="choose that method, or network.kind = 'compact', 'mlp' or 'dcgan'",
            value=config.kind,
        )
    return pair.discriminator(detector, n_globals, n_conditions, config, head or HeadConfig())


def build_encoder(
    config: NetworkConfig, detector: Detector, n_globals: int, n_conditions: int
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


def _architecture(config: NetworkConfig) -> Architecture:
    if config.kind not in ARCHITECTURES:
        raise ConfigError(
            f"there is no architecture '{config.kind}'",
            remedy="register it in phys_gan.networks.ARCHITECTURES, as docs/howto/adding.md does",
            value=config.kind,
        )
    return ARCHITECTURES[config.kind]
