"""The HDF5 layout of Geant4's example Par04.

The ROOT layout of Geant4's example Par04.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables, root
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import (
    Append,
    Cells,
    Format,
    HitMapping,
    Reader,
    allocating,
    register_format,
)
from phys_gan.data.formats import own_branches, own_data_sets
from phys_gan.data.metadata import choose_detector, scale, to_mev
from phys_gan.detectors import Detector, PolarLayer, load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

__all__ = ["PAR04", "Par04HDF5", "Par04ROOT", "polar_grid", "polar_obstacles"]

PAR04 = {(9, 16, 45): "par04-9x16x45", (18, 50, 45): "par04-18x50x45"}
"""The built-in detectors by their bins in r, phi and z."""


def polar_grid(detector: Detector) -> tuple[int, int, int] | None:
    """Return the bins in r, phi and z; None where the layers do not share one polar grid."""
    first = detector.layers[0]
    if not isinstance(first, PolarLayer):
        return None
    for layer in detector.layers:
        if not isinstance(layer, PolarLayer) or (layer.r, layer.n_alpha) != (
            first.r,
            first.n_alpha,
        ):
            return None
    return len(first.r) - 1, first.n_alpha, detector.n_layers


def polar_obstacles(events: Events) -> dict[str, str]:
    """Return why Par04's layouts cannot hold the events."""
    found = {}
    if polar_grid(events.detector) is None:
        found["cells"] = f"must share one polar grid, which '{events.detector.name}' does not have"
    if "energy" not in events.conditions:
        found["energy"] = "is needed"
    return found


def _by_grid(grid: tuple[int, int, int]) -> Detector:
    if grid not in PAR04:
        known = ", ".join(f"{_sizes(sizes)} ({name})" for sizes, name in PAR04.items())
        raise DetectorError(
            f"data set '{_SHOWERS}' has {_sizes(grid)} bins in r, phi and z, which no built-in "
            f"detector of Par04 has: {known}",
            remedy="name the detector that the data were made with",
            value=grid,
            constraint=tuple(PAR04),
        )
    return load_detector(PAR04[grid])


def _described(detector: Detector) -> str:
    grid = polar_grid(detector)
    return _sizes(grid) if grid else "no polar grid that all layers share"


def _sizes(grid: tuple[int, int, int]) -> str:
    return " x ".join(map(str, grid))


_GLOBAL = "global"
_READOUT = "virtualReadout"
_ENERGY_par04_root = "EnergyMC"
_TIME = "SimTime"
_DEPOSIT = "EnergyCell"
_BINS = ("rhoCell", "phiCell", "zCell")
_BLOCK_EVENTS = 2000
_BLOCK_CELLS = 1 << 21
_LARGEST_BIN = 1 << 31


