"""One pass over events: all that a comparison needs of a sample, in bounded memory.

A random choice from any number of events, of which parts may be made side by side.

Averages over all showers: the mean of every cell, along the depth, and along the radius.

What is known of a sample when all its events have been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events, first_copies
from phys_gan.metrics.statistics import ExactSum, Weights, effective_size, taken
from phys_gan.observables import Observable, Wanted, measure_block, select
from phys_gan.observables.spectrum import open_edges, spectrum_block
from phys_gan.observables.sums import Showers, map_blocks
from phys_gan.randomness import stream
from phys_gan.units import MEV

__all__ = [
    "KEPT_BYTES",
    "MAX_EVENTS",
    "Choice",
    "Measured",
    "Measurement",
    "Profile",
    "ProfileSums",
    "Profiles",
    "Source",
    "Table",
    "draws",
    "make_profiles",
    "measure_sample",
]


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
    """Choose at most ``most`` events: those whose numbers are the smallest.

    That is a choice without replacement in which all events have the same chance. It depends
    neither on how events are cut into blocks nor on the order in which parts are merged.

    References:
        Estimating simple functions on the union of data streams (Gibbons & Tirthapura, 2001),
        https://doi.org/10.1145/378580.378687
        Summarizing data using bottom-k sketches (Cohen & Kaplan, 2007),
        https://doi.org/10.1145/1281100.1281133

    Arguments:
        most: How many events are chosen.
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
        """Add events.

        Arguments:
            events: The events.
            first: Which of the sample the first of them is.
            numbers: What :func:`draws` gave them.
        """
        taken = np.flatnonzero(numbers < self._bound)
        if len(taken) > self._most:
            order = np.argpartition(numbers[taken], self._most)
            taken = np.sort(taken[order[: self._most]])
        # All events of a block are kept as they are: no copy of a sample that fits in memory.
        part = events if len(taken) == len(events) else events[taken]
        self._append([part], first + taken, numbers[taken])

    def merged(self, other: Choice[T]) -> Choice[T]:
        """Return the choice from the events of both."""
        both = Choice(self._most, self._join)
        both._bound = min(self._bound, other._bound)
        both._append(self._parts, self._rows, self._draws)
        both._append(other._parts, other._rows, other._draws)
        return both

    def chosen(self) -> tuple[T, NDArray[np.int64]]:
        """Return the chosen events and which of the sample they are, rising."""
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


@dataclass(frozen=True)
class Profile:
    """A mean per bin with its statistical error.

    Attributes:
        mean: Mean energy per event in the unit of the cells, shape (n_bins,).
        error: Standard error of the mean over events in the same unit, shape (n_bins,).
    """

    mean: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class Profiles:
    """The average shower.

    Attributes:
        cells: Energy of every cell.
        depth: Energy of every layer.
        radius: Number of each polar layer to the energy of its rings.
    """

    cells: Profile
    depth: Profile
    radius: dict[int, Profile]


class ProfileSums:
    """Sums over events from which the average shower follows; they run in double precision.

    Sums of different blocks of events may be made side by side and merged in any order, which
    changes nothing: what rounding takes away is kept beside each sum.

    Arguments:
        detector: The detector of all events.
    """

    def __init__(self, detector: Detector) -> None:
        self.n = 0
        # Sums of the weights, and of their squares, where the events have some.
        self._weights = _Sums(1)
        self.weighted = False
        self._cells = _Sums(detector.n_cells)
        self._depth = _Sums(detector.n_layers)
        self._radius = {
            k: _Sums(layer.shape[1])
            for k, layer in enumerate(detector.layers)
            if isinstance(layer, PolarLayer)
        }

    def add(self, showers: Showers) -> ProfileSums:
        """Add a block of events; return self."""
        self.n += len(showers)
        cells, detector, weights = showers.doubles, showers.detector, showers.events.weights
        if weights is not None:
            self.weighted = True
            self._weights.add(weights[:, None])
        self._cells.add(cells, weights)
        self._depth.add(showers.layer_sums, weights)
        for k, sums in self._radius.items():
            sums.add(cells[:, detector.slice(k)] @ _rings(detector.layers[k].shape), weights)
        return self

    def merge(self, other: ProfileSums) -> ProfileSums:
        """Add the events of other sums; return self."""
        self.n += other.n
        self.weighted = self.weighted or other.weighted
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.merge(theirs)
        return self

    def profiles(self, narrower: float = 1.0) -> Profiles:
        """Return the average of all events added.

        Arguments:
            narrower: By how much the squares of the errors would be too small, because some
                events are copies of others.

        Raises:
            DataError: There are none, or their weights cancel.
        """
        if not self.n:
            raise DataError("there are no events to average", remedy="add some first")
        weights = None
        if self.weighted:
            weights = float(self._weights.first.value[0]), float(self._weights.second.value[0])
            if weights[0] <= 0:
                raise DataError(
                    f"the weights of {self.n} events have the sum {weights[0]:.4g}, which must be "
                    f"positive",
                    remedy="give more events, or leave their weights out",
                    value=weights[0],
                )

        def made(sums: _Sums) -> Profile:
            return sums.profile(self.n, weights, narrower**0.5)

        radius = {k: made(sums) for k, sums in self._radius.items()}
        return Profiles(made(self._cells), made(self._depth), radius)

    def _all(self) -> list[_Sums]:
        return [self._weights, self._cells, self._depth, *self._radius.values()]


