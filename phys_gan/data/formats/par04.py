"""Layouts of Geant4's example Par04: ``Par04ROOT``, as it writes, and ``Par04HDF5``, for training.

Both hold any detector whose layers are one behind the other in one grid of r, phi and z.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, root
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Cells, HitMapping, Reader, register_format
from phys_gan.data.formats import hdf5_layout, root_layout
from phys_gan.data.metadata import choose_detector, scale
from phys_gan.detectors import Detector, PolarLayer, load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

_Grid = tuple[int, int, int]
"""Numbers of bins in r, phi and z."""

_BUILT_IN: dict[_Grid, str] = {(9, 16, 45): "par04-9x16x45", (18, 50, 45): "par04-18x50x45"}
_GLOBAL, _READOUT = "global", "virtualReadout"
_ENERGY_MC, _TIME, _DEPOSIT = "EnergyMC", "SimTime", "EnergyCell"
_BINS = ("rhoCell", "phiCell", "zCell")
_BLOCK_EVENTS = 2000
_BLOCK_CELLS = 1 << 21
_LARGEST_BIN = 1 << 31
_ENERGY, _SHOWERS = "incident_energy", "showers"


@register_format
class Par04ROOT(root_layout.ROOTLayout):
    """Read and write the cells with a signal, by their bin numbers.

    The tree ``global`` has ``EnergyMC`` [MeV]; the tree ``virtualReadout``, a TTree or an RNTuple,
    has lists per event: ``EnergyCell`` [MeV] and the bins ``rhoCell``, ``phiCell``, ``zCell``.
    Entries of one cell are added up, those outside the grid count for the overflow of the nearest
    layer. Written are TTrees with all cells that are not 0, however small. ``SimTime`` is how long
    the simulation took: it is not read.
    """

    name = "par04-root"
    description = (
        "Geant4 Par04 ROOT: trees global (EnergyMC [MeV]) and virtualReadout (EnergyCell [MeV] "
        "and bins per event)"
    )
    needs = (_ENERGY_MC, _DEPOSIT, *_BINS)

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has a tree with an energy and one with lists of cells."""
        there = [{*root.branches(tree)} for tree in root.trees(file).values()]
        return any(_ENERGY_MC in names for names in there) and any(
            {_DEPOSIT, *_BINS} <= names for names in there
        )

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the events; the bins may tell the detector."""
        meta = root.metadata(file)
        readout = root.open_tree(file, (_DEPOSIT, *_BINS), _READOUT)
        # A tree that the user named is that of the cells.
        scalars = root.open_tree(replace(file, tree=""), (_ENERGY_MC,), _GLOBAL)
        if readout.num_entries != scalars.num_entries:
            raise DataError(
                f"tree '{readout.name}' has {readout.num_entries} events, but '{scalars.name}' has "
                f"{scalars.num_entries}",
                remedy="merge the files of all threads of a simulation alike",
                value=readout.num_entries,
                constraint=scalars.num_entries,
            )
        chosen = choose_detector(detector, meta.detector) or _by_bins(readout)
        grid = _grid(chosen)
        if grid is None:
            raise DetectorError(
                f"this layout counts bins in r, phi and z, but the layers of '{chosen.name}' do "
                f"not share one polar grid",
                remedy=f"name another detector, such as '{_BUILT_IN[9, 16, 45]}'",
                value=chosen.name,
            )
        trees = [scalars] if scalars.name == readout.name else [scalars, readout]
        beside = root_layout.read_beside(
            file,
            trees,
            {"energy": self.energy(file, scalars, _ENERGY_MC)},
            (_TIME, *self.needs),
            ours=bool(meta.format),
            n_layers=chosen.n_layers,
        )
        if _TIME in root.branches(scalars) and _TIME not in beside.conditions:
            beside = replace(beside, notes=(f"{_TIME} is not kept", *beside.notes))
        stored = root_layout.stored_overflow(scalars, chosen.n_layers)
        factor = scale(meta.cell_unit, "MeV", chosen)

        def load(start: int, stop: int) -> Cells:
            cells = np.empty((stop - start, chosen.n_cells), np.float32)
            overflow = np.empty((stop - start, chosen.n_layers), np.float32)
            for first in range(start, stop, _BLOCK_EVENTS):
                last = min(first + _BLOCK_EVENTS, stop)
                part = slice(first - start, last - start)
                _sum_up(readout, first, last, grid, factor, cells[part], overflow[part])
            known = stored(start, stop)
            if known is not None:
                overflow += known
            return cells, None if known is None and meta.detector else overflow

        return root_layout.events_of(readout, chosen, load, beside, meta.provenance, _DEPOSIT)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs one polar grid."""
        return {**_obstacles(events), **super().obstacles(events)}

    def branches(self, events: Events) -> dict[str, dict[str, Any]]:
        """Return the energies of the tree ``global`` and the lists of ``virtualReadout``."""
        scalars = {_ENERGY_MC: events.energy, **root_layout.columns(events, ("energy",))}
        if _TIME in events.conditions:
            scalars[_TIME] = events.conditions[_TIME]
        event, cell = np.nonzero(events.cells)
        counts = np.bincount(event, minlength=len(events))
        z, phi, rho = np.unravel_index(cell, _grid_of(events.detector)[::-1])
        bins = dict(zip(_BINS, (rho, phi, z), strict=True))
        lists = {_DEPOSIT: events.cells[event, cell].astype(np.float64), **bins}
        return {_GLOBAL: scalars, _READOUT: root_layout.jagged(counts, lists)}


