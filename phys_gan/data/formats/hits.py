"""``HitsROOT``: trees of hits in ROOT, with any names, which the user maps, and our own.

Beside it the functions of trees with nested or free names, which EDM4hep needs as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import root
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.format import LENGTHS, Cells, HitMapping, Load, Reader, register_format
from phys_gan.data.formats import root_layout
from phys_gan.data.hits import Hits, ShowerFrame, enter_cylinder, hits_of, require_detector, summing
from phys_gan.data.metadata import Metadata, choose_detector, scale
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events

_TREE = "hits"
_CELL = "cell"
_HITS = ("x", "y", "z", "energy")
_INCIDENT = "incident_energy"


@register_format
class HitsROOT(root_layout.ROOTLayout):
    """Read a tree with a list of hits per event, from branches of any name; write our own.

    A mapping names the branches of x, y, z and energy, their units, the conditions, the weights
    and the frame. Hits are summed into the cells of the detector that the user names.

    Files of ours need no mapping. Their TTree ``hits`` has ``x``, ``y``, ``z`` [mm] in the middle
    of each cell with a signal, in the frame of the shower, its ``energy`` in the unit of the
    detector and its flat number ``cell``, and ``incident_energy`` [MeV].
    """

    name = "hits-root"
    description = "tree of hits in ROOT: lists x, y, z, energy per event"
    needs = (*_HITS, _CELL)
    has_hits = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether phys_gan wrote the file in this layout."""
        return root.metadata(file).format == self.name

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read cells from a file of ours, or hits as the mapping says."""
        meta = root.metadata(file)
        detector = choose_detector(detector, meta.detector)
        own = meta.format == self.name
        if own and mapping is not None:
            raise no_mapping_needed()
        if not own and (mapping is None or not mapping.hits.energy):
            raise ConfigError(
                "a tree of hits needs a mapping that names its branches",
                remedy='write hits = { x = "...", y = "...", z = "...", energy = "..." } into a '
                "TOML file, see docs/formats.md",
            )
        detector = require_detector(detector)
        if mapping is not None:
            return _mapped(file, detector, mapping, meta)
        tree = root.open_tree(file, self.needs, _TREE)
        known = {}
        if _INCIDENT in root.branches(tree):
            known["energy"] = root.read_scalars(tree, [_INCIDENT])[_INCIDENT]
        used, n_layers = (*self.needs, _INCIDENT), detector.n_layers
        beside = root_layout.read_beside(file, [tree], known, used, ours=True, n_layers=n_layers)
        load = load_cells(tree, _CELL, "energy", detector, scale(meta.cell_unit, "MeV", detector))
        return root_layout.events_of(tree, detector, load, beside, meta.provenance, _CELL)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; pixels and coordinates are not hits."""
        odd = super().obstacles(events)
        if events.detector.kind == "calorimeter":
            return odd
        what = "pixels of an image" if events.detector.is_image else "coordinates"
        return {"cells": f"must be those of a calorimeter, not {what}", **odd}

    def branches(self, events: Events) -> dict[str, dict[str, Any]]:
        """Return the tree ``hits``."""
        hits = hits_of(events)
        lists = {name: getattr(hits, name).astype(np.float64) for name in _HITS}
        lists[_CELL] = np.nonzero(events.cells)[1].astype(np.int32)
        found: dict[str, Any] = root_layout.jagged(hits.counts, lists)
        if "energy" in events.conditions:
            found[_INCIDENT] = events.energy
        return {_TREE: found | root_layout.columns(events, ("energy",))}


def _mapped(file: OpenFile, detector: Detector, mapping: HitMapping, meta: Metadata) -> Reader:
    """Prepare to read a tree as the user describes it."""
    where, frame = mapping.hits, mapping.frame
    if frame and not frame.direction:
        raise ConfigError(
            "the frame of the shower needs the direction of the incident particle",
            remedy='write direction = ["px", "py", "pz"] into [frame] of the mapping',
        )
    turning = [*(frame.direction or ()), *(frame.point or ())] if frame else []
    used = [*where.names, *mapping.branches, *turning]
    file = replace(file, tree=file.tree or mapping.tree)
    tree = tree_with(file, used)
    scalars = dict.fromkeys(mapping.branches + turning)
    numbers = {name: one_per_event(tree, name) for name in scalars}
    # What turns the hits is lost with the frame, unless it is kept by its name.
    kept = {name: numbers[name] for name in turning if name not in mapping.branches}
    named = {name: numbers[b.branch] * b.scale for name, b in mapping.conditions.items()}
    beside = root_layout.read_beside(
        file,
        [tree],
        kept | named,
        {*used, *(name.rpartition("/")[2] for name in used)},
        ours=False,
        weights=numbers.get(mapping.weights),
        unclear={"energy": "a mapping must say what it is ([conditions] energy = ...)"},
    )
    length, factor = LENGTHS[where.length_unit], scale(where.energy_unit, "MeV", detector)
    counts_layers = where.depth == "layer"
    order = [(where.axes or "xyz").index(axis) for axis in "xyz"]
    shower = _frame(mapping, numbers, tree.num_entries)

    def hits(start: int, stop: int) -> Hits:
        counts, flat = root.read_jagged(tree, where.names, start, stop)
        x, y, z = (flat[where.names[stored]] for stored in order)
        if length != 1:
            x, y, z = x * length, y * length, z if counts_layers else z * length
        if shower is not None:
            x, y, z = shower.to_local(counts, np.stack([x, y, z]), start)
        energy = flat[where.energy] if factor == 1 else flat[where.energy] * np.float64(factor)
        return Hits(counts, x, y, z, energy, counts_layers, start)

    load = summing(hits, detector, root.basket_size(tree, where.energy))
    unit = where.energy_unit or "MeV"
    return root_layout.events_of(tree, detector, load, beside, meta.provenance, where.energy, unit)


