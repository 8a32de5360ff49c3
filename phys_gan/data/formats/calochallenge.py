"""``CaloChallengeHDF5``, the layout of CaloChallenge (arXiv:2410.21611), for any detector."""

from __future__ import annotations

import numpy as np

from phys_gan.data.containers import hdf5
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.format import HitMapping, Reader, register_format
from phys_gan.data.formats.hdf5_layout import HDF5Layout, read_beside, require_shape
from phys_gan.data.metadata import choose_detector
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

_ENERGIES, _SHOWERS = "incident_energies", "showers"
# Files of others do not name their detector, but each has its own number of voxels.
_BY_VOXELS = {
    368: "calochallenge-1-photons",
    504: "calogan",
    533: "calochallenge-1-pions",
    6480: "calochallenge-2",
    40500: "calochallenge-3",
}


@register_format
class CaloChallengeHDF5(HDF5Layout):
    """Read and write ``incident_energies`` (N, 1) [MeV] and ``showers`` (N, n_voxels) [MeV].

    In files of ours, events without an energy (galaxies) have no ``incident_energies``, and cells
    that are not energies are in the unit that the file declares.
    """

    name = "calochallenge-hdf5"
    description = "CaloChallenge HDF5: incident_energies [MeV], showers [MeV]"
    needs = (_ENERGIES, _SHOWERS)
    grows = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has showers, and energies or a detector of its own."""
        if not hdf5.has(file, _SHOWERS):
            return False
        meta = hdf5.metadata(file)
        own = meta.detector is not None and meta.format in ("", self.name)
        return own or hdf5.has(file, _ENERGIES)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the events; the number of voxels may tell the detector."""
        stored, remedy = hdf5.metadata(file).detector, "flatten the voxels of each event"
        shape = require_shape(file, _SHOWERS, ("N", "n_voxels"), remedy)
        chosen = choose_detector(detector, stored) or _by_voxels(shape[1])
        if shape[1] != chosen.n_cells:
            usual = f", such as '{_BY_VOXELS[shape[1]]}'" if shape[1] in _BY_VOXELS else ""
            raise DetectorError(
                f"data set '{_SHOWERS}' has {shape[1]} voxels, but detector '{chosen.name}' has "
                f"{chosen.n_cells}",
                remedy=f"name another detector{usual}",
                value=shape[1],
                constraint=chosen.n_cells,
            )
        known = {}
        if stored is None or hdf5.has(file, _ENERGIES):
            known["energy"] = self.energy(file, _ENERGIES)
        beside = read_beside(file, shape[0], known, self.needs)
        return self.events(file, chosen, _SHOWERS, beside)

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append energies, where there are some, as float64, and cells as float32."""
        if "energy" in events.conditions:
            tables.put(_ENERGIES, events.energy[:, np.newaxis])
        tables.put(_SHOWERS, events.cells)
        return ("energy",)


def _by_voxels(n_voxels: int) -> Detector:
    if n_voxels not in _BY_VOXELS:
        known = ", ".join(f"{number} ({name})" for number, name in _BY_VOXELS.items())
        raise DetectorError(
            f"data set '{_SHOWERS}' has {n_voxels} voxels, which no built-in detector has: {known}",
            remedy="name the detector that the data were made with",
            value=n_voxels,
            constraint=tuple(_BY_VOXELS),
        )
    return load_detector(_BY_VOXELS[n_voxels])
