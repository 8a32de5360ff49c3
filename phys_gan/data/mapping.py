"""The small TOML file in which a user says where the hits and conditions of a file are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from phys_gan.errors import ConfigError
from phys_gan.events import WEIGHT_NAMES
from phys_gan.toml import first_problem, parsed, read_text
from phys_gan.units import MEV

__all__ = ["LENGTHS", "Branch", "Conditions", "Frame", "HitMapping", "Hits", "load_mapping"]

LENGTHS = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
"""How many mm each unit is."""

_ANGLES = {"rad": 1.0, "deg": 0.017453292519943295}
_SCALES = {"": 1.0, **MEV, **LENGTHS, **_ANGLES}

LengthUnit = Literal["um", "mm", "cm", "m"]
EnergyUnit = Literal["eV", "keV", "MeV", "GeV", "TeV"]
Triple = tuple[str, str, str]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Branch(_Table):
    """A branch or data set with one number per event.

    Attributes:
        branch: Its name.
        unit: Unit of energy, length or angle; converted to MeV, mm or rad. Empty: as it is.
    """

    branch: str = Field(min_length=1)
    unit: str = ""

    @model_validator(mode="after")
    def _unit_is_known(self) -> Branch:
        if self.unit not in _SCALES:
            raise ValueError(f"'{self.unit}' is not a unit; available: {', '.join(_SCALES)[2:]}")
        return self

    @property
    def scale(self) -> float:
        """Factor to MeV, mm or rad."""
        return _SCALES[self.unit]


def _read_conditions(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {n: {"branch": entry} if isinstance(entry, str) else entry for n, entry in value.items()}


Conditions = Annotated[dict[str, Branch], BeforeValidator(_read_conditions)]
"""Name of each condition to its branch: ``pdg = "id"``, ``energy = { branch =, unit = }``."""


class Hits(_Table):
    """Where the hits are.

    Attributes:
        x: Branch of positions, one per hit; ``y``, ``z`` and ``energy`` likewise. Only for trees
            whose names are free.
        collections: Names of the collections to add up (EDM4hep); by default all of them.
        length_unit: Unit of the positions.
        energy_unit: Unit of the hit energies; by default that of the layout.
        axes: Which of the stored axes are x, y and z of the shower: ``"xyz"``, or ``"zxy"`` when
            the first stored one is the depth z.
        depth: ``"mm"`` (in ``length_unit``) or ``"layer"``, when z counts layers from 0.
    """

    x: str = ""
    y: str = ""
    z: str = ""
    energy: str = ""
    collections: tuple[str, ...] = ()
    length_unit: LengthUnit = "mm"
    energy_unit: EnergyUnit | None = None
    axes: Literal["xyz", "xzy", "yxz", "yzx", "zxy", "zyx"] | None = None
    depth: Literal["mm", "layer"] | None = None

    @property
    def names(self) -> tuple[str, str, str, str]:
        """Branches of x, y, z and energy; empty where one is not named."""
        return self.x, self.y, self.z, self.energy

    @model_validator(mode="after")
    def _all_or_no_names(self) -> Hits:
        lacking = [
            n for n, name in zip(("x", "y", "z", "energy"), self.names, strict=True) if not name
        ]
        if 0 < len(lacking) < 4:
            raise ValueError(f"the branches of {', '.join(lacking)} are not named")
        if self.collections and not lacking:
            raise ValueError("collections are those of EDM4hep, which needs no names of branches")
        return self


class Frame(_Table):
    """How positions in the frame of the experiment become positions in that of the shower.

    Attributes:
        direction: Branches of the direction (or momentum) of the incident particle. EDM4hep
            files know it.
        point: Branches of a point on its way, such as the vertex [the hits' ``length_unit``]; by
            default the origin. EDM4hep files know it.
        radius: Radius of the barrel at which the depth begins [mm]; without one it begins at the
            point itself.
        half_length: Distance from the origin of the endcaps [mm], where there are some.
    """

    direction: Triple | None = None
    point: Triple | None = None
    radius: Length | None = None
    half_length: Length | None = None

    @model_validator(mode="after")
    def _endcaps_need_a_barrel(self) -> Frame:
        if self.half_length and not self.radius:
            raise ValueError("half_length needs radius")
        return self


class HitMapping(_Table):
    """Where a file keeps its hits and conditions.

    Attributes:
        tree: The ROOT tree; by default the one with the named branches.
        hits: Where the hits are.
        conditions: Conditions by name, one number per event each; ``energy`` is the incident
            kinetic energy. Further columns with a number per event are conditions by their names.
        weights: Branch of the weights of the events; by default the one called so.
        frame: How to turn positions into the frame of the shower; left out, they are in it.
    """

    tree: str = ""
    hits: Hits = Hits()
    conditions: Conditions = {}
    weights: str = ""
    frame: Frame | None = None

    @property
    def branches(self) -> list[str]:
        """Branches of the conditions and of the weights, as far as they are named."""
        named = [entry.branch for entry in self.conditions.values()]
        return [*named, self.weights] if self.weights else named

    @model_validator(mode="after")
    def _weights_are_no_condition(self) -> HitMapping:
        for name in self.conditions:
            if name in WEIGHT_NAMES:
                branch = self.conditions[name].branch
                raise ValueError(
                    f"the weight of an event is not a condition: write weights = '{branch}' above "
                    f"all tables"
                )
        return self

    @model_validator(mode="after")
    def _turned_once(self) -> HitMapping:
        if self.frame and (self.hits.axes or self.hits.depth == "layer"):
            raise ValueError(
                "with a frame, axes and depth follow from the direction: leave them out"
            )
        return self


def load_mapping(mapping: str | Path | HitMapping) -> HitMapping:
    """Load a mapping from a TOML file.

    Raises:
        ConfigError: There is no such file, or it is wrong.
    """
    if isinstance(mapping, HitMapping):
        return mapping
    try:
        return HitMapping.model_validate(parsed(read_text(Path(mapping))))
    except OSError as error:
        raise ConfigError(
            f"cannot read the mapping '{mapping}': {error.strerror}", remedy="check the path"
        ) from error
    except ValidationError as error:
        raise ConfigError(
            f"the mapping '{mapping}' is wrong: {first_problem(error)}",
            remedy="see docs/formats.md",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"the mapping '{mapping}' is not TOML: {error}",
            remedy="name each condition and branch once, as in docs/formats.md",
        ) from error