def _frame(
    mapping: HitMapping, numbers: dict[str, NDArray[np.float64]], n_events: int
) -> ShowerFrame | None:
    """Return the frames of the showers, if the hits are not in them."""
    frame = mapping.frame
    if frame is None or frame.direction is None:
        return None
    direction = np.stack([numbers[name] for name in frame.direction], axis=1)
    point = np.zeros((n_events, 3))
    if frame.point:
        point = np.stack([numbers[name] for name in frame.point], axis=1)
        point = point * LENGTHS[mapping.hits.length_unit]
    if frame.radius:
        point = enter_cylinder(point, direction, frame.radius, frame.half_length)
    return ShowerFrame(point, direction)


# What EDM4hep needs as well.


def all_names(tree: Any) -> list[str]:
    """Return the names of all branches of a tree, also of those inside of others.

    A branch inside of another goes by its own name, ``hits.x``, and by its path, ``hits/hits.x``.
    """
    with damage_reported("ROOT"):
        paths = list(tree.keys())
    return list(dict.fromkeys(name for path in paths for name in (path.rpartition("/")[2], path)))


def require_names(tree: Any, names: Sequence[str]) -> None:
    """Require branches of a tree, wherever they are in it.

    Raises:
        MissingError: Some are missing; the message lists the nearest ones.
    """
    there = all_names(tree)
    missing = [name for name in dict.fromkeys(names) if name not in set(there)]
    if missing:
        others = [name for name in there if name not in names]
        lacks = ", ".join(f"'{name}'{nearest(name, others)}" for name in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MissingError(
            f"tree '{tree.name}' has no branch {lacks}{more}; it holds {listing(there)}",
            remedy="correct the names in the mapping",
            value=tuple(missing),
        )


def tree_with(file: OpenFile, names: Sequence[str]) -> Any:
    """Return the tree that the user named, or the one that has these branches.

    Raises:
        MissingError: There is no such tree, or it lacks a branch.
        DataError: Several trees would do.
    """
    there = root.trees(file)
    if file.tree or not there:
        tree = there.get(file.tree) or root.open_tree(file, names, "")
    else:
        known = {name: len(set(names) & set(all_names(tree))) for name, tree in there.items()}
        best = max(known.values())
        fitting = [name for name, count in known.items() if count == best]
        if len(fitting) > 1 and best == len(set(names)):
            raise root.several_trees(file, fitting)
        tree = there[fitting[0]]
    require_names(tree, names)
    return tree


def one_per_event(tree: Any, name: str) -> NDArray[np.float64]:
    """Read a branch with one number per event, or with a list of one number.

    Raises:
        DataError: It holds more or fewer numbers, or something else.
    """
    with damage_reported("ROOT"):
        if tree[name].array(entry_stop=0).ndim == 1:
            return np.asarray(tree[name].array(), np.float64)
    counts, flat = root.read_jagged(tree, [name])
    if np.any(counts != 1):
        event = int(np.flatnonzero(counts != 1)[0])
        raise DataError(
            f"branch '{name}' has {counts[event]} numbers in event {event}, where one is needed",
            remedy="name a branch with one number per event",
            value=int(counts[event]),
        )
    return np.asarray(flat[name], np.float64)


def no_mapping_needed() -> ConfigError:
    """Return the error on a mapping of a file of ours."""
    return ConfigError(
        "phys_gan wrote this file, which says itself where its hits are",
        remedy="leave the mapping out",
    )


def load_cells(tree: Any, cell: str, energy: str, detector: Detector, factor: float) -> Load:
    """Return what reads cells from hits of ours, of which a branch has the flat number of the cell.

    ``factor`` leads from the unit of the file to that of the detector.
    """
    overflow = root_layout.stored_overflow(tree, detector.n_layers)

    def load(start: int, stop: int) -> Cells:
        counts, flat = root.read_jagged(tree, [cell, energy], start, stop)
        number = flat[cell].astype(np.int64)
        if len(number) and not (number.min() >= 0 and number.max() < detector.n_cells):
            raise DataError(
                f"branch '{cell}' names cells from {number.min()} to {number.max()}, but detector "
                f"'{detector.name}' has {detector.n_cells}",
                remedy="make the file again",
            )
        cells = np.zeros((stop - start, detector.n_cells), np.float32)
        event = np.repeat(np.arange(stop - start), counts)
        cells[event, number] = flat[energy] if factor == 1 else flat[energy] * factor
        return cells, overflow(start, stop)

    return load
