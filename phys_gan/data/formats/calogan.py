"""CaloGAN's layouts (arXiv:1712.10321): ``CaloGanHDF5`` and ``CaloGanROOT``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, root
from phys_gan.data.containers.hdf5_tables import Tables
from phys_gan.data.containers.opening import OpenFile, listing
from phys_gan.data.format import Cells, HitMapping, Reader, register_format
from phys_gan.data.formats import hdf5_layout, root_layout
from phys_gan.data.metadata import choose_detector, to_mev
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

_LAYER = re.compile(r"layer_\d+")
_CELL = re.compile(r"cell_\d+")
_TREE = "fancy_tree"
_ENERGY = "TotalEnergy"


@register_format
class CaloGanHDF5(hdf5_layout.HDF5Layout):
    """Read and write ``energy`` (N, 1) [GeV] and ``layer_k`` (N, *shape) [MeV].

    Optional are ``overflow`` (N, n_layers) [MeV], further conditions and weights. Files of any
    other layered detector in the same form are read when the detector is given.
    """

    name = "calogan-hdf5"
    description = "CaloGAN HDF5: energy [GeV], layer_0, layer_1, layer_2 [MeV]"
    needs = ("energy", "layer_0")
    energy_unit = "GeV"
    grows = True

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the events of the given, the stored or CaloGAN's detector."""
        stored = hdf5.metadata(file).detector
        chosen = choose_detector(detector, stored) or load_detector("calogan")
        energy = self.energy(file, "energy")
        names = [f"layer_{k}" for k in range(chosen.n_layers)]
        for name, layer in zip(names, chosen.layers, strict=True):
            shape, needed = hdf5.shape_of(file, name), (len(energy), *layer.shape)
            if shape[1:] == layer.shape and shape != needed:
                raise hdf5.unequal(name, shape[0], "'energy'", len(energy))
            if shape != needed:
                raise DetectorError(
                    f"data set '{name}' has shape {shape}, but detector '{chosen.name}' and the "
                    f"energies need {needed}",
                    remedy="name the detector that the data were made with",
                    value=shape,
                    constraint=needed,
                )
        for name in hdf5.data_sets(file):
            if _LAYER.fullmatch(name) and name not in names:
                raise DetectorError(
                    f"there is a data set '{name}', but the layers of detector '{chosen.name}' "
                    f"end with '{names[-1]}'",
                    remedy="name the detector that the data were made with",
                    value=name,
                    constraint=chosen.n_layers,
                )
        used = ("energy", *names)
        beside = hdf5_layout.read_beside(file, len(energy), {"energy": energy}, used)

        def read(start: int, out: NDArray[np.float32]) -> None:
            for k, name in enumerate(names):
                hdf5.read_rows(file, name, out[:, chosen.slice(k)], start)

        return self.events(file, chosen, "layer_0", beside, read)

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        return {**_obstacles(events), **super().obstacles(events)}

    def put(self, tables: Tables, events: Events) -> tuple[str, ...]:
        """Append energies as float64 and layers as float32."""
        tables.put("energy", events.energy[:, np.newaxis] / to_mev(self.energy_unit))
        for k in range(events.detector.n_layers):
            tables.put(f"layer_{k}", events.layer(k))
        return ("energy",)


@register_format
class CaloGanROOT(root_layout.ROOTLayout):
    """Read and write ``cell_0`` ... ``cell_503`` [MeV] and ``TotalEnergy`` [GeV], one per event.

    ``cell_504`` ... ``cell_506`` are the overflow of the three layers. Read from a TTree or an
    RNTuple, written as the TTree ``fancy_tree`` with double branches, as CaloGAN's own Geant4
    program does.
    """

    name = "calogan-root"
    description = "CaloGAN ROOT: tree with cell_0 ... cell_503 [MeV], TotalEnergy [GeV]"
    needs = (_ENERGY, "cell_0")
    energy_unit = "GeV"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has a tree with an energy and a first cell."""
        trees = root.trees(file).values()
        return any({*self.needs} <= {*root.branches(tree)} for tree in trees)

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read the events of CaloGAN's detector."""
        meta, calogan = root.metadata(file), load_detector("calogan")
        chosen = choose_detector(detector, meta.detector) or calogan
        if not chosen.same_cells(calogan):
            raise DetectorError(
                f"this layout holds the cells of 'calogan', not those of '{chosen.name}'",
                remedy="leave the detector out",
                value=chosen.name,
                constraint=calogan.name,
            )
        tree = root.open_tree(file, self.needs, _TREE)
        there = root.branches(tree)
        names, outside = _cell_names(calogan)
        known = {*outside} <= {*there}
        used = names + outside if known else names
        root.require_branches(file, tree, used)
        if more := [n for n in there if _CELL.fullmatch(n) and n not in {*names, *outside}]:
            raise DetectorError(
                f"there are {len(more)} branches of cells after '{outside[-1]}', the last of "
                f"'calogan': {listing(more, 3)}",
                remedy="convert the cells of another detector to another format",
                value=tuple(more),
                constraint=outside[-1],
            )
        lacks = "the overflow is known only with " + ", ".join(outside)
        beside = root_layout.read_beside(
            file,
            [tree],
            {"energy": self.energy(file, tree, _ENERGY)},
            (_ENERGY, *used),
            ours=bool(meta.format),
            unclear=dict.fromkeys(outside, lacks),
        )

        def load(start: int, stop: int) -> Cells:
            # One row per branch while reading: baskets are then decoded into contiguous memory.
            values = np.empty((len(used), stop - start), np.float32)
            root.read_numbers(tree, dict(zip(used, values, strict=True)), start, stop)
            cells = np.ascontiguousarray(values[: len(names)].T)
            overflow = np.ascontiguousarray(values[len(names) :].T)
            return cells, overflow if known else None

        return root_layout.events_of(tree, chosen, load, beside, meta.provenance, "cell_0")

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        return {**_obstacles(events), **super().obstacles(events)}

    def branches(self, events: Events) -> dict[str, dict[str, Any]]:
        """Return a branch per cell."""
        names, outside = _cell_names(events.detector)
        columns = dict(zip(names, events.cells.T.astype(np.float64), strict=True))
        if events.overflow is not None:
            columns |= dict(zip(outside, events.overflow.T.astype(np.float64), strict=True))
        columns[_ENERGY] = events.energy / to_mev(self.energy_unit)
        return {_TREE: columns | root_layout.columns(events, ("energy",), overflow=False)}


def _obstacles(events: Events) -> dict[str, str]:
    """Return why CaloGAN's layouts cannot hold the events."""
    found = {}
    if not events.detector.same_cells(load_detector("calogan")):
        found["cells"] = f"must be those of 'calogan', not of '{events.detector.name}'"
    if "energy" not in events.conditions:
        found["energy"] = "is needed"
    return found


def _cell_names(calogan: Detector) -> tuple[list[str], list[str]]:
    """Return the branches of the cells and those of the overflow."""
    names = [f"cell_{number}" for number in range(calogan.n_cells + calogan.n_layers)]
    return names[: calogan.n_cells], names[calogan.n_cells :]
