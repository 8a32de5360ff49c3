"""Physics of the full simulation, against textbooks and against Geant4 with all its data sets."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from benchmarks.common import print_header
from benchmarks.published import CRYSTAL_X0, EGS4, MEDIA, MINIMUM, RINGS, SLICES, Medium
from phys_gan.data import read
from phys_gan.detectors import (
    CartesianLayer,
    Construction,
    Detector,
    PolarLayer,
    Slab,
    Stack,
    StackSlab,
    load_detector,
)
from phys_gan.simulation import FullSimulation, geant4_data
from phys_gan.simulation.geant4 import CUT, Geant4

Array = NDArray[np.float64]

ELECTRON, POSITRON, PHOTON = 11, -11, 22
_NAMES = {ELECTRON: "e-", POSITRON: "e+", PHOTON: "gamma"}


@dataclass(frozen=True)
class Row:
    """A number that was measured, and what it should be."""

    quantity: str
    value: float
    error: float
    expected: str
    source: str
    digits: int = 3

    def text(self) -> str:
        """Return it as a line of a table."""
        measured = f"{self.value:.{self.digits}f}"
        if self.error:
            measured += f" ± {self.error:.{self.digits}f}"
        return f"| {self.quantity} | {measured} | {self.expected} | {self.source} |"


class Showers(NamedTuple):
    """Deposits [MeV]: in the cells, (N, n_cells), and beside them, (N, n_layers)."""

    cells: Array
    beside: Array

    @property
    def total(self) -> Array:
        """All that was deposited in what is read out [MeV], (N,)."""
        return np.asarray(self.cells.sum(axis=1, dtype=float) + self.beside.sum(axis=1))


class Beam(NamedTuple):
    """Particles, and their energies [MeV]."""

    pdg: int
    energy: Array

    def scaled(self, factor: float) -> Beam:
        """Return more or fewer of them, at least eight."""
        n = min(len(self.energy), max(8, int(factor * len(self.energy))))
        return Beam(self.pdg, self.energy[:n])


def beam(pdg: int, energy: float, n: int) -> Beam:
    """Return n particles of one energy [MeV]."""
    return Beam(pdg, np.full(n, energy))


@dataclass
class Runs:
    """Showers of the checks; what a folder has already is not simulated again.

    Attributes:
        folder: Where they are kept.
        workers: Number of processes.
        scale: Factor on the numbers of showers.
    """

    folder: Path
    workers: int = 2
    scale: float = 1.0

    def get(
        self, name: str, detector: Detector, *beams: Beam, cut: float = CUT, limit: float = 0.0
    ) -> list[Showers]:
        """Return the showers of each beam.

        Below ``limit`` [MeV] electrons do not radiate.
        """
        beams = tuple(beam.scaled(self.scale) for beam in beams)
        pdg = np.concatenate([np.full(len(beam.energy), float(beam.pdg)) for beam in beams])
        energy = np.concatenate([beam.energy for beam in beams])
        ends = np.cumsum([len(beam.energy) for beam in beams])[:-1]
        path, wanted = self.folder / f"{name}.npz", f"{detector.model_dump_json()} {cut} {limit}"
        if path.exists():
            with np.load(path) as kept:
                same = str(kept["wanted"]) == wanted and np.array_equal(kept["pdg"], pdg)
                if same and np.array_equal(kept["energy"], energy):
                    parts = np.split(kept["cells"], ends), np.split(kept["beside"], ends)
                    return [Showers(*part) for part in zip(*parts, strict=True)]
        typer.echo(f"{name}: {len(energy)} showers", err=True)
        particles = {"pdg": pdg, "energy": energy}
        if limit:
            found = _in_processes(_without_soft_radiation, self.workers, detector, particles, limit)
        else:
            full = FullSimulation(detector, cut=cut, workers=self.workers)
            found = list(full.blocks(particles, len(energy), seed=1))
        cells = np.concatenate([part.cells for part in found]).astype(np.float32)
        beside = np.concatenate([part.overflow for part in found]).astype(np.float32)
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, cells=cells, beside=beside, pdg=pdg, energy=energy, wanted=wanted)
        parts = np.split(cells, ends), np.split(beside, ends)
        return [Showers(*part) for part in zip(*parts, strict=True)]


def _in_processes(task: Callable[..., Any], n: int, *args: Any) -> list[Any]:
    """Run a task with Geant4 in n processes; it gets its number and their number as well."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, context, initializer=_silence) as pool:
        return [job.result() for job in [pool.submit(task, *args, i, n) for i in range(n)]]


