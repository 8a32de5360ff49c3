"""The incident particles of EDM4hep, from its branches and from conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import root
from phys_gan.data.formats import hit_trees
from phys_gan.data.frames import ShowerFrame, angles_of, enter_cylinder, unit_vectors
from phys_gan.data.mapping import Frame
from phys_gan.errors import ConfigError, DataError
from phys_gan.events import Events
from phys_gan.particles import find_particle

__all__ = ["Particles", "from_conditions", "read_particles", "shower_frames"]

_NAME = "MCParticles"
_STATUS = "generatorStatus"
_MOMENTUM = ("momentum.x", "momentum.y", "momentum.z")
_VERTEX = ("vertex.x", "vertex.y", "vertex.z")
_BLOCK_EVENTS = 5000
_GEV = 1000.0
_ON_AXIS = 100.0


@dataclass(frozen=True)
class Particles:
    """One incident particle per event.

    Arguments:
        pdg: Numbers of the Particle Data Group, shape (N,).
        mass: Masses [GeV], shape (N,).
        momentum: Momenta [GeV], shape (N, 3).
        vertex: Where they begin [mm], shape (N, 3).
    """

    pdg: NDArray[np.float64]
    mass: NDArray[np.float64]
    momentum: NDArray[np.float64]
    vertex: NDArray[np.float64]

    def conditions(self) -> dict[str, NDArray[np.float64]]:
        """Return kinetic energy [MeV], pdg, and theta and phi of the momentum [rad]."""
        theta, phi = angles_of(self.momentum)
        squared = (self.momentum**2).sum(axis=1)
        # E - m without the difference of two large numbers.
        kinetic = squared / (np.sqrt(squared + self.mass**2) + self.mass)
        return {
            "energy": kinetic * _GEV,
            "pdg": self.pdg,
            "theta": theta,
            "phi": phi,
        }

    def leaves(self) -> dict[str, NDArray[Any]]:
        """Return the branches of such particles."""
        columns: dict[str, NDArray[Any]] = {
            "PDG": self.pdg.astype(np.int32),
            _STATUS: np.ones(len(self.pdg), np.int32),
            "mass": self.mass,
            **dict(zip(_VERTEX, self.vertex.T, strict=True)),
            **dict(zip(_MOMENTUM, self.momentum.T, strict=True)),
        }
        return {f"{_NAME}.{leaf}": np.ascontiguousarray(v) for leaf, v in columns.items()}


def from_conditions(events: Events) -> Particles:
    """Return particles from the origin with the energies and kinds of events.

    They go along the conditions ``theta`` and ``phi`` [rad] where both are there, else along z.

    Raises:
        MissingError: A particle is not known, or there is no condition ``energy`` or ``pdg``.
    """
    pdg = events.condition("pdg")
    kinds, which = np.unique(pdg, return_inverse=True)
    mass = np.array([_mass(kind) for kind in kinds])[which] / _GEV
    energy = events.energy / _GEV
    theta, phi = np.zeros(len(events)), np.zeros(len(events))
    if {"theta", "phi"} <= set(events.conditions):
        theta, phi = events.condition("theta"), events.condition("phi")
    size = np.sqrt(energy * (energy + 2 * mass))
    momentum = unit_vectors(theta, phi) * size[:, np.newaxis]
    return Particles(pdg, mass, momentum, np.zeros((len(pdg), 3)))


def _mass(pdg: float) -> float:
    return find_particle(int(pdg) if pdg == int(pdg) else f"{pdg:g}").mass


def read_particles(tree: Any) -> Particles:
    """Read the one particle of each event that the generator handed to the simulation.

    Raises:
        MissingError: A branch is missing.
        DataError: An event has none or several.
    """
    names = [f"{_NAME}.{leaf}" for leaf in (_STATUS, "PDG", "mass", *_MOMENTUM, *_VERTEX)]
    hit_trees.require_names(tree, names)
    numbers, rows = [], []
    # All particles of all events may not fit into memory: most are those of the showers.
    for start in range(0, tree.num_entries, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, tree.num_entries)
        counts, flat = root.read_jagged(tree, names, start, stop)
        chosen = flat[names[0]] == 1
        event = np.repeat(np.arange(stop - start), counts)[chosen]
        numbers.append(np.bincount(event, minlength=stop - start))
        rows.append(np.stack([flat[name][chosen].astype(np.float64) for name in names[1:]]))
    number = np.concatenate([np.zeros(0, np.int64), *numbers])
    _require_one_each(number)
    columns = np.concatenate([np.zeros((8, 0)), *rows], axis=1)
    return Particles(columns[0], columns[1], columns[2:5].T, columns[5:8].T)


def _require_one_each(number: NDArray[np.int64]) -> None:
    for wrong, what, remedy in (
        (number == 0, "have no particle", "simulate with a particle gun that marks its particle"),
        (number > 1, "begin with several particles", "simulate one particle per event"),
    ):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{wrong.sum()} of {len(number)} events {what} of generatorStatus 1 (first: event "
                f"{first} with {number[first]})",
                remedy=remedy,
                value=int(wrong.sum()),
            )


def shower_frames(particles: Particles, frame: Frame | None) -> ShowerFrame:
    """Return the frames of the showers.

    Arguments:
        particles: The incident particles.
        frame: Where the depth begins; None where no user says so.

    Raises:
        ConfigError: Particles begin near the beam, and nobody says where the depth begins.
        DataError: A particle does not come from inside the given barrel, or has no direction.
    """
    entry = particles.vertex
    inside = np.hypot(entry[:, 0], entry[:, 1]) < _ON_AXIS
    if frame is None and inside.any():
        raise ConfigError(
            f"{inside.sum()} of {len(entry)} particles begin within {_ON_AXIS:g} mm of the beam "
            f"axis, far from the detector",
            remedy="write [frame] radius = ... (of the front of the barrel, in mm) into a mapping, "
            "or [frame] alone where the depth begins at the vertex",
            value=int(inside.sum()),
        )
    if frame is not None and frame.radius:
        entry = enter_cylinder(entry, particles.momentum, frame.radius, frame.half_length)
    return ShowerFrame(entry, particles.momentum)
