"""What ROOT files of ours keep beside their layout: conditions and overflow, as branches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import root
from phys_gan.data.metadata import joined
from phys_gan.events import Events

__all__ = ["Overflow", "columns", "jagged", "read_conditions", "unfit_conditions"]

_CONDITION = "condition_"
_OVERFLOW = "overflow_"


def unfit_conditions(events: Events) -> dict[str, str]:
    """Return which conditions a tree cannot hold, and why."""
    return {
        name: "cannot be the name of a branch"
        for name in events.conditions
        if not name.isidentifier()
    }


def columns(
    events: Events, known: Collection[str] = (), overflow: bool = True
) -> dict[str, NDArray[np.float64]]:
    """Return conditions as they are, and overflow where it is known, as branches.

    Arguments:
        events: The events.
        known: Names of the conditions that the layout itself holds exactly.
        overflow: Whether to return the overflow too.
    """
    found = {_CONDITION + name: v for name, v in events.conditions.items() if name not in known}
    if overflow and events.overflow is not None:
        for k, values in enumerate(events.overflow.T.astype(np.float64)):
            found[f"{_OVERFLOW}{k}"] = values
    return found


def read_conditions(
    tree: Any, native: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return the conditions that the layout itself has, and those that :func:`columns` made.

    Arguments:
        tree: The tree.
        native: The conditions of the layout, (N,) each.

    Raises:
        DataError: A condition is there twice.
    """
    names = [name for name in root.branches(tree) if name.startswith(_CONDITION)]
    beside = root.read_scalars(tree, names)
    own = {name.removeprefix(_CONDITION): values for name, values in beside.items()}
    return joined(native or {}, own, _CONDITION)


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
