"""CaloGAN's HDF5 layout."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
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
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["CaloGanHDF5", "calogan_obstacles"]

_LAYER = re.compile(r"layer_\d+")


class CaloGanHDF5(Format):
    """Read and write ``energy`` (N, 1) [GeV] and ``layer_k`` (N, *shape) [MeV].

    Optional are ``overflow`` (N, n_layers) [MeV], further conditions and weights.
    The layout comes from arXiv:1712.10321; files of any other layered detector in the same form
    are read when the detector is given.
    """

    name: ClassVar[str] = "calogan-hdf5"
    description: ClassVar[str] = "CaloGAN HDF5: energy [GeV], layer_0, layer_1, layer_2 [MeV]"
    extensions: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    container: ClassVar[str] = "HDF5"
    needs: ClassVar[tuple[str, ...]] = ("energy", "layer_0")
    energy_unit: ClassVar[str] = "GeV"
    grows: ClassVar[bool] = True

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has an energy and a first layer."""
        return file.container == self.container and hdf5.has(file, *self.needs)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
        meta = hdf5.metadata(file)
        detector = choose_detector(detector, meta.detector) or load_detector("calogan")
        factor = scale(meta.cell_unit, "MeV", detector)
        energy = hdf5.column(file, "energy") * to_mev(meta.energy_unit or self.energy_unit)
        n_events, slices = len(energy), [detector.slice(k) for k in range(detector.n_layers)]
        for k, layer in enumerate(detector.layers):
            shape = hdf5.shape_of(file, f"layer_{k}")
            if shape[1:] == layer.shape and shape[0] != n_events:
                raise hdf5.unequal(f"layer_{k}", shape[0], "'energy'", n_events)
            if shape != (n_events, *layer.shape):
                raise DetectorError(
                    f"data set 'layer_{k}' has shape {shape}, but detector '{detector.name}' and "
                    f"the energies need {(n_events, *layer.shape)}",
                    remedy="name the detector that the data were made with",
                    value=shape,
                    constraint=(n_events, *layer.shape),
                )
        overflow = own_data_sets.Overflow(file, n_events, detector.n_layers, factor)
        used = ("energy", *(f"layer_{k}" for k in range(detector.n_layers)))
        _require_no_more(file, detector, used)
        found = own_data_sets.read_beside(file, n_events, {"energy": energy}, used)

        def fill(start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
            for k, part in enumerate(slices):
                hdf5.read_rows(file, f"layer_{k}", out[:, part], start)
            if factor != 1:
                out *= np.float32(factor)
            return overflow.read(start, stop)

        block = hdf5.rows_per_chunk(file, "layer_0")
        load = allocating(fill, detector.n_cells)
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
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        return {**calogan_obstacles(events), **own_data_sets.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events; energies as float64, so that they come back as they were."""
        with hdf5_tables.created(path, self.texts(sample), grow) as tables:

            def append(events: Events) -> None:
                energy = events.energy / to_mev(self.energy_unit)
                tables.put("energy", energy[:, np.newaxis])
                for k in range(events.detector.n_layers):
                    tables.put(f"layer_{k}", events.layer(k))
                own_data_sets.put(tables, events)

            yield append


def _require_no_more(file: OpenFile, detector: Detector, used: Collection[str]) -> None:
    """Require that the file has no layers which the detector does not have."""
    for name in hdf5.data_sets(file):
        if _LAYER.fullmatch(name) and name not in used:
            raise DetectorError(
                f"there is a data set '{name}', but the layers of detector '{detector.name}' end "
                f"with 'layer_{detector.n_layers - 1}'",
                remedy="name the detector that the data were made with",
                value=name,
                constraint=detector.n_layers,
            )


def calogan_obstacles(events: Events) -> dict[str, str]:
    """Return why CaloGAN's layouts cannot hold the events."""
    found = {}
    if not events.detector.same_cells(load_detector("calogan")):
        found["cells"] = f"must be those of 'calogan', not of '{events.detector.name}'"
    if "energy" not in events.conditions:
        found["energy"] = "is needed"
    return found
