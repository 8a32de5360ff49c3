"""Layers that a TOML file declares once and repeats in depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phys_gan.detectors.limits import declared_cells, require_bounded

__all__ = ["expanded"]

_MOST_REPEATS = 10_000


def expanded(layers: Sequence[Any]) -> list[Any]:
    """Turn ``repeat = n`` in a layer into n layers, one behind the other, and name them.

    What is no mapping, such as a layer that was made already, stays as it is.

    Raises:
        ValueError: A repeat is no whole number or has no depth, or the layers are too many.
    """
    found: list[Any] = []
    n_cells = 0
    for layer in layers:
        if not isinstance(layer, dict):
            found.append(layer)
            continue
        single = {key: value for key, value in layer.items() if key != "repeat"}
        repeat = _checked(layer.get("repeat", 1), single.get("z"))
        n_cells += repeat * declared_cells(single)
        require_bounded(n_cells, len(found) + repeat)
        for number in range(repeat):
            found.append(_copy(single, number, repeat, len(found)))
    return found


def _checked(repeat: Any, z: Any) -> int:
    """Return how often a layer of this depth is repeated."""
    if not isinstance(repeat, int) or not 1 <= repeat <= _MOST_REPEATS:
        raise ValueError(f"repeat = {repeat!r} is not a whole number from 1 to {_MOST_REPEATS}")
    pair = isinstance(z, list | tuple) and len(z) == 2
    if repeat > 1 and not (pair and all(isinstance(edge, int | float) for edge in z)):
        raise ValueError("a repeated layer needs z = [front, back]")
    return repeat


def _copy(single: Mapping[str, Any], number: int, repeat: int, place: int) -> dict[str, Any]:
    """Return one of the repeated layers, which is number ``place`` of the detector."""
    copy = dict(single)
    if "name" not in single or repeat > 1:
        copy["name"] = f"{single.get('name', '')}{place}"
    if number:
        front, back = single["z"]
        copy["z"] = (front + number * (back - front), back + number * (back - front))
    return copy
