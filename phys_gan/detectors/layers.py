"""Layers of cells: Cartesian, polar, image, axis.

A layer knows the positions of its cells, the cell of a point and its symmetries. Cells are
numbered in flat order, the second axis of the shape fastest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from phys_gan.detectors.edges import Axis, Edges

MOST_CELLS = 10_000_000
"""Cells of a detector."""


class _Layer(BaseModel, ABC):
    """A name and a grid of cells."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""

    def __eq__(self, other: object) -> bool:
        # Not pydantic's: cached positions lie beside the fields, and arrays have no truth value.
        return isinstance(other, _Layer) and self.model_dump() == other.model_dump()

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of cells along both axes."""

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def _flat(self, outer: NDArray[np.int64], inner: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the flat cells of places along both axes; -1 where either is negative."""
        # Either is negative where both together have the sign bit.
        return np.where((outer | inner) < 0, -1, outer * self.shape[1] + inner)

    def _reordered(self, axis: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return all cells, with those along one axis in another order."""
        cells = np.arange(self.n_cells).reshape(self.shape)
        return np.take(cells, order, axis=axis).ravel()


class ShowerLayer(_Layer):
    """A layer at a depth: ``z``, its front and back along the shower axis [mm]."""

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
    """Rectangular cells, flat order x outer and y fastest; ``x`` and ``y`` are edges [mm]."""

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
        return self._flat(self._edges[0].find(x), self._edges[1].find(y))

    def reflected(self, axis: Literal["x", "y"]) -> NDArray[np.int64]:
        """Return, for each cell, the cell that the reflection of ``axis`` maps onto it."""
        edges = np.asarray(self.x if axis == "x" else self.y)
        if not np.allclose(edges, -edges[::-1]):
            raise ValueError(f"layer '{self.name}' is not symmetric in {axis}")
        return self._reordered("xy".index(axis), np.arange(len(edges) - 1)[::-1])


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
        # NaN has no angle; its radius puts it outside every cell.
        with np.errstate(invalid="ignore"):
            alpha = np.minimum((turn * self.n_alpha).astype(np.int64), self.n_alpha - 1)
        return self._flat(alpha, ring)

    def rotated(self, steps: int) -> NDArray[np.int64]:
        """Return, for each cell, the cell that a rotation by ``steps`` cells maps onto it."""
        return self._reordered(0, (np.arange(self.n_alpha) - steps) % self.n_alpha)

    def reflected(self) -> NDArray[np.int64]:
        """Return, for each cell, the cell that the reflection of alpha maps onto it."""
        return self._reordered(0, np.arange(self.n_alpha)[::-1])


class ImageLayer(_Layer):
    """Square pixels of side ``pixel_scale`` [arcsec], centred on the image; columns are fastest."""

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
        return self._flat(row, column)


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
    return np.asarray((edges[:-1] + edges[1:]) / 2, np.float64)
