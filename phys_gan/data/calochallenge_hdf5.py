"""CaloChallenge's HDF5 layout, which holds the events of any detector."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from phys_gan.data import hdf5
from phys_gan.data.container import OpenFile
from phys_gan.data.format import Format
from phys_gan.data.metadata import choose_detector, to_texts
from phys_gan.data.units import scale, to_mev
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError
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


class CaloChallengeHDF5(Format):
    """Read and write ``incident_energies`` (N, 1) [MeV] and ``showers`` (N, n_voxels) [MeV].

    The layout comes from arXiv:2410.21611. Files of ours carry their detector, overflow and
    further conditions beside; events that have no energy (galaxies) have no
    ``incident_energies``, and cells that are no energy are in the unit that the file declares.
    """

    name: ClassVar[str] = "calochallenge-hdf5"
    description: ClassVar[str] = "CaloChallenge HDF5: incident_energies [MeV], showers [MeV]"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = ("incident_energies", "showers")
    energy_unit: ClassVar[str] = "MeV"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has showers, and energies or a detector of its own."""
        if file.container != self.container or not hdf5.has(file, "showers"):
            return False
        return hdf5.has(file, "incident_energies") or hdf5.metadata(file).detector is not None

    def read(self, file: OpenFile, detector: Detector | None) -> Events:
        """Read all events."""
        meta = hdf5.metadata(file)
        shape = hdf5.shape_of(file, "showers")
        if len(shape) != 2:
            raise DataError(
                f"data set 'showers' has shape {shape}, but must be (N, n_voxels)",
                remedy="flatten the voxels of each event",
                value=shape,
                constraint=("N", "n_voxels"),
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
        conditions = hdf5.read_conditions(file)
        if meta.detector is None or hdf5.has(file, "incident_energies"):
            energy = hdf5.column(file, "incident_energies")
            if len(energy) != shape[0]:
                raise DataError(
                    f"there are {len(energy)} incident energies for {shape[0]} showers",
                    remedy="give one per shower",
                    value=len(energy),
                    constraint=shape[0],
                )
            conditions = {
                "energy": energy * to_mev(meta.energy_unit or self.energy_unit),
                **conditions,
            }
        factor = scale(meta.cell_unit, "MeV", detector)
        cells = np.empty(shape, np.float32)
        hdf5.read_rows(file, "showers", cells)
        if factor != 1:
            cells *= np.float32(factor)
        overflow = hdf5.read_overflow(file, detector.n_layers, factor)
        return Events(cells, conditions, detector, overflow, meta.provenance)

    def obstacle(self, events: Events) -> str:
        """Return nothing: this layout holds any events."""
        return ""

    def write(self, path: Path, events: Events) -> None:
        """Write all events; energies as float64, so that they come back as they were."""
        with hdf5.created(path, to_texts(events, self.name, self.energy_unit)) as handle:
            if "energy" in events.conditions:
                hdf5.put(handle, "incident_energies", events.energy[:, np.newaxis])
            hdf5.put(handle, "showers", events.cells)
            hdf5.put_extras(handle, events)


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
