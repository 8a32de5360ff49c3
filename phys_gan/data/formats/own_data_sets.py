"""What HDF5 files of ours keep beside their layout: conditions and overflow, as data sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5
from phys_gan.data.containers.damage import damage_reported
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.metadata import joined
from phys_gan.events import Events

__all__ = ["CONDITION", "Overflow", "put", "read_conditions", "unfit_conditions"]

CONDITION = "conditions/"
_OVERFLOW = "overflow"


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
    """Append the conditions that the layout itself does not hold, (n, 1) each, and overflow.

    Arguments:
        tables: The file.
        events: The events.
        known: Names of the conditions that the layout holds.
    """
    for name, values in events.conditions.items():
        if name not in known:
            tables.put(f"{CONDITION}{name}", values[:, np.newaxis])
    if events.overflow is not None:
        tables.put(_OVERFLOW, events.overflow)


def read_conditions(
    file: OpenFile, n_events: int, native: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return the conditions that the layout itself has, and those that :func:`put` wrote.

    Arguments:
        file: The open file.
        n_events: Number of events N.
        native: The conditions of the layout, (N,) each.

    Raises:
        DataError: A condition is there twice, or has not one value per event.
    """
    with damage_reported("HDF5"):
        there = file.handle.get(CONDITION.rstrip("/"), getclass=True) is not None
    names = [n for n in hdf5.data_sets(file) if n.startswith(CONDITION)] if there else []
    beside = {name.removeprefix(CONDITION): hdf5.column(file, name) for name in names}
    conditions = joined(native or {}, beside, CONDITION)
    hdf5.require_length(n_events, conditions)
    return conditions


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
