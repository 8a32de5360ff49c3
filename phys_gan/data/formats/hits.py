"""Trees of hits in ROOT: any names, which the user maps, and our own.

What the layouts of hits in ROOT share: names of branches, and the hits of files of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import root
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.format import (
    LENGTHS,
    Append,
    Cells,
    Format,
    HitMapping,
    Load,
    Reader,
    register_format,
)
from phys_gan.data.formats import own_branches
from phys_gan.data.hits import Hits, ShowerFrame, enter_cylinder, hits_of, require_detector, summing
from phys_gan.data.metadata import Metadata, choose_detector, scale
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.events import Events

__all__ = [
    "HitsROOT",
    "all_names",
    "load_cells",
    "no_mapping_needed",
    "one_per_event",
    "require_names",
    "tree_with",
]


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
        require_names(tree, names)
        return tree
    known = {name: len(set(names) & set(all_names(tree))) for name, tree in there.items()}
    best = max(known.values())
    fitting = [name for name, count in known.items() if count == best]
    if len(fitting) > 1 and best == len(set(names)):
        raise root.several_trees(file, fitting)
    require_names(there[fitting[0]], names)
    return there[fitting[0]]


def one_per_event(tree: Any, name: str) -> NDArray[np.float64]:
    """Read a branch with one number per event, or with a list of one number.

    Raises:
        DataError: It holds more or fewer numbers, or something else.
    """
    with damage_reported("ROOT"):
        is_list = tree[name].array(entry_stop=0).ndim > 1
    if not is_list:
        with damage_reported("ROOT"):
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
    """Return an error that says that a file of ours knows where its hits are."""
    return ConfigError(
        "phys_gan wrote this file, which says itself where its hits are",
        remedy="leave the mapping out",
    )


def load_cells(tree: Any, cell: str, energy: str, detector: Detector, factor: float = 1.0) -> Load:
    """Return what reads cells from hits of ours, each of which knows the number of its cell.

    Arguments:
        tree: The tree.
        cell: The branch with the flat cell of each hit.
        energy: The branch with the energies.
        detector: The detector.
        factor: From the unit of the file to that of the detector.
    """
    overflow = own_branches.Overflow(tree, detector.n_layers)

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
        return cells, overflow.read(start, stop)

    return load


_TREE = "hits"
_CELL = "cell"
_AXES = ("x", "y", "z")
_HITS = (*_AXES, "energy")
_INCIDENT = "incident_energy"


@register_format
class HitsROOT(Format):
    """Read a tree with a list of hits per event, from branches of any name; write our own.

    A mapping names the branches of x, y, z and energy, their units, the conditions, the weights
    and the frame; any other branch with a number per event is a condition by its name. Hits are
    summed into the cells of the detector that the user names.

    Files of ours need no mapping. Their TTree ``hits`` has ``x``, ``y``, ``z`` [mm] in the middle
    of each cell with a signal, in the frame of the shower, its ``energy`` in the unit of the
    detector and its flat number ``cell``; ``incident_energy`` [MeV], ``condition_<name>``,
    ``weights`` and ``overflow_<layer>``, one number per event each.
    """

    name: ClassVar[str] = "hits-root"
    description: ClassVar[str] = "tree of hits in ROOT: lists x, y, z, energy per event"
    extensions: ClassVar[tuple[str, ...]] = (".root",)
    container: ClassVar[str] = "ROOT"
    needs: ClassVar[tuple[str, ...]] = (*_HITS, _CELL)
    has_hits: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether phys_gan wrote the file in this layout."""
        return file.container == self.container and root.metadata(file).format == self.name

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta = root.metadata(file)
        detector = choose_detector(detector, meta.detector)
        if meta.format == self.name:
            return self._own(file, meta, detector, mapping)
        if mapping is None or not mapping.hits.energy:
            raise ConfigError(
                "a tree of hits needs a mapping that names its branches",
                remedy='write hits = { x = "...", y = "...", z = "...", energy = "..." } into a '
                "TOML file, see docs/formats.md",
            )
        return _mapped(file, require_detector(detector), mapping, meta)

    def _own(
        self,
        file: OpenFile,
        meta: Metadata,
        detector: Detector | None,
        mapping: HitMapping | None,
    ) -> Reader:
        if mapping is not None:
            raise no_mapping_needed()
        detector = require_detector(detector)
        tree = root.open_tree(file, self.needs, _TREE)
        native = {}
        if _INCIDENT in root.branches(tree):
            native["energy"] = root.read_scalars(tree, [_INCIDENT])[_INCIDENT]
        used = (*self.needs, _INCIDENT)
        found = own_branches.read_beside(
            [tree], native, used, ours=True, n_layers=detector.n_layers
        )
        factor = scale(meta.cell_unit, "MeV", detector)
        load = load_cells(tree, _CELL, "energy", detector, factor)
        block = root.basket_size(tree, _CELL)
        return Reader(
            detector,
            tree.num_entries,
            found.conditions,
            load,
            meta.provenance,
            block,
            (*found.notes, *own_branches.unread_trees(file, tree)),
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; pixels and coordinates are no hits."""
        odd = own_branches.unfit_conditions(events)
        if events.detector.kind != "calorimeter":
            what = "pixels of an image" if events.detector.is_image else "coordinates"
            return {"cells": f"must be those of a calorimeter, not {what}", **odd}
        return odd

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events as the TTree ``hits``, energies and positions as double."""
        with root.created(path, self.texts(sample)) as trees:

            def append(events: Events) -> None:
                hits = hits_of(events)
                lists = {name: getattr(hits, name).astype(np.float64) for name in _HITS}
                lists[_CELL] = np.nonzero(events.cells)[1].astype(np.int32)
                columns: dict[str, Any] = own_branches.jagged(hits.counts, lists)
                if "energy" in events.conditions:
                    columns[_INCIDENT] = events.energy
                columns |= own_branches.columns(events, known=("energy",))
                trees.put(_TREE, columns)

            yield append


def _mapped(file: OpenFile, detector: Detector, mapping: HitMapping, meta: Metadata) -> Reader:
    """Prepare to read a tree as the user describes it."""
    where, scalars = mapping.hits, _scalar_branches(mapping)
    file = replace(file, tree=file.tree or mapping.tree)
    tree = tree_with(file, [*where.names, *scalars])
    numbers = {name: one_per_event(tree, name) for name in dict.fromkeys(scalars)}
    conditions = {
        name: numbers[branch.branch] * branch.scale for name, branch in mapping.conditions.items()
    }
    # What turns the hits is lost with the frame, unless it is kept by its name.
    turning = {name: numbers[name] for name in scalars if name not in mapping.branches}
    used = [*where.names, *scalars]
    found = own_branches.read_beside(
        [tree],
        turning | conditions,
        {*used, *(name.rpartition("/")[2] for name in used)},
        ours=False,
        weights=numbers.get(mapping.weights),
        unclear={"energy": "a mapping must say what it is ([conditions] energy = ...)"},
    )
    length, factor = LENGTHS[where.length_unit], scale(where.energy_unit, "MeV", detector)
    shower = _frame(mapping, numbers, tree.num_entries)
    counts_layers = where.depth == "layer"
    order = [(where.axes or "xyz").index(axis) for axis in "xyz"]

    def part(start: int, stop: int) -> Hits:
        counts, flat = root.read_jagged(tree, where.names, start, stop)
        points = [flat[where.names[stored]] for stored in order]
        if length != 1:
            points = [
                values if counts_layers and axis == 2 else values * length
                for axis, values in enumerate(points)
            ]
        if shower is not None:
            points = list(shower.to_local(counts, np.stack(points), start))
        energy = flat[where.energy] if factor == 1 else flat[where.energy] * np.float64(factor)
        x, y, z = points
        return Hits(counts, x, y, z, energy, counts_layers, start)

    block = root.basket_size(tree, where.energy)
    load = summing(part, detector, block)
    return Reader(
        detector,
        tree.num_entries,
        found.conditions,
        load,
        meta.provenance,
        block,
        (*found.notes, *own_branches.unread_trees(file, tree)),
        voxelised=True,
        hit_unit=where.energy_unit or "MeV",
        weights=found.weights,
        optional=found.optional,
    )


def _scalar_branches(mapping: HitMapping) -> list[str]:
    """Return the branches with one number per event that the mapping names."""
    frame = mapping.frame
    if frame and not frame.direction:
        raise ConfigError(
            "the frame of the shower needs the direction of the incident particle",
            remedy='write direction = ["px", "py", "pz"] into [frame] of the mapping',
        )
    return mapping.branches + ([*(frame.direction or ()), *(frame.point or ())] if frame else [])


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
