"""What the layouts of hits in ROOT share: names of branches, and the hits of files of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import root
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.opening import OpenFile, listing, nearest
from phys_gan.data.format import Cells, Load
from phys_gan.data.formats import own_branches
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DataError, MissingError

__all__ = [
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
