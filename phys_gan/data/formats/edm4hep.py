"""``EDM4hepROOT``: calorimeter hits and particles of EDM4hep, the event data model of Key4hep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Gathering
from phys_gan.data.containers import root
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.format import Frame, HitMapping, Reader, register_format
from phys_gan.data.formats import hits, root_layout
from phys_gan.data.hits import (
    Hits,
    ShowerFrame,
    angles_of,
    enter_cylinder,
    hits_of,
    require_detector,
    summing,
    unit_vectors,
)
from phys_gan.data.metadata import Metadata, choose_detector, scale, to_mev
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError, PhysGanError
from phys_gan.events import Events
from phys_gan.units import MEV, find_particle

_TREE = "events"
_PARTICLES, _STATUS = "MCParticles", "generatorStatus"
_MOMENTUM = ("momentum.x", "momentum.y", "momentum.z")
_VERTEX = ("vertex.x", "vertex.y", "vertex.z")
_LEAVES = ("energy", "position.x", "position.y", "position.z")
_DIGITISED = "energyError"
# Clusters and contributions of particles to a hit also have energies at positions.
_NO_HITS = ("iTheta", "ITheta", "directionError", "stepPosition.x")
_HEADER = [f"EventHeader.{name}" for name in ("eventNumber", "runNumber", "timeStamp", "weight")]
_VARIATIONS = "EventHeader.weights_end"
_OWN = "CalorimeterHits"
_CELL = f"{_OWN}.cellID"
_LISTED = 50
_BLOCK_EVENTS = 5000
_GEV = 1000.0
_ON_AXIS = 100.0


@register_format
class EDM4hepROOT(root_layout.ROOTLayout):
    """Read calorimeter hits and the incident particle of EDM4hep, and write what resembles them.

    In the tree ``events`` a collection has the branches ``NAME.energy`` [GeV] and
    ``NAME.position.x``, ``.y``, ``.z`` [mm], and ``MCParticles`` the particles; in a TTree, nested
    as podio writes them or flat, or in an RNTuple. The incident particle is the one with
    ``generatorStatus`` 1. It gives the conditions ``energy`` (kinetic), ``pdg``, and ``theta`` and
    ``phi`` of its momentum [rad]. It goes straight from its vertex along its momentum: magnetic
    fields are not considered. Hits of all collections are added up, or of those that a mapping
    names; of collections after digitisation only those named, where the simulated ones are there.
    ``EventHeader.weight`` is the weight of the event; the rest of the header are conditions.

    Files of ours have flat branches with EDM4hep's names: a hit in the middle of each cell, in the
    frame of the experiment, and one particle from the origin, along theta and phi or else z.
    They are read by uproot and phys_gan, but not by podio, which needs its own classes
    of objects that uproot cannot write.
    """

    name = "edm4hep-root"
    description = "EDM4hep ROOT: collections of hits with energy [GeV], position [mm]; MCParticles"
    needs = (f"{_PARTICLES}.PDG",)
    energy_unit = "GeV"
    has_hits = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has a tree of events with particles."""
        tree = root.trees(file).get(file.tree or _TREE)
        return tree is not None and {*self.needs} <= {*hits.all_names(tree)}

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read cells from a file of ours, or hits in the frame of each shower."""
        meta = root.metadata(file)
        own = meta.format == self.name
        if own and mapping is not None:
            raise hits.no_mapping_needed()
        mapping = mapping or HitMapping()
        _require_no_names(mapping)
        detector = require_detector(choose_detector(detector, meta.detector))
        file = replace(file, tree=file.tree or mapping.tree or _TREE)
        tree = hits.tree_with(file, self.needs)
        factor = scale(mapping.hits.energy_unit, "GeV", detector)
        if not own:
            return _foreign(tree, detector, mapping, meta, factor)
        lists = [n for n in root.branches(tree) if n.startswith((f"{_OWN}.", f"{_PARTICLES}."))]
        n_layers = detector.n_layers
        beside = root_layout.read_beside(file, [tree], {}, lists, ours=True, n_layers=n_layers)
        load = hits.load_cells(tree, _CELL, f"{_OWN}.energy", detector, factor)
        return root_layout.events_of(tree, detector, load, beside, meta.provenance, _CELL)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs energies of known particles."""
        found = super().obstacles(events)
        if events.detector.is_toy:
            found["cells"] = "must be energies, not coordinates"
        elif events.detector.is_image or events.detector.cell_unit not in MEV:
            found["cells"] = f"must be energies, not '{events.detector.cell_unit}' of an image"
        if "energy" not in events.conditions:
            found["energy"] = "is needed"
        elif "pdg" not in events.conditions:
            found["energy"] = "needs the condition 'pdg' beside it (read 'FILE@e-' to name it)"
        else:
            try:
                from_conditions(events)
            except PhysGanError as error:
                found["energy"] = f"is that of a particle without a mass: {error.problem}"
        return found

    def branches(self, events: Events) -> dict[str, dict[str, Any]]:
        """Return the tree ``events``."""
        particles, local = from_conditions(events), hits_of(events)
        frame = ShowerFrame(particles.vertex, particles.momentum)
        x, y, z = frame.to_global(local.counts, np.stack([local.x, local.y, local.z]))
        to_gev = to_mev(events.detector.cell_unit) / to_mev("GeV")
        energy = local.energy.astype(np.float64) * to_gev
        lists = {f"{_OWN}.{n}": v for n, v in zip(_LEAVES, (energy, x, y, z), strict=True)}
        lists[_CELL] = np.nonzero(events.cells)[1]
        one = np.ones(len(events), np.int64)
        found = root_layout.jagged(local.counts, lists)
        found |= root_layout.jagged(one, particles.leaves())
        return {_TREE: found | root_layout.columns(events)}


