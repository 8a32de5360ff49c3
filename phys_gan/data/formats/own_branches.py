"""What ROOT files have beside their layout: conditions, weights and overflow, as branches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering, is_weight
from phys_gan.data.containers import root
from phys_gan.data.containers.opening import OpenFile, listing
from phys_gan.events import Events

__all__ = ["Overflow", "columns", "jagged", "read_beside", "unfit_conditions", "unread_trees"]

_CONDITION = "condition_"
_OVERFLOW = "overflow_"
_WEIGHTS = "weights"


def unfit_conditions(events: Events) -> dict[str, str]:
    """Return which conditions a tree cannot hold, and why."""
    return {name: "cannot be the name of a branch" for name in events.conditions if not _fits(name)}


def _fits(name: str) -> bool:
    """Return whether a name is an identifier, or several with dots between, or numbers behind."""
    first, *others = name.split(".")
    return first.isidentifier() and all(f"_{other}".isidentifier() and other for other in others)


def columns(
    events: Events, known: Collection[str] = (), overflow: bool = True
) -> dict[str, NDArray[np.float64]]:
    """Return conditions and weights as they are, and overflow where it is known, as branches.

    Arguments:
        events: The events.
        known: Names of the conditions that the layout itself holds exactly.
        overflow: Whether to return the overflow too.
    """
    found = {_CONDITION + name: v for name, v in events.conditions.items() if name not in known}
    if overflow and events.overflow is not None:
        for k, values in enumerate(events.overflow.T.astype(np.float64)):
            found[f"{_OVERFLOW}{k}"] = values
    if events.weights is not None:
        found[_WEIGHTS] = events.weights
    return found


def read_beside(
    trees: Sequence[Any],
    layout: Mapping[str, NDArray[np.float64]],
    used: Collection[str],
    *,
    ours: bool,
    n_layers: int = 0,
    weights: NDArray[np.float64] | None = None,
    unclear: Mapping[str, str] | None = None,
) -> Beside:
    """Return the conditions of the layout, and all that stands beside: of ours, and of others.

    Arguments:
        trees: The trees of the layout, which have the same events.
        layout: The conditions that the layout itself has, (N,) each.
        used: Names of the branches that the layout is made of.
        ours: Whether phys_gan wrote the file, whose weights then are as it wrote them.
        n_layers: Number of layers whose overflow is a branch each.
        weights: The weights (N,), where the user says what they are.
        unclear: Names of conditions that a branch cannot have, and why, as a clause.

    Raises:
        DataError: A condition is there twice, or one of ours has not one value per event.
    """
    found = Gathering(int(trees[0].num_entries), layout, "branch", weights, unclear)
    used = {*used, *(f"{_OVERFLOW}{k}" for k in range(n_layers))}
    for tree in trees:
        there = root.branches(tree)
        own = [name for name in there if name.startswith(_CONDITION) and name not in used]
        for name, values in root.read_scalars(tree, own).items():
            found.keep(name.removeprefix(_CONDITION), values, name)
        if ours and _WEIGHTS in there:
            found.weigh(_WEIGHTS, root.read_scalars(tree, [_WEIGHTS])[_WEIGHTS])
            own.append(_WEIGHTS)
        for name, leaf in root.leaves(tree).items():
            if name not in used and name not in own:
                _offer(found, name, leaf)
    return found.found()


def _offer(found: Gathering, name: str, leaf: Any) -> None:
    """Offer a branch of another program."""
    entries = root.entries(leaf)
    if not isinstance(entries, str):
        found.offer(name, *entries, partial(root.read_entries, leaf))
    elif is_weight(name) and (values := root.one_each(leaf)) is not None:
        found.offer_values(name, values)
    else:
        found.holds(name, entries)


def unread_trees(file: OpenFile, *trees: Any) -> tuple[str, ...]:
    """Return a sentence on the trees that are not read, where the user named none."""
    read = {tree.name for tree in trees}
    others = [name for name in root.trees(file) if name.rpartition("/")[2] not in read]
    if file.tree or not others:
        return ()
    if len(others) == 1:
        return (f"tree '{others[0]}' is not read",)
    return (f"trees {listing(others)} are not read",)


class Overflow:
    """The overflow that :func:`columns` made, if it is there.

    Arguments:
        tree: The tree.
        n_layers: Number of layers of the detector.
    """

    def __init__(self, tree: Any, n_layers: int) -> None:
        self._tree = tree
        self._names = [f"{_OVERFLOW}{k}" for k in range(n_layers)]
        self.known = set(self._names) <= set(root.branches(tree))

    def read(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Read the overflow of some events, shape (n, n_layers)."""
        if not self.known:
            return None
        values = np.empty((len(self._names), stop - start), np.float32)
        root.read_numbers(self._tree, dict(zip(self._names, values, strict=True)), start, stop)
        return np.ascontiguousarray(values.T)


def jagged(counts: NDArray[np.int64], lists: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return values one after the other as branches with a list per event."""
    import awkward as ak

    return {name: ak.unflatten(values, counts) for name, values in lists.items()}