def _silence() -> None:
    """Keep Geant4's banner out of the table."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _without_soft_radiation(
    detector: Detector, particles: Mapping[str, Array], limit: float, i: int, n: int
) -> Any:
    """Simulate part i of n of the showers with no bremsstrahlung below a kinetic energy [MeV]."""
    complete = geant4_data.bremsstrahlung

    def hard(z: int, kinetic: Array, fraction: Array) -> Array:
        return complete(z, kinetic, fraction) * np.where(kinetic < limit, 1e-6, 1.0)

    geant4_data.bremsstrahlung = hard
    number = len(particles["energy"])
    first, last = i * number // n, (i + 1) * number // n
    with tempfile.TemporaryDirectory() as folder:
        part = {name: values[first:last] for name, values in particles.items()}
        return Geant4(detector, Path(folder)).run(part, last - first, 1, first)


# Detectors


def block(medium: Medium, depth: float = 30, radius: float = 12) -> Detector:
    """Return a block in slices of X0/4 and in rings, finest around one Moliere radius.

    Arguments:
        medium: The material.
        depth: Of the block [X0].
        radius: Of the last ring [Moliere radii].
    """
    edges = np.array([*np.arange(0, 2, 0.1), *np.arange(2, radius + 0.1, 0.5)])
    step = medium.depth / 4
    layers = tuple(
        PolarLayer(
            z=(k * step, (k + 1) * step),
            r=tuple((medium.moliere_radius * edges).tolist()),
            n_alpha=1,
        )
        for k in range(int(4 * depth))
    )
    slab = StackSlab(material=medium.name, thickness=step, active=True)
    return Detector(
        name="block", layers=layers, construction=Construction(stack=(Stack(slabs=(slab,)),))
    )


def sandwich(
    slabs: tuple[StackSlab, ...],
    n: int,
    width: float = 500.0,
    cells: int = 1,
    behind: tuple[Slab, ...] = (),
    **given: Any,
) -> Detector:
    """Return n layers of slabs, each of cells x cells in a square [mm]."""
    depth = sum(slab.thickness for slab in slabs)
    edges = tuple(np.linspace(-width / 2, width / 2, cells + 1).tolist())
    layers = tuple(
        CartesianLayer(z=(k * depth, (k + 1) * depth), x=edges, y=edges) for k in range(n)
    )
    built = Construction(stack=(Stack(slabs=slabs, layers=n),), behind=behind, **given)
    return Detector(name="sandwich", layers=layers, construction=built)


def pair(passive: tuple[str, float], active: tuple[str, float]) -> tuple[StackSlab, StackSlab]:
    """Return an absorber and what is read out behind it."""
    return (
        StackSlab(material=passive[0], thickness=passive[1]),
        StackSlab(material=active[0], thickness=active[1], active=True),
    )


# Checks


def mean(values: Array) -> tuple[float, float]:
    """Return mean and standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def resampled(showers: Array, quantity: Callable[[Array], float]) -> tuple[float, float]:
    """Return a quantity of the mean of showers, and its error from 40 bootstrap samples."""
    rng = np.random.default_rng(0)
    n = len(showers)
    again = [quantity(showers[rng.integers(0, n, n)].mean(axis=0)) for _ in range(40)]
    return quantity(showers.mean(axis=0)), float(np.std(again, ddof=1))


def maximum(profile: Array) -> float:
    """Return the depth of the maximum of a gamma function fitted to slices of X0/4 [X0].

    dE/dt = E b (bt)^(a - 1) e^(-bt) / Gamma(a), at (a - 1) / b (Particle Data Group, Passage of
    particles through matter, Eq. 34.36); where more than a tenth of the maximum is deposited.
    """
    depth = (np.arange(len(profile)) + 0.5) / 4
    high = profile > 0.1 * profile.max()

    def shape(t: Array, a: float, b: float, scale: float) -> Array:
        return np.asarray(scale + (a - 1) * np.log(t) - b * t)

    found, _ = curve_fit(
        shape, depth[high], np.log(profile[high]), p0=(4, 0.5, 0), sigma=profile[high] ** -0.5
    )
    return float((found[0] - 1) / found[1])