def _foreign(
    tree: Any, detector: Detector, mapping: HitMapping, meta: Metadata, factor: float
) -> Reader:
    """Prepare to read a tree that another program wrote."""
    leaves = root.leaves(tree)
    entries = {name: root.entries(leaf) for name, leaf in leaves.items()}
    # All lists and objects belong to collections.
    lists = [name for name, what in entries.items() if isinstance(what, str)]
    names, notes = _collections(tree, mapping.hits.collections, lists)
    hits.require_names(tree, mapping.branches)
    particles = _read_particles(tree)
    frame = _shower_frame(particles, mapping.frame)
    conditions = particles.conditions()
    for name, entry in mapping.conditions.items():
        conditions[name] = hits.one_per_event(tree, entry.branch) * entry.scale
    weights = hits.one_per_event(tree, mapping.weights) if mapping.weights else None
    gathering = Gathering(int(tree.num_entries), conditions, "branch", weights)
    _offer_header(gathering, tree, mapping)
    for name, what in entries.items():
        if not isinstance(what, str) and name not in mapping.branches:
            gathering.offer(name, *what, partial(root.read_entries, leaves[name]))
    beside = gathering.found()
    beside = replace(beside, notes=(*notes, *beside.notes))

    def part(start: int, stop: int) -> Hits:
        counts, x, y, z, energy = _read_hits(tree, names, start, stop)
        x, y, z = frame.to_local(counts, np.stack([x, y, z]), start)
        return Hits(counts, x, y, z, energy * factor, first_event=start)

    first, unit = f"{names[0]}.energy", mapping.hits.energy_unit or "GeV"
    load = summing(part, detector, root.basket_size(tree, first))
    provenance = {"collections": ", ".join(names), **meta.provenance}
    return root_layout.events_of(tree, detector, load, beside, provenance, first, unit)


def _offer_header(found: Gathering, tree: Any, mapping: HitMapping) -> None:
    """Offer the header of each event."""
    there = {*hits.all_names(tree)}
    for name in _HEADER:
        if name in there and name not in mapping.branches:
            values = root.one_each(tree[name])
            if values is None:
                found.holds(name, "other than one number per event")
            else:
                found.offer_values(name, values)
    if _VARIATIONS in there and root.read_jagged(tree, [_VARIATIONS])[1][_VARIATIONS].any():
        found.holds("_EventHeader_weights", "lists of any length")


def _require_no_names(mapping: HitMapping) -> None:
    """Require that the mapping has nothing that EDM4hep defines itself."""
    where, frame = mapping.hits, mapping.frame or Frame()
    said = {
        "hits.x, y, z, energy": any(where.names),
        "hits.axes": where.axes is not None,
        "hits.depth": where.depth is not None,
        "hits.length_unit": where.length_unit != "mm",
        "frame.direction": frame.direction is not None,
        "frame.point": frame.point is not None,
    }
    wrong = [name for name, there in said.items() if there]
    if wrong:
        raise ConfigError(
            f"EDM4hep itself says what {', '.join(wrong)} of the mapping would",
            remedy="leave them out, or name the format hits-root",
            value=tuple(wrong),
        )


