"""A random choice from any number of events, of which parts may be made side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.randomness import stream

__all__ = ["Choice", "draws"]


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
