"""Showers of all particles of many events: summed cells, or hits with their particles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import DataError, RangeError
from phys_gan.generation.plugins.detector import FastDetector
from phys_gan.generation.plugins.particles import Incident, read_particles
from phys_gan.randomness import noise_at

MOST_PARTICLES = 65_536
"""Most particles of an event: particle i of event j has the noise of number j * 65536 + i."""

_BLOCK_NUMBERS = 1 << 22
"""Latents and cells held at once, beside the sums: 16 MiB, near the caches."""


@dataclass(frozen=True, eq=False)
class SimulatedCells:
    """Sum of the showers of the particles of each event.

    Attributes:
        cells: Energies in the detector's unit, shape (n_events, n_cells).
        covered: Jagged like the particles: True where a particle is in the cells, False where it
            is left to full simulation, None where there was None instead of a particle.
    """

    cells: NDArray[np.float32]
    covered: ak.Array


@dataclass(frozen=True, eq=False)
class SimulatedHits:
    """Hits of the shower of each particle.

    Attributes:
        hits: By event, ordered by particle and cell, the records: ``cell`` (flat number),
            ``energy`` (in the detector's unit), ``particle`` (index in its event), ``x``, ``y``,
            ``z`` [mm] (the middle of the cell in the frame of the detector).
        covered: As in :class:`SimulatedCells`.
    """

    hits: ak.Array
    covered: ak.Array


def simulate_particles(
    particles: ak.Array,
    detector: FastDetector,
    *,
    seed: int = 0,
    numbers: int | ArrayLike = 0,
    unit: str = "MeV",
    batch_size: int | None = None,
) -> SimulatedCells:
    """Sum the showers of the particles of each event.

    All particles enter at the centre of the detector. Particle i of event number j always gets
    the same noise, whatever the other particles are and however events are cut into chunks.

    Arguments:
        particles: A list of records per event; see
            :func:`phys_gan.generation.plugins.read_particles` for the names of their fields.
        detector: The models and what they cover.
        seed: Seed of the production.
        numbers: Number of the first event in the production, or of each of them, (n_events,).
        unit: Unit of the energies, momenta and masses of the particles.
        batch_size: Particles that go through a network at once; by default as many as suit the
            device.

    Raises:
        MissingError: The particles lack a field.
        DataError: The array is not a list of records per event, or there is not one number each.
        RangeError: An event has too many particles, or its number is too large.
        ConfigError: There is no such unit.

    Example:
        >>> positron = {"pdg": -11, "px": 0.0, "py": 0.0, "pz": 20.0}
        >>> events = ak.Array([[positron, {**positron, "pdg": 2212}], []])
        >>> fast = FastDetector.load(["calogan-eplus"])
        >>> simulated = simulate_particles(events, fast, seed=1, unit="GeV")
        >>> simulated.cells.shape, simulated.covered.to_list()
        ((2, 504), [[True, False], []])
    """
    incident = read_particles(particles, unit)
    chosen = detector.assign(incident)
    event = incident.event
    cells = np.zeros((incident.n_events, detector.detector.n_cells), np.float32)
    for rows, showers in generate_showers(incident, chosen, detector, seed, numbers, batch_size):
        # Particles come in the order of their events, so that each event is a run of rows.
        starts = np.flatnonzero(np.diff(event[rows], prepend=-1))
        cells[event[rows[starts]]] += np.add.reduceat(showers, starts, axis=0)
    return SimulatedCells(cells, incident.jagged(chosen >= 0))


def simulate_hits(
    particles: ak.Array,
    detector: FastDetector,
    *,
    seed: int = 0,
    numbers: int | ArrayLike = 0,
    unit: str = "MeV",
    batch_size: int | None = None,
) -> SimulatedHits:
    """Simulate the particles of each event, and keep the hits of each.

    The showers are those of :func:`simulate_particles`, which has the same arguments and errors.

    Example:
        >>> events = ak.Array([[{"pdg": 22, "energy": 2e4, "theta": 0.0, "phi": 0.0}]])
        >>> hits = simulate_hits(events, FastDetector.load(["calogan-photon"])).hits
        >>> bool(18e3 < ak.sum(hits.energy) < 21e3)
        True
    """
    incident = read_particles(particles, unit)
    chosen = detector.assign(incident)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for rows, showers in generate_showers(incident, chosen, detector, seed, numbers, batch_size):
        row, cell = np.nonzero(showers)
        found.append((rows[row], cell, showers[row, cell]))
    owner, cell, energy = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.argsort(owner, kind="stable")
    owner, cell = owner[order], cell[order]
    x, y, z = detector.detector.points.astype(np.float32)[cell].T
    flat = ak.zip(
        {
            "cell": cell.astype(np.int32),
            "energy": energy[order],
            "particle": incident.index[owner].astype(np.int32),
            "x": x,
            "y": y,
            "z": z,
        }
    )
    counts = np.bincount(incident.event[owner], minlength=incident.n_events)
    return SimulatedHits(ak.unflatten(flat, counts), incident.jagged(chosen >= 0))


def generate_showers(
    incident: Incident,
    chosen: NDArray[np.int64],
    detector: FastDetector,
    seed: int,
    numbers: int | ArrayLike,
    batch_size: int | None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield rows of particles and their showers, model by model, block by block."""
    noise_of = _noise_numbers(incident, numbers, detector.latent)
    block = max(1, _BLOCK_NUMBERS // (detector.latent + detector.detector.n_cells))
    for number, (fast, _) in enumerate(detector.models):
        mine = np.flatnonzero(chosen == number)
        for begin in range(0, len(mine), block):
            rows = mine[begin : begin + block]
            # All models share the width of the noise: else their ranges of numbers would overlap.
            latents = noise_at(seed, noise_of[rows], detector.latent)
            latents = latents[:, : fast.model.generator.latent]
            energy = {"energy": incident.energy[rows]}
            yield rows, fast.respond(latents, energy, batch_size=batch_size).cells


def _noise_numbers(incident: Incident, numbers: int | ArrayLike, latent: int) -> NDArray[np.int64]:
    """Return the number of each particle's noise in the production, shape (n,)."""
    n, most = incident.n_events, int(incident.counts.max(initial=0))
    if most > MOST_PARTICLES:
        raise RangeError(
            f"an event has {most} particles, but at most {MOST_PARTICLES} have noise of their own",
            remedy="give the particles that reach the detector only",
            value=most,
            constraint=MOST_PARTICLES,
        )
    given = np.asarray(numbers)
    if given.shape not in ((), (n,)) or (given.size and given.dtype.kind not in "iu"):
        raise DataError(
            f"the numbers of events have shape {given.shape} and type {given.dtype}, but there "
            f"are {n} events",
            remedy="give the whole number of the first event, or one for each",
            value=given.shape,
            constraint=(n,),
        )
    first = int(given if given.ndim == 0 else given.min(initial=0))
    last = first + n - 1 if given.ndim == 0 else int(given.max(initial=0))
    # The counter of the generator has 64 bits, and a particle needs one count per 8 numbers.
    highest = 2**63 // (MOST_PARTICLES * -(-latent // 8)) - 1
    if n and not 0 <= first <= last <= highest:
        worst = first if first < 0 else last
        raise RangeError(
            f"there is an event number {worst}, but they go from 0 to {highest}",
            remedy="count the events of each file from 0, and give each file a seed",
            value=worst,
            constraint=(0, highest),
        )
    each = first + np.arange(n) if given.ndim == 0 else given
    return np.repeat(each.astype(np.int64), incident.counts) * MOST_PARTICLES + incident.index