def _collections(
    tree: Any, wanted: tuple[str, ...], lists: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the collections of hits to add up, and notes on those that are left out."""
    there = hits.all_names(tree)
    leaves = set(there)
    found = [
        name
        for name in (leaf.removesuffix(".energy") for leaf in there if leaf.endswith(".energy"))
        if "/" not in name
        and all(f"{name}.{leaf}" in leaves for leaf in _LEAVES)
        and not any(f"{name}.{leaf}" in leaves for leaf in _NO_HITS)
        # Flat branches of lists have branches of counts beside, nNAME.energy.
        and not (name[:1] == "n" and f"{name[1:]}.energy" in leaves)
    ]
    if not found:
        raise MissingError(
            f"tree '{tree.name}' has no collection of calorimeter hits, with energy and position; "
            f"it holds {listing(root.branches(tree))}",
            remedy="name another file",
        )
    for name in wanted:
        if name not in found:
            raise MissingError(
                f"tree '{tree.name}' has no collection '{name}' of calorimeter hits"
                f"{nearest(name, found)}; it has {listing(found)}",
                remedy="correct hits.collections in the mapping",
                value=name,
                constraint=tuple(found),
            )
    # A hit after digitisation is the same energy a second time.
    simulated = [name for name in found if f"{name}.{_DIGITISED}" not in leaves]
    chosen = list(dict.fromkeys(wanted)) or simulated or found
    digitised = [name for name in found if name not in simulated + chosen]
    known = {*chosen, *digitised, "MCParticles", "EventHeader"}
    # An underscore begins what refers from one collection to another.
    every = dict.fromkeys(name.partition(".")[0] for name in lists if not name.startswith("_"))
    others = [name for name in every if name not in known]
    notes = []
    if digitised:
        notes.append(f"collections after digitisation are not read: {listing(digitised)}")
    if others:
        notes.append(f"further collections are not read: {listing(others, _LISTED)}")
    return chosen, tuple(notes)


def _read_hits(tree: Any, names: list[str], start: int, stop: int) -> tuple[NDArray[np.int64], ...]:
    """Return counts, x, y, z [mm] and energy of the hits of all collections, event by event."""
    parts, events = [], []
    for name in names:
        branches = [f"{name}.{leaf}" for leaf in (*_LEAVES[1:], _LEAVES[0])]
        counts, flat = root.read_jagged(tree, branches, start, stop)
        parts.append([flat[branch].astype(np.float64) for branch in branches])
        events.append(np.repeat(np.arange(stop - start), counts))
    event = np.concatenate(events)
    columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
    if len(names) > 1:
        order = np.argsort(event, kind="stable")
        columns = [values[order] for values in columns]
    return np.bincount(event, minlength=stop - start), *columns


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
        return {"energy": kinetic * _GEV, "pdg": self.pdg, "theta": theta, "phi": phi}

    def leaves(self) -> dict[str, NDArray[Any]]:
        """Return the branches of such particles."""
        columns: dict[str, NDArray[Any]] = {
            "PDG": self.pdg.astype(np.int32),
            _STATUS: np.ones(len(self.pdg), np.int32),
            "mass": self.mass,
            **dict(zip(_VERTEX, self.vertex.T, strict=True)),
            **dict(zip(_MOMENTUM, self.momentum.T, strict=True)),
        }
        return {f"{_PARTICLES}.{leaf}": np.ascontiguousarray(v) for leaf, v in columns.items()}


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


def _read_particles(tree: Any) -> Particles:
    """Read the one particle of each event that the generator handed to the simulation."""
    names = [f"{_PARTICLES}.{leaf}" for leaf in (_STATUS, "PDG", "mass", *_MOMENTUM, *_VERTEX)]
    hits.require_names(tree, names)
    numbers, rows = [np.zeros(0, np.int64)], [np.zeros((8, 0))]
    # All particles of all events may not fit into memory: most are those of the showers.
    for start in range(0, tree.num_entries, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, tree.num_entries)
        counts, flat = root.read_jagged(tree, names, start, stop)
        chosen = flat[names[0]] == 1
        event = np.repeat(np.arange(stop - start), counts)[chosen]
        numbers.append(np.bincount(event, minlength=stop - start))
        rows.append(np.stack([flat[name][chosen].astype(np.float64) for name in names[1:]]))
    number = np.concatenate(numbers)
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
    columns = np.concatenate(rows, axis=1)
    return Particles(columns[0], columns[1], columns[2:5].T, columns[5:8].T)


def _shower_frame(particles: Particles, frame: Frame | None) -> ShowerFrame:
    """Return the frames of the showers, whose depth begins where the user's frame says."""
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
