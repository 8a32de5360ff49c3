"""What one file layout must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_rows import Chunks
from phys_gan.data.containers.opening import OpenFile
from phys_gan.data.mapping import HitMapping
from phys_gan.data.metadata import to_texts
from phys_gan.detectors import Detector
from phys_gan.events import Events

__all__ = ["Append", "Cells", "Fill", "Format", "Load", "Reader", "allocating", "block_rows"]

_BLOCK_CELLS = 1 << 24

Cells = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Cells (n, n_cells) and overflow (n, n_layers), in the unit of the detector."""

Load = Callable[[int, int], Cells]
"""Read the events ``start`` to ``stop - 1``: their cells, and their overflow if it is known."""

Fill = Callable[[int, int, NDArray[np.float32]], NDArray[np.float32] | None]
"""Read the same events into given memory for the cells; return their overflow if it is known."""

Append = Callable[[Events], None]
"""Write some more events."""


@dataclass(frozen=True)
class Reader:
    """The events of one open file, to be read all at once or in parts.

    Arguments:
        detector: The detector.
        n_events: Number of events.
        conditions: The conditions of all events; ``energy`` in MeV.
        load: Reads the cells of some events.
        provenance: How the events were made, and how this file was read.
        block: Events that are stored together; reading a whole number of blocks is fastest.
        notes: What the file has that events cannot hold, and what may be mistaken, a sentence each.
        direct: Reads the cells into memory that is there already, where the layout can.
        voxelised: Whether the cells are sums of hits that another program wrote.
        hit_unit: Unit in which their energies were taken to be.
        weights: The weights of all events, where they have some.
        compressed: Tells the chunks of the data sets that are decompressed for the cells.
        optional: Those of the conditions, and ``"weights"``, that are columns of another program
            beside the layout: files in which such conditions differ can still be read together.
    """

    detector: Detector
    n_events: int
    conditions: Mapping[str, NDArray[np.float64]]
    load: Load
    provenance: Mapping[str, str] = field(default_factory=dict)
    block: int = 1
    notes: tuple[str, ...] = ()
    direct: Fill | None = None
    voxelised: bool = False
    hit_unit: str = ""
    weights: NDArray[np.float64] | None = None
    compressed: Callable[[], list[Chunks]] = list
    optional: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return self.n_events

    def cells(self, start: int, stop: int) -> Cells:
        """Read the cells of some events, unchecked, and their overflow."""
        # What is too large for single precision becomes infinite, which no events may be.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.load(start, stop)

    def fill(self, start: int, stop: int, out: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Read the cells of some events into ``out``, (n, n_cells), unchecked; return overflow."""
        if self.direct is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                return self.direct(start, stop, out)
        out[:], overflow = self.cells(start, stop)
        return overflow

    def read(self, start: int = 0, stop: int | None = None) -> Events:
        """Read the events ``start`` to ``stop - 1``.

        Raises:
            DataError: The file is damaged, or its values make no sense.
        """
        stop = self.n_events if stop is None else min(stop, self.n_events)
        cells, overflow = self.cells(start, stop)
        conditions = {name: values[start:stop] for name, values in self.conditions.items()}
        weights = None if self.weights is None else self.weights[start:stop]
        return Events(cells, conditions, self.detector, overflow, self.provenance, weights)

    def blocks(self) -> Iterator[Events]:
        """Read all events in order, a block at a time.

        Raises:
            DataError: As in :meth:`read`.
        """
        rows = block_rows(self.detector)
        for start in range(0, self.n_events, rows):
            yield self.read(start, start + rows)


def block_rows(detector: Detector) -> int:
    """Return how many events make a block where all of them may not fit into memory."""
    return max(1, _BLOCK_CELLS // detector.n_cells)


def allocating(fill: Fill, n_cells: int) -> Load:
    """Return what reads the same cells into new memory."""

    def load(start: int, stop: int) -> Cells:
        cells = np.empty((stop - start, n_cells), np.float32)
        return cells, fill(start, stop, cells)

    return load


class Format(ABC):
    """Read and write one file layout. A new one is one such class and one entry of ``FORMATS``.

    Attributes:
        name: Name of the layout.
        description: One line for people.
        extensions: File names that are written in this layout end in one of these.
        container: ``"HDF5"``, ``"ROOT"`` or ``"FITS"``.
        needs: Names of data sets or branches without which a file does not have this layout.
        energy_unit: Unit of the incident energies, where a file does not declare another.
        has_hits: Whether it holds hits, so that a mapping may say more about them.
        grows: Whether a writer can go on with a file that is there.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    container: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    energy_unit: ClassVar[str] = "MeV"
    has_hits: ClassVar[bool] = False
    grows: ClassVar[bool] = False

    def texts(self, sample: Events) -> dict[str, str]:
        """Return what a file of ours in this layout says about itself, as texts by name."""
        return to_texts(sample, self.name, self.energy_unit)

    @abstractmethod
    def recognises(self, file: OpenFile) -> bool:
        """Return whether the content of the file has this layout."""

    @abstractmethod
    def reader(
        self, file: OpenFile, detector: Detector | None, mapping: HitMapping | None
    ) -> Reader:
        """Prepare to read events; cells are read later, while the file is still open.

        Arguments:
            file: An open file in the layout's container.
            detector: The detector; None leaves the choice to the file.
            mapping: What the user says about hits; None for layouts without hits.

        Raises:
            MissingError: The file lacks something that the layout needs.
            DataError: The content is damaged or wrong.
            DetectorError: The events belong to another detector, or to one that must be named.
        """

    @abstractmethod
    def obstacles(self, events: Events) -> dict[str, str]:
        """Return what this layout cannot hold of such events, and why, as a clause.

        ``"cells"`` or ``"energy"`` can never be left out; the name of another condition,
        ``"overflow"`` or ``"weights"`` can, when the user wishes.
        """

    @abstractmethod
    def writer(
        self, path: Path, sample: Events, grow: bool = False
    ) -> AbstractContextManager[Append]:
        """Begin a file for events like the sample, which this layout can hold.

        The context is a function that writes some more events; the file appears at ``path`` when
        the block succeeds.

        Arguments:
            path: The file to write.
            sample: Events that have the detector, conditions, overflow and weights of all that
                follow.
            grow: Begin with what stands at ``path``, which has this layout and such events.

        Raises:
            OutputError: The file cannot be written; what stood there is untouched.
        """