def make_profiles(events: Events, *, threads: int | None = None) -> Profiles:
    """Average events in blocks with bounded temporary memory.

    Arguments:
        events: At least one event.
        threads: As in :func:`phys_gan.observables.sums.map_blocks`; the result does
            not depend on it.

    Raises:
        DataError: There are no events.
    """
    total = ProfileSums(events.detector)
    for _, sums in map_blocks(events, lambda s: ProfileSums(s.detector).add(s), threads):
        total.merge(sums)
    return total.profiles()


@lru_cache
def _rings(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the matrix that adds up the cells of each ring, shape (n_cells, n_rings)."""
    n_alpha, n_rings = shape
    return np.tile(np.eye(n_rings), (n_alpha, 1))


class _Sums:
    """Sums of values and of their squares over events: of w x, (w x)^2 and w^2 x with weights."""

    def __init__(self, n_bins: int) -> None:
        self.first = ExactSum(n_bins)
        self.second = ExactSum(n_bins)
        self.mixed = ExactSum(n_bins)

    def add(self, values: NDArray[np.float64], weights: Weights = None) -> None:
        if weights is not None:
            self.mixed.add(weights**2 @ values)
            values = weights[:, None] * values
        self.first.add(values.sum(axis=0))
        self.second.add(np.einsum("ij,ij->j", values, values))

    def merge(self, other: _Sums) -> None:
        self.first.merge(other.first)
        self.second.merge(other.second)
        self.mixed.merge(other.mixed)

    def profile(self, n: int, weights: tuple[float, float] | None, wider: float) -> Profile:
        if weights is None:
            mean = self.first.value / n
            variance = np.maximum(0.0, self.second.value / n - mean**2)
            return Profile(mean, wider * np.sqrt(variance / max(1, n - 1)))
        total, squares = weights
        mean = self.first.value / total
        # The error of a ratio of sums: sum of w^2 (x - mean)^2 over the square of the sum of w.
        spread = self.second.value - 2 * mean * self.mixed.value + mean**2 * squares
        return Profile(mean, wider * np.sqrt(np.maximum(0.0, spread)) / total)


@dataclass(frozen=True)
class Table:
    """What is measured of each of some events; columns as in :class:`Measured`."""

    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    digests: NDArray[np.uint64]
    weights: Weights = None

    def __len__(self) -> int:
        return len(self.layer_energies)

    def __getitem__(self, rows: NDArray[np.int64]) -> Table:
        return Table(
            {name: column[rows] for name, column in self.values.items()},
            {name: column[rows] for name, column in self.conditions.items()},
            self.layer_energies[rows],
            self.spectrum[rows],
            self.digests[rows],
            taken(self.weights, rows),
        )

    @classmethod
    def join(cls, parts: Sequence[Table]) -> Table:
        """Return the rows of several tables, in order."""
        first = parts[0]
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            {name: np.concatenate([part.values[name] for part in parts]) for name in first.values},
            {
                name: np.concatenate([part.conditions[name] for part in parts])
                for name in first.conditions
            },
            np.concatenate([part.layer_energies for part in parts]),
            np.concatenate([part.spectrum for part in parts]),
            np.concatenate([part.digests for part in parts]),
            np.concatenate(weights) if weights else None,
        )


@dataclass(frozen=True)
class Measured:
    """What a comparison needs to know of one sample.

    Attributes:
        name: What it is called in tables and legends.
        detector: The detector of all events.
        observables: What was measured.
        values: Observable name to values, shape (N,), of all events or a random choice of them;
            NaN where not defined. Of events that are copies of each other, one is there.
        conditions: Condition name to values, shape (N,).
        layer_energies: Energy in each layer [MeV], shape (N, n_layers).
        spectrum_edges: Fixed logarithmic edges of cell energies [MeV].
        spectrum: Hits per event in these bins, with under- and overflow, shape (N, n_bins + 2).
        profiles: The average shower.
        kept: Events that stay in memory: all, or a random choice of what fits.
        rows: Their places among these N, rising.
        provenance: How the events were made.
        outside: Mean fraction of the energy that no cell caught, where known.
        n_events: Number of events of the sample.
        n_seen: How many of them were looked at: all, or the random choice.
        n_different: How many of these are different events.
        digests: What tells copies of an event, shape (N, 2); zeros where nothing does.
        weights: How much each of the N counts, shape (N,); None where all count the same.
        weighted: Whether the events have weights of their own.
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
    n_events: int
    n_seen: int
    n_different: int
    digests: NDArray[np.uint64]
    weights: Weights = None
    weighted: bool = False

    def __len__(self) -> int:
        return len(self.layer_energies)

    @property
    def effective(self) -> float:
        """How many events of weight 1 say as much."""
        return effective_size(len(self), self.weights)


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
        observables: As in :func:`phys_gan.observables.select`.
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