@register_format
class Par04ROOT(Format):
    """Read and write the cells with a signal of Geant4's example Par04, by their bin numbers.

    The tree ``global`` has ``EnergyMC`` [MeV]; the tree ``virtualReadout``, a TTree or an RNTuple,
    has lists per event: ``EnergyCell`` [MeV] and the bins ``rhoCell``, ``phiCell``, ``zCell``.
    Entries of one cell are added up, those outside the grid count for the overflow of the nearest
    layer. Written are TTrees with all cells that are not 0, however small; in files of ours
    further conditions are branches ``condition_<name>`` of ``global``, weights are ``weights``, the
    overflow of layer k is ``overflow_k``. In files of others any branch with a number per event is
    a condition. ``SimTime`` is how long the simulation took: it is not read.
    """

    name: ClassVar[str] = "par04-root"
    description: ClassVar[str] = (
        "Geant4 Par04 ROOT: trees global (EnergyMC [MeV]) and virtualReadout (EnergyCell [MeV] "
        "and bins per event)"
    )
    extensions: ClassVar[tuple[str, ...]] = (".root",)
    container: ClassVar[str] = "ROOT"
    needs: ClassVar[tuple[str, ...]] = (_ENERGY_par04_root, _DEPOSIT, *_BINS)

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has a tree with an energy and one with lists of cells."""
        if file.container != self.container:
            return False
        there = [set(root.branches(tree)) for tree in root.trees(file).values()]
        return any(_ENERGY_par04_root in names for names in there) and any(
            {_DEPOSIT, *_BINS} <= names for names in there
        )

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta = root.metadata(file)
        readout, scalars = _open_trees(file)
        detector = choose_detector(detector, meta.detector) or _by_bins(readout)
        grid = polar_grid(detector)
        if grid is None:
            raise DetectorError(
                f"this layout counts bins in r, phi and z, but the layers of '{detector.name}' do "
                f"not share one polar grid",
                remedy=f"name another detector, such as '{PAR04[9, 16, 45]}'",
                value=detector.name,
            )
        stored = own_branches.Overflow(scalars, detector.n_layers)
        energy = root.read_scalars(scalars, [_ENERGY_par04_root])[_ENERGY_par04_root]
        energy = energy * to_mev(meta.energy_unit or self.energy_unit)
        trees = [scalars] if scalars.name == readout.name else [scalars, readout]
        found = own_branches.read_beside(
            trees,
            {"energy": energy},
            (_ENERGY_par04_root, _TIME, _DEPOSIT, *_BINS),
            ours=bool(meta.format),
            n_layers=detector.n_layers,
        )
        factor = scale(meta.cell_unit, "MeV", detector)
        n_cells, n_layers = detector.n_cells, detector.n_layers

        def load(start: int, stop: int) -> Cells:
            cells = np.empty((stop - start, n_cells), np.float32)
            overflow = np.empty((stop - start, n_layers), np.float32)
            for first in range(start, stop, _BLOCK_EVENTS):
                last = min(first + _BLOCK_EVENTS, stop)
                part = slice(first - start, last - start)
                _sum_up(readout, first, last, grid, factor, cells[part], overflow[part])
            known = stored.read(start, stop)
            if known is not None:
                overflow += known
            return cells, overflow if stored.known or meta.detector is None else None

        lost = _TIME in root.branches(scalars) and _TIME not in found.conditions
        notes = (f"{_TIME} is not kept",) if lost else ()
        return Reader(
            detector,
            len(energy),
            found.conditions,
            load,
            meta.provenance,
            root.basket_size(readout, _DEPOSIT),
            (*notes, *found.notes, *own_branches.unread_trees(file, *trees)),
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs one polar grid."""
        return {**polar_obstacles(events), **own_branches.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events as TTrees, energies as double."""
        grid = polar_grid(sample.detector)
        assert grid is not None
        with root.created(path, self.texts(sample)) as trees:

            def append(events: Events) -> None:
                columns = {
                    _ENERGY_par04_root: events.energy,
                    **own_branches.columns(events, ("energy",)),
                }
                if _TIME in events.conditions:
                    columns[_TIME] = events.conditions[_TIME]
                trees.put(_GLOBAL, columns)
                event, cell = np.nonzero(events.cells)
                counts = np.bincount(event, minlength=len(events))
                z, phi, rho = np.unravel_index(cell, grid[::-1])
                bins = dict(zip(_BINS, (rho, phi, z), strict=True))
                lists = {_DEPOSIT: events.cells[event, cell].astype(np.float64), **bins}
                trees.put(_READOUT, own_branches.jagged(counts, lists))

            yield append


def _open_trees(file: OpenFile) -> tuple[Any, Any]:
    """Return the tree of the cells and that of the energies, which have the same events."""
    readout = root.open_tree(file, (_DEPOSIT, *_BINS), _READOUT)
    # A tree that the user named is that of the cells.
    scalars = root.open_tree(replace(file, tree=""), (_ENERGY_par04_root,), _GLOBAL)
    if readout.num_entries != scalars.num_entries:
        raise DataError(
            f"tree '{readout.name}' has {readout.num_entries} events, but '{scalars.name}' has "
            f"{scalars.num_entries}",
            remedy="merge the files of all threads of a simulation alike",
            value=readout.num_entries,
            constraint=scalars.num_entries,
        )
    return readout, scalars


def _by_bins(readout: Any) -> Detector:
    """Return the coarser of the two built-in detectors if all bins across fit into it."""
    coarse, fine = PAR04
    for start in range(0, readout.num_entries, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, readout.num_entries)
        flat = root.read_jagged(readout, _BINS[:2], start, stop)[1]
        largest = [int(_whole(name, flat[name]).max(initial=0)) for name in _BINS[:2]]
        if largest[0] >= coarse[0] or largest[1] >= coarse[1]:
            return load_detector(PAR04[fine])
    return load_detector(PAR04[coarse])


def _sum_up(
    readout: Any,
    start: int,
    stop: int,
    grid: tuple[int, int, int],
    factor: float,
    cells: NDArray[np.float32],
    overflow: NDArray[np.float32],
) -> None:
    """Read some events, and fill in their cells and overflow."""
    counts, flat = root.read_jagged(readout, (_DEPOSIT, *_BINS), start, stop)
    energy = _energies(flat[_DEPOSIT], counts, start)
    if factor != 1:
        energy = energy * factor
    rho, phi, z = (_whole(name, flat[name]) for name in _BINS)
    n_r, n_phi, n_z = grid
    missed = _beyond(rho, n_r) | _beyond(phi, n_phi) | _beyond(z, n_z)
    # One bin more than there are cells takes what is outside.
    number = np.where(missed, n_r * n_phi * n_z, (z * n_phi + phi) * n_r + rho)
    layer = np.clip(z, 0, n_z - 1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    rows = max(1, _BLOCK_CELLS // cells.shape[1])
    for first in range(0, stop - start, rows):
        last = min(first + rows, stop - start)
        part = slice(ends[first], ends[last])
        event = np.repeat(np.arange(last - first), counts[first:last])
        cells[first:last] = _sums(event, number[part], energy[part], last - first, cells.shape[1])
        lost = np.where(missed[part], layer[part], n_z)
        overflow[first:last] = _sums(event, lost, energy[part], last - first, n_z)


def _sums(
    event: NDArray[np.int64],
    column: NDArray[np.int64],
    energy: NDArray[np.float64],
    n_events: int,
    n_columns: int,
) -> NDArray[np.float64]:
    """Sum energies by event and column, shape (n_events, n_columns); column n_columns is lost."""
    width = n_columns + 1
    sums = np.bincount(event * width + column, energy, n_events * width)
    return np.asarray(sums.reshape(n_events, width)[:, :n_columns], np.float64)


def _beyond(bins: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    return (bins < 0) | (bins >= n)


def _energies(values: NDArray[Any], counts: NDArray[np.int64], start: int) -> NDArray[np.float64]:
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        event = np.repeat(np.arange(len(counts)), counts)[wrong][0]
        raise DataError(
            f"branch '{_DEPOSIT}' holds NaN, infinite or negative energies "
            f"(first: event {start + event})",
            remedy="find out what the simulation did there, or remove these events",
            value=float(values[wrong][0]),
        )
    return np.asarray(values, np.float64)


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """Return bin numbers, which some programs store as floating-point numbers."""
    if values.dtype.kind == "f":
        wrong = ~((np.abs(values) < _LARGEST_BIN) & (values == np.rint(values)))
        if wrong.any():
            raise DataError(
                f"branch '{name}' holds {values[wrong][0]:g}, but must count bins",
                remedy="store whole numbers, or name another format",
                value=float(values[wrong][0]),
            )
    return values.astype(np.int64)


_ENERGY = "incident_energy"
_SHOWERS = "showers"


@register_format
class Par04HDF5(Format):
    """Read and write ``incident_energy`` (N,) [MeV] and ``showers`` (N, R, Phi, Z) [MeV].

    This is the form in which the showers of Geant4's example Par04 are used to train networks.
    It holds any detector whose layers are one behind the other in one polar grid. Overflow,
    weights and further conditions stand beside, as ``incident_theta`` and ``incident_phi`` (N,) do
    in LEMURS (arXiv:2509.05108): ``theta`` to the beam and ``phi`` [rad].
    """

    name: ClassVar[str] = "par04-hdf5"
    description: ClassVar[str] = (
        "Geant4 Par04 HDF5: incident_energy [MeV], showers (N, R, Phi, Z) [MeV]"
    )
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = (_ENERGY, _SHOWERS)
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has an incident energy and showers."""
        return file.container == self.container and hdf5.has(file, *self.needs)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta = hdf5.metadata(file)
        shape = hdf5.shape_of(file, _SHOWERS)
        if len(shape) != 4:
            raise hdf5.wrong_shape(
                _SHOWERS, shape, ("N", "R", "Phi", "Z"), "store the cells of each event as a grid"
            )
        n_events, grid = shape[0], (shape[1], shape[2], shape[3])
        detector = choose_detector(detector, meta.detector) or _by_grid(grid)
        if polar_grid(detector) != grid:
            raise DetectorError(
                f"data set '{_SHOWERS}' has {_sizes(grid)} bins in r, phi and z, but detector "
                f"'{detector.name}' has {_described(detector)}",
                remedy="name the detector that the data were made with",
                value=grid,
                constraint=polar_grid(detector),
            )
        energy = hdf5.column(file, _ENERGY) * to_mev(meta.energy_unit or self.energy_unit)
        found = own_data_sets.read_beside(file, n_events, {"energy": energy}, self.needs)
        factor = scale(meta.cell_unit, "MeV", detector)
        overflow = own_data_sets.Overflow(file, n_events, detector.n_layers, factor)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            cells = out.reshape(len(out), *grid[::-1])
            for part, block in hdf5.row_blocks(file, _SHOWERS, start, stop):
                cells[part] = block.transpose(0, 3, 2, 1)
            if factor != 1:
                out *= np.float32(factor)
            return overflow.read(start, stop)

        load = allocating(fill, detector.n_cells)
        block = hdf5.rows_per_chunk(file, _SHOWERS)
        return Reader(
            detector,
            n_events,
            found.conditions,
            load,
            meta.provenance,
            block,
            found.notes,
            fill,
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs one polar grid."""
        return {**polar_obstacles(events), **own_data_sets.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; energies as float64, so that they come back as they were."""
        grid = polar_grid(sample.detector)
        assert grid is not None
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                tables.put(_ENERGY, events.energy)
                showers = events.cells.reshape(len(events), *grid[::-1])
                tables.put(_SHOWERS, showers.transpose(0, 3, 2, 1))
                own_data_sets.put(tables, events)

            yield append