def stopping(runs: Runs) -> list[Row]:
    """Take radiation lengths and critical energies from Geant4's cross sections."""
    found = _in_processes(_stopping, 1, tuple(MEDIA))[0]
    rows = []
    for name, medium in MEDIA.items():
        length, critical = found[name]
        rows += [
            Row(f"X₀ of {_plain(name)} [g/cm²]", length, 0, f"{medium.radiation_length}", "PDG", 2),
            Row(f"E_c of {_plain(name)} [MeV]", critical, 0, f"{medium.critical_energy}", "PDG", 2),
        ]
    return rows


def _stopping(names: tuple[str, ...], i: int, n: int) -> dict[str, tuple[float, float]]:
    """Return X0 [g/cm2] at 1 GeV, and the kinetic energy [MeV] lost to ionisation in one X0."""
    slabs = tuple(StackSlab(material=name, thickness=10, active=True) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        engine = Geant4(sandwich(slabs, 1), Path(folder))
        engine.run({"pdg": np.array([11.0]), "energy": np.array([10.0])}, 1, 1)
        import geant4_pybind as g

        calculator, electron = g.G4EmCalculator(), g.G4Electron.Electron()
        found = {}
        for name in names:
            nist = {"LAr": "G4_lAr"}.get(name, name if name.startswith("G4_") else f"G4_{name}")
            material = g.G4NistManager.Instance().FindOrBuildMaterial(nist)
            # Radiated energy per mm at 1 GeV, of photons of all energies.
            radiated = calculator.ComputeDEDX(1e3, electron, "eBrem", material, 1e6)
            length = (1e3 + geant4_data.ELECTRON_MASS) / radiated
            energy = 10.0
            for _ in range(60):
                ionised = calculator.ComputeDEDX(energy, electron, "eIoni", material, 1e6)
                energy = (energy + ionised * length) / 2
            found[name] = length / 10 * material.GetDensity() / (g.g / g.cm3), energy
        return found


def maxima(runs: Runs) -> list[Row]:
    """Measure where showers have their maximum, and the critical energy that follows."""
    rows = []
    for name in ("Pb", "W"):
        medium = MEDIA[name]
        found = iter(_blocks(runs, name))
        for pdg, shift in ((ELECTRON, -0.5), (PHOTON, 0.5)):
            depths = []
            for energy, _ in _BEAMS:
                showers = next(found)
                slices = (showers.cells.reshape(len(showers.cells), 120, -1)).sum(axis=2)
                value, error = resampled(slices + showers.beside, maximum)
                expected = np.log(energy / medium.critical_energy) + shift
                depths.append((value, error, value - expected))
                rows.append(
                    Row(
                        f"t_max in {name}, {_NAMES[pdg]} of {energy / 1e3:.0f} GeV [X₀]",
                        value,
                        error,
                        f"{expected:.2f}" + (f"; {expected - 0.358:.2f}" if shift < 0 else ""),
                        f"PDG: ln(E/E_c) {shift:+}" + ("; Grindhammer" if shift < 0 else ""),
                        2,
                    )
                )
            weight = np.array([d[1] for d in depths]) ** -2.0
            off = float(np.average([d[2] for d in depths], weights=weight))
            rows.append(
                Row(f"t_max − PDG in {name}, {_NAMES[pdg]}, mean [X₀]", off,
                    float(weight.sum() ** -0.5), "0", "PDG", 2)
            )  # fmt: skip
    return rows


_BEAMS = ((1e3, 500), (5e3, 120), (20e3, 40))
"""Energies [MeV] and numbers of showers in blocks."""


def _blocks(runs: Runs, name: str) -> list[Showers]:
    """Return showers in a block: of electrons of three energies, and of photons."""
    beams = [beam(pdg, energy, n) for pdg in (ELECTRON, PHOTON) for energy, n in _BEAMS]
    return runs.get(f"block-{name}", block(MEDIA[name]), *beams)


def radii(runs: Runs) -> list[Row]:
    """Measure the energy within the Moliere radius, and the radius of 90 % of it."""
    rows = []
    for name in ("Pb", "W", "Cu"):
        medium = MEDIA[name]
        if name == "Cu":
            (showers,) = runs.get("block-Cu", block(medium), beam(ELECTRON, 5e3, 120))
        else:
            showers = _blocks(runs, name)[1]
        rings = showers.cells.reshape(len(showers.cells), 120, -1).sum(axis=1)
        share = np.column_stack([rings, showers.beside.sum(axis=1)]) / showers.total[:, None]
        edges = np.asarray(block(medium).layers[0].r)  # type: ignore[union-attr]
        inside = share[:, : np.searchsorted(edges, 0.999 * medium.moliere_radius)].sum(axis=1)
        rows += [
            Row(f"share within R_M in {name}, e- of 5 GeV", *mean(inside), "0.90", "PDG; ± 10 %"),
            Row(
                f"radius of 90 % in {name} [mm]",
                *resampled(share, partial(_radius, edges=edges)),
                f"R_M = {medium.moliere_radius}",
                "PDG",
                1,
            ),
        ]
    return rows


def _radius(share: NDArray[Any], edges: NDArray[Any]) -> float:
    """Return the radius that has 90 % inside."""
    return float(np.interp(0.9, np.cumsum(share[:-1]), edges[1:]))


def crystal(runs: Runs) -> list[Row]:
    """Compare a crystal of PbWO4 with Geant4 with all its data sets."""
    slices, rings = crystal_profiles(runs)
    theirs = "Geant4 11.1 to 11.4, TestEm2"
    text = "PbWO₄, e- of 5 GeV"
    depth = 0.5 * (np.arange(40) + 0.5)
    centre = slices @ depth / slices.sum(axis=1)
    edges = 0.1 * CRYSTAL_X0 * np.arange(51)

    def both(name: str, ours: Array, other: float, digits: int) -> Row:
        # Theirs has the error of 300 showers like ours.
        expected = f"{other:.{digits}f} ± {ours.std() / np.sqrt(300):.{digits}f}"
        return Row(f"{text}: {name}", *mean(ours), expected, theirs, digits)

    rows = [
        both("energy in 20 X₀ × 5 X₀ [%]", slices.sum(axis=1), float(SLICES.sum()), 2),
        both("mean depth [X₀]", centre, float(SLICES @ depth / SLICES.sum()), 2),
        both("within 2 X₀ [%]", rings[:, :20].sum(axis=1), float(RINGS[:20].sum()), 2),
        both("within 0.5 X₀ [%]", rings[:, :5].sum(axis=1), float(RINGS[:5].sum()), 2),
        both("within 0.1 X₀ [%]", rings[:, 0], float(RINGS[0]), 2),
        Row(f"{text}: radius of 90 % of E_inc [mm]",
            *resampled(rings / 100, lambda mean: _radius(np.append(mean, 0), edges)),
            "25.8, 25.6, 26.5", theirs, 1),
    ]  # fmt: skip
    volumes = runs.get("crystal", _crystal(50, 40), beam(ELECTRON, 5e3, 300), cut=1.0)[0].cells
    core = 100 * volumes.reshape(len(volumes), 40, 50)[:, :, 0].sum(axis=1) / 5e3
    rows.append(
        Row(f"{text}: within 0.1 X₀ [%] where rings and slices are volumes", *mean(core),
            "15.6 ± 0.3", "this engine with steps of 2 % of the range", 2)
    )  # fmt: skip
    return rows


def crystal_profiles(runs: Runs) -> tuple[Array, Array]:
    """Return what TestEm2 shows, measured as it does: in steps, not in cells.

    The per cent of the energy in its slices and rings, (N, 40) and (N, 50).
    """
    path, n = runs.folder / "steps.npz", max(8, int(100 * runs.scale))
    if path.exists():
        with np.load(path) as kept:
            if len(kept["slices"]) == n:
                return kept["slices"], kept["rings"]
    typer.echo(f"steps: {n} showers", err=True)
    parts = _in_processes(_steps, runs.workers, _crystal(1, 1), 5e3, n)
    slices, rings = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    runs.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, slices=slices, rings=rings)
    return slices, rings


