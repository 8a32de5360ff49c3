"""Models inside a run of Geant4: :class:`HybridSimulation`.

At an entrance plane in front of the detector, particles that a model covers leave the event; all
others go on to full simulation. After each block of events the models add the cells of those that
left. Which particles leave depends on their kind, energy, angle and position alone, and each has
noise of its own by the number of the event and its place in it: events are the same for any number
of processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import CartesianLayer, Detector, PolarLayer
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.events import Events
from phys_gan.generation.plugins.detector import FastDetector
from phys_gan.generation.plugins.particles import Incident
from phys_gan.generation.plugins.showers import generate_showers
from phys_gan.simulation.geant4 import Covered, Entrance, entrance_plane
from phys_gan.simulation.workers import FullSimulation
from phys_gan.units import format_energy

__all__ = ["HybridSimulation", "add_showers", "entrance_of", "entrance_plane"]

_TOLERANCE = 0.05
"""How far from the middle of a cell a shower may start, in widths of the smallest cell."""


def entrance_of(fast: FastDetector, above: float = 0.0) -> Entrance:
    """Return which particles models take at the entrance of their detector.

    A shower that starts off centre is moved by whole cells, where those of all layers are as wide
    or divide each other evenly; particles between these points are left to full simulation.

    Arguments:
        fast: The models.
        above: Kinetic energy [MeV] from which on they take particles.

    Raises:
        ConfigError: No model covers anything above that energy.
    """
    models = tuple(Covered(c.pdg, c.energy, c.max_angle) for _, c in fast.models)
    highest = max(covered.energy[1] for covered in models)
    if above >= highest:
        raise ConfigError(
            f"no model covers particles above {format_energy(above)}: they end at "
            f"{format_energy(highest)}",
            remedy="choose a lower --above",
            value=above,
            constraint=highest,
        )
    pitch_x, width_x = _pitch(fast.detector, "x")
    pitch_y, width_y = _pitch(fast.detector, "y")
    tolerance = _TOLERANCE * width_x, _TOLERANCE * width_y
    return Entrance(models, above, (pitch_x, pitch_y), tolerance)


def _pitch(detector: Detector, axis: str) -> tuple[float, float]:
    """Return by how much showers may be moved, 0 for not at all, and the smallest cell [mm]."""
    widths = []
    for layer in detector.layers:
        if isinstance(layer, PolarLayer):
            return 0.0, min(
                other.r[1] for other in detector.layers if isinstance(other, PolarLayer)
            )
        widths.append(np.diff(getattr(layer, axis)))
    every = np.concatenate(widths)
    smallest, largest = float(every.min()), float(every.max())
    if any(np.ptp(width) > 1e-6 * width[0] for width in widths):
        return 0.0, smallest
    for pitch in largest * np.arange(1, 100):
        if np.abs(pitch / every - np.round(pitch / every)).max() < 1e-6:
            return float(pitch), smallest
    return 0.0, smallest


def add_showers(
    cells: NDArray[np.float32],
    taken: NDArray[np.void],
    fast: FastDetector,
    *,
    seed: int = 0,
    first: int = 0,
) -> None:
    """Add the showers of particles that were taken at an entrance, in place.

    Cells that a moved shower would have outside of the detector are lost, and what it has beyond
    those that the model knows is missing.

    Arguments:
        cells: Cells of full simulation in the detector's unit, (N, n_cells).
        taken: The particles, of type :data:`phys_gan.simulation.geant4.TAKEN`, in the order of
            their events.
        fast: The models that :func:`entrance_of` was made of.
        seed: Seed of the production.
        first: Number of the first event.
    """
    row = taken["event"] - first
    incident = Incident(
        counts=np.bincount(row, minlength=len(cells)),
        pdg=taken["pdg"],
        energy=taken["energy"],
        direction=np.stack([taken[name] for name in ("dx", "dy", "dz")], axis=1),
        present=np.ones(len(taken), bool),
        present_events=np.ones(len(cells), bool),
    )
    shifts = np.zeros((len(taken), 2))
    for k, (axis, pitch) in enumerate(zip("xy", entrance_of(fast).pitch, strict=True)):
        if pitch:
            shifts[:, k] = np.round(taken[axis] / pitch) * pitch
    moved = np.flatnonzero(np.any(shifts != 0, axis=1))
    for rows, showers in generate_showers(incident, taken["model"], fast, seed, first, None):
        showers = showers.copy()
        for i in np.flatnonzero(np.isin(rows, moved)):
            showers[i] = _moved(showers[i], fast.detector, shifts[rows[i]])
        np.add.at(cells, row[rows], showers)


def _moved(
    shower: NDArray[np.float32], detector: Detector, shift: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Move a shower by whole cells in x and y; cells that come from outside are empty."""
    moved = np.zeros_like(shower)
    for k, layer in enumerate(detector.layers):
        assert isinstance(layer, CartesianLayer)
        old = shower[detector.slice(k)].reshape(layer.shape)
        new = moved[detector.slice(k)].reshape(layer.shape)
        by = [round(s / (e[1] - e[0])) for s, e in zip(shift, (layer.x, layer.y), strict=True)]
        to, source = [], []
        for step, n in zip(by, layer.shape, strict=True):
            to.append(slice(max(step, 0), max(n + min(step, 0), 0)))
            source.append(slice(max(-step, 0), max(n - max(step, 0), 0)))
        new[tuple(to)] = old[tuple(source)]
    return moved


