"""``ROOTLayout``: what the layouts in ROOT share, and what stands beside their own branches.

Files of ours keep each condition for which a layout has no place as a branch ``condition_<name>``,
the energy outside the cells of layer k as ``overflow_<k>``, and ``weights``. Branches of other
programs become conditions by the rules of :class:`phys_gan.data.columns.Gathering`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering, is_weight
from phys_gan.data.containers import root
from phys_gan.data.containers.opening import OpenFile, listing
from phys_gan.data.format import Append, Format, Load, Reader
from phys_gan.data.metadata import to_mev
from phys_gan.detectors import Detector
from phys_gan.events import Events

_CONDITION = "condition_"
_OVERFLOW = "overflow_"
_WEIGHTS = "weights"


class ROOTLayout(Format):
    """A layout in ROOT, whose trees have an entry per event."""

    extensions = (".root",)
    container = "ROOT"

    def energy(self, file: OpenFile, tree: Any, name: str) -> NDArray[np.float64]:
        """Read the incident energies [MeV], (N,), in the unit of the file or else the layout."""
        unit = root.metadata(file).energy_unit or self.energy_unit
        return root.read_scalars(tree, [name])[name] * to_mev(unit)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return which conditions cannot be the name of a branch."""
        return {n: "cannot be the name of a branch" for n in events.conditions if not _fits(n)}

    @abstractmethod
    def branches(self, events: Events) -> dict[str, dict[str, Any]]:
        """Return the branches of each tree that hold the events."""

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events as TTrees, numbers as double, so that they come back as they were."""
        with root.created(path, self.texts(sample)) as trees:

            def append(events: Events) -> None:
                for tree, branches in self.branches(events).items():
                    trees.put(tree, branches)

            yield append


def _fits(name: str) -> bool:
    """Return whether a name is an identifier, maybe with further ones or numbers after dots."""
    first, *others = name.split(".")
    return first.isidentifier() and all(f"_{other}".isidentifier() and other for other in others)


def events_of(
    tree: Any,
    detector: Detector,
    load: Load,
    beside: Beside,
    provenance: Mapping[str, str],
    basket: str,
    hit_unit: str = "",
) -> Reader:
    """Return the reader of the events of a tree.

    ``basket`` is a branch whose baskets tell how many events are stored together; ``hit_unit`` is
    the unit of the hits of another program, where cells are sums of such.
    """
    return Reader(
        detector,
        tree.num_entries,
        beside.conditions,
        load,
        provenance,
        root.basket_size(tree, basket),
        beside.notes,
        voxelised=bool(hit_unit),
        hit_unit=hit_unit,
        weights=beside.weights,
        optional=beside.optional,
    )


def columns(
    events: Events, held: Collection[str] = (), overflow: bool = True
) -> dict[str, NDArray[np.float64]]:
    """Return what stands beside the branches of a layout, which holds some conditions itself."""
    found = {_CONDITION + name: v for name, v in events.conditions.items() if name not in held}
    if overflow and events.overflow is not None:
        for k, values in enumerate(events.overflow.T.astype(np.float64)):
            found[f"{_OVERFLOW}{k}"] = values
    if events.weights is not None:
        found[_WEIGHTS] = events.weights
    return found


def jagged(counts: NDArray[np.int64], lists: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return branches with a list per event, of values one after the other."""
    import awkward as ak

    return {name: ak.unflatten(values, counts) for name, values in lists.items()}


def read_beside(
    file: OpenFile,
    trees: Sequence[Any],
    layout: Mapping[str, NDArray[np.float64]],
    used: Collection[str],
    *,
    ours: bool,
    n_layers: int = 0,
    weights: NDArray[np.float64] | None = None,
    unclear: Mapping[str, str] | None = None,
) -> Beside:
    """Return the conditions of the layout and all branches beside, of ours and of others.

    Arguments:
        file: The open file.
        trees: The trees of the layout, which have the same events.
        layout: The conditions that the layout itself has, (N,) each.
        used: Names of the branches of the layout.
        ours: Whether phys_gan wrote the file, and its weights as they are.
        n_layers: Number of layers whose overflow is a branch each.
        weights: The weights (N,), where the user names them.
        unclear: Names of conditions that a branch cannot have, and why, as a clause.

    Raises:
        DataError: A condition is there twice, or one of ours does not have one value per event.
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
            if name in used or name in own:
                continue
            entries = root.entries(leaf)
            if not isinstance(entries, str):
                found.offer(name, *entries, partial(root.read_entries, leaf))
            elif is_weight(name) and (one := root.one_each(leaf)) is not None:
                found.offer_values(name, one)
            else:
                found.holds(name, entries)
    beside = found.found()
    return replace(beside, notes=(*beside.notes, *_unread(file, trees)))


def _unread(file: OpenFile, trees: Sequence[Any]) -> list[str]:
    """Return a sentence on the other trees, where the user named none."""
    read = {tree.name for tree in trees}
    others = [name for name in root.trees(file) if name.rpartition("/")[2] not in read]
    if file.tree or not others:
        return []
    one = len(others) == 1
    return [f"{'tree' if one else 'trees'} {listing(others)} {'is' if one else 'are'} not read"]


def stored_overflow(tree: Any, n_layers: int) -> Callable[[int, int], NDArray[np.float32] | None]:
    """Return what reads the overflow (n, n_layers) of some events; None where none is stored."""
    names = [f"{_OVERFLOW}{k}" for k in range(n_layers)]
    if not {*names} <= {*root.branches(tree)}:
        return lambda start, stop: None

    def read(start: int, stop: int) -> NDArray[np.float32]:
        values = np.empty((n_layers, stop - start), np.float32)
        root.read_numbers(tree, dict(zip(names, values, strict=True)), start, stop)
        return np.ascontiguousarray(values.T)

    return read