def _crystal(n_rings: int, n_slices: int) -> Detector:
    """Return the crystal of TestEm2 in rings and slices; its corners are filled here."""
    edges = tuple(np.linspace(0, 5 * CRYSTAL_X0, n_rings + 1).tolist())
    step = 20 * CRYSTAL_X0 / n_slices
    layers = tuple(
        PolarLayer(z=(step * k, step * (k + 1)), r=edges, n_alpha=1) for k in range(n_slices)
    )
    slab = StackSlab(material="G4_PbWO4", thickness=step, active=True)
    built = Construction(stack=(Stack(slabs=(slab,)),), beside="G4_Galactic", margin=1)
    return Detector(name="crystal", layers=layers, construction=built)


def _steps(
    detector: Detector, energy: float, n_all: int, i: int, n: int
) -> tuple[Array, Array, Array, Array]:
    """Follow the steps of part i of n of the electrons, in a detector of one cell.

    Returns:
        The per cent of the energy in slices and rings of the crystal, at a random point of each
        step; the path of charged particles [mm], and their deposits [MeV].
    """
    first, last = i * n_all // n, (i + 1) * n_all // n
    slices, rings = np.zeros((last - first, 40)), np.zeros((last - first, 50))
    lengths, deposits = np.zeros((2, last - first))
    rng, x0 = np.random.default_rng(i), CRYSTAL_X0
    with tempfile.TemporaryDirectory() as folder:
        engine = Geant4(detector, Path(folder), cut=1.0)
        import geant4_pybind as g

        class Steps(g.G4UserSteppingAction):  # type: ignore[misc]
            def UserSteppingAction(self, step: Any) -> None:
                before = step.GetPreStepPoint()
                # Not in the vacuum around.
                if before.GetMaterial().GetDensity() < 1e-3 * g.g / g.cm3:
                    return
                event = int(g.G4EventManager.GetEventManager().GetConstCurrentEvent().GetEventID())
                deposit = step.GetTotalEnergyDeposit()
                if step.GetTrack().GetDefinition().GetPDGCharge():
                    lengths[event] += step.GetStepLength()
                    deposits[event] += deposit
                if deposit > 0:
                    start, end = before.GetPosition(), step.GetPostStepPoint().GetPosition()
                    point = start + (end - start) * rng.random()
                    ring = int(10 * np.hypot(point.x, point.y) / x0)
                    if ring < 50 and 0 <= point.z < 20 * x0:
                        rings[event, ring] += deposit
                        slices[event, int(2 * point.z / x0)] += deposit

        steps = Steps()
        g.G4RunManager.GetRunManager().SetUserAction(steps)
        number = last - first
        particles = {"pdg": np.full(number, 11.0), "energy": np.full(number, energy)}
        engine.run(particles, number, 1, first)
    return 100 * slices / energy, 100 * rings / energy, lengths, deposits