@dataclass(frozen=True, eq=False)
class HybridSimulation:
    """Full simulation in which models take the particles that they cover.

    Attributes:
        full: The full simulation, with the entrance that suits the models.
        fast: The models.
        counts: Particles at the entrance so far: ``"taken"`` by a model, or left to full simulation
            for the reasons of :meth:`phys_gan.simulation.geant4.Entrance.find`.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> full = FullSimulation(load_detector("calogan"))
        >>> hybrid = HybridSimulation.of(full, ["calogan-eplus"], above=2e3)
        >>> hybrid.full.entrance.pitch
        (160.0, 80.0)
    """

    full: FullSimulation
    fast: FastDetector
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        full: FullSimulation,
        models: FastDetector | Sequence[str | Path],
        *,
        above: float = 0.0,
    ) -> HybridSimulation:
        """Put models in front of a detector.

        Arguments:
            full: The full simulation.
            models: Models, as in :meth:`FastDetector.load`.
            above: Kinetic energy [MeV] from which on models take particles.

        Raises:
            DetectorError: The models belong to another detector.
            ConfigError: No model covers anything above that energy.
            PhysGanError: As in :meth:`FastDetector.load`.
        """
        fast = models if isinstance(models, FastDetector) else FastDetector.load(list(models))
        if not fast.detector.same_cells(full.detector):
            raise DetectorError(
                f"the model generates events in '{fast.detector.name}', but '{full.detector.name}' "
                "is simulated",
                remedy="give a model of this detector",
                value=fast.detector.name,
                constraint=full.detector.name,
            )
        return cls(replace(full, entrance=entrance_of(fast, above)), fast)

    @property
    def detector(self) -> Detector:
        """The detector."""
        return self.full.detector

    @property
    def digest(self) -> str:
        """SHA-256 of what decides about the events, seed and conditions apart."""
        digests = [self.full.digest, *(model.digest for model, _ in self.fast.models)]
        return sha256(" ".join(digests).encode()).hexdigest()

    def stream(
        self,
        conditions: Mapping[str, ArrayLike],
        seed: int = 0,
        *,
        number: int = 0,
        block: int = 64,
        weights: ArrayLike | None = None,
    ) -> Iterator[Events]:
        """Simulate events of one particle each; the arguments are those of :class:`FullSimulation`.

        Overflow is not part of the events, since models do not know it.
        """
        named = {name: np.asarray(values, np.float64) for name, values in conditions.items()}
        covered = ", ".join(map(repr, (self.fast,)))
        assert self.full.entrance is not None
        above = format_energy(self.full.entrance.above) if self.full.entrance.above else "0"
        extra = {"fast simulation": f"{covered} above {above}"}
        first = number
        for events, part in self.full.simulate(named, seed, number=number, block=block):
            cells = events.cells.copy()
            add_showers(cells, part.taken, self.fast, seed=seed, first=first)
            self.counts["taken"] += len(part.taken)
            self.counts.update(part.left)
            rows = slice(first - number, first - number + len(cells))
            first += len(cells)
            yield Events(
                cells,
                events.conditions,
                self.detector,
                provenance={**events.provenance, **extra},
                weights=None if weights is None else np.asarray(weights)[rows],
            )

    def summary(self) -> str:
        """Return in one line how many particles models took, and why others were left."""
        left = {name: count for name, count in self.counts.items() if name != "taken"}
        why = ", ".join(f"{count:,} for their {name}" for name, count in sorted(left.items()))
        return f"{self.counts['taken']:,} particles were taken by {self.fast!r}; " + (
            f"left to full simulation: {why}" if why else "no other reached the detector"
        )
