"""The detector: ordered layers of cells, unit, threshold, material and symmetries.

Data, not code: TOML in, TOML out. A TOML file may declare a layer once and repeat it in depth;
what it declares is bounded before any memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tomli_w
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from phys_gan.detectors.construction import Construction, Piece, Slab, Stack, StackSlab
from phys_gan.detectors.layers import (
    MOST_CELLS,
    AxisLayer,
    CartesianLayer,
    ImageLayer,
    Layer,
    PolarLayer,
    ShowerLayer,
)
from phys_gan.detectors.lookup import CellFinder
from phys_gan.errors import DetectorError
from phys_gan.files import atomic_file, first_problem, parse_toml

_MOST_LAYERS = 10_000
_MOST_GROUP_ENTRIES = 50_000_000
"""Cells times elements of the symmetry group, which is a table of both."""

Symmetry = Literal["reflect-x", "reflect-y", "reflect-alpha", "rotate-alpha"]


class Sampling(BaseModel):
    """One period of a calorimeter, for the simulator of showers.

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


class Detector(BaseModel):
    """What is measured: layers of cells, with their unit, threshold and symmetries.

    Attributes:
        name: Name of the detector.
        description: One line for people.
        reference: Where the geometry comes from.
        cell_unit: Unit of a cell: MeV for showers, free for images, none for coordinates.
        threshold: Read-out threshold in the cell unit; a cell is hit when it is above.
        symmetries: Transformations that leave particles at normal incidence on the axis as they
            are; training augments with the group that they generate.
        sampling: The material, for the parametric simulator.
        construction: All that it is built of, for full simulation.
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
    construction: Construction | None = None
    layers: tuple[Annotated[Layer, Field(discriminator="kind")], ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _expand_repeats(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("layers"), list | tuple):
            return data
        return {**data, "layers": _expanded(data["layers"])}

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
        stack = [layer for layer in self.layers if isinstance(layer, ShowerLayer)]
        for before, after in pairwise(stack):
            if after.z[0] < before.z[1] - 1e-9:
                raise ValueError(f"layer '{after.name}' begins before '{before.name}' ends")
        _require_bounded(self.n_cells, self.n_layers)
        self.symmetry_group()
        if self.construction:
            self.pieces()
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
        """Return the flat cell of each point (x, y, z) [mm]; -1 outside every cell.

        For images x and y are in [arcsec], z is not used, and the cell is one of the first band.
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

    # Material

    @property
    def built(self) -> Construction | None:
        """What it is built of: its construction, or else the period of ``sampling``.

        Where no resolution is declared there, deposits in absorbers belong to the cells as well.
        """
        if self.construction or self.sampling is None:
            return self.construction
        both = self.sampling.stochastic_term == 0
        slabs = [StackSlab(**dict(self.sampling.active), active=True)]
        if self.sampling.absorber:
            slabs.insert(0, StackSlab(**dict(self.sampling.absorber), active=both))
        return Construction(stack=(Stack(slabs=tuple(slabs)),))

    def pieces(self) -> list[Piece]:
        """Return the slabs of a calorimeter from front to back, cut where layers end.

        Raises:
            DetectorError: It is not a calorimeter, or nothing says what it is built of.
        """
        layers = [layer for layer in self.layers if isinstance(layer, ShowerLayer)]
        if self.built is None or not layers:
            raise DetectorError(
                f"nothing says what '{self.name}' is built of",
                remedy="add the slabs of its layers under [[construction.stack]], or active and "
                "absorber under [sampling]"
                if layers
                else "name a calorimeter",
                value=self.name,
            )
        return self.built.pieces(layers)

    # Symmetries

    def symmetry_group(self) -> NDArray[np.int32]:
        """Return the group that the symmetries generate, shape (n_elements, n_cells).

        ``cells[:, group[i]]`` are the events transformed by element i; the first is identity.

        Raises:
            ValueError: The layers do not have all symmetries, or the table would be too large.
        """
        orders = [_order(symmetry, self.layers) for symmetry in self.symmetries]
        entries = self.n_cells * math.prod(orders)
        if entries > _MOST_GROUP_ENTRIES:
            raise ValueError(
                f"the symmetries of {self.n_cells:,} cells make a table of {entries:,} numbers, "
                f"and at most {_MOST_GROUP_ENTRIES:,} are possible"
            )
        identity = np.arange(self.n_cells)
        group = [identity]
        for symmetry, order in zip(self.symmetries, orders, strict=True):
            powers = [identity]
            for step in range(1, order):
                images = [_image(layer, symmetry, step, order) for layer in self.layers]
                starts = zip(self.offsets[:-1], images, strict=True)
                powers.append(np.concatenate([start + image for start, image in starts]))
            group = [element[power] for element in group for power in powers]
        return np.asarray(group, dtype=np.int32)

    def symmetry_actions(self) -> NDArray[np.float64]:
        """Return how each element of :meth:`symmetry_group` moves points, (n_elements, 2, 2).

        The matrices act on (x, y), and so on the transverse direction of a particle as well.

        Example:
            >>> from phys_gan.detectors import load_detector
            >>> load_detector("calogan").symmetry_actions()[1].tolist()
            [[1.0, 0.0], [0.0, -1.0]]
        """
        actions = [np.eye(2)]
        for symmetry in self.symmetries:
            order = _order(symmetry, self.layers)
            powers = [_action(symmetry, step, order) for step in range(order)]
            actions = [power @ action for action in actions for power in powers]
        return np.array(actions)

    @cached_property
    def orbits(self) -> NDArray[np.int64]:
        """The orbit of each cell, from 0 on, (n_cells,): symmetries exchange cells of one orbit.

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
            DetectorError: The text, called ``source``, is not TOML or not that of a detector.
        """
        try:
            content = parse_toml(text)
        except ValueError as error:
            raise DetectorError(
                f"'{source}' is not TOML: {error}", remedy="correct the file"
            ) from error
        try:
            return cls.model_validate(content)
        except (ValidationError, ArithmeticError) as error:
            problem = "a number is too large"
            if isinstance(error, ValidationError):
                problem = first_problem(error)
            raise DetectorError(
                f"'{source}' is not a detector: {problem}",
                remedy="compare with a built-in one in phys_gan/detectors/catalog",
            ) from error

    def to_toml(self) -> str:
        """Write the detector as TOML text, from which :meth:`from_toml` makes an equal one."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def save(self, path: str | Path) -> None:
        """Write the detector into a TOML file, or raise OutputError."""
        with atomic_file(path) as temporary:
            temporary.write_text(self.to_toml(), "utf-8")

    def same_cells(self, other: Detector) -> bool:
        """Return whether both have the same layers of cells in the same unit.

        Toys must have the same name too, since their coordinates are alike.
        """
        alike = self.cell_unit == other.cell_unit and self.layers == other.layers
        return alike and (not self.is_toy or self.name == other.name)


def _require_bounded(n_cells: int, n_layers: int) -> None:
    if n_layers > _MOST_LAYERS:
        raise ValueError(f"it has {n_layers:,} layers, and at most {_MOST_LAYERS:,} may be")
    if n_cells > MOST_CELLS:
        raise ValueError(f"it has {n_cells:.4g} cells, and at most {MOST_CELLS:,} may be")


def _expanded(layers: Sequence[Any]) -> list[Any]:
    """Turn ``repeat = n`` in a layer into n layers, one after the other, and name them.

    What is not a table, such as a layer that was made already, stays as it is.
    """
    found: list[Any] = []
    n_cells = 0
    for layer in layers:
        if not isinstance(layer, dict):
            found.append(layer)
            continue
        single = dict(layer)
        repeat, z = single.pop("repeat", 1), single.get("z")
        if not isinstance(repeat, int) or not 1 <= repeat <= _MOST_LAYERS:
            raise ValueError(f"repeat = {repeat!r} is not a whole number from 1 to {_MOST_LAYERS}")
        numbers = isinstance(z, list | tuple) and all(isinstance(edge, int | float) for edge in z)
        if repeat > 1 and not (numbers and len(single["z"]) == 2):
            raise ValueError("a repeated layer needs z = [front, back]")
        n_cells += repeat * _declared_cells(single)
        _require_bounded(n_cells, len(found) + repeat)
        for number in range(repeat):
            copy = dict(single)
            if "name" not in single or repeat > 1:
                copy["name"] = f"{single.get('name', '')}{len(found)}"
            if number:
                front, back = single["z"]
                copy["z"] = (front + number * (back - front), back + number * (back - front))
            found.append(copy)
    return found


def _declared_cells(layer: Mapping[str, Any]) -> int:
    """Return how many cells a layer declares, without making any."""
    numbers = [layer.get(name) for name in ("n_alpha", "rows", "columns")]
    for axis in (layer.get(name) for name in ("x", "y", "r")):
        if isinstance(axis, Mapping):
            numbers.append(axis.get("cells"))
        elif isinstance(axis, Sequence) and not isinstance(axis, str):
            numbers.append(len(axis) - 1)
    return math.prod(number for number in numbers if isinstance(number, int) and number > 0)


def _order(symmetry: Symmetry, layers: Sequence[Layer]) -> int:
    """Return the number of elements, with identity, that one symmetry generates."""
    kind = CartesianLayer if symmetry in ("reflect-x", "reflect-y") else PolarLayer
    for layer in layers:
        if not isinstance(layer, kind):
            raise ValueError(f"symmetry '{symmetry}' does not exist for {layer.kind} layers")
    if symmetry != "rotate-alpha":
        return 2
    # A ring of one cell is invariant under any rotation.
    polar = (layer for layer in layers if isinstance(layer, PolarLayer))
    return max(1, math.gcd(*(layer.n_alpha for layer in polar if layer.n_alpha > 1)))


def _image(layer: Layer, symmetry: Symmetry, step: int, order: int) -> NDArray[np.int64]:
    """Return, for each cell of a layer, the cell that a step of a symmetry maps onto it."""
    if isinstance(layer, CartesianLayer):
        return layer.reflected("x" if symmetry == "reflect-x" else "y")
    assert isinstance(layer, PolarLayer)
    if symmetry == "reflect-alpha":
        return layer.reflected()
    return layer.rotated(step * layer.n_alpha // order)


def _action(symmetry: Symmetry, step: int, order: int) -> NDArray[np.float64]:
    """Return the matrix of a step of a symmetry, (2, 2); steps of reflections are 0 and 1."""
    if symmetry == "rotate-alpha":
        angle = 2 * math.pi * step / order
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    signs = [-1.0, 1.0] if symmetry == "reflect-x" else [1.0, -1.0]
    return np.diag(signs if step else [1.0, 1.0])