def losses(runs: Runs) -> list[Row]:
    """Measure the ionisation loss in one radiation length, over all of a shower."""
    rows = []
    for name in ("Pb", "W", "Cu", "G4_PbWO4"):
        medium = MEDIA[name]
        slab = StackSlab(material=name, thickness=30 * medium.depth, active=True)
        wide = 20 * medium.moliere_radius
        detector = sandwich((slab,), 1, width=wide)
        parts = _in_processes(_steps, runs.workers, detector, 1e3, max(8, int(30 * runs.scale)))
        lengths, deposits = (np.concatenate([part[k] for part in parts]) for k in (2, 3))
        rows.append(
            Row(f"ionisation per X₀ of path in {_plain(name)}, e- of 1 GeV [MeV]",
                *mean(deposits / lengths * medium.depth), f"{medium.critical_energy}",
                "E_c of the PDG, after Rossi; ± 10 %", 2)
        )  # fmt: skip
    return rows


def iron(runs: Runs) -> list[Row]:
    """Compare the depth profile in iron with that of EGS4."""
    medium = MEDIA["Fe"]
    (showers,) = runs.get("block-Fe", block(medium), beam(ELECTRON, 30e3, 40))
    quarters = showers.cells.reshape(len(showers.cells), 120, -1).sum(axis=2) + showers.beside
    halves = quarters.reshape(len(quarters), 60, 2).sum(axis=2)[:, :40] / 30e3
    depth = 0.5 * (np.arange(40) + 0.5)
    expected = np.repeat(EGS4 / 4, 2)
    return [
        Row(
            "Fe, e- of 30 GeV: t_max [X₀]",
            *resampled(quarters, maximum),
            f"{maximum(expected):.2f}",
            "EGS4, figure of the PDG",
            2,
        ),
        Row(
            "mean depth within 20 X₀ [X₀]",
            *mean(halves @ depth / halves.sum(axis=1)),
            f"{EGS4 @ depth / EGS4.sum():.2f}",
            "same",
            2,
        ),
        Row(
            "largest dE/dt [% of E per X₀]",
            *resampled(200 * halves, lambda profile: float(profile.max())),
            f"{EGS4.max()}",
            "same",
            2,
        ),
    ]


