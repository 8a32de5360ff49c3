"""CaloChallenge's HDF5 layout, which holds the events of any detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import Append, Format, HitMapping, Reader, allocating, register_format
from phys_gan.data.formats import own_data_sets
from phys_gan.data.metadata import choose_detector, scale, to_mev
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["CaloChallengeHDF5"]

# Foreign files do not say which detector they belong to, but each has its own number of voxels.
_BY_VOXELS = {
    368: "calochallenge-1-photons",
    504: "calogan",
    533: "calochallenge-1-pions",
    6480: "calochallenge-2",
    40500: "calochallenge-3",
}


@register_format
class CaloChallengeHDF5(Format):
    """Read and write ``incident_energies`` (N, 1) [MeV] and ``showers`` (N, n_voxels) [MeV].

    The layout comes from arXiv:2410.21611. Files of ours carry their detector, overflow, weights
    and further conditions beside; events that have no energy (galaxies) have no
    ``incident_energies``, and cells that are no energy are in the unit that the file declares.
    Columns of other programs beside are conditions too.
    """

    name: ClassVar[str] = "calochallenge-hdf5"
    description: ClassVar[str] = "CaloChallenge HDF5: incident_energies [MeV], showers [MeV]"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = ("incident_energies", "showers")
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has showers, and energies or a detector of its own."""
        if file.container != self.container or not hdf5.has(file, "showers"):
            return False
        meta = hdf5.metadata(file)
        own = meta.detector is not None and meta.format in ("", self.name)
        return own or hdf5.has(file, "incident_energies")

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta = hdf5.metadata(file)
        shape = hdf5.shape_of(file, "showers")
        if len(shape) != 2:
            raise hdf5.wrong_shape(
                "showers", shape, ("N", "n_voxels"), "flatten the voxels of each event"
            )
        detector = choose_detector(detector, meta.detector) or _by_voxels(shape[1])
        if shape[1] != detector.n_cells:
            raise DetectorError(
                f"data set 'showers' has {shape[1]} voxels, but detector '{detector.name}' has "
                f"{detector.n_cells}",
                remedy=f"name another detector{_suggestion(shape[1])}",
                value=shape[1],
                constraint=detector.n_cells,
            )
        native = {}
        if meta.detector is None or hdf5.has(file, "incident_energies"):
            energy = hdf5.column(file, "incident_energies")
            unit = to_mev(meta.energy_unit or self.energy_unit)
            native["energy"] = energy * unit
        found = own_data_sets.read_beside(file, shape[0], native, self.needs)
        factor = scale(meta.cell_unit, "MeV", detector)
        overflow = own_data_sets.Overflow(file, shape[0], detector.n_layers, factor)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            hdf5.read_rows(file, "showers", out, start)
            if factor != 1:
                out *= np.float32(factor)
            return overflow.read(start, stop)

        block = hdf5.rows_per_chunk(file, "showers")
        load = allocating(fill, detector.n_cells)
        return Reader(
            detector,
            shape[0],
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
        """Return which conditions this layout cannot hold; it holds any cells."""
        return own_data_sets.unfit_conditions(events)

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; energies as float64, so that they come back as they were."""
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                if "energy" in events.conditions:
                    tables.put("incident_energies", events.energy[:, np.newaxis])
                tables.put("showers", events.cells)
                own_data_sets.put(tables, events)

            yield append


def _by_voxels(n_voxels: int) -> Detector:
    if n_voxels not in _BY_VOXELS:
        known = ", ".join(f"{number} ({name})" for number, name in _BY_VOXELS.items())
        raise DetectorError(
            f"data set 'showers' has {n_voxels} voxels, which no built-in detector has: {known}",
            remedy="name the detector that the data were made with",
            value=n_voxels,
            constraint=tuple(_BY_VOXELS),
        )
    return load_detector(_BY_VOXELS[n_voxels])


def _suggestion(n_voxels: int) -> str:
    name = _BY_VOXELS.get(n_voxels)
    return f", such as '{name}'" if name else ""
