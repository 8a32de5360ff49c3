"""Physical events to network tensors and back; the fitted state is saved with the model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from phys_gan.detectors import Detector
from phys_gan.encodings.base import Encoding
from phys_gan.encodings.image import ImageEncoding, ImageEncodingConfig
from phys_gan.encodings.shower import ShowerEncoding, ShowerEncodingConfig
from phys_gan.encodings.standard import (
    AbsoluteEncoding,
    AbsoluteEncodingConfig,
    StandardEncoding,
    StandardEncodingConfig,
)

__all__ = [
    "AbsoluteEncoding",
    "AnyEncodingConfig",
    "Encoding",
    "ImageEncoding",
    "ShowerEncoding",
    "StandardEncoding",
    "build_encoding",
]

AnyEncodingConfig = Annotated[
    ShowerEncodingConfig | AbsoluteEncodingConfig | ImageEncodingConfig | StandardEncodingConfig,
    Field(discriminator="kind"),
]


def build_encoding(config: AnyEncodingConfig, detector: Detector) -> Encoding:
    """Build the encoding that a configuration describes, to be fitted or loaded."""
    match config:
        case ShowerEncodingConfig():
            return ShowerEncoding(detector, config)
        case AbsoluteEncodingConfig():
            return AbsoluteEncoding(detector, config)
        case ImageEncodingConfig():
            return ImageEncoding(detector, config)
        case StandardEncodingConfig():
            return StandardEncoding(detector, config)