def liquid_argon(runs: Runs) -> list[Row]:
    """Compare lead and liquid argon with Geant4 with all its data sets."""
    theirs = "Geant4 11.3, 11.1, TestEm3"
    absorber, gap = (
        StackSlab(material="Pb", thickness=2.3, active=True),
        StackSlab(material="LAr", thickness=5.7, active=True),
    )
    rows = []
    for material, slabs, expected in (
        ("Pb", (absorber, gap.model_copy(update={"active": False})),
         ("774.0 ± 1.5, 775.4 ± 1.8", "15.4 ± 1.1, 17.8 ± 1.3")),
        ("LAr", (absorber.model_copy(update={"active": False}), gap),
         ("215.8 ± 1.5, 213.7 ± 1.7", "15.1 ± 1.1, 16.6 ± 1.2")),
    ):  # fmt: skip
        detector = sandwich(slabs, 50, width=400, margin=1e-3)
        beams = beam(ELECTRON, 1e3, 1000)
        total = runs.get(f"testem3-{material}", detector, beams, cut=1.0)[0].total
        label = f"Pb 2.3 mm / LAr 5.7 mm × 50, e- of 1 GeV: energy in {material} [MeV]"
        rows += [
            Row(label, *mean(total), expected[0], theirs, 1),
            Row("its standard deviation [MeV]", float(total.std()),
                float(total.std() / np.sqrt(2 * len(total))), expected[1], theirs, 1),
        ]  # fmt: skip
    return rows


def sampling(runs: Runs) -> list[Row]:
    """Measure sampling fractions of W/Si over those of a minimum ionising particle."""
    rows = []
    for tungsten in (1.4, 3.5, 7.0):
        slabs = pair(("W", tungsten), ("Si", 0.3))
        layers = int(np.ceil(30 * MEDIA["W"].depth / tungsten))
        label = f"silicon-{tungsten}"
        total = runs.get(label, sandwich(slabs, layers), beam(ELECTRON, 10e3, 100))[0].total
        minimum = 0.3 * MINIMUM["Si"] / (0.3 * MINIMUM["Si"] + tungsten * MINIMUM["W"])
        value, error = mean(total / 10e3)
        text = f"W {tungsten} mm / Si 0.3 mm, e- of 10 GeV"
        if tungsten == 1.4:
            rows.append(
                Row(f"{text}: sampling fraction", value, error, "0.033",
                    "calibration of CaloChallenge 2 (1/0.033)", 4)
            )  # fmt: skip
        rows.append(
            Row(f"{text}: e/mip", value / minimum, error / minimum,
                "0.6 to 0.9, falling with thickness" if tungsten > 1.4 else "below 1",
                "R. Wigmans, Calorimetry (2000)")
        )  # fmt: skip
    return rows