def _by_bins(readout: Any) -> Detector:
    """Return the coarser of the two built-in detectors if all bins across fit into it."""
    coarse, fine = _BUILT_IN
    for start in range(0, readout.num_entries, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, readout.num_entries)
        flat = root.read_jagged(readout, _BINS[:2], start, stop)[1]
        largest = [int(_whole(name, flat[name]).max(initial=0)) for name in _BINS[:2]]
        if largest[0] >= coarse[0] or largest[1] >= coarse[1]:
            return load_detector(_BUILT_IN[fine])
    return load_detector(_BUILT_IN[coarse])


def _sum_up(
    readout: Any,
    start: int,
    stop: int,
    grid: _Grid,
    factor: float,
    cells: NDArray[np.float32],
    overflow: NDArray[np.float32],
) -> None:
    """Read some events, and fill in their cells and overflow."""
    counts, flat = root.read_jagged(readout, (_DEPOSIT, *_BINS), start, stop)
    energy = _energies(flat[_DEPOSIT], counts, start) * factor
    rho, phi, z = (_whole(name, flat[name]) for name in _BINS)
    n_r, n_phi, n_z = grid
    missed = np.zeros(len(energy), bool)
    for bins, n in ((rho, n_r), (phi, n_phi), (z, n_z)):
        missed |= (bins < 0) | (bins >= n)
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


@register_format
class Par04HDF5(hdf5_layout.HDF5Layout):
    """Read and write ``incident_energy`` (N,) [MeV] and ``showers`` (N, R, Phi, Z) [MeV].

    Beside may stand ``incident_theta`` and ``incident_phi`` (N,), as in LEMURS (arXiv:2509.05108):
    ``theta`` to the beam and ``phi`` [rad].
    """

    name = "par04-hdf5"
    description = "Geant4 Par04 HDF5: incident_energy [MeV], showers (N, R, Phi, Z) [MeV]"
    needs = (_ENERGY, _SHOWERS)
    grows = True

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the events; the shape of the showers may tell the detector."""
        remedy = "store the cells of each event as a grid"
        shape = hdf5_layout.require_shape(file, _SHOWERS, ("N", "R", "Phi", "Z"), remedy)
        grid = (shape[1], shape[2], shape[3])
        chosen = choose_detector(detector, hdf5.metadata(file).detector) or _by_grid(grid)
        own = _grid(chosen)
        if own != grid:
            raise DetectorError(
                f"data set '{_SHOWERS}' has {_sizes(grid)} bins in r, phi and z, but detector "
                f"'{chosen.name}' has "
                + (_sizes(own) if own else "no polar grid that all layers share"),
                remedy="name the detector that the data were made with",
                value=grid,
                constraint=own,
            )
        known = {"energy": self.energy(file, _ENERGY)}
        beside = hdf5_layout.read_beside(file, shape[0], known, self.needs)

        def read(start: int, out: NDArray[np.float32]) -> None:
            cells = out.reshape(len(out), *grid[::-1])
            for part, block in hdf5.row_blocks(file, _SHOWERS, start, start + len(out)):
                cells[part] = block.transpose(0, 3, 2, 1)

        return self.events(file, chosen, _SHOWERS, beside, read)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs one polar grid."""
        return {**_obstacles(events), **super().obstacles(events)}

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append energies as float64, and cells as float32 with r first and z last."""
        tables.put(_ENERGY, events.energy)
        showers = events.cells.reshape(len(events), *_grid_of(events.detector)[::-1])
        tables.put(_SHOWERS, showers.transpose(0, 3, 2, 1))
        return ("energy",)


def _by_grid(grid: _Grid) -> Detector:
    if grid not in _BUILT_IN:
        known = ", ".join(f"{_sizes(sizes)} ({name})" for sizes, name in _BUILT_IN.items())
        raise DetectorError(
            f"data set '{_SHOWERS}' has {_sizes(grid)} bins in r, phi and z, which no built-in "
            f"detector of Par04 has: {known}",
            remedy="name the detector that the data were made with",
            value=grid,
            constraint=tuple(_BUILT_IN),
        )
    return load_detector(_BUILT_IN[grid])


def _sizes(grid: _Grid) -> str:
    return " x ".join(map(str, grid))


def _grid(detector: Detector) -> _Grid | None:
    """Return the bins in r, phi and z; None where the layers do not share one polar grid."""
    first, *others = detector.layers
    if not isinstance(first, PolarLayer):
        return None
    for layer in others:
        if not isinstance(layer, PolarLayer):
            return None
        if (layer.r, layer.n_alpha) != (first.r, first.n_alpha):
            return None
    return len(first.r) - 1, first.n_alpha, detector.n_layers


def _grid_of(detector: Detector) -> _Grid:
    grid = _grid(detector)
    assert grid is not None
    return grid


def _obstacles(events: Events) -> dict[str, str]:
    """Return why Par04's layouts cannot hold the events."""
    found = {}
    if _grid(events.detector) is None:
        found["cells"] = f"must share one polar grid, which '{events.detector.name}' does not have"
    if "energy" not in events.conditions:
        found["energy"] = "is needed"
    return found
