"""One pass over events: :func:`measure_sample` keeps what a comparison needs, in bounded memory.

Averages are those of all events. Of single numbers at most ``max_events`` events are kept, of
whole events what fits into ``kept_bytes``: a random choice (:class:`Choice`) that depends neither
on how events are cut into blocks nor on the order in which parts are merged, because each event
has a random number of its own. Events that are copies of each other bit for bit count as one, with
the sum of their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events, first_copies
from phys_gan.metrics.statistics import ExactSum, Weights, effective_size, taken
from phys_gan.observables import Observable, Showers, Wanted, map_blocks, measure_block, select
from phys_gan.observables.spectrum import open_edges, spectrum_block
from phys_gan.randomness import stream
from phys_gan.units import MEV
from phys_gan.validation.averages import Profiles, ProfileSums

Source = Events | Iterable[Events]
"""Events in memory, or blocks of them that come one after the other."""

KEPT_BYTES = 1 << 28
"""Memory for the cells of the events that are kept."""

MAX_EVENTS = 2_000_000
"""Events of which single numbers are kept, 200 to 300 bytes each."""

_TELLING_CELLS = 3
"""Cells with a signal in which two different events hardly ever agree."""

_HARDLY_ANY = 0.99
_FEWEST = 20


@dataclass(frozen=True)
class Table:
    """What is measured of each of N events.

    Attributes:
        values: Observable name to values, shape (N,); NaN where not defined.
        conditions: Condition name to values, shape (N,).
        layer_energies: Energy in each layer [MeV], shape (N, n_layers).
        spectrum: Hits in the bins of the spectrum, with under- and overflow, (N, n_bins + 2).
        digests: Equal for copies of an event, shape (N, 2); zeros where copies cannot be told.
        weights: How much each event counts, shape (N,); None where all count the same.
    """

    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    digests: NDArray[np.uint64]
    weights: Weights

    def __len__(self) -> int:
        return len(self.layer_energies)

    def __getitem__(self, rows: NDArray[np.int64]) -> Table:
        return _by_column(lambda columns: columns[0][rows], [self])

    @classmethod
    def join(cls, parts: Sequence[Table]) -> Table:
        """Return the rows of several tables, in order."""
        return _by_column(np.concatenate, parts)


def _by_column(function: Callable[[list[Any]], Any], tables: Sequence[Table]) -> Table:
    """Return the table whose columns are a function of those of other tables."""

    def apply(columns: list[Any]) -> Any:
        if isinstance(columns[0], dict):
            return {name: apply([column[name] for column in columns]) for name in columns[0]}
        return None if columns[0] is None else function(columns)

    names = [field.name for field in fields(Table)]
    return Table(**{name: apply([getattr(table, name) for table in tables]) for name in names})


@dataclass(frozen=True, kw_only=True)
class Sample(Table):
    """What a comparison needs of a sample: a table of its events, or of a random choice of them.

    Attributes:
        name: What it is called in tables and legends.
        detector: The detector of all events.
        observables: What was measured.
        spectrum_edges: Fixed logarithmic edges of cell energies [MeV].
        profiles: The average shower.
        kept: Whole events: all, or a random choice of what fits into memory.
        rows: Their places in the table, rising.
        provenance: How the events were made.
        outside: Mean fraction of the energy that no cell caught, where known.
        n_events: Number of events of the sample.
        n_seen: Number of events in the random choice, copies included.
        n_different: Number of different events among these.
        weighted: Whether the events have weights of their own.
    """

    name: str
    detector: Detector
    observables: tuple[Observable, ...]
    spectrum_edges: NDArray[np.float64]
    profiles: Profiles
    kept: Events
    rows: NDArray[np.int64]
    provenance: Mapping[str, str]
    outside: float | None
    n_events: int
    n_seen: int
    n_different: int
    weighted: bool

    @property
    def effective(self) -> float:
        """Effective number of events."""
        return effective_size(len(self), self.weights)


def measure_sample(
    source: Source,
    name: str,
    *,
    observables: Sequence[Wanted] | None = None,
    seed: int = 0,
    kept_bytes: int = KEPT_BYTES,
    max_events: int = MAX_EVENTS,
    report: Callable[[int], None] | None = None,
) -> Sample:
    """Measure a sample in one pass over its events.

    Arguments:
        source: Events, or blocks of any size, such as ``phys_gan.stream`` gives.
        name: What the sample is called.
        observables: As in :func:`phys_gan.observables.select`.
        seed: Seed of the choice of events.
        kept_bytes: Memory for the cells of whole events.
        max_events: Most events of which single numbers are kept.
        report: Called with the number of events done.

    Raises:
        DataError: There are no events, or blocks have different conditions.
        DetectorError: Blocks belong to different detectors, or no observable exists for them.
        MissingError: An observable is not known.
    """
    found = None
    for events in [source] if isinstance(source, Events) else source:
        if len(events):
            found = found or Accumulator(
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
    return found.sample()


class Accumulator:
    """Running sums and choices of a part of a sample, which merge to those of the whole.

    Arguments:
        first: Some events, of which detector and conditions are taken.
        name: What the sample is called.
        start: Number in the sample of the first event of this part.
        observables: As in :func:`measure_sample`, like all that follow.
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
        self.observables = select(first.detector, list(first.conditions), observables)
        self.edges = open_edges(first.detector)
        self.conditions = list(first.conditions)
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
            DataError: They have other conditions, or weights where the others have none.
        """
        self._require_like(events.detector, list(events.conditions), events.weights is not None)
        if events.overflow is None:
            self.overflow = None
        elif self.overflow is not None:
            self.overflow.add(_total(events.overflow, events.weights))
        begin = self.start + self.n
        numbers = draws(self.seed, begin, len(events))
        for rows, (table, sums) in map_blocks(events, self._measure):
            columns = {name: np.array(values[rows]) for name, values in events.conditions.items()}
            weights = None if events.weights is None else np.array(events.weights[rows])
            table = replace(table, conditions=columns, weights=weights)
            self.table.add(table, begin + rows.start, numbers[rows])
            self.deposited.add(_total(table.layer_energies, weights))
            self.sums.merge(sums)
            self.n += len(table)
            if report is not None:
                report(self.n)
        self.kept.add(events, begin, numbers)

    def merged(self, other: Accumulator) -> Accumulator:
        """Return the sums and choices of the events of both, and leave both as they are.

        Raises:
            PhysGanError: As in :meth:`add`.
        """
        self._require_like(other.detector, other.conditions, other.weighted)
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

    def sample(self) -> Sample:
        """Return what a comparison needs."""
        outside = None
        if self.overflow is not None:
            lost = float(self.overflow.value) * MEV.get(self.detector.cell_unit, 1.0)
            total = lost + float(self.deposited.value)
            outside = lost / total if total > 0 else 0.0
        table, numbers = self.table.chosen()
        kept, rows = self.kept.chosen()
        rows = np.searchsorted(numbers, rows)

        # One event stands for its copies, with the sum of their weights.
        n_seen, before = len(table), effective_size(len(table), table.weights)
        first = first_copies(table.digests, np.asarray(~table.digests.any(axis=1)))
        different = np.flatnonzero(first == np.arange(n_seen))
        weights = table.weights
        multiplicity = _multiplicity(first, different, weights)
        if multiplicity is not None:
            table, weights = table[different], multiplicity
            standing, chosen = np.unique(first[rows], return_index=True)
            kept, rows = kept[chosen], np.searchsorted(different, standing)
        if weights is not None and weights[0] > 0 and np.all(weights == weights[0]):
            weights = None
        inflation = 1.0
        if multiplicity is not None:
            inflation = before / effective_size(len(table), weights)
        if kept.weights is not None or weights is not None:
            kept = replace(kept, weights=taken(weights, rows))
        return Sample(
            **vars(replace(table, weights=weights)),
            name=self.name,
            detector=self.detector,
            observables=tuple(self.observables),
            spectrum_edges=self.edges,
            profiles=self.sums.profiles(inflation),
            kept=kept,
            rows=rows,
            provenance=self.provenance,
            outside=outside,
            n_events=self.n,
            n_seen=n_seen,
            n_different=len(different),
            weighted=self.weighted,
        )

    def _measure(self, showers: Showers) -> tuple[Table, ProfileSums]:
        table = Table(
            values=measure_block(showers, self.observables),
            conditions={},
            layer_energies=showers.layer_energy,
            spectrum=spectrum_block(showers, self.edges),
            digests=_digests(showers.events),
            weights=None,
        )
        return table, ProfileSums(self.detector).add(showers)

    def _require_like(self, detector: Detector, conditions: Sequence[str], weighted: bool) -> None:
        if not detector.same_cells(self.detector):
            raise DetectorError(
                f"{self.name} has events of '{self.detector.name}' and of '{detector.name}'",
                remedy="give files of one detector",
            )
        if set(conditions) != set(self.conditions):
            raise DataError(
                f"{self.name} has events with the conditions {', '.join(self.conditions)} and "
                f"others with {', '.join(conditions)}",
                remedy="give files with the same conditions",
            )
        if weighted != self.weighted:
            raise DataError(
                f"{self.name} has events with weights and events without",
                remedy="give all of them weights (1 where all count the same), or leave them out",
            )


def _total(values: NDArray[np.floating], weights: Weights) -> np.float64:
    """Return the weighted sum of values (n, *)."""
    if weights is None:
        return np.float64(values.sum(dtype=np.float64))
    return np.float64((weights @ values.astype(np.float64)).sum())


def _digests(events: Events) -> NDArray[np.uint64]:
    """Return digests that are equal for copies, shape (n, 2).

    Zeros where different events may well be equal: points of toys, events of one or two hits.
    """
    if events.detector.is_toy:
        return np.zeros((len(events), 2), np.uint64)
    telling = np.count_nonzero(events.cells, axis=1) >= _TELLING_CELLS
    return np.where(telling[:, None], events.digests(), np.uint64(0))


def _multiplicity(
    first: NDArray[np.int64], different: NDArray[np.int64], weights: Weights
) -> Weights:
    """Return the summed weight of each different event; None where copies do not matter.

    They matter where independent events would know a mean by over half a per cent better than the
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


