"""What a detector is built of, for full simulation: :class:`Construction`.

Slabs lie behind each other along the shower axis. A stack fills one layer after the other, or it is
a period that goes on through layers without a break. What stands in front, behind and beside the
cells, the beam and a magnetic field belong to it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from phys_gan.detectors.layers import ShowerLayer

_SAME = 1e-6
"""Lengths that differ by less are the same [mm]."""
_MOST_PIECES = 20_000


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Slab(_Table):
    """A slab of a material such as ``"Pb"``, and its thickness along the shower axis [mm]."""

    material: str = Field(min_length=1)
    thickness: FiniteFloat = Field(gt=0)


class StackSlab(Slab):
    """A slab of a stack; the deposits in ``active`` ones belong to the cells of the layer."""

    active: bool = False


class Stack(_Table):
    """Slabs from front to back.

    Attributes:
        slabs: The slabs.
        layers: How many layers of the detector it fills, each with all of its slabs.
        repeat: How many times it stands behind itself, cut where layers end. Without both it goes
            on to the back of the detector.
        factor: Deposits in the layers that it fills are multiplied by it.
    """

    slabs: tuple[StackSlab, ...] = Field(min_length=1)
    layers: int | None = Field(default=None, ge=1)
    repeat: int | None = Field(default=None, ge=1)
    factor: FiniteFloat = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _is_clear(self) -> Stack:
        if self.layers and self.repeat:
            raise ValueError("a stack has layers that it fills, or a repeat, not both")
        return self

    @property
    def thickness(self) -> float:
        """Depth of all slabs [mm]."""
        return sum(slab.thickness for slab in self.slabs)


class Compound(_Table):
    """A material that Geant4 does not know.

    Attributes:
        density: [g/cm3].
        composition: Mass fractions of elements such as ``"Si"`` or NIST materials such as
            ``"G4_POLYSTYRENE"``, together 1.
    """

    density: FiniteFloat = Field(gt=0)
    composition: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)

    def __hash__(self) -> int:
        return hash((self.density, frozenset(self.composition.items())))

    @model_validator(mode="after")
    def _is_whole(self) -> Compound:
        total = sum(self.composition.values())
        if abs(total - 1) > 1e-3:
            raise ValueError(f"the mass fractions of a composition are {total:.4g} together, not 1")
        return self


@dataclass(frozen=True)
class Piece:
    """A slab, or the part of one that lies within one layer.

    Attributes:
        layer: Number of the layer; -1 in front of the first one and behind the last one.
        material: Name of the material.
        z: Where it begins and ends [mm].
        active: Whether its deposits belong to the cells of the layer.
        factor: They are multiplied by it.
    """

    layer: int
    material: str
    z: tuple[float, float]
    active: bool
    factor: float = 1.0


class Construction(_Table):
    """What a calorimeter is built of.

    Attributes:
        stack: The stacks from front to back; together they fill all layers.
        before: Slabs in front of the first layer.
        behind: Slabs behind the last one.
        beside: Material around the cells, as deep as the layers; by default the slabs go on.
        margin: How far slabs, or what is beside, reach around the cells [mm].
        gun: Distance of the particle's origin from the first slab [mm].
        field: Uniform magnetic field (Bx, By, Bz) [T].
        birks: Birks' constant of the active slabs [mm/MeV].
        factor: Deposits are multiplied by it, and by that of their stack.
        materials: Materials by name that are neither elements nor Geant4's.
    """

    stack: tuple[Stack, ...] = Field(min_length=1)
    before: tuple[Slab, ...] = ()
    behind: tuple[Slab, ...] = ()
    beside: str | None = None
    margin: FiniteFloat = Field(default=260.0, gt=0)
    gun: FiniteFloat = Field(default=0.0, ge=0)
    field: tuple[FiniteFloat, FiniteFloat, FiniteFloat] = (0.0, 0.0, 0.0)
    birks: FiniteFloat = Field(default=0.0, ge=0)
    factor: FiniteFloat = Field(default=1.0, gt=0)
    materials: dict[str, Compound] = Field(default_factory=dict)

    def __hash__(self) -> int:
        rest = (getattr(self, name) for name in type(self).model_fields if name != "materials")
        return hash((*rest, frozenset(self.materials.items())))

    @model_validator(mode="after")
    def _materials_end(self) -> Construction:
        def require_end(name: str, around: tuple[str, ...]) -> None:
            if name in around:
                raise ValueError(f"material '{name}' is made of itself")
            if name in self.materials:
                for part in self.materials[name].composition:
                    require_end(part, (*around, name))

        for name in self.materials:
            require_end(name, ())
        return self

    @property
    def front(self) -> float:
        """Depth of what is in front of the first layer [mm]."""
        return sum(slab.thickness for slab in self.before)

    def pieces(self, layers: Sequence[ShowerLayer]) -> list[Piece]:
        """Return all slabs from front to back, cut where layers end.

        Raises:
            ValueError: The stacks do not fill the layers, make too many pieces, leave a layer
                without an active slab, or disagree about the factor of a layer.
        """
        begin = layers[0].z[0] - self.front
        pieces = []
        for slab in self.before:
            pieces.append(Piece(-1, slab.material, (begin, begin + slab.thickness), False))
            begin += slab.thickness
        pieces += self._filled(layers)
        begin = layers[-1].z[1]
        for slab in self.behind:
            pieces.append(Piece(-1, slab.material, (begin, begin + slab.thickness), False))
            begin += slab.thickness
        if silent := set(range(len(layers))) - {piece.layer for piece in pieces if piece.active}:
            raise ValueError(
                f"no slab of layer {min(silent)} has active = true, so that nothing is read out"
            )
        factors: dict[int, float] = {}
        for piece in pieces:
            if piece.active and factors.setdefault(piece.layer, piece.factor) != piece.factor:
                raise ValueError(f"the stacks in layer {piece.layer} have different factors")
        return pieces

    def _filled(self, layers: Sequence[ShowerLayer]) -> Iterator[Piece]:
        begin, back, count = layers[0].z[0], layers[-1].z[1], 0
        for stack in self.stack:
            if begin > back - _SAME:
                raise ValueError(f"the stacks fill more than {len(layers)} layers")
            number = next(k for k, layer in enumerate(layers) if layer.z[1] > begin + _SAME)
            if stack.layers is None:
                end = back
                if stack.repeat:
                    end = begin + stack.repeat * stack.thickness
                    if end > back + _SAME:
                        raise ValueError(
                            f"the stacks are {end - layers[0].z[0]:.6g} mm deep, "
                            f"the layers {back - layers[0].z[0]:.6g} mm"
                        )
                pieces = self._period(stack, layers[number:], number, (begin, end))
            else:
                end = layers[min(number + stack.layers, len(layers)) - 1].z[1]
                pieces = self._layer_by_layer(stack, layers, number, begin)
            for piece in pieces:
                if (count := count + 1) > _MOST_PIECES:
                    raise ValueError(f"a detector has at most {_MOST_PIECES:,} slabs")
                yield piece
            begin = end
        if begin < back - _SAME:
            full = sum(layer.z[1] < begin + _SAME for layer in layers)
            raise ValueError(f"the stacks fill {full} of {len(layers)} layers")

    def _layer_by_layer(
        self, stack: Stack, layers: Sequence[ShowerLayer], number: int, begin: float
    ) -> Iterator[Piece]:
        assert stack.layers is not None
        if begin > layers[number].z[0] + _SAME:
            raise ValueError(f"a stack that fills layers begins inside of layer {number}")
        if number + stack.layers > len(layers):
            raise ValueError(f"the stacks fill more than {len(layers)} layers")
        for k in range(number, number + stack.layers):
            if abs(layers[k].thickness - stack.thickness) > 1e3 * _SAME:
                raise ValueError(
                    f"layer {k} is {layers[k].thickness:.6g} mm deep, "
                    f"the slabs of its stack {stack.thickness:.6g} mm"
                )
            begin = layers[k].z[0]
            for slab in stack.slabs:
                end = begin + slab.thickness
                yield self._piece(stack, slab, k, (begin, end))
                begin = end

    def _period(
        self, stack: Stack, layers: Sequence[ShowerLayer], number: int, depth: tuple[float, float]
    ) -> Iterator[Piece]:
        """Repeat a stack within a depth, where the layers begin with that of a number."""
        (begin, back), i = depth, 0
        while begin < back - _SAME:
            slab = stack.slabs[i % len(stack.slabs)]
            end = min(begin + slab.thickness, back)
            for k, layer in enumerate(layers, start=number):
                low, high = max(begin, layer.z[0]), min(end, layer.z[1])
                if high - low > _SAME:
                    yield self._piece(stack, slab, k, (low, high))
            begin, i = end, i + 1

    def _piece(self, stack: Stack, slab: StackSlab, layer: int, z: tuple[float, float]) -> Piece:
        return Piece(layer, slab.material, z, slab.active, self.factor * stack.factor)
