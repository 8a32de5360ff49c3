"""One pass over events: all that a comparison needs of a sample, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events, first_copies
from phys_gan.units import MEV
from phys_gan.validation.choosing import Choice, draws
from phys_gan.validation.measured import Measured, Table
from phys_gan.validation.observables import (
    Showers,
    Wanted,
    map_blocks,
    measure_block,
    select,
)
from phys_gan.validation.observables.spectrum import open_edges, spectrum_block
from phys_gan.validation.profiles import ProfileSums
from phys_gan.validation.statistics.sums import ExactSum
from phys_gan.validation.statistics.weighting import Weights, effective_size, taken

__all__ = ["KEPT_BYTES", "MAX_EVENTS", "Measured", "Measurement", "Source", "measure_sample"]

Source = Events | Iterable[Events]
"""Events in memory, or blocks of them that come one after the other."""

KEPT_BYTES = 1 << 28
"""What the cells of the events that stay in memory may take."""

MAX_EVENTS = 2_000_000
"""Of how many events single numbers stay in memory, 200 to 300 bytes each."""

_TELLING_CELLS = 3
"""Cells with a signal of which two different events hardly ever agree."""

_HARDLY_ANY = 0.99
_FEWEST = 20


def measure_sample(
    source: Source,
    name: str,
    *,
    observables: Sequence[Wanted] | None = None,
    seed: int = 0,
    kept_bytes: int = KEPT_BYTES,
    max_events: int = MAX_EVENTS,
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
        max_events: Of how many events single numbers stay in memory: of all, or of a random choice
            of so many. Averages are those of all events.
        report: Called with the number of events done.

    Raises:
        DataError: There are no events, or blocks have different conditions.
        DetectorError: Blocks belong to different detectors, or no observable exists for them.
        MissingError: An observable is not known.
    """
    parts = [source] if isinstance(source, Events) else source
    found = None
    for events in parts:
        if not len(events):
            continue
        if found is None:
            found = Measurement(
                events,
                name,
                observables=observables,
                seed=seed,
                kept_bytes=kept_bytes,
                max_events=max_events,
            )
        found.add(events, report)
    if found is None:
        raise DataError(f"{name} has no events", remedy="give a file that has some")
    return found.finish()


