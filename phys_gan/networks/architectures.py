"""The registry of architectures: pairs of networks by name, and how options choose one.

A generator and a discriminator register themselves, each with the class of its options, whose
default of ``kind`` is the name of the architecture in recipes and model files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, SerializeAsAny

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.networks.base import Discriminator, Generator, HeadConfig, NetworkConfig, Sizes

_MakesGenerator = TypeVar("_MakesGenerator", bound=Callable[..., Generator])
_MakesDiscriminator = TypeVar("_MakesDiscriminator", bound=Callable[..., Discriminator])


@dataclass(frozen=True)
class Architecture:
    """A generator and the discriminator that belongs to it.

    Attributes:
        config: Their options.
        generator: Makes the generator from detector, sizes and options.
        discriminator: Makes the discriminator from the same and the options of its head; None where
            a method makes its own.
        methods: Methods that train these networks and no others; empty for networks that any
            other method trains.
    """

    config: type[NetworkConfig]
    generator: Callable[..., Generator]
    discriminator: Callable[..., Discriminator] | None = None
    methods: tuple[str, ...] = ()


ARCHITECTURES: dict[str, Architecture] = {}
"""The architectures by name."""


def register_generator(
    config: type[NetworkConfig], *, methods: tuple[str, ...] = ()
) -> Callable[[_MakesGenerator], _MakesGenerator]:
    """Register a generator, and with it the architecture that ``config`` names.

    Arguments:
        config: The class of its options.
        methods: As in :class:`Architecture`.

    Raises:
        ConfigError: The name is taken.
    """
    kind = config.model_fields["kind"].default

    def register(generator: _MakesGenerator) -> _MakesGenerator:
        if kind in ARCHITECTURES:
            raise ConfigError(
                f"the architecture '{kind}' exists already",
                remedy="choose another name",
                value=kind,
            )
        ARCHITECTURES[kind] = Architecture(config, generator, methods=methods)
        return generator

    return register


def register_discriminator(
    config: type[NetworkConfig],
) -> Callable[[_MakesDiscriminator], _MakesDiscriminator]:
    """Register the discriminator of the architecture that ``config`` names.

    Raises:
        ConfigError: There is no such architecture yet, or it has a discriminator.
    """
    kind = config.model_fields["kind"].default

    def register(discriminator: _MakesDiscriminator) -> _MakesDiscriminator:
        if kind not in ARCHITECTURES or ARCHITECTURES[kind].discriminator is not None:
            raise ConfigError(
                f"the architecture '{kind}' has no generator yet, or has a discriminator already",
                remedy="register one generator, then one discriminator",
                value=kind,
            )
        ARCHITECTURES[kind] = replace(ARCHITECTURES[kind], discriminator=discriminator)
        return discriminator

    return register


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
        raise ValueError(f"{problem}; there are {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[kind].config.model_validate(options)


AnyNetworkConfig = Annotated[SerializeAsAny[NetworkConfig], BeforeValidator(_chosen)]
"""Options of any architecture in :data:`ARCHITECTURES`, distinguished by ``kind``."""


def build_generator(config: NetworkConfig, detector: Detector, sizes: Sizes) -> Generator:
    """Build the generator that a configuration describes.

    Raises:
        ConfigError: The architecture is not registered, or does not fit the detector or the
            encoding.
    """
    return _architecture(config).generator(detector, sizes, config)


def build_discriminator(
    config: NetworkConfig, detector: Detector, sizes: Sizes, head: HeadConfig | None = None
) -> Discriminator:
    """Build the discriminator that a configuration describes.

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
    return pair.discriminator(detector, sizes, config, head or HeadConfig())


def _architecture(config: NetworkConfig) -> Architecture:
    if config.kind not in ARCHITECTURES:
        raise ConfigError(
            f"there is no architecture '{config.kind}'",
            remedy="register it with phys_gan.networks.register_generator, as in "
            "docs/howto/adding.md",
            value=config.kind,
        )
    return ARCHITECTURES[config.kind]