def resolution(runs: Runs) -> list[Row]:
    """Measure resolution and linearity of 20 layers of lead and scintillator."""
    rows = []
    for lead, plastic in ((5.0, 5.0), (10.0, 2.5)):
        signal, noise = plastic * MINIMUM["G4_POLYSTYRENE"], lead * MINIMUM["Pb"]
        textbook = 2.7 * np.sqrt(plastic * (signal + noise) / signal)
        slabs = pair(("Pb", lead), ("G4_POLYSTYRENE", plastic))
        name = f"Pb {lead:g} mm / scintillator {plastic:g} mm × 20"
        means = []
        energies = (1e3, 4e3, 16e3)
        beams = [beam(ELECTRON, *pair) for pair in zip(energies, (1000, 300, 100), strict=True)]
        found = runs.get(f"plastic-{lead:g}", sandwich(slabs, 20), *beams)
        for energy, showers in zip(energies, found, strict=True):
            total = showers.total
            means.append(np.array(mean(total)) / energy)
            width = 100 * total.std(ddof=1) / total.mean() * np.sqrt(energy / 1e3)
            rows.append(
                Row(f"{name}, e- of {energy / 1e3:.0f} GeV: σ/E √(E/GeV) [%]", float(width),
                    float(width / np.sqrt(2 * len(total))), f"{textbook:.1f} ± 20 %",
                    "R. Wigmans: 2.7 % √(d/f), d in mm", 1)
            )  # fmt: skip
        (low, low_error), (high, high_error) = means[0], means[1]
        ratio = high / low
        plain = found[0].total
        rows.append(
            Row(f"{name}: response at 4 GeV over that at 1 GeV", float(ratio),
                float(ratio * np.hypot(low_error / low, high_error / high)), "1", "linearity", 4)
        )  # fmt: skip
    slabs = pair(("Pb", 10.0), ("G4_POLYSTYRENE", 2.5))
    name = "Pb 10 mm / scintillator 2.5 mm × 20, e- of 1 GeV, Birks 0.126 mm/MeV"
    visible = sandwich(slabs, 20, birks=0.126)
    birks = runs.get("birks", visible, beam(ELECTRON, 1e3, 1000))[0].total
    width = 100 * birks.std(ddof=1) / birks.mean()
    # The same showers with and without: the light changes nothing on their way.
    ratio, error = mean(birks / plain)
    rows += [
        Row(f"{name}: response over that without", ratio, error, "a little below 1", "", 4),
        Row("its σ/E √(E/GeV) [%]", float(width), float(width / np.sqrt(2 * len(birks))),
            "23.5 (light included)", "ZEUS prototype, NIM A 262 (1987) 229", 1),
    ]  # fmt: skip
    return rows


def conservation(runs: Runs) -> list[Row]:
    """Add up all deposits in water, which next to nothing leaves."""
    rows, sums = [], {}
    slab = (StackSlab(material="G4_WATER", thickness=16e3, active=True),)
    kinds = ((ELECTRON, 0.0), (PHOTON, 0.0), (POSITRON, 2 * 0.511))
    water = sandwich(slab, 1, width=8e3)
    found = runs.get("water", water, *(beam(pdg, 1e3, 200) for pdg, _ in kinds))
    for (pdg, expected), showers in zip(kinds, found, strict=True):
        sums[pdg] = mean(showers.total - 1e3)
        rows.append(
            Row(f"water 44 X₀, {_NAMES[pdg]} of 1 GeV: deposits − E [MeV]", *sums[pdg],
                f"{expected:.3f} ± 1", "energy conservation, albedo")
        )  # fmt: skip
    (plus, plus_error), (minus, minus_error) = sums[POSITRON], sums[ELECTRON]
    rows.append(
        Row("e+ − e- [MeV]", plus - minus, float(np.hypot(plus_error, minus_error)), "1.022",
            "2 m_e of annihilation")
    )  # fmt: skip
    return rows


def calogan(runs: Runs) -> list[Row]:
    """Measure E_tot/E_inc of CaloGAN's detector."""
    rows, kinds = [], (POSITRON, ELECTRON, PHOTON)
    energies = (1e3, 10e3, 100e3)
    beams = [beam(pdg, *pair) for pdg in kinds for pair in zip(energies, (200, 40, 8), strict=True)]
    found = iter(runs.get("calogan", load_detector("calogan"), *beams))
    for pdg in kinds:
        for energy in energies:
            showers = next(found)
            share = showers.cells.sum(axis=1) / energy
            name = f"CaloGAN, {_NAMES[pdg]} of {energy / 1e3:.0f} GeV: E_tot/E_inc"
            rows.append(Row(name, *mean(share), "0.99 to 1", "all slabs are read out", 4))
    return rows


def old_files(runs: Runs) -> list[Row]:
    """Compare with the old files, whose electrons do not radiate below 10 MeV."""
    rows = []
    for name, file, pdg, n in (
        ("calogan", "calogan_eplus.h5", POSITRON, 120),
        ("calochallenge-2", "calochallenge2_electron.h5", ELECTRON, 150),
    ):
        path = OLD / file
        if not path.exists():
            typer.echo(f"'{path}' is not there: its comparison is left out", err=True)
            continue
        old = read(str(path))[:n]
        energy = Beam(pdg, old.energy.astype(np.float64)).scaled(runs.scale).energy
        old = old[: len(energy)]
        detector = load_detector(name)
        particles = Beam(pdg, energy)
        sets = {
            "complete": runs.get(f"old-{name}", detector, particles)[0].cells,
            "radiation above 10 MeV": runs.get(
                f"old-{name}-limit", detector, particles, limit=10.0
            )[0].cells,
        }
        measures = _SEEN[name]
        for label, cells in sets.items():
            for quantity, of in measures.items():
                ours = of(cells, detector, energy)
                theirs = of(old.cells.astype(np.float64), detector, energy)
                value = ours.mean() / theirs.mean()
                # Both have the same energies, which most of the spread is of.
                _, error = mean((ours - value * theirs) / theirs.mean())
                expected = STATED.get((name, quantity), "") if label == "complete" else "1"
                rows.append(
                    Row(f"{name}, {label}: {quantity} over the old file", float(value),
                        float(error), expected, "datasets/README.md" if expected != "1" else "")
                )  # fmt: skip
    return rows