class Measurement:
    """What is known of the events of a part of a sample; of all of them in the end.

    Parts may be measured by different processes and merged in any order.

    Arguments:
        first: Some events, of which detector and conditions are taken.
        name: As in :func:`measure_sample`.
        start: Which of the sample the first event of this part is.
        observables: As in :func:`measure_sample`.
        seed: As in :func:`measure_sample`.
        kept_bytes: As in :func:`measure_sample`.
        max_events: As in :func:`measure_sample`.
    """

    def __init__(
        self,
        first: Events,
        name: str,
        start: int = 0,
        *,
        observables: Sequence[Wanted] | None = None,
        seed: int = 0,
        kept_bytes: int = KEPT_BYTES,
        max_events: int = MAX_EVENTS,
    ) -> None:
        self.name, self.detector = name, first.detector
        self.chosen = select(first.detector, list(first.conditions), observables)
        self.edges = open_edges(first.detector)
        self.names = list(first.conditions)
        self.provenance = dict(first.provenance)
        self.seed, self.start, self.n = seed, start, 0
        self.weighted = first.weights is not None
        self.sums, self.deposited = ProfileSums(first.detector), ExactSum(())
        self.overflow: ExactSum | None = ExactSum(())
        self.table: Choice[Table] = Choice(max_events, Table.join)
        room = max(1, kept_bytes // (4 * first.detector.n_cells))
        self.kept: Choice[Events] = Choice(min(room, max_events), Events.concatenate)

    def add(self, events: Events, report: Callable[[int], None] | None = None) -> None:
        """Measure the events that follow those added so far.

        Raises:
            DetectorError: They belong to another detector.
            DataError: They have other conditions.
        """
        self._check(events.detector, list(events.conditions), events.weights is not None)
        if events.overflow is None:
            self.overflow = None
        elif self.overflow is not None:
            self.overflow.add(_total(events.overflow, events.weights))
        begin = self.start + self.n
        numbers = draws(self.seed, begin, len(events))
        for rows, (table, sums) in map_blocks(events, self._measure):
            columns = {name: np.array(values[rows]) for name, values in events.conditions.items()}
            weights = None if events.weights is None else np.array(events.weights[rows])
            self.table.add(
                replace(table, conditions=columns, weights=weights),
                begin + rows.start,
                numbers[rows],
            )
            self.deposited.add(_total(table.layer_energies, weights))
            self.sums.merge(sums)
            self.n += len(table)
            if report is not None:
                report(self.n)
        self.kept.add(events, begin, numbers)

    def merged(self, other: Measurement) -> Measurement:
        """Return what is known of the events of both, and leave both as they are.

        Raises:
            PhysGanError: As in :meth:`add`.
        """
        self._check(other.detector, other.names, other.weighted)
        both = copy(self)
        if other.start < self.start:
            both.start, both.provenance = other.start, other.provenance
        both.n = self.n + other.n
        both.sums = ProfileSums(self.detector).merge(self.sums).merge(other.sums)
        both.deposited = self.deposited.plus(other.deposited)
        both.overflow = None
        if self.overflow is not None and other.overflow is not None:
            both.overflow = self.overflow.plus(other.overflow)
        both.table, both.kept = self.table.merged(other.table), self.kept.merged(other.kept)
        return both

    def finish(self) -> Measured:
        """Return what a comparison needs."""
        outside = None
        if self.overflow is not None:
            lost = float(self.overflow.value) * MEV.get(self.detector.cell_unit, 1.0)
            total = lost + float(self.deposited.value)
            outside = lost / total if total > 0 else 0.0
        table, numbers = self.table.chosen()
        kept, rows = self.kept.chosen()
        rows = np.searchsorted(numbers, rows)
        n_seen, before = len(table), effective_size(len(table), table.weights)
        first = first_copies(table.digests, np.asarray(~table.digests.any(axis=1)))
        different = np.flatnonzero(first == np.arange(n_seen))
        counted = _counted(first, different, table.weights)
        if counted is not None:
            # One event stands for its copies, with the sum of their weights.
            table = replace(table[different], weights=counted)
            standing, chosen = np.unique(first[rows], return_index=True)
            kept, rows = kept[chosen], np.searchsorted(different, standing)
        weights = table.weights
        if weights is not None and weights[0] > 0 and np.all(weights == weights[0]):
            weights = None
        if kept.weights is not None or weights is not None:
            kept = replace(kept, weights=taken(weights, rows))
        narrower = before / effective_size(len(table), weights) if counted is not None else 1.0
        return Measured(
            name=self.name,
            detector=self.detector,
            observables=tuple(self.chosen),
            values=table.values,
            conditions=table.conditions,
            layer_energies=table.layer_energies,
            spectrum_edges=self.edges,
            spectrum=table.spectrum,
            profiles=self.sums.profiles(narrower),
            kept=kept,
            rows=rows,
            provenance=self.provenance,
            outside=outside,
            n_events=self.n,
            n_seen=n_seen,
            n_different=len(different),
            digests=table.digests,
            weights=weights,
            weighted=self.weighted,
        )

    def _measure(self, showers: Showers) -> tuple[Table, ProfileSums]:
        table = Table(
            measure_block(showers, self.chosen),
            {},
            showers.layer_energy,
            spectrum_block(showers, self.edges),
            _digests(showers.events),
        )
        return table, ProfileSums(self.detector).add(showers)

    def _check(self, detector: Detector, names: Sequence[str], weighted: bool) -> None:
        if not detector.same_cells(self.detector):
            raise DetectorError(
                f"{self.name} has events of '{self.detector.name}' and of '{detector.name}'",
                remedy="give files of one detector",
            )
        if set(names) != set(self.names):
            raise DataError(
                f"{self.name} has events with the conditions {', '.join(self.names)} and "
                f"others with {', '.join(names)}",
                remedy="give files with the same conditions",
            )
        if weighted != self.weighted:
            raise DataError(
                f"{self.name} has events with weights and events without",
                remedy="give all of them weights (1 where all count the same), or leave them out",
            )


def _total(values: NDArray[np.floating], weights: Weights) -> np.float64:
    """Add up what some events have, (n, *), as often as each counts."""
    if weights is None:
        return np.float64(values.sum(dtype=np.float64))
    return np.float64((weights @ values.astype(np.float64)).sum())


def _digests(events: Events) -> NDArray[np.uint64]:
    """Return what tells copies, shape (n, 2); zeros where different events may well be equal.

    Points of toys may be, and events of one or two hits.
    """
    if events.detector.is_toy:
        return np.zeros((len(events), 2), np.uint64)
    digests = events.digests()
    telling = np.count_nonzero(events.cells, axis=1) >= _TELLING_CELLS
    return np.where(telling[:, None], digests, np.uint64(0))


def _counted(first: NDArray[np.int64], different: NDArray[np.int64], weights: Weights) -> Weights:
    """Return how much each different event counts; None where copies do not matter.

    They do where independent events would know a mean by over half a per cent better than the
    different ones do. A sample of hardly any different events cannot be compared by them alone.

    Arguments:
        first: Number of the first event that each is a copy of, shape (N,).
        different: The numbers that stand for themselves.
        weights: Weights of all N.
    """
    if len(different) == len(first):
        return None
    counted = np.bincount(first, weights, minlength=len(first))[different].astype(np.float64)
    much = effective_size(len(first), weights) * _HARDLY_ANY
    return counted if _FEWEST <= effective_size(len(counted), counted) < much else None
