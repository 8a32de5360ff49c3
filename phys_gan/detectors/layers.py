"""Layers of cells: Cartesian, polar, image, axis. Each knows its positions and symmetries.

How large a detector may be: what a text asks for is bounded before any memory is taken.

Cell edges along one axis of a layer, and the short form in which regular ones are written.

Find the bin of many values at once.

Layers that a TOML file declares once and repeats in depth.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    model_validator,
)

__all__ = [
    "MOST_AXIS_CELLS",
    "MOST_CELLS",
    "MOST_GROUP_ENTRIES",
    "MOST_LAYERS",
    "Axis",
    "AxisLayer",
    "CartesianLayer",
    "Edges",
    "ImageLayer",
    "Layer",
    "PolarLayer",
    "ShowerLayer",
    "declared_cells",
    "expanded",
    "require_bounded",
]

MOST_CELLS = 10_000_000
"""Cells of a detector."""
MOST_LAYERS = 10_000
"""Layers of a detector."""
MOST_AXIS_CELLS = 100_000
"""Cells along one axis of a layer."""
MOST_GROUP_ENTRIES = 50_000_000
"""Cells times elements of the symmetry group, which is a table of both."""


def declared_cells(layer: Mapping[str, Any]) -> int:
    """Return how many cells a layer says that it has, without making any; 1 where it says none."""
    cells = 1
    for axis in ("x", "y", "r"):
        cells *= _along(layer.get(axis))
    for number in ("n_alpha", "rows", "columns"):
        value = layer.get(number)
        cells *= value if isinstance(value, int) and value > 0 else 1
    return cells


def _along(axis: Any) -> int:
    """Return the cells along an axis in either of its forms."""
    if isinstance(axis, Mapping):
        cells = axis.get("cells")
        return cells if isinstance(cells, int) and cells > 0 else 1
    if isinstance(axis, Sequence) and not isinstance(axis, str):
        return max(1, len(axis) - 1)
    return 1


def require_bounded(n_cells: int, n_layers: int) -> None:
    """Require a detector that is not too large.

    Raises:
        ValueError: It has too many layers or cells.
    """
    if n_layers > MOST_LAYERS:
        raise ValueError(f"it has {n_layers:,} layers, and at most {MOST_LAYERS:,} may be")
    if n_cells > MOST_CELLS:
        raise ValueError(f"it has {n_cells:.4g} cells, and at most {MOST_CELLS:,} may be")


def _read_axis(value: Any) -> Any:
    """Accept ``{start, stop, cells}`` for regular cells beside a plain list of edges."""
    if isinstance(value, dict):
        if set(value) != {"start", "stop", "cells"}:
            raise ValueError("a regular axis has exactly the keys start, stop and cells")
        if not isinstance(value["cells"], int) or value["cells"] < 1:
            raise ValueError(f"cells = {value['cells']!r} is not a positive whole number")
        _require_few(value["cells"])
        if not all(isinstance(value[end], int | float) for end in ("start", "stop")):
            raise ValueError("start and stop of a regular axis are numbers")
        with np.errstate(over="ignore", invalid="ignore"):
            ends = float(value["start"]), float(value["stop"])
            value = np.linspace(*ends, value["cells"] + 1).tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        _require_few(len(value) - 1)
        edges = tuple(value)
        numbers = all(isinstance(edge, int | float) and math.isfinite(edge) for edge in edges)
        if len(edges) < 2 or not numbers or any(high <= low for low, high in pairwise(edges)):
            raise ValueError("edges are at least two finite numbers in rising order")
        return edges
    return value


def _require_few(cells: int) -> None:
    if cells > MOST_AXIS_CELLS:
        raise ValueError(f"an axis has {cells:.4g} cells, and at most {MOST_AXIS_CELLS:,} may be")


def _write_axis(edges: tuple[float, ...]) -> Any:
    """Write regular cells in the short form when that loses nothing."""
    short = {"start": edges[0], "stop": edges[-1], "cells": len(edges) - 1}
    return short if len(edges) > 2 and _read_axis(short) == edges else list(edges)


Axis = Annotated[tuple[float, ...], BeforeValidator(_read_axis), PlainSerializer(_write_axis)]
"""Cell edges in rising order; in TOML a list, or ``{start, stop, cells}`` when regular."""


_FEW = 64
_CLOSE = 1e-6


class Edges:
    """Bin edges, prepared for many look-ups.

    Bins of equal width are computed, and only what lies so close to an edge that rounding might
    matter is searched. A few edges are compared one by one. Both are several times as fast as a
    search for every value, with the same result.

    Arguments:
        edges: Bin edges in rising order.

    Example:
        >>> Edges([0.0, 1.0, 3.0]).find([-1.0, 0.0, 2.9, 3.0])
        array([-1,  0,  1, -1])
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.asarray(edges, np.float64)
        self._n = len(self._edges) - 1
        low, high = self._edges[0], self._edges[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            self._scale = self._n / (high - low)
            shift = np.abs((self._edges - low) * self._scale - np.arange(self._n + 1))
        self._regular = bool(0 < self._scale < np.inf and np.all(shift < _CLOSE / 2))

    def find(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the half-open bin [low, high) of each value; -1 outside and for NaN."""
        values = np.asarray(values, np.float64)
        flat = values.ravel()
        if self._regular and self._n > 1:
            index = self._computed(flat)
        elif self._n <= _FEW:
            index = self._counted(flat)
        else:
            index = self._searched(flat)
        index[index >= self._n] = -1
        return index.reshape(values.shape)

    def _computed(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        with np.errstate(over="ignore"):
            scaled = values - self._edges[0]
            scaled *= self._scale
        # Far from an edge where there is none; NaN becomes -1.
        np.fmax(scaled, -0.5, out=scaled)
        np.fmin(scaled, self._n + 0.5, out=scaled)
        index: NDArray[np.int64] = np.floor(scaled).astype(np.int64)
        scaled -= np.rint(scaled)
        close = np.flatnonzero(np.abs(scaled, out=scaled) < _CLOSE)
        index[close] = self._searched(values[close])
        return index

    def _counted(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        below = np.full(len(values), -1, np.int8)
        for edge in self._edges:
            below += values >= edge
        return below.astype(np.int64)

    def _searched(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        # NaN comes behind every edge.
        return np.asarray(np.searchsorted(self._edges, values, side="right") - 1, np.int64)


class _Layer(BaseModel, ABC):
    """What every layer has: a name and a grid of cells, flattened with the last axis fastest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""

    def __eq__(self, other: object) -> bool:
        # Not pydantic's: cached positions lie beside the fields, and arrays have no truth value.
        return isinstance(other, _Layer) and self.model_dump() == other.model_dump()

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of cells along both axes; the second one is fastest in flat order."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def _reordered(self, axis: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return all cells, with those along one axis in another order."""
        cells = np.arange(self.n_cells).reshape(self.shape)
        return np.take(cells, order, axis=axis).ravel()


class ShowerLayer(_Layer):
    """A layer at a depth along the direction of the incident particle.

    Attributes:
        z: Front and back of the layer [mm] along the shower axis.
    """

    z: tuple[FiniteFloat, FiniteFloat]

    @model_validator(mode="after")
    def _front_before_back(self) -> ShowerLayer:
        if self.z[0] >= self.z[1]:
            raise ValueError(f"z = {list(self.z)} does not run from the front to the back")
        return self

    @property
    def thickness(self) -> float:
        """Depth of the layer [mm]."""
        return self.z[1] - self.z[0]


class CartesianLayer(ShowerLayer):
    """Rectangular cells, flat order x outer and y fastest.

    Attributes:
        x: Cell edges [mm].
        y: Cell edges [mm].
    """

    kind: Literal["cartesian"] = "cartesian"
    x: Axis
    y: Axis

    @property
    def shape(self) -> tuple[int, int]:
        """Cells along x and y."""
        return len(self.x) - 1, len(self.y) - 1

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Cell centres (x, y) [mm], shape (n_cells, 2)."""
        x, y = np.meshgrid(_centres(self.x), _centres(self.y), indexing="ij")
        return np.stack([x.ravel(), y.ravel()], axis=1)

    @cached_property
    def _edges(self) -> tuple[Edges, Edges]:
        return Edges(self.x), Edges(self.y)

    def find(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
        """Return the flat cell of each point (x, y) [mm]; -1 outside."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        return _flat(self._edges[0].find(x), self._edges[1].find(y), self.shape)

    def reflected(self, axis: Literal["x", "y"]) -> NDArray[np.int64]:
        """Return, for each cell, the cell that the reflection of ``axis`` maps onto it."""
        edges = np.asarray(self.x if axis == "x" else self.y)
        if not np.allclose(edges, -edges[::-1]):
            raise ValueError(f"layer '{self.name}' is not symmetric in {axis}")
        index = 0 if axis == "x" else 1
        return self._reordered(index, np.arange(self.shape[index])[::-1])


class PolarLayer(ShowerLayer):
    """Ring segments around the shower axis, flat order alpha outer and r fastest.

    Attributes:
        r: Radial cell edges [mm].
        n_alpha: Number of equal angular cells; the first begins at -pi.
    """

    kind: Literal["polar"] = "polar"
    r: Axis
    n_alpha: int = Field(gt=0, le=MOST_CELLS)

    @model_validator(mode="after")
    def _radii_not_negative(self) -> PolarLayer:
        if self.r[0] < 0:
            raise ValueError(f"r begins at {self.r[0]:g}, but radii are not negative")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Cells along alpha and r."""
        return self.n_alpha, len(self.r) - 1

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Cell centres (r cos(alpha), r sin(alpha)) [mm], shape (n_cells, 2).

        A ring that is not divided in alpha is centred on the axis: its position is (0, 0).
        """
        if self.n_alpha == 1:
            return np.zeros((self.n_cells, 2))
        alpha = _centres(np.linspace(-np.pi, np.pi, self.n_alpha + 1))
        alpha, r = np.meshgrid(alpha, _centres(self.r), indexing="ij")
        return np.stack([(r * np.cos(alpha)).ravel(), (r * np.sin(alpha)).ravel()], axis=1)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Radial cell centres [mm], shape (n_cells,)."""
        return np.tile(_centres(self.r), self.n_alpha)

    @cached_property
    def _rings(self) -> Edges:
        return Edges(self.r)

    def find(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
        """Return the flat cell of each point (x, y) [mm]; -1 outside."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        # Five times as fast as np.hypot; what overflows is outside every cell anyway.
        with np.errstate(over="ignore"):
            ring = self._rings.find(np.sqrt(x * x + y * y))
        if self.n_alpha == 1:
            return ring
        turn = (np.arctan2(y, x) + np.pi) / (2 * np.pi)
        # A position that is no number has no angle; its radius puts it outside every cell.
        with np.errstate(invalid="ignore"):
            alpha = np.minimum((turn * self.n_alpha).astype(np.int64), self.n_alpha - 1)
        return _flat(alpha, ring, self.shape)

    def rotated(self, steps: int) -> NDArray[np.int64]:
        """Return, for each cell, the cell that a rotation by ``steps`` cells maps onto it."""
        order = (np.arange(self.n_alpha) - steps) % self.n_alpha
        return self._reordered(0, order)

    def reflected(self) -> NDArray[np.int64]:
        """Return, for each cell, the cell that the reflection of alpha maps onto it."""
        return self._reordered(0, np.arange(self.n_alpha)[::-1])


class ImageLayer(_Layer):
    """Square pixels, flat order rows outer and columns fastest, centred on the image.

    Attributes:
        rows: Number of pixel rows.
        columns: Number of pixel columns.
        pixel_scale: Side of a pixel [arcsec].
    """

    kind: Literal["image"] = "image"
    rows: int = Field(gt=0, le=MOST_CELLS)
    columns: int = Field(gt=0, le=MOST_CELLS)
    pixel_scale: float = Field(gt=0)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Pixel centres (x, y) [arcsec], shape (n_cells, 2); x runs along the columns."""
        x = (np.arange(self.columns) - (self.columns - 1) / 2) * self.pixel_scale
        y = (np.arange(self.rows) - (self.rows - 1) / 2) * self.pixel_scale
        grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
        return np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)

    def find(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
        """Return the flat pixel of each point (x, y) [arcsec]; -1 outside."""
        column = np.floor(np.asarray(x, float) / self.pixel_scale + self.columns / 2)
        row = np.floor(np.asarray(y, float) / self.pixel_scale + self.rows / 2)
        row = np.where((row >= 0) & (row < self.rows), row, -1).astype(np.int64)
        column = np.where((column >= 0) & (column < self.columns), column, -1).astype(np.int64)
        return _flat(row, column, self.shape)


class AxisLayer(_Layer):
    """One coordinate of a point: a single number of either sign, which has no place in space."""

    kind: Literal["axis"] = "axis"

    @property
    def shape(self) -> tuple[int, int]:
        """A single number."""
        return 1, 1

    @property
    def positions(self) -> NDArray[np.float64]:
        """The origin, shape (1, 2)."""
        return np.zeros((1, 2))

    def find(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
        """Return -1: no point of space lies in a coordinate."""
        return np.full(np.broadcast_shapes(np.shape(x), np.shape(y)), -1)


Layer = CartesianLayer | PolarLayer | ImageLayer | AxisLayer


def _centres(edges: ArrayLike) -> NDArray[np.float64]:
    edges = np.asarray(edges, np.float64)
    centres: NDArray[np.float64] = (edges[:-1] + edges[1:]) / 2
    return centres


def _flat(
    outer: NDArray[np.int64], inner: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int64]:
    # Either is negative where both together have the sign bit.
    return np.where((outer | inner) < 0, -1, outer * shape[1] + inner)


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
