"""What an exported model says about itself, for people and programs that cannot ask it."""

from __future__ import annotations

from typing import Any

from phys_gan._version import __version__
from phys_gan.generation.export.target import Port, Target
from phys_gan.generation.export.translation import OPSET
from phys_gan.model import Model

__all__ = ["describe"]

_FORMAT = "phys_gan export 1"


def describe(model: Model, target: Target) -> dict[str, Any]:
    """Return the description of a model for a target, ready for JSON."""
    encoding = model.encoding
    ranges = dict(zip(encoding.named, encoding.ranges.tolist(), strict=True))
    return {
        "format": _FORMAT,
        "phys_gan": __version__,
        "target": target.name,
        "detector": model.detector.model_dump(mode="json", exclude_none=True),
        "cells": {"unit": target.unit, "order": target.order},
        "inputs": [_port(port, target.single) for port in target.inputs],
        "outputs": [_port(target.output, target.single)],
        "conditions": ranges,
        "energy_range": ranges.get("energy"),
        "outside_the_range": "the event at the edge of the range is generated",
        "energy_scale": target.options.energy_scale,
        "settings": target.settings(),
        "opset": OPSET,
        "references": model.provenance.get("references", "").split(),
        "provenance": dict(model.provenance),
    }


def _port(port: Port, single: bool) -> dict[str, Any]:
    shape = [1 if single and size == "N" else size for size in port.shape]
    return {"name": port.name, "shape": shape, "type": "float32", "meaning": port.meaning}
