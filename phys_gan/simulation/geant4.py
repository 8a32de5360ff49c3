"""Full simulation with Geant4, from the wheel ``geant4-pybind``: :class:`Geant4`, one per process.

Every slab of the detector is a box, and the cells of a slab that is read out are nested replicas
in it, so that Geant4 itself finds cells; a scorer per layer adds up the energy deposits, and no
Python runs per step (Birks' law excepted). Each event has random numbers of its own, from (seed,
number of the event) alone: an event is the same, bit for bit, whichever process simulates it and
after whichever others.

The physics ``em-analytic`` needs no data sets: standard electromagnetic physics of Geant4 (the
processes of its option 1, with the step limits of option 0, which sampling calorimeters need), on
the tables of :mod:`phys_gan.simulation.geant4_data`. Fluorescence is off.

At an :class:`Entrance` in front of the detector, particles that a fast simulation covers leave the
event; what they were is returned with it.

References:
    GEANT4 Collaboration, Nucl. Instrum. Meth. A 506 (2003) 250.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, Detector, Piece, PolarLayer, ShowerLayer
from phys_gan.detectors.materials import nist_name
from phys_gan.errors import DetectorError, MissingError
from phys_gan.simulation.geant4_data import ANALYTIC, STANDARD, load_geant4, write_tables

CUT = 0.7
"""Production cut [mm]: electrons and photons of a shorter range are not followed by themselves."""
REVISION = 2
"""To be raised when the same seed and conditions give other events: a production that was begun
before is then not gone on with."""
TAKEN = np.dtype(
    [(name, np.int64) for name in ("event", "pdg", "model")]
    + [(name, np.float64) for name in ("energy", "x", "y", "dx", "dy", "dz")]
)
"""A particle that was taken out of an event at the entrance: number of what covers it, kinetic
energy [MeV], position [mm] and direction there."""

_SHOWERING = (11, -11, 22)
_WORLD = 100.0
_GAP = 1e-3
"""Particles start so far in front of the first slab or of where the gun stands [mm]."""
_MOST_CELLS = 1_000_000
"""Cells of a layer, for which the scorer has keys."""


class Covered(NamedTuple):
    """Particles that a model covers.

    Attributes:
        pdg: PDG numbers.
        energy: Lowest and highest kinetic energy [MeV].
        max_angle: Largest angle to the axis [rad].
    """

    pdg: tuple[int, ...]
    energy: tuple[float, float]
    max_angle: float


@dataclass(frozen=True)
class Entrance:
    """Which particles leave an event where they enter the detector.

    Attributes:
        models: What each model covers; the first one that covers a particle takes it.
        above: Kinetic energy [MeV] from which on particles may be taken.
        pitch: Distances in x and y [mm] by multiples of which a shower may be moved; 0 for none.
        tolerance: How far from such a point a particle may enter [mm], in x and in y.
    """

    models: tuple[Covered, ...]
    above: float = 0.0
    pitch: tuple[float, float] = (0.0, 0.0)
    tolerance: tuple[float, float] = (0.5, 0.5)

    def find(
        self, pdg: int, energy: float, angle: float, position: tuple[float, float]
    ) -> int | str:
        """Return the number of the model that takes a particle, or why none does.

        Reasons are ``"particle"``, ``"energy"``, ``"angle"`` and ``"position"``.
        """
        left = [(k, covered) for k, covered in enumerate(self.models) if pdg in covered.pdg]
        if not left:
            return "particle"
        left = [(k, c) for k, c in left if c.energy[0] <= energy <= c.energy[1]]
        if not left:
            return "energy"
        left = [(k, c) for k, c in left if angle <= c.max_angle]
        if not left:
            return "angle"
        for at, pitch, tolerance in zip(position, self.pitch, self.tolerance, strict=True):
            shift = round(at / pitch) * pitch if pitch else 0.0
            if abs(at - shift) > tolerance:
                return "position"
        return left[0][0]


@dataclass(frozen=True)
class Simulated:
    """Deposits of some events.

    Attributes:
        cells: Deposits in the cells [MeV], (N, n_cells).
        overflow: Deposits beside the cells in what is read out of each layer [MeV], (N, n_layers).
        taken: Particles that left at the entrance, of the type :data:`TAKEN`.
        left: How many particles above the threshold did not, by reason.
    """

    cells: NDArray[np.float64]
    overflow: NDArray[np.float64]
    taken: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, TAKEN))
    left: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Sequence[Simulated]) -> Simulated:
        """Join events of several blocks."""
        left: Counter[str] = Counter()
        for part in parts:
            left.update(part.left)
        return cls(
            np.concatenate([part.cells for part in parts]),
            np.concatenate([part.overflow for part in parts]),
            np.concatenate([part.taken for part in parts]),
            dict(left),
        )


class Geant4:
    """Geant4 with one detector, as often as there are processes: it cannot be built twice in one.

    Arguments:
        detector: The calorimeter.
        folder: For tables; another one for each process.
        cut: Production cut [mm].
        physics: ``"em-analytic"``, or with Geant4's data sets ``"em-standard"`` or the name of one
            of its reference lists, such as ``"FTFP_BERT"``.
        entrance: Which particles leave the event in front of the first slab; by default none.

    Raises:
        DetectorError: The detector cannot be built.
        MissingError: Geant4 or a data set is not installed, or there is no such physics.
    """

    def __init__(
        self,
        detector: Detector,
        folder: Path,
        *,
        cut: float = CUT,
        physics: str = ANALYTIC,
        entrance: Entrance | None = None,
    ) -> None:
        self._pieces = detector.pieces()
        self._g = g = load_geant4(physics, folder)
        self._detector, self._physics_name, self._entrance = detector, physics, entrance
        assert detector.built is not None
        self._built = detector.built
        # Geant4 keeps pointers to what Python would throw away.
        self._kept: list[Any] = []
        self._own: dict[str, Any] = {}
        # Of the run: particles by number of the event, and what came of it.
        self._seed, self._first = 0, 0
        self._primaries: list[list[tuple[float, ...]]] = []
        self._cells: list[NDArray[np.float64]] = []
        self._overflow: list[NDArray[np.float64]] = []
        self._taken: list[tuple[float, ...]] = []
        self._left: Counter[str] = Counter()
        self._visible = np.zeros(0)
        of_layer = {piece.layer: piece.factor for piece in self._pieces if piece.active}
        factors = np.array([of_layer.get(k, 1.0) for k in range(detector.n_layers)])
        self._factors = np.concatenate([factors[detector.layer_of_cell], factors])
        command = g.G4UImanager.GetUIpointer().ApplyCommand
        for topic in ("run", "process", "process/em", "control", "material", "run/particle"):
            command(f"/{topic}/verbose 0")
        self._manager = g.G4RunManagerFactory.CreateRunManager(g.G4RunManagerType.Serial)
        for part in (self._construction(), self._physics(), self._actions()):
            self._manager.SetUserInitialization(self._keep(part))
        if physics == ANALYTIC:
            self._write_tables(Path(os.environ["G4LEDATA"]))
            for line in ("StepLimit UseSafety", "LateralDisplacement true", "RangeFactor 0.04"):
                command(f"/process/msc/{line}")
        self._manager.Initialize()
        command(f"/run/setCut {cut} mm")

    def run(
        self, particles: Mapping[str, NDArray[np.float64]], n: int, seed: int, first: int = 0
    ) -> Simulated:
        """Simulate events.

        Arguments:
            particles: ``pdg`` and ``energy`` [MeV] of the incident particles, and what there is of
                ``theta``, ``phi`` [rad], ``x`` and ``y`` [mm] where they enter the first slab, each
                (M,). Where events have several particles or none, ``event`` is the number of each,
                counted from the first one; else there is one for each event.
            n: Number of events.
            seed: Seed of the events.
            first: Number of the first event.

        Raises:
            MissingError: The physics has no such particle.
        """
        rows = len(particles["energy"])
        of_event = particles.get("event", np.arange(rows)).astype(np.int64)
        names = ("pdg", "energy", "theta", "phi", "x", "y")
        columns = [np.asarray(particles.get(name, np.zeros(rows)), np.float64) for name in names]
        self._primaries = [[] for _ in range(n)]
        for event, *row in zip(of_event.tolist(), *(c.tolist() for c in columns), strict=True):
            self._require_particle(int(row[0]))
            self._primaries[event].append(tuple(row))
        self._seed, self._first = seed, first
        self._cells, self._overflow, self._taken, self._left = [], [], [], Counter()
        self._manager.BeamOn(n)
        detector = self._detector
        return Simulated(
            np.array(self._cells).reshape(n, detector.n_cells),
            np.array(self._overflow).reshape(n, detector.n_layers),
            np.array(self._taken, TAKEN),
            dict(self._left),
        )

    def _require_particle(self, pdg: int) -> None:
        if self._physics_name == ANALYTIC and pdg not in _SHOWERING:
            raise MissingError(
                f"the physics '{ANALYTIC}' has no particle of PDG number {pdg}: it simulates e-, "
                "e+ and gamma",
                remedy="name a reference list such as --physics FTFP_BERT, which needs Geant4's "
                "data sets",
                value=pdg,
                constraint=_SHOWERING,
            )
        if self._g.G4ParticleTable.GetParticleTable().FindParticle(pdg) is None:
            raise MissingError(
                f"the physics '{self._physics_name}' has no particle of PDG number {pdg}",
                remedy="name a reference list that has it",
                value=pdg,
            )

    def _keep(self, part: Any) -> Any:
        self._kept.append(part)
        return part

    def _material(self, name: str) -> Any:
        g, manager = self._g, self._g.G4NistManager.Instance()
        if name in self._own:
            return self._own[name]
        if declared := self._built.materials.get(name):
            parts = declared.composition
            made = g.G4Material(name, declared.density * g.g / g.cm3, len(parts))
            for part, fraction in parts.items():
                element = (
                    None if part in self._built.materials else manager.FindOrBuildElement(part)
                )
                if element is not None:
                    made.AddElement(element, fraction / sum(parts.values()))
                else:
                    made.AddMaterial(self._material(part), fraction / sum(parts.values()))
            self._own[name] = self._keep(made)
            return made
        found = manager.FindOrBuildMaterial(nist_name(name))
        if found is None:
            raise DetectorError(
                f"Geant4 has no material '{name}'",
                remedy="name a NIST material, such as G4_W or G4_POLYSTYRENE, or declare it under "
                "[construction.materials] with density and composition",
                value=name,
            )
        return found

    def _write_tables(self, folder: Path) -> None:
        g, elements = self._g, {}
        names = {piece.material for piece in self._pieces} | {self._built.beside or "G4_Galactic"}
        # The galactic vacuum around is hydrogen.
        for material in [self._material("G4_Galactic"), *map(self._material, sorted(names))]:
            for i in range(material.GetNumberOfElements()):
                elements[material.GetElement(i).GetZasInt()] = material.GetSandiaTable()
        found = g.G4doubleVector([0.0] * 4)

        def coefficients(z: int, energy: float) -> list[float]:
            elements[z].GetSandiaCofPerAtom(z, energy * g.MeV, found)
            return [value / g.barn for value in found]

        write_tables(folder, dict.fromkeys(elements, coefficients))

    # Geometry

    def _construction(self) -> Any:
        g, outer = self._g, self

        class Construction(g.G4VUserDetectorConstruction):  # type: ignore[misc, name-defined]
            def Construct(self) -> Any:
                return outer._build()

            def ConstructSDandField(self) -> None:
                if any(outer._built.field):
                    field = g.G4UniformMagField(g.G4ThreeVector(*outer._built.field) * g.tesla)
                    transport = g.G4TransportationManager.GetTransportationManager()
                    manager = transport.GetFieldManager()
                    manager.SetDetectorField(outer._keep(field))
                    manager.CreateChordFinder(field)
                detectors = outer._sensitive_detectors()
                for sensitive, volumes in detectors:
                    g.G4SDManager.GetSDMpointer().AddNewDetector(outer._keep(sensitive))
                    for volume in volumes:
                        self.SetSensitiveDetector(volume, sensitive)

        return Construction()

    def _sensitive_detectors(self) -> list[tuple[Any, list[Any]]]:
        """Return what sums the deposits up, or takes particles out, and the volumes it is for."""
        g, found = self._g, []
        for k, cells in self._sensitive.items():
            shape = self._detector.layers[k].shape
            for name, volumes in (("cells", cells), ("beside", self._beside[k])):
                if self._built.birks:
                    found.append((self._birks(k, shape if name == "cells" else ()), volumes))
                    continue
                counter = g.G4MultiFunctionalDetector(f"{name}{k}")
                scorer = (
                    g.G4PSEnergyDeposit3D("deposit", _MOST_CELLS, *shape, 2, 1, 0)
                    if name == "cells"
                    else g.G4PSEnergyDeposit("deposit", 0)
                )
                counter.RegisterPrimitive(self._keep(scorer))
                found.append((counter, volumes))
        if self._entrance:
            plane = entrance_plane(
                g,
                self._entrance,
                lambda: self._first + len(self._cells),
                lambda: (self._taken, self._left),
            )
            found.append((plane, [self._plane]))
        return found

    def _build(self) -> Any:
        g = self._g
        layers = [layer for layer in self._detector.layers if isinstance(layer, ShowerLayer)]
        self._sensitive: dict[int, list[Any]] = {}
        self._beside: dict[int, list[Any]] = {}
        cells = max(map(_half_width, layers))
        half = cells + self._built.margin
        # As deep in front as behind, with room for the gun.
        depth = _WORLD + max(self._pieces[-1].z[1], self._built.gun - self._pieces[0].z[0])
        vacuum = self._material("G4_Galactic")
        world = self._volume(g.G4Box("world", half + 10, half + 10, depth), vacuum)
        whole = self._keep(g.G4PVPlacement(None, g.G4ThreeVector(), world, "world", None, False, 0))
        if self._entrance:
            # Between where particles start and the first slab.
            self._plane = self._volume(g.G4Box("entrance", half, half, 0.2 * _GAP), vacuum)
            self._place(self._plane, world, 0, z=self._pieces[0].z[0] - 0.5 * _GAP)
        for piece in self._pieces:
            material, thickness = self._material(piece.material), piece.z[1] - piece.z[0]
            mother, middle, width = world, sum(piece.z) / 2, half
            if self._built.beside and piece.layer >= 0:
                around = self._material(self._built.beside)
                mother = self._volume(g.G4Box("beside", half, half, thickness / 2), around)
                self._place(mother, world, piece.layer, z=middle)
                middle, width = 0.0, cells
            slab = self._volume(g.G4Box("slab", width, width, thickness / 2), material)
            self._place(slab, mother, max(piece.layer, 0), z=middle)
            if piece.active:
                parts = self._cells_of(piece, layers[piece.layer], material, slab)
                self._sensitive.setdefault(piece.layer, []).extend(parts)
                self._beside.setdefault(piece.layer, []).append(slab)
        return whole

    def _volume(self, solid: Any, material: Any) -> Any:
        self._keep(solid)
        return self._keep(self._g.G4LogicalVolume(solid, material, solid.GetName()))

    def _place(
        self,
        volume: Any,
        mother: Any,
        copy: int,
        *,
        x: float = 0,
        y: float = 0,
        z: float = 0,
        rotation: Any = None,
    ) -> None:
        g, name = self._g, volume.GetName()
        where = g.G4ThreeVector(x, y, z)
        self._keep(g.G4PVPlacement(rotation, where, volume, name, mother, False, copy))

    def _cells_of(self, piece: Piece, layer: Any, material: Any, slab: Any) -> list[Any]:
        half_depth = (piece.z[1] - piece.z[0]) / 2
        build = self._polar if isinstance(layer, PolarLayer) else self._cartesian
        return build(layer, half_depth, material, slab, piece.layer)

    def _cartesian(
        self, layer: CartesianLayer, half_depth: float, material: Any, slab: Any, copy: int
    ) -> list[Any]:
        """Divide a slab in x and then in y; return the volumes of its cells."""
        g = self._g
        wide, high = layer.x[-1] - layer.x[0], layer.y[-1] - layer.y[0]
        all_cells = self._volume(g.G4Box("cells", wide / 2, high / 2, half_depth), material)
        middle = (layer.x[0] + layer.x[-1]) / 2, (layer.y[0] + layer.y[-1]) / 2
        self._place(all_cells, slab, copy, x=middle[0], y=middle[1])
        columns = self._divided(
            all_cells, layer.x, g.kXAxis, lambda w: g.G4Box("column", w / 2, high / 2, half_depth)
        )
        return [
            cell
            for column, width in columns
            for cell, _ in self._divided(
                column,
                layer.y,
                g.kYAxis,
                lambda h, w=width: g.G4Box("cell", w / 2, h / 2, half_depth),
            )
        ]

    def _polar(
        self, layer: PolarLayer, half_depth: float, material: Any, slab: Any, copy: int
    ) -> list[Any]:
        """Divide a slab in alpha and then in r; return the volumes of its cells."""
        g, n_alpha = self._g, layer.n_alpha
        inner, outer = layer.r[0], layer.r[-1]
        wedge = 2 * math.pi / n_alpha

        def ring(name: str, low: float, high: float, angle: float) -> Any:
            return g.G4Tubs(name, low, high, half_depth, -angle / 2, angle)

        # Replicas in alpha begin at the x axis, the cells at -pi.
        turned = self._keep(g.G4RotationMatrix())
        turned.rotateZ(math.pi)
        disc = self._volume(g.G4Tubs("cells", inner, outer, half_depth, 0, 2 * math.pi), material)
        self._place(disc, slab, copy, rotation=turned)
        sector = self._volume(ring("sector", inner, outer, wedge), material)
        if n_alpha == 1:
            self._place(sector, disc, 0)
        else:
            self._keep(g.G4PVReplica("sector", sector, disc, g.kPhi, n_alpha, wedge, 0))
        widths = np.diff(layer.r)
        if np.allclose(widths, widths[0]):
            width = float(widths[0])
            cell = self._volume(ring("cell", inner, inner + width, wedge), material)
            self._keep(g.G4PVReplica("cell", cell, sector, g.kRho, len(widths), width, inner))
            return [cell]
        cells = []
        for number, (low, high) in enumerate(zip(layer.r[:-1], layer.r[1:], strict=True)):
            cells.append(self._volume(ring("cell", low, high, wedge), material))
            self._place(cells[-1], sector, number)
        return cells

    def _divided(self, mother: Any, edges: Iterable[float], axis: Any, solid: Any) -> list[Any]:
        """Divide a volume along an axis; return the volumes of its parts, and how wide they are."""
        g, ends = self._g, np.asarray(list(edges))
        widths = np.diff(ends)
        material = mother.GetMaterial()
        if np.allclose(widths, widths[0]):
            width = float(widths[0])
            part = self._volume(solid(width), material)
            self._keep(g.G4PVReplica(part.GetName(), part, mother, axis, len(widths), width))
            return [(part, width)]
        parts = []
        for number, width in enumerate(widths.tolist()):
            part = self._volume(solid(width), material)
            middle = float(ends[number : number + 2].mean() - (ends[0] + ends[-1]) / 2)
            self._place(part, mother, number, **{"x" if axis == g.kXAxis else "y": middle})
            parts.append((part, width))
        return parts

    # Sensitive detectors in Python

    def _birks(self, k: int, shape: tuple[int, ...]) -> Any:
        """Return a sensitive detector of the visible energy of a layer, by Birks' law.

        dL/dx = (dE/dx) / (1 + kB dE/dx) for each step of a charged particle (J. B. Birks, Proc.
        Phys. Soc. A 64 (1951) 874); ``shape`` is empty beside the cells.
        """
        g, outer, birks = self._g, self, self._built.birks
        offset, inner = self._detector.offsets[k], shape[1] if shape else 0
        n_cells = self._detector.n_cells

        class Saturated(g.G4VSensitiveDetector):  # type: ignore[misc, name-defined]
            def ProcessHits(self, step: Any, history: Any) -> bool:
                energy, length = step.GetTotalEnergyDeposit(), step.GetStepLength()
                if energy <= 0:
                    return False
                if length > 0 and step.GetTrack().GetDefinition().GetPDGCharge():
                    energy /= 1 + birks * energy / length
                slot = n_cells + k
                if shape:
                    touched = step.GetPreStepPoint().GetTouchable()
                    first, second = touched.GetReplicaNumber(1), touched.GetReplicaNumber(0)
                    slot = offset + first * inner + second
                outer._visible[slot] += energy
                return True

        return Saturated(f"birks{k}{'' if shape else 'beside'}")

    # Physics and events

    def _physics(self) -> Any:
        g, keep, name = self._g, self._keep, self._physics_name
        if name not in (ANALYTIC, STANDARD):
            factory = keep(g.G4PhysListFactory())
            factory.SetVerbose(0)
            return factory.GetReferencePhysList(name)

        class Physics(g.G4VModularPhysicsList):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.SetVerboseLevel(0)
                self.SetDefaultCutValue(CUT * g.mm)
                parameters = g.G4EmParameters.Instance()
                if name == STANDARD:
                    self.RegisterPhysics(keep(g.G4EmStandardPhysics()))
                    parameters.SetIsPrintedFlag(True)
                    return
                self.RegisterPhysics(keep(g.G4EmStandardPhysics_option1()))
                parameters.SetVerbose(0)
                parameters.SetIsPrintedFlag(True)
                parameters.SetFluo(False)
                parameters.SetAuger(False)
                # As option 0 has them; option 1 would take steps too long for thin slabs.
                parameters.SetMscRangeFactor(0.04)
                parameters.SetLateralDisplacement(True)
                parameters.SetApplyCuts(False)
                parameters.SetStepFunction(0.2, 1.0 * g.mm)
                # Urban's model of multiple scattering at all energies.
                parameters.SetMscEnergyLimit(10 * g.TeV)

        return Physics()

    def _actions(self) -> Any:
        g, outer = self._g, self

        class Gun(g.G4VUserPrimaryGeneratorAction):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.gun = g.G4ParticleGun(1)
                self.table = g.G4ParticleTable.GetParticleTable()

            def GeneratePrimaries(self, event: Any) -> None:
                number = len(outer._cells)
                # The last number is needed: without it the state has parts of the event before.
                g.HepRandom.setTheSeeds([outer._seed + 1, outer._first + number + 1, 0])
                back = outer._built.gun + _GAP
                for pdg, energy, theta, phi, x, y in outer._primaries[number]:
                    self.gun.SetParticleDefinition(self.table.FindParticle(int(pdg)))
                    self.gun.SetParticleEnergy(energy * g.MeV)
                    dx, dy = math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi)
                    way = g.G4ThreeVector(dx, dy, math.cos(theta))
                    self.gun.SetParticleMomentumDirection(way)
                    # On a straight line to where it enters the first slab.
                    start = way * (back / math.cos(theta))
                    front = g.G4ThreeVector(x, y, outer._pieces[0].z[0])
                    self.gun.SetParticlePosition(front - start)
                    self.gun.GeneratePrimaryVertex(event)
                n_slots = outer._detector.n_cells + outer._detector.n_layers
                outer._visible = np.zeros(n_slots)

        class End(g.G4UserEventAction):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.collections: list[tuple[int, int, int]] = []

            def EndOfEventAction(self, event: Any) -> None:
                detector, found = outer._detector, event.GetHCofThisEvent()
                if not self.collections and not outer._built.birks:
                    number = g.G4SDManager.GetSDMpointer().GetCollectionID
                    for k in outer._sensitive:
                        for name, n in (("cells", detector.layers[k].n_cells), ("beside", 0)):
                            self.collections.append((k, n, number(f"{name}{k}/deposit")))
                slots = outer._visible
                for k, n, collection in self.collections:
                    # Slabs have the copy number of their layer, in front of those of cells.
                    for key, energy in found.GetHC(collection) if found else ():
                        slots[detector.offsets[k] + key % n if n else detector.n_cells + k] += (
                            energy
                        )
                slots *= outer._factors
                outer._cells.append(slots[: detector.n_cells])
                outer._overflow.append(slots[detector.n_cells :])

        class Actions(g.G4VUserActionInitialization):  # type: ignore[misc, name-defined]
            def Build(self) -> None:
                self.SetUserAction(outer._keep(Gun()))
                self.SetUserAction(outer._keep(End()))

        return Actions()


def entrance_plane(
    geant4: Any,
    entrance: Entrance,
    event: Callable[[], int],
    lists: Callable[[], tuple[list[tuple[float, ...]], Counter[str]]],
) -> Any:
    """Return a sensitive detector for a thin volume of vacuum in front of a detector.

    It takes the particles that models cover out of the event where they enter along +z.

    Arguments:
        geant4: The module ``geant4_pybind``.
        entrance: Which particles to take.
        event: Returns the number of the event.
        lists: Returns where particles are recorded, as tuples of the fields of :data:`TAKEN`, and
            where those above the threshold that are not taken are counted by reason.
    """

    class Plane(geant4.G4VSensitiveDetector):  # type: ignore[misc]
        def ProcessHits(self, step: Any, history: Any) -> bool:
            point, track = step.GetPreStepPoint(), step.GetTrack()
            way, energy = point.GetMomentumDirection(), point.GetKineticEnergy()
            entered = point.GetStepStatus() == geant4.fGeomBoundary
            if not entered or way.z <= 0 or energy < entrance.above:
                return False
            pdg, at = track.GetDefinition().GetPDGEncoding(), point.GetPosition()
            angle = math.atan2(math.hypot(way.x, way.y), way.z)
            model = entrance.find(pdg, energy, angle, (at.x, at.y))
            taken, left = lists()
            if isinstance(model, str):
                left[model] += 1
                return False
            taken.append((event(), pdg, model, energy, at.x, at.y, way.x, way.y, way.z))
            track.SetTrackStatus(geant4.fStopAndKill)
            return True

    return Plane("entrance")


def _half_width(layer: ShowerLayer) -> float:
    if isinstance(layer, CartesianLayer):
        return max(abs(end) for edges in (layer.x, layer.y) for end in (edges[0], edges[-1]))
    assert isinstance(layer, PolarLayer)
    return layer.r[-1]
