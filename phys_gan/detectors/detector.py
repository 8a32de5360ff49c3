"""The detector: ordered layers of cells, unit, threshold, material and symmetries, as data.

What a sampling calorimeter is made of: active slabs, absorbers, response and resolution.

Symmetries of a detector, as permutations of its cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import tomli_w
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from phys_gan import files
from phys_gan.detectors.layers import (
    MOST_GROUP_ENTRIES,
    AxisLayer,
    CartesianLayer,
    ImageLayer,
    Layer,
    PolarLayer,
    ShowerLayer,
    expanded,
    require_bounded,
)
from phys_gan.detectors.lookup import CellFinder
from phys_gan.errors import DetectorError
from phys_gan.files import atomic_file

__all__ = ["Detector", "Sampling", "Slab", "Symmetry", "symmetry_group"]


class Slab(BaseModel):
    """One slab of material.

    Attributes:
        material: Name of the material, such as ``"Pb"``.
        thickness: Depth along the shower axis [mm].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    material: str
    thickness: float = Field(gt=0)


class Sampling(BaseModel):
    """What one period of the calorimeter is made of; only simulators without files need it.

    Attributes:
        active: The slab that is read out.
        absorber: The slab in front of it; none in a homogeneous calorimeter.
        response: Mean visible over incident energy of a shower that is contained completely;
            leakage comes on top.
        stochastic_term: a in sigma/E = a / sqrt(E/GeV) (+) b; 0 where the absorber is read out too.
        constant_term: b in the same formula.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    active: Slab
    absorber: Slab | None = None
    response: float = Field(default=1.0, gt=0)
    stochastic_term: float = Field(default=0.0, ge=0)
    constant_term: float = Field(default=0.0, ge=0)


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


class Detector(BaseModel):
    """Describe what is measured. Data, not code: TOML in, TOML out.

    Attributes:
        name: Name of the detector.
        description: One line for people.
        reference: Where the geometry comes from.
        cell_unit: Unit of a cell: MeV for showers, free for images, none for coordinates.
        threshold: Read-out threshold in the cell unit; a cell is hit when it is above.
        symmetries: Transformations that leave particles at normal incidence on the axis as they
            are; training augments with the group that they generate.
        sampling: The material, for simulators.
        layers: The layers from the front to the back.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> load_detector("calogan").n_cells
        504
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    description: str = ""
    reference: str = ""
    cell_unit: str = "MeV"
    threshold: float = Field(default=0.0, ge=0)
    symmetries: tuple[Symmetry, ...] = ()
    sampling: Sampling | None = None
    layers: tuple[Annotated[Layer, Field(discriminator="kind")], ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _expand_repeats(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("layers"), list | tuple):
            return data
        return {**data, "layers": expanded(data["layers"])}

    @model_validator(mode="after")
    def _check_layers(self) -> Detector:
        axes = {isinstance(layer, AxisLayer) for layer in self.layers}
        if len(axes) > 1:
            raise ValueError("the coordinates of a point are axis layers, without any other")
        grids = {
            (layer.shape, layer.pixel_scale) if isinstance(layer, ImageLayer) else None
            for layer in self.layers
        }
        if grids != {None} and len(grids) > 1:
            raise ValueError("the bands of an image are image layers of one shape and pixel_scale")
        for before, behind in zip(self.layers[:-1], self.layers[1:], strict=True):
            if (
                isinstance(before, ShowerLayer)
                and isinstance(behind, ShowerLayer)
                and behind.z[0] < before.z[1] - 1e-9
            ):
                raise ValueError(f"layer '{behind.name}' begins before '{before.name}' ends")
        require_bounded(self.n_cells, self.n_layers)
        self.symmetry_group()
        return self

    def __eq__(self, other: object) -> bool:
        # Not pydantic's: cached arrays lie beside the fields, and arrays have no truth value.
        return isinstance(other, Detector) and self.model_dump() == other.model_dump()

    # Cells

    @property
    def kind(self) -> Literal["calorimeter", "image", "points"]:
        """What the cells are: energies, pixels (a layer for each band), or coordinates.

        Energies are not negative; pixels without the sky and coordinates of points may be.
        """
        if isinstance(self.layers[0], ShowerLayer):
            return "calorimeter"
        return "image" if isinstance(self.layers[0], ImageLayer) else "points"

    @property
    def is_image(self) -> bool:
        """Whether this is an image."""
        return self.kind == "image"

    @property
    def is_toy(self) -> bool:
        """Whether this is a space of points, whose coordinates are the layers."""
        return self.kind == "points"

    @cached_property
    def n_cells(self) -> int:
        """Number of cells in all layers."""
        return sum(layer.n_cells for layer in self.layers)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Flat index at which each layer begins, and the end of the last one."""
        return tuple(np.cumsum([0] + [layer.n_cells for layer in self.layers]).tolist())

    def slice(self, k: int) -> slice:
        """Return the flat cells of layer k."""
        return slice(self.offsets[k], self.offsets[k + 1])

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Cell centres (x, y) in [mm], or in [arcsec] for images, shape (n_cells, 2)."""
        return np.concatenate([layer.positions for layer in self.layers])

    @cached_property
    def layer_of_cell(self) -> NDArray[np.int64]:
        """Number of the layer of each cell, shape (n_cells,)."""
        return np.repeat(np.arange(self.n_layers), [layer.n_cells for layer in self.layers])

    @cached_property
    def depths(self) -> NDArray[np.float64]:
        """Centre of each layer along the shower axis [mm], shape (n_layers,); 0 if it has none."""
        return np.array(
            [sum(layer.z) / 2 if isinstance(layer, ShowerLayer) else 0.0 for layer in self.layers]
        )

    def find(self, x: ArrayLike, y: ArrayLike, z: ArrayLike = 0.0) -> NDArray[np.int64]:
        """Return the flat cell of each point; -1 outside every cell.

        Arguments:
            x: Positions across the axis [mm], or [arcsec] for images, any shape.
            y: The same across.
            z: Depth along the axis [mm]; not used for images, where the first band is looked at.
        """
        return self.finder.cells(x, y, self.finder.layers(z))

    @cached_property
    def finder(self) -> CellFinder:
        """The look-up of cells, layers and depths."""
        return CellFinder(self.layers)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """A point (x, y, z) inside each cell, its centre halfway in depth, shape (n_cells, 3).

        A ring that is not divided in alpha has it at alpha = 0.
        """
        across = [
            layer.radii[:, np.newaxis] * [1.0, 0.0]
            if isinstance(layer, PolarLayer) and layer.n_alpha == 1
            else layer.positions
            for layer in self.layers
        ]
        depth = self.depths[self.layer_of_cell]
        return np.concatenate([np.concatenate(across), depth[:, np.newaxis]], axis=1)

    # Symmetries

    def symmetry_group(self) -> NDArray[np.int32]:
        """Return all symmetry transformations, shape (n_elements, n_cells); the first is identity.

        ``cells[:, group[i]]`` are the events transformed by element i.
        """
        return symmetry_group(self.layers, self.symmetries)

    @cached_property
    def orbits(self) -> NDArray[np.int64]:
        """The kind of each cell, (n_cells,), from 0 on: symmetries exchange cells of one kind.

        Example:
            >>> from phys_gan.detectors import load_detector
            >>> load_detector("calogan").orbits.max() + 1
            np.int64(150)
        """
        # Elements of a group reach the same least cell from any cell of an orbit.
        least = self.symmetry_group().min(axis=0)
        return np.unique(least, return_inverse=True)[1].reshape(-1)

    # TOML

    @classmethod
    def from_toml(cls, text: str, source: str = "detector") -> Detector:
        """Read a detector from TOML text.

        Raises:
            DetectorError: The text is not TOML or does not describe a detector; ``source`` names
                it in the message.
        """
        try:
            content = files.parse_toml(text)
        except ValueError as error:
            raise DetectorError(
                f"'{source}' is not TOML: {error}", remedy="correct the file"
            ) from error
        try:
            return cls.model_validate(content)
        except (ValidationError, ArithmeticError) as error:
            problem = "a number is too large"
            if isinstance(error, ValidationError):
                problem = files.first_problem(error)
            raise DetectorError(
                f"'{source}' is not a detector: {problem}",
                remedy="compare with a built-in one in phys_gan/detectors/catalog",
            ) from error

    def to_toml(self) -> str:
        """Write the detector as TOML text, from which :meth:`from_toml` makes an equal one."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def save(self, path: str | Path) -> None:
        """Write the detector into a TOML file.

        Raises:
            OutputError: The file cannot be written.
        """
        with atomic_file(path) as temporary:
            temporary.write_text(self.to_toml(), "utf-8")

    def same_cells(self, other: Detector) -> bool:
        """Return whether both have the same layers of cells in the same unit.

        Coordinates say nothing of their space: those of toys are the same by its name only.
        """
        alike = self.cell_unit == other.cell_unit and self.layers == other.layers
        return alike and (not self.is_toy or self.name == other.name)
