"""CaloGAN's HDF5 layout."""

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
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["CaloGanHDF5"]


class CaloGanHDF5(Format):
    """Read and write ``energy`` (N, 1) [GeV] and ``layer_k`` (N, *shape) [MeV].

    Optional are ``overflow`` (N, n_layers) [MeV] and, in files of ours, further conditions.
    The layout comes from arXiv:1712.10321; files of any other layered detector in the same form
    are read when the detector is given.
    """

    name: ClassVar[str] = "calogan-hdf5"
    description: ClassVar[str] = "CaloGAN HDF5: energy [GeV], layer_0, layer_1, layer_2 [MeV]"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = ("energy", "layer_0")
    energy_unit: ClassVar[str] = "GeV"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has an energy and a first layer."""
        return file.container == self.container and hdf5.has(file, *self.needs)

    def read(self, file: OpenFile, detector: Detector | None) -> Events:
        """Read all events."""
        meta = hdf5.metadata(file)
        detector = choose_detector(detector, meta.detector) or load_detector("calogan")
        factor = scale(meta.cell_unit, "MeV", detector)
        energy = hdf5.column(file, "energy") * to_mev(meta.energy_unit or self.energy_unit)
        cells = np.empty((len(energy), detector.n_cells), np.float32)
        for k, layer in enumerate(detector.layers):
            shape = hdf5.shape_of(file, f"layer_{k}")
            if shape != (len(energy), *layer.shape):
                raise DetectorError(
                    f"data set 'layer_{k}' has shape {shape}, but detector '{detector.name}' and "
                    f"the energies need {(len(energy), *layer.shape)}",
                    remedy="name the detector that the data were made with",
                    value=shape,
                    constraint=(len(energy), *layer.shape),
                )
            hdf5.read_rows(file, f"layer_{k}", cells[:, detector.slice(k)])
        if factor != 1:
            cells *= np.float32(factor)
        return Events(
            cells,
            {"energy": energy, **hdf5.read_conditions(file)},
            detector,
            hdf5.read_overflow(file, detector.n_layers, factor),
            meta.provenance,
        )

    def obstacle(self, events: Events) -> str:
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        if not events.detector.same_cells(load_detector("calogan")):
            return f"holds the cells of 'calogan' alone, not those of '{events.detector.name}'"
        return "" if "energy" in events.conditions else "needs the condition 'energy'"

    def write(self, path: Path, events: Events) -> None:
        """Write all events; energies as float64, so that they come back as they were."""
        with hdf5.created(path, to_texts(events, self.name, self.energy_unit)) as handle:
            energy = events.energy / to_mev(self.energy_unit)
            hdf5.put(handle, "energy", energy[:, np.newaxis])
            for k in range(events.detector.n_layers):
                hdf5.put(handle, f"layer_{k}", events.layer(k))
            hdf5.put_extras(handle, events)
