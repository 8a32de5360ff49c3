"""What a model file says about itself beside its tensors: JSON, checked before it is believed."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from phys_gan.encodings import AnyEncodingConfig
from phys_gan.networks import AnyNetworkConfig

__all__ = ["FORMAT", "Header", "read_header"]

FORMAT = "phys_gan model 1"


class Header(BaseModel):
    """What the file says about itself beside its tensors.

    Attributes:
        format: Which form of file it is.
        detector: The detector as TOML.
        encoding: The options of the encoding.
        network: The options of the generator.
        provenance: How the model was made, as short texts by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    detector: str
    encoding: AnyEncodingConfig
    network: AnyNetworkConfig
    provenance: dict[str, str]


def read_header(text: str) -> Header:
    """Read a header from JSON.

    Raises:
        ValueError: It is no JSON, names something twice, or does not describe a model.
    """
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    header = Header.model_validate(content)
    if header.format != FORMAT:
        raise ValueError(f"it is no '{FORMAT}'")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values with one name, two programs may believe different ones.
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name is there twice")
    return names


def _refuse(number: str) -> float:
    raise ValueError(f"{number} is no number")
