"""What one file layout can do (:class:`Format`), and the :class:`Reader` of an open file.

A :class:`HitMapping` is the TOML file in which a user names the hits and conditions of a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from phys_gan.data.containers.hdf5_chunks import Chunks
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.metadata import to_texts
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.events import WEIGHT_NAMES, Events
from phys_gan.files import first_problem, parse_toml, read_text
from phys_gan.units import MEV

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
            without prescribed names.
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
        lacking = [name for name in ("x", "y", "z", "energy") if not getattr(self, name)]
        if 0 < len(lacking) < 4:
            raise ValueError(f"the branches of {', '.join(lacking)} are not named")
        if self.collections and not lacking:
            raise ValueError("collections are those of EDM4hep, which needs no names of branches")
        return self


class Frame(_Table):
    """How to turn positions from the frame of the experiment into that of the shower.

    Attributes:
        direction: Branches of the direction (or momentum) of the incident particle. EDM4hep
            files have it.
        point: Branches of a point on its way, such as the vertex [the hits' ``length_unit``]; by
            default the origin. EDM4hep files have it.
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
        weights: Branch of the weights of the events; by default the one of this name.
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
    def _is_consistent(self) -> HitMapping:
        for name, entry in self.conditions.items():
            if name in WEIGHT_NAMES:
                raise ValueError(
                    f"the weight of an event is not a condition: write weights = '{entry.branch}' "
                    f"above all tables"
                )
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
        return HitMapping.model_validate(parse_toml(read_text(Path(mapping))))
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


_BLOCK_CELLS = 1 << 24

Cells = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Cells (n, n_cells) and overflow (n, n_layers), in the unit of the detector."""

Load = Callable[[int, int], Cells]
"""Read the events ``start`` to ``stop - 1``: their cells, and their overflow if it is known."""

Fill = Callable[[int, int, NDArray[np.float32]], NDArray[np.float32] | None]
"""Read the same events into given memory for the cells; return their overflow if it is known."""

Append = Callable[[Events], None]
"""Write some more events."""


@dataclass(frozen=True)
class Reader:
    """The events of one open file, to be read all at once or in parts.

    Arguments:
        detector: The detector.
        n_events: Number of events.
        conditions: The conditions of all events; ``energy`` in MeV.
        load: Reads the cells of some events.
        provenance: How the events were made, and how this file was read.
        block: Events that are stored together; reading a whole number of blocks is fastest.
        notes: What the file has that events cannot hold, and what may be mistaken, a sentence each.
        direct: Reads the cells into existing memory, where the layout can.
        voxelised: Whether the cells are sums of hits that another program wrote.
        hit_unit: The assumed unit of the energies of these hits.
        weights: The weights of all events, where they have some.
        compressed: Returns the chunks of the data sets that are decompressed for the cells.
        optional: Those of the conditions, and ``"weights"``, that are columns of another program
            beside the layout: files in which such conditions differ can still be read together.
    """

    detector: Detector
    n_events: int
    conditions: Mapping[str, NDArray[np.float64]]
    load: Load
    provenance: Mapping[str, str] = field(default_factory=dict)
    block: int = 1
    notes: tuple[str, ...] = ()
    direct: Fill | None = None
    voxelised: bool = False
    hit_unit: str = ""
    weights: NDArray[np.float64] | None = None
    compressed: Callable[[], list[Chunks]] = list
    optional: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return self.n_events

    def cells(self, start: int, stop: int) -> Cells:
        """Read the cells of some events, unchecked, and their overflow."""
        # What is too large for single precision becomes infinite, which no events may be.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.load(start, stop)

    def fill(self, start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Read the cells of some events into ``out``, (n, n_cells), unchecked; return overflow."""
        if self.direct is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                return self.direct(start, stop, out)
        out[:], overflow = self.cells(start, stop)
        return overflow

    def read(self, start: int = 0, stop: int | None = None) -> Events:
        """Read the events ``start`` to ``stop - 1``.

        Raises:
            DataError: The file is damaged, or its values make no sense.
        """
        stop = self.n_events if stop is None else min(stop, self.n_events)
        cells, overflow = self.cells(start, stop)
        conditions = {name: values[start:stop] for name, values in self.conditions.items()}
        weights = None if self.weights is None else self.weights[start:stop]
        return Events(cells, conditions, self.detector, overflow, self.provenance, weights)

    def blocks(self) -> Iterator[Events]:
        """Read all events in order, a block at a time.

        Raises:
            DataError: As in :meth:`read`.
        """
        rows = block_rows(self.detector)
        for start in range(0, self.n_events, rows):
            yield self.read(start, start + rows)


def block_rows(detector: Detector) -> int:
    """Return how many events make a block of bounded memory."""
    return max(1, _BLOCK_CELLS // detector.n_cells)


def allocating(fill: Fill, n_cells: int) -> Load:
    """Return a function that reads the same cells into new memory."""

    def load(start: int, stop: int) -> Cells:
        cells = np.empty((stop - start, n_cells), np.float32)
        return cells, fill(start, stop, cells)

    return load


class Format(ABC):
    """Read and write one file layout; :func:`register_format` makes it known.

    Attributes:
        name: Name of the layout.
        description: One line for people.
        extensions: File names that are written in this layout end in one of these.
        container: ``"HDF5"``, ``"ROOT"`` or ``"FITS"``.
        needs: Names of data sets or branches without which a file does not have this layout.
        energy_unit: Unit of the incident energies, where a file does not declare another.
        has_hits: Whether it holds hits, so that a mapping may say more about them.
        grows: Whether a writer can go on with a file that is there.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    container: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    energy_unit: ClassVar[str] = "MeV"
    has_hits: ClassVar[bool] = False
    grows: ClassVar[bool] = False

    def texts(self, sample: Events) -> dict[str, str]:
        """Return what a file of ours in this layout says about itself, as texts by name."""
        return to_texts(sample, self.name, self.energy_unit)

    @abstractmethod
    def recognises(self, file: OpenFile) -> bool:
        """Return whether the content of a file in this container has this layout."""

    @abstractmethod
    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events; cells are read later, while the file is still open.

        Arguments:
            file: An open file in the layout's container.
            detector: The detector; None leaves the choice to the file.
            mapping: What the user says about hits; None for layouts without hits.

        Raises:
            MissingError: The file lacks something that the layout needs.
            DataError: The content is damaged or wrong.
            DetectorError: The events belong to another detector, or to one that must be named.
        """

    @abstractmethod
    def obstacles(self, events: Events) -> dict[str, str]:
        """Return what this layout cannot hold of such events, and why, as a clause.

        ``"cells"`` or ``"energy"`` can never be left out; the name of another condition,
        ``"overflow"`` or ``"weights"`` can, when the user wishes.
        """

    @abstractmethod
    def writer(
        self, path: Path, sample: Events, grow: bool = False
    ) -> AbstractContextManager[Append]:
        """Begin a file for events like the sample, which this layout can hold.

        The context is a function that writes some more events; the file appears at ``path`` when
        the block succeeds.

        Arguments:
            path: The file to write.
            sample: Events that have the detector, conditions, overflow and weights of all that
                follow.
            grow: Begin with what stands at ``path``, which has this layout and such events.

        Raises:
            OutputError: The file cannot be written; what stood there is untouched.
        """


_Layout = TypeVar("_Layout", bound=Format)

FORMATS: dict[str, Format] = {}
"""The layouts by name, in the order in which they are asked whether they recognise a file."""


def register_format(kind: type[_Layout]) -> type[_Layout]:
    """Put a layout into ``FORMATS``, as the last one that is asked.

    Raises:
        ConfigError: There is one of this name.
    """
    if kind.name in FORMATS:
        raise ConfigError(
            f"the format '{kind.name}' exists already",
            remedy="choose another name",
            value=kind.name,
        )
    FORMATS[kind.name] = kind()
    return kind