OLD = Path(os.environ.get("PHYS_GAN_OLD_GEANT4", "../shared/data/geant4"))
STATED = {
    ("calogan", "hits"): "1.31",
    ("calogan", "width of layer 0"): "1.39",
    ("calochallenge-2", "visible energy"): "0.911",
}


def _hits(cells: Array, detector: Detector, energy: Array) -> Array:
    return np.asarray((cells > detector.threshold).sum(axis=1), np.float64)


def _visible(cells: Array, detector: Detector, energy: Array) -> Array:
    return np.asarray(np.where(cells > detector.threshold, cells, 0).sum(axis=1) / energy)


def _width(cells: Array, detector: Detector, energy: Array) -> Array:
    part = detector.slice(0)
    y, weights = detector.positions[part, 1], cells[:, part].astype(np.float64)
    sums = weights.sum(axis=1)
    centre = weights @ y / sums
    return np.asarray(np.sqrt(np.maximum(weights @ y**2 / sums - centre**2, 0)))


def _share_of_layer(k: int) -> Callable[[Array, Detector, Array], Array]:
    def share(cells: Array, detector: Detector, energy: Array) -> Array:
        return np.asarray(cells[:, detector.slice(k)].sum(axis=1) / energy)

    return share


def _depth(cells: Array, detector: Detector, energy: Array) -> Array:
    layers = np.add.reduceat(cells, detector.offsets[: detector.n_layers], axis=1)
    return np.asarray(layers @ detector.depths / layers.sum(axis=1))


def _mean_radius(cells: Array, detector: Detector, energy: Array) -> Array:
    r = np.hypot(detector.positions[:, 0], detector.positions[:, 1])
    return np.asarray(cells @ r / cells.sum(axis=1))


_SEEN: dict[str, dict[str, Callable[[Array, Detector, Array], Array]]] = {
    "calogan": {
        "hits": _hits,
        "width of layer 0": _width,
        "E_tot": _visible,
        "share of layer 0": _share_of_layer(0),
        "share of layer 2": _share_of_layer(2),
    },
    "calochallenge-2": {
        "hits": _hits,
        "visible energy": _visible,
        "mean depth": _depth,
        "mean radius": _mean_radius,
    },
}


CHECKS: dict[str, Callable[[Runs], list[Row]]] = {
    "stopping": stopping,
    "losses": losses,
    "maxima": maxima,
    "radii": radii,
    "iron": iron,
    "crystal": crystal,
    "liquid-argon": liquid_argon,
    "sampling": sampling,
    "resolution": resolution,
    "conservation": conservation,
    "calogan": calogan,
    "old-files": old_files,
}


def _plain(name: str) -> str:
    return name.removeprefix("G4_")


def main(
    checks: Annotated[str, typer.Option(help="Their names, separated by commas.")] = "all",
    out: Annotated[Path, typer.Option(help="Folder that keeps the showers.")] = Path("geant4"),
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1)] = 2,
    scale: Annotated[float, typer.Option(help="Factor on the numbers of showers.")] = 1.0,
) -> None:
    """Print what was measured beside what is expected.

    Example: python -m benchmarks.geant4 --checks stopping,crystal
    """
    wanted = list(CHECKS) if checks == "all" else checks.split(",")
    if unknown := set(wanted) - set(CHECKS):
        typer.echo(f"there is no check '{unknown.pop()}'; available: {', '.join(CHECKS)}", err=True)
        raise typer.Exit(2)
    runs = Runs(out, workers, scale)
    print_header("quantity", "measured", "expected", "source")
    for name in wanted:
        for row in CHECKS[name](runs):
            typer.echo(row.text())


if __name__ == "__main__":
    typer.run(main)
