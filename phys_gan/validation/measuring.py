"""One pass over events: all that a comparison needs of a sample, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.units import MEV
from phys_gan.validation.observables import (
    Observable,
    Showers,
    Wanted,
    map_blocks,
    measure_block,
    select,
)
from phys_gan.validation.observables.spectrum import open_edges, spectrum_block
from phys_gan.validation.profiles import Profiles, ProfileSums

__all__ = ["KEPT_BYTES", "Measured", "Source", "measure_sample"]

Source = Events | Iterable[Events]
"""Events in memory, or blocks of them that come one after the other."""

KEPT_BYTES = 1 << 28
"""What the cells of the events that stay in memory may take."""


@dataclass(frozen=True)
class Measured:
    """What a comparison needs to know of one sample.

    Attributes:
        name: What it is called in tables and legends.
        detector: The detector of all events.
        observables: What was measured.
        values: Observable name to values, shape (N,); NaN where not defined.
        conditions: Condition name to values, shape (N,).
        layer_energies: Energy in each layer [MeV], shape (N, n_layers).
        spectrum_edges: Fixed logarithmic edges of cell energies [MeV].
        spectrum: Hits per event in these bins, with under- and overflow, shape (N, n_bins + 2).
        profiles: The average shower.
        kept: Events that stay in memory: all, or a random choice of what fits.
        rows: Their numbers in the sample, rising.
        provenance: How the events were made.
        outside: Mean fraction of the energy that no cell caught, where known.
    """

    name: str
    detector: Detector
    observables: tuple[Observable, ...]
    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum_edges: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    profiles: Profiles
    kept: Events
    rows: NDArray[np.int64]
    provenance: Mapping[str, str]
    outside: float | None

    def __len__(self) -> int:
        return len(self.layer_energies)


def measure_sample(
    source: Source,
    name: str,
    *,
    observables: Sequence[Wanted] | None = None,
    seed: int = 0,
    kept_bytes: int = KEPT_BYTES,
    report: Callable[[int], None] | None = None,
) -> Measured:
    """Measure a sample in one pass over its events.

    Arguments:
        source: Events, or blocks of events, such as ``phys_gan.data.stream`` gives. Blocks may be
            of any size; what is computed does not depend on how the events are cut.
        name: What the sample is called.
        observables: As in :func:`phys_gan.validation.observables.select`.
        seed: Seed of the choice of events that stay in memory.
        kept_bytes: What the cells of these may take.
        report: Called with the number of events done.

    Raises:
        DataError: There are no events, or blocks have different conditions.
        DetectorError: Blocks belong to different detectors, or no observable exists for them.
        MissingError: An observable is not known.
    """
    parts = [source] if isinstance(source, Events) else source
    pass_ = None
    for events in parts:
        if not len(events):
            continue
        if pass_ is None:
            pass_ = _Pass(events, name, observables, seed, kept_bytes)
        pass_.add(events, report)
    if pass_ is None:
        raise DataError(f"{name} has no events", remedy="give a file that has some")
    return pass_.finish()


@dataclass(frozen=True)
class _Block:
    """What is measured of one block of events."""

    values: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    sums: ProfileSums


class _Pass:
    """Collect what is known of the events seen so far."""

    def __init__(
        self,
        first: Events,
        name: str,
        observables: Sequence[Wanted] | None,
        seed: int,
        kept_bytes: int,
    ) -> None:
        self.name, self.detector = name, first.detector
        self.chosen = select(first.detector, list(first.conditions), observables)
        self.edges = open_edges(first.detector)
        self.conditions: dict[str, list[NDArray[np.float64]]] = {n: [] for n in first.conditions}
        self.values: dict[str, list[NDArray[np.float64]]] = {o.name: [] for o in self.chosen}
        self.layers: list[NDArray[np.float64]] = []
        self.spectra: list[NDArray[np.unsignedinteger]] = []
        self.sums = ProfileSums(first.detector)
        self.provenance = dict(first.provenance)
        self.overflow: float | None = 0.0
        self.n = 0
        self.kept = _Kept(max(1, kept_bytes // (4 * first.detector.n_cells)), seed)

    def add(self, events: Events, report: Callable[[int], None] | None) -> None:
        if not events.detector.same_cells(self.detector):
            raise DetectorError(
                f"{self.name} has events of '{self.detector.name}' and of '{events.detector.name}'",
                remedy="give files of one detector",
            )
        if set(events.conditions) != set(self.conditions):
            raise DataError(
                f"{self.name} has events with the conditions {', '.join(self.conditions)} and "
                f"others with {', '.join(events.conditions)}",
                remedy="give files with the same conditions",
            )
        for name, values in events.conditions.items():
            self.conditions[name].append(np.array(values))
        if events.overflow is None:
            self.overflow = None
        elif self.overflow is not None:
            self.overflow += float(events.overflow.sum(dtype=np.float64))
        begin = self.n
        for _, block in map_blocks(events, self._measure):
            for name, column in block.values.items():
                self.values[name].append(column)
            self.layers.append(block.layer_energies)
            self.spectra.append(block.spectrum)
            self.sums.merge(block.sums)
            self.n += len(block.layer_energies)
            if report is not None:
                report(self.n)
        self.kept.add(events, begin)

    def _measure(self, showers: Showers) -> _Block:
        return _Block(
            measure_block(showers, self.chosen),
            showers.layer_energy,
            spectrum_block(showers, self.edges),
            ProfileSums(self.detector).add(showers),
        )

    def finish(self) -> Measured:
        layers = np.concatenate(self.layers)
        outside = None
        if self.overflow is not None:
            lost = self.overflow * MEV.get(self.detector.cell_unit, 1.0)
            total = lost + float(layers.sum())
            outside = lost / total if total > 0 else 0.0
        kept, rows = self.kept.events()
        return Measured(
            name=self.name,
            detector=self.detector,
            observables=tuple(self.chosen),
            values={name: np.concatenate(parts) for name, parts in self.values.items()},
            conditions={name: np.concatenate(parts) for name, parts in self.conditions.items()},
            layer_energies=layers,
            spectrum_edges=self.edges,
            spectrum=np.concatenate(self.spectra),
            profiles=self.sums.profiles(),
            kept=kept,
            rows=rows,
            provenance=self.provenance,
            outside=outside,
        )


class _Kept:
    """Keep a random choice of at most ``most`` events of a stream of unknown length.

    Each event draws a number when it passes, and those with the smallest numbers stay: a choice
    without replacement that does not depend on how the stream is cut into blocks.
    """

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._stream = stream(seed, "validation/kept")
        self._parts: list[Events] = []
        self._rows = np.empty(0, np.int64)
        self._draws = np.empty(0)

    def add(self, events: Events, begin: int) -> None:
        draws = self._stream.random(len(events))
        bound = np.inf
        if len(self._draws) >= self._most:
            bound = float(np.partition(self._draws, self._most - 1)[self._most - 1])
        taken = np.flatnonzero(draws < bound)
        if len(taken) > self._most:
            taken = np.sort(taken[np.argpartition(draws[taken], self._most)[: self._most]])
        # All events of a block are kept as they are: no copy of a sample that fits in memory.
        self._parts.append(events if len(taken) == len(events) else events[taken])
        self._rows = np.concatenate([self._rows, begin + taken])
        self._draws = np.concatenate([self._draws, draws[taken]])
        if len(self._rows) > 2 * self._most:
            self._prune()

    def events(self) -> tuple[Events, NDArray[np.int64]]:
        if len(self._rows) > self._most:
            self._prune()
        events = self._parts[0] if len(self._parts) == 1 else Events.concatenate(self._parts)
        return events, self._rows

    def _prune(self) -> None:
        stay = np.sort(np.argpartition(self._draws, self._most)[: self._most])
        self._parts = [Events.concatenate(self._parts)[stay]]
        self._rows, self._draws = self._rows[stay], self._draws[stay]
