"""What HDF5 files have beside their layout: conditions, weights and overflow, as data sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering
from phys_gan.data.containers import hdf5
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.errors import DataError
from phys_gan.events import Events

__all__ = ["Overflow", "has_condition", "put", "read_beside", "unfit_conditions"]

_CONDITION = "conditions/"
_OVERFLOW = "overflow"
_WEIGHTS = "weights"


def unfit_conditions(events: Events) -> dict[str, str]:
    """Return which conditions no data set can be named after, and why."""
    names = list(events.conditions)
    return {name: "cannot be the name of a data set" for name in names if not _fits(name, names)}


def _fits(name: str, names: Collection[str]) -> bool:
    # A slash makes a group, which cannot have the name of a data set beside it.
    parts = name.split("/")
    groups = ["/".join(parts[:count]) for count in range(1, len(parts))]
    named = all(part not in ("", ".") for part in parts)
    return named and name.isprintable() and not set(groups) & set(names)


def put(tables: Tables, events: Events, known: Collection[str] = ("energy",)) -> None:
    """Append the conditions that the layout itself does not hold, (n, 1) each, overflow, weights.

    Arguments:
        tables: The file.
        events: The events.
        known: Names of the conditions that the layout holds.
    """
    for name, values in events.conditions.items():
        if name not in known:
            tables.put(f"{_CONDITION}{name}", values[:, np.newaxis])
    if events.overflow is not None:
        tables.put(_OVERFLOW, events.overflow)
    if events.weights is not None:
        tables.put(_WEIGHTS, events.weights)


def read_beside(
    file: OpenFile,
    n_events: int,
    layout: Mapping[str, NDArray[np.float64]],
    used: Sequence[str],
    *,
    native: Collection[str] = (),
    weights: NDArray[np.float64] | None = None,
) -> Beside:
    """Return the conditions of the layout, and all that stands beside: of ours, and of others.

    Arguments:
        file: The open file.
        n_events: Number of events N.
        layout: The conditions that the layout itself has, (N,) each.
        used: Names of the data sets that the layout is made of.
        native: Names of columns of the layout that need not be there, nor be complete.
        weights: The weights (N,), where the user says what they are.

    Raises:
        DataError: A condition is there twice, or one of the layout or of ours has not one value
            per event.
    """
    hdf5.require_length(n_events, layout)
    ours = bool(hdf5.metadata(file).format)
    found = Gathering(n_events, layout, "data set", weights)
    for name, shape in hdf5.data_sets(file).items():
        if name in used or name == _OVERFLOW:
            continue
        if name.startswith(_CONDITION):
            condition, values = name.removeprefix(_CONDITION), hdf5.column(file, name)
            hdf5.require_length(n_events, {condition: values})
            found.keep(condition, values, name)
        elif ours and name == _WEIGHTS:
            values = hdf5.column(file, name)
            hdf5.require_length(n_events, {name: values})
            found.weigh(name, values)
        elif name in native and shape[1:] in ((), (1,)) and shape[:1] not in ((), (n_events,)):
            raise DataError(
                f"data set '{name}' has {shape[0]} events, but '{used[0]}' has {n_events}",
                remedy="store the same events in both",
                value=shape[0],
                constraint=n_events,
            )
        elif ours and name in native:
            found.keep(name, hdf5.column(file, name), name)
        else:
            _offer(found, file, name, shape)
    return found.found()


def has_condition(file: OpenFile, name: str) -> bool:
    """Return whether :func:`put` wrote a condition of this name."""
    return hdf5.has(file, _CONDITION + name)


def _offer(found: Gathering, file: OpenFile, name: str, shape: tuple[int, ...]) -> None:
    """Offer a data set of another program."""
    import h5py

    try:
        hdf5.has(file, name)
    except DataError as error:
        # What would refuse the file, if the layout needed it.
        said = f"data set '{name}' "
        why = error.problem
        found.leave(name, f"it {why.removeprefix(said)}" if why.startswith(said) else why)
        return
    with damage_reported("HDF5"):
        data_set = file.handle[name]
        dtype = data_set.dtype
        text = h5py.check_string_dtype(dtype) is not None
        lists = h5py.check_vlen_dtype(dtype) is not None
    if text or lists:
        found.holds(name, "text" if text else "lists of any length")
        return

    def read() -> NDArray[Any]:
        with damage_reported("HDF5"):
            return np.asarray(data_set[()])

    found.offer(name, dtype, shape, read)


class Overflow:
    """What each layer's cells did not catch, where the file stores it.

    Arguments:
        file: The open file.
        n_events: Number of events.
        n_layers: Number of layers.
        factor: From the unit of the file to that of the detector.

    Raises:
        DataError: The data set has another shape.
    """

    def __init__(self, file: OpenFile, n_events: int, n_layers: int, factor: float = 1.0) -> None:
        self._file, self._factor, self._n_layers = file, factor, n_layers
        self.known = hdf5.has(file, _OVERFLOW)
        shape = hdf5.shape_of(file, _OVERFLOW) if self.known else (n_events, n_layers)
        if shape[1:] == (n_layers,) and shape[0] != n_events:
            raise hdf5.unequal(_OVERFLOW, shape[0], "the rest of the file", n_events)
        if shape != (n_events, n_layers):
            raise hdf5.wrong_shape(
                _OVERFLOW,
                shape,
                (n_events, n_layers),
                "store one value per event and layer, or none",
            )

    def read(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Read the overflow of some events, shape (n, n_layers)."""
        if not self.known:
            return None
        values = np.empty((stop - start, self._n_layers), np.float32)
        hdf5.read_rows(self._file, _OVERFLOW, values, start)
        return values if self._factor == 1 else values * np.float32(self._factor)
