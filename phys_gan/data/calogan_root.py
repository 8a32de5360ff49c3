"""CaloGAN's ROOT layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data import root
from phys_gan.data.container import OpenFile
from phys_gan.data.format import Format
from phys_gan.data.metadata import choose_detector, to_texts
from phys_gan.data.units import to_mev
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["CaloGanROOT"]

_TREE = "fancy_tree"
_ENERGY = "TotalEnergy"
_CONDITION = "condition_"


class CaloGanROOT(Format):
    """Read and write ``cell_0`` ... ``cell_503`` [MeV] and ``TotalEnergy`` [GeV], one per event.

    ``cell_504`` ... ``cell_506`` are the overflow of the three layers. Read from a TTree or an
    RNTuple, written as the TTree ``fancy_tree`` with double branches, as CaloGAN's own Geant4
    program does (arXiv:1712.10321). In files of ours further conditions are branches
    ``condition_<name>``.
    """

    name: ClassVar[str] = "calogan-root"
    description: ClassVar[str] = (
        "CaloGAN ROOT: tree with cell_0 ... cell_503 [MeV], TotalEnergy [GeV]"
    )
    extensions: ClassVar[tuple[str, ...]] = (".root",)
    container: ClassVar[str] = "ROOT"
    needs: ClassVar[tuple[str, ...]] = (_ENERGY, "cell_0")
    energy_unit: ClassVar[str] = "GeV"

    def recognises(self, file: OpenFile) -> bool:
        """Return whether the file has a tree with an energy and a first cell."""
        return file.container == self.container and any(
            set(self.needs) <= set(root.branches(tree)) for tree in root.trees(file).values()
        )

    def read(self, file: OpenFile, detector: Detector | None) -> Events:
        """Read all events."""
        meta = root.metadata(file)
        calogan = load_detector("calogan")
        detector = choose_detector(detector, meta.detector) or calogan
        if not detector.same_cells(calogan):
            raise DetectorError(
                f"this layout holds the cells of 'calogan', not those of '{detector.name}'",
                remedy="leave the detector out",
                value=detector.name,
                constraint=calogan.name,
            )
        name = root.find_tree(file, self.needs, _TREE)
        tree = root.trees(file)[name]
        there = root.branches(tree)
        overflow_names = _cell_names(calogan.n_cells, calogan.n_layers)
        with_overflow = set(overflow_names) <= set(there)
        cell_names = _cell_names(0, calogan.n_cells) + (overflow_names if with_overflow else [])
        # One row per branch while reading: baskets are then decoded into contiguous memory.
        values = np.empty((len(cell_names), tree.num_entries), np.float32)
        scalars = [_ENERGY, *(branch for branch in there if branch.startswith(_CONDITION))]
        columns = {branch: np.empty(tree.num_entries, np.float64) for branch in scalars}
        root.read_branches(file, name, {**dict(zip(cell_names, values, strict=True)), **columns})
        energy = columns.pop(_ENERGY) * to_mev(meta.energy_unit or self.energy_unit)
        others = {key.removeprefix(_CONDITION): column for key, column in columns.items()}
        return Events(
            np.ascontiguousarray(values[: calogan.n_cells].T),
            {"energy": energy, **others},
            detector,
            np.ascontiguousarray(values[calogan.n_cells :].T) if with_overflow else None,
            meta.provenance,
        )

    def obstacle(self, events: Events) -> str:
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        if not events.detector.same_cells(load_detector("calogan")):
            return f"holds the cells of 'calogan' alone, not those of '{events.detector.name}'"
        if "energy" not in events.conditions:
            return "needs the condition 'energy'"
        odd = [name for name in events.conditions if not name.isidentifier()]
        return f"cannot name a branch after the condition '{odd[0]}'" if odd else ""

    def write(self, path: Path, events: Events) -> None:
        """Write all events as a TTree."""
        columns: dict[str, NDArray[Any]] = dict(
            zip(_cell_names(0, events.detector.n_cells), events.cells.T, strict=True)
        )
        if events.overflow is not None:
            first = events.detector.n_cells
            names = _cell_names(first, events.detector.n_layers)
            columns |= dict(zip(names, events.overflow.T, strict=True))
        columns[_ENERGY] = events.energy / to_mev(self.energy_unit)
        for name, values in events.conditions.items():
            if name != "energy":
                columns[_CONDITION + name] = values
        root.write_tree(path, _TREE, columns, to_texts(events, self.name, self.energy_unit))


def _cell_names(first: int, count: int) -> list[str]:
    return [f"cell_{number}" for number in range(first, first + count)]
