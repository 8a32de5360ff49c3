"""Symmetries of a detector, as permutations of its cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors.layers import CartesianLayer, Layer, PolarLayer
from phys_gan.detectors.limits import MOST_GROUP_ENTRIES

__all__ = ["Symmetry", "symmetry_group"]

Symmetry = Literal["reflect-x", "reflect-y", "reflect-alpha", "rotate-alpha"]
_L = TypeVar("_L", CartesianLayer, PolarLayer)


def symmetry_group(layers: Sequence[Layer], symmetries: Sequence[Symmetry]) -> NDArray[np.int32]:
    """Return the group that symmetries generate, shape (n_elements, n_cells); identity comes first.

    Raises:
        ValueError: The layers have not all of these symmetries, or the table would be too large.
    """
    n_cells = sum(layer.n_cells for layer in layers)
    entries = n_cells * math.prod(_order(layers, symmetry) for symmetry in symmetries)
    if entries > MOST_GROUP_ENTRIES:
        raise ValueError(
            f"the symmetries of {n_cells:,} cells make a table of {entries:,} numbers, "
            f"and at most {MOST_GROUP_ENTRIES:,} are possible"
        )
    identity = np.arange(n_cells)
    group = [identity]
    for symmetry in symmetries:
        powers = [identity, *_powers(layers, symmetry)]
        group = [element[power] for element in group for power in powers]
    return np.asarray(group, dtype=np.int32)


def _powers(layers: Sequence[Layer], symmetry: Symmetry) -> list[NDArray[np.int64]]:
    """Return the elements other than identity that one symmetry generates."""
    if symmetry in ("reflect-x", "reflect-y"):
        axis: Literal["x", "y"] = "x" if symmetry == "reflect-x" else "y"
        cartesian = [_require(layer, CartesianLayer, symmetry) for layer in layers]
        return [_joined([layer.reflected(axis) for layer in cartesian])]
    polar = [_require(layer, PolarLayer, symmetry) for layer in layers]
    if symmetry == "reflect-alpha":
        return [_joined([layer.reflected() for layer in polar])]
    order = _order(layers, symmetry)
    return [
        _joined([layer.rotated(step * layer.n_alpha // order) for layer in polar])
        for step in range(1, order)
    ]


def _order(layers: Sequence[Layer], symmetry: Symmetry) -> int:
    """Return the number of elements, with identity, that one symmetry generates."""
    if symmetry != "rotate-alpha":
        return 2
    # A ring of one cell is invariant under any rotation.
    polar = (layer for layer in layers if isinstance(layer, PolarLayer))
    return max(1, math.gcd(*(layer.n_alpha for layer in polar if layer.n_alpha > 1)))


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the permutation of all cells that is made of one for each layer."""
    ends = np.cumsum([len(part) for part in parts])
    return np.concatenate([part + end - len(part) for part, end in zip(parts, ends, strict=True)])


def _require(layer: Layer, kind: type[_L], symmetry: str) -> _L:
    if not isinstance(layer, kind):
        raise ValueError(f"symmetry '{symmetry}' does not exist for {layer.kind} layers")
    return layer