class _Rows(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self: T, rows: NDArray[np.int64]) -> T: ...


T = TypeVar("T", bound=_Rows)


def draws(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """Draw a uniform number for each of the events ``first ... first + count - 1``.

    Event i of a seed always gets the same number, however the events are cut.
    """
    generator = stream(seed, "validation/kept")
    bits = generator.bit_generator
    assert isinstance(bits, np.random.PCG64)
    # Each double takes one step of the generator.
    bits.advance(first)
    return generator.random(count)


class Choice(Generic[T]):
    """Choose at most ``most`` events: those with the smallest random numbers.

    That is a choice without replacement in which all events have the same chance.

    References:
        Estimating simple functions on the union of data streams (Gibbons & Tirthapura, 2001),
        https://doi.org/10.1145/378580.378687
        Summarizing data using bottom-k sketches (Cohen & Kaplan, 2007),
        https://doi.org/10.1145/1281100.1281133

    Arguments:
        most: Number of events to choose.
        join: Makes one table of several.
    """

    def __init__(self, most: int, join: Callable[[Sequence[T]], T]) -> None:
        self._most, self._join = most, join
        self._parts: list[T] = []
        self._rows = np.empty(0, np.int64)
        self._draws = np.empty(0)
        self._bound = np.inf

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, events: T, first: int, numbers: NDArray[np.float64]) -> None:
        """Add events, of which ``first`` is the number of the first and ``numbers`` the draws."""
        rows = np.flatnonzero(numbers < self._bound)
        if len(rows) > self._most:
            order = np.argpartition(numbers[rows], self._most)
            rows = np.sort(rows[order[: self._most]])
        # All events of a block are kept as they are: no copy of a sample that fits in memory.
        part = events if len(rows) == len(events) else events[rows]
        self._append([part], first + rows, numbers[rows])

    def merged(self, other: Choice[T]) -> Choice[T]:
        """Return the choice from the events of both."""
        both = Choice(self._most, self._join)
        both._bound = min(self._bound, other._bound)
        both._append(self._parts, self._rows, self._draws)
        both._append(other._parts, other._rows, other._draws)
        return both

    def chosen(self) -> tuple[T, NDArray[np.int64]]:
        """Return the chosen events and their numbers in the sample, rising."""
        if len(self) > self._most or np.any(np.diff(self._rows) < 0):
            self._prune()
        return self._parts[0] if len(self._parts) == 1 else self._join(self._parts), self._rows

    def _append(
        self, parts: Sequence[T], rows: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> None:
        self._parts.extend(parts)
        self._rows = np.concatenate([self._rows, rows])
        self._draws = np.concatenate([self._draws, numbers])
        if len(self) > 2 * self._most:
            self._prune()

    def _prune(self) -> None:
        stay = np.argsort(self._draws)[: self._most]
        if len(self) > self._most:
            self._bound = float(self._draws[stay[-1]])
        stay = stay[np.argsort(self._rows[stay])]
        self._parts = [self._join(self._parts)[stay]]
        self._rows, self._draws = self._rows[stay], self._draws[stay]
