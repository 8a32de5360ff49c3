"""CaloGAN's HDF5 layout.

CaloGAN's ROOT layout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers import hdf5, hdf5_tables, root
from phys_gan.data.containers.opening import OpenFile, listing
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
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError
from phys_gan.events import Events

__all__ = ["CaloGanHDF5", "CaloGanROOT", "calogan_obstacles"]

_LAYER = re.compile(r"layer_\d+")


@register_format
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


_TREE = "fancy_tree"
_ENERGY = "TotalEnergy"
_CELL = re.compile(r"cell_\d+")


@register_format
class CaloGanROOT(Format):
    """Read and write ``cell_0`` ... ``cell_503`` [MeV] and ``TotalEnergy`` [GeV], one per event.

    ``cell_504`` ... ``cell_506`` are the overflow of the three layers. Read from a TTree or an
    RNTuple, written as the TTree ``fancy_tree`` with double branches, as CaloGAN's own Geant4
    program does (arXiv:1712.10321). In files of ours further conditions are branches
    ``condition_<name>``, and weights the branch ``weights``; in those of others any branch with a
    number per event is a condition.
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

    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events."""
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
        tree = root.open_tree(file, self.needs, _TREE)
        there = root.branches(tree)
        overflow_names = _cell_names(calogan.n_cells, calogan.n_layers)
        with_overflow = set(overflow_names) <= set(there)
        cell_names = _cell_names(0, calogan.n_cells) + (overflow_names if with_overflow else [])
        root.require_branches(file, tree, cell_names)
        _require_no_more_calogan_root(there, calogan)
        energy = root.read_scalars(tree, [_ENERGY])[_ENERGY]
        energy = energy * to_mev(meta.energy_unit or self.energy_unit)
        lacks = "the overflow is known only with " + ", ".join(overflow_names)
        found = own_branches.read_beside(
            [tree],
            {"energy": energy},
            (_ENERGY, *cell_names),
            ours=bool(meta.format),
            unclear=dict.fromkeys(overflow_names, lacks),
        )

        def load(start: int, stop: int) -> Cells:
            # One row per branch while reading: baskets are then decoded into contiguous memory.
            values = np.empty((len(cell_names), stop - start), np.float32)
            root.read_numbers(tree, dict(zip(cell_names, values, strict=True)), start, stop)
            cells = np.ascontiguousarray(values[: calogan.n_cells].T)
            outside = np.ascontiguousarray(values[calogan.n_cells :].T)
            return cells, outside if with_overflow else None

        block = root.basket_size(tree, cell_names[0])
        return Reader(
            detector,
            tree.num_entries,
            found.conditions,
            load,
            meta.provenance,
            block,
            (*found.notes, *own_branches.unread_trees(file, tree)),
            weights=found.weights,
            optional=found.optional,
        )

    def obstacles(self, events: Events) -> dict[str, str]:
        """Return why this layout cannot hold the events; it needs CaloGAN's cells."""
        return {**calogan_obstacles(events), **own_branches.unfit_conditions(events)}

    @contextmanager
    def writer(self, path: Path, sample: Events, grow: bool = False) -> Iterator[Append]:
        """Write events as a TTree of double branches."""
        detector = sample.detector
        cell_names = _cell_names(0, detector.n_cells)
        overflow_names = _cell_names(detector.n_cells, detector.n_layers)
        with root.created(path, self.texts(sample)) as trees:

            def append(events: Events) -> None:
                columns: dict[str, NDArray[Any]] = dict(
                    zip(cell_names, events.cells.T.astype(np.float64), strict=True)
                )
                if events.overflow is not None:
                    overflow = events.overflow.T.astype(np.float64)
                    columns |= dict(zip(overflow_names, overflow, strict=True))
                columns[_ENERGY] = events.energy / to_mev(self.energy_unit)
                columns |= own_branches.columns(events, ("energy",), overflow=False)
                trees.put(_TREE, columns)

            yield append


def _require_no_more_calogan_root(names: Sequence[str], calogan: Detector) -> None:
    """Require that there are no cells which CaloGAN does not have."""
    last = calogan.n_cells + calogan.n_layers - 1
    more = [name for name in names if _CELL.fullmatch(name) and int(name[5:]) > last]
    if more:
        raise DetectorError(
            f"there are {len(more)} branches of cells behind 'cell_{last}', the last of "
            f"'{calogan.name}': {listing(more, 3)}",
            remedy="convert the cells of another detector to another format",
            value=tuple(more),
            constraint=last,
        )


def _cell_names(first: int, count: int) -> list[str]:
    return [f"cell_{number}" for number in range(first, first + count)]
