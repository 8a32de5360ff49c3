"""``HDF5Layout``: what the layouts in HDF5 share, and what stands beside their own data sets.

Files of ours keep each condition for which a layout has no place as ``conditions/<name>`` (N, 1),
the energy outside the cells as ``overflow`` (N, n_layers), and ``weights`` (N,). Columns of other
programs become conditions by the rules of :class:`phys_gan.data.columns.Gathering`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.columns import Beside, Gathering
from phys_gan.data.containers import hdf5
from phys_gan.data.containers.container import damage_reported
from phys_gan.data.containers.hdf5_tables import Tables, created
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, Reader, allocating
from phys_gan.data.metadata import scale, to_mev
from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events

CONDITIONS = "conditions/"
_OVERFLOW = "overflow"
_WEIGHTS = "weights"

Read = Callable[[int, NDArray[np.float32]], None]
"""Read the cells of the events from ``start`` on into (n, n_cells), in the unit of the file."""


class HDF5Layout(Format):
    """A layout in HDF5, whose data sets have a row per event."""

    extensions = (".h5", ".hdf5")
    container = "HDF5"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has all data sets that the layout needs."""
        return hdf5.has(file, *self.needs)

    def energy(self, file: OpenFile, name: str) -> NDArray[np.float64]:
        """Read the incident energies [MeV], (N,), in the unit of the file or else the layout."""
        unit = hdf5.metadata(file).energy_unit or self.energy_unit
        return hdf5.column(file, name) * to_mev(unit)

    def events(
        self,
        file: OpenFile,
        detector: Detector,
        cells: str,
        beside: Beside,
        read: Read | None = None,
        unit: str = "MeV",
    ) -> Reader:
        """Return the reader of events, whose cells are rows of a data set or what ``read`` reads.

        ``cells`` is the data set, or the first of several; ``unit`` is that of the cells where the
        file does not declare one.

        Raises:
            DataError: The overflow has another shape, or the cells are in a wrong unit.
        """
        meta, n_events = hdf5.metadata(file), hdf5.shape_of(file, cells)[0]
        factor = scale(meta.cell_unit, unit, detector)
        overflow = stored_overflow(file, n_events, detector.n_layers, factor)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            if read is None:
                hdf5.read_rows(file, cells, out, start)
            else:
                read(start, out)
            if factor != 1:
                out *= np.float32(factor)
            return overflow(start, stop)

        return Reader(
            detector,
            n_events,
            beside.conditions,
            allocating(fill, detector.n_cells),
            meta.provenance,
            hdf5.rows_per_chunk(file, cells),
            beside.notes,
            fill,
            weights=beside.weights,
            optional=beside.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return which conditions cannot be the name of a data set."""
        names = list(events.conditions)
        return {n: "cannot be the name of a data set" for n in names if not _fits(n, names)}

    @abstractmethod
    def put(self, tables: Tables, events: Events) -> Collection[str]:
        """Append events to the data sets of the layout; return the conditions these hold."""

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; conditions as float64, so that they come back as they were."""
        with created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                held = self.put(tables, events)
                for name, values in events.conditions.items():
                    if name not in held:
                        tables.put(f"{CONDITIONS}{name}", values[:, np.newaxis])
                if events.overflow is not None:
                    tables.put(_OVERFLOW, events.overflow)
                if events.weights is not None:
                    tables.put(_WEIGHTS, events.weights)

            yield append


def _fits(name: str, names: Collection[str]) -> bool:
    # A slash makes a group, which cannot have the name of a data set beside it.
    parts = name.split("/")
    groups = {"/".join(parts[:count]) for count in range(1, len(parts))}
    named = all(part not in ("", ".") for part in parts)
    return named and name.isprintable() and not groups & {*names}


def read_beside(
    file: OpenFile,
    n_events: int,
    layout: Mapping[str, NDArray[np.float64]],
    used: Sequence[str],
    *,
    native: Collection[str] = (),
    weights: NDArray[np.float64] | None = None,
) -> Beside:
    """Return the conditions of the layout and all columns beside, of ours and of others.

    Arguments:
        file: The open file.
        n_events: Number of events N.
        layout: The conditions that the layout itself has, (N,) each.
        used: Names of the data sets of the layout.
        native: Names of columns of the layout that may be missing or incomplete.
        weights: The weights (N,), where the user names them.

    Raises:
        DataError: A condition is there twice, or one of the layout or of ours does not have one
            value per event.
    """
    hdf5.require_length(n_events, layout)
    ours = bool(hdf5.metadata(file).format)
    found = Gathering(n_events, layout, "data set", weights)
    for name, shape in hdf5.data_sets(file).items():
        condition = name.removeprefix(CONDITIONS)
        if name in used or name == _OVERFLOW:
            continue
        if name != condition or (ours and name == _WEIGHTS):
            values = hdf5.column(file, name)
            hdf5.require_length(n_events, {condition: values})
            if name == _WEIGHTS:
                found.weigh(name, values)
            else:
                found.keep(condition, values, name)
        elif name in native and shape[1:] in ((), (1,)) and shape[:1] not in ((), (n_events,)):
            raise hdf5.unequal(name, shape[0], f"'{used[0]}'", n_events)
        elif ours and name in native:
            found.keep(name, hdf5.column(file, name), name)
        else:
            _offer(found, file, name, shape)
    return found.found()


def _offer(found: Gathering, file: OpenFile, name: str, shape: tuple[int, ...]) -> None:
    """Offer a data set of another program."""
    import h5py

    try:
        hdf5.has(file, name)
    except DataError as error:
        # The same would refuse the file, if the layout needed the data set.
        clause = error.problem.removeprefix(f"data set '{name}' ")
        found.leave(name, clause if clause == error.problem else f"it {clause}")
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


def require_shape(
    file: OpenFile, name: str, needed: tuple[int | str, ...], remedy: str, other: str = ""
) -> tuple[int, ...]:
    """Return the shape of a data set of numbers; words in what is needed stand for any number.

    Raises:
        MissingError: There is no such data set.
        DataError: It has another shape, or not the number of events of the ``other`` data.
    """
    shape = hdf5.shape_of(file, name)
    fit = [isinstance(n, str) or n == own for n, own in zip(needed, shape, strict=False)]
    if len(shape) != len(needed) or not all(fit[1:]) or not (fit[0] or other):
        raise hdf5.wrong_shape(name, shape, needed, remedy)
    if not fit[0]:
        raise hdf5.unequal(name, shape[0], other, int(needed[0]))
    return shape


def stored_overflow(
    file: OpenFile, n_events: int, n_layers: int, factor: float
) -> Callable[[int, int], NDArray[np.float32] | None]:
    """Return what reads the overflow (n, n_layers) of some events; None where none is stored.

    ``factor`` leads from the unit of the file to that of the detector.

    Raises:
        DataError: The data set has another shape.
    """
    if not hdf5.has(file, _OVERFLOW):
        return lambda start, stop: None
    remedy = "store one value per event and layer, or none"
    require_shape(file, _OVERFLOW, (n_events, n_layers), remedy, "the rest of the file")

    def read(start: int, stop: int) -> NDArray[np.float32]:
        values = np.empty((stop - start, n_layers), np.float32)
        hdf5.read_rows(file, _OVERFLOW, values, start)
        return values if factor == 1 else values * np.float32(factor)

    return read
