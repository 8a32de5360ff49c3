"""The HDF5 layout of Geant4's example Par04."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, Reader, allocating
from phys_gan.data.formats import own_data_sets
from phys_gan.data.mapping import HitMapping
from phys_gan.data.metadata import choose_detector
from phys_gan.data.units import scale, to_mev
from phys_gan.detectors import Detector, PolarLayer, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["PAR04", "Par04HDF5", "polar_grid", "polar_obstacles"]

PAR04 = {(9, 16, 45): "par04-9x16x45", (18, 50, 45): "par04-18x50x45"}
"""The built-in detectors by their bins in r, phi and z."""

_ENERGY = "incident_energy"
_SHOWERS = "showers"


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
