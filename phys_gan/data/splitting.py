"""Split events into parts that never overlap and look alike in their conditions (:func:`split`).

Events with the same value of a condition that has few values (a particle, a class) are strata of
their own. Inside, events are sorted so that neighbours have similar conditions, by energy where
that is the only one, and each run of a hundred is dealt out by the shares. Copies of an event stay
together: those with the most copies are dealt first, and the rest so that the shares come out
right as far as possible.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError, Notice
from phys_gan.events import Events, first_copies
from phys_gan.randomness import stream

_BLOCK = 100
_MOST_KINDS = 20


def split(events: Events, shares: Sequence[float], seed: int = 0) -> list[Events]:
    """Split events at random, stratified in their conditions.

    Events that are copies of each other (all cells equal to the last bit, see
    :func:`~phys_gan.events.first_copies`) come into the same part, so that no event of a training
    sample is in the test sample. The smallest and the largest value of each condition come into the
    largest part, unless too many copies of such an event leave no room for it there, so that a
    model trained on it may be asked for the conditions of all others.

    Shares are fractions of the number of events, copies and events of small or negative weight
    included; weights stay with their events.

    Arguments:
        events: The events.
        shares: Fraction of each part; they add up to 1.
        seed: The same seed gives the same parts.

    Returns:
        One set of events per share, each in the order of the original.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.

    Warns:
        Notice: Copies that stay together leave a share wrong by more than a percent of the events.
    """
    parts = split_indices(events.conditions, shares, seed, copies_among([events]))
    return [events[part] for part in parts]


def copies_among(parts: Iterable[Events]) -> NDArray[np.int64]:
    """Return for each event of all parts the number of the first one that is its copy, shape (N,).

    Parts may be read one after the other: 17 bytes per event stay in memory.
    """
    found = [(events.digests(), events.empty()) for events in parts]
    digests, empty = zip(*found, strict=True)
    return first_copies(np.concatenate(digests), np.concatenate(empty))


def split_indices(
    conditions: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    seed: int,
    first: NDArray[np.int64],
) -> list[NDArray[np.int64]]:
    """Split numbers of events as :func:`split` splits events.

    Arguments:
        conditions: Name to values, shape (N,).
        shares: As in :func:`split`.
        seed: As in :func:`split`.
        first: For each event the number of the first one that is its copy, shape (N,), from
            :func:`copies_among`.

    Returns:
        The numbers of the events of each part, in rising order.
    """
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-9):
        raise DataError(
            f"shares {list(shares)} do not add up to 1",
            remedy="give fractions, such as 0.8 and 0.2",
            value=list(shares),
        )
    n_events, largest = len(first), int(np.argmax(shares))
    # How often each event comes, at its first copy; 0 at the others.
    times = np.bincount(first, minlength=n_events)
    originals = np.flatnonzero(times)
    random = stream(seed, "split")
    if len(originals) == n_events:
        part = np.empty(n_events, np.int64)
        for block in _blocks(originals, conditions):
            part[block] = _dealt(times[block], shares, random)
        _keep_ends(part, conditions, largest)
    else:
        part = _deal_copies(first, times, conditions, shares, random)[first]
    counts = np.bincount(part, minlength=len(shares))
    if ((counts == 0) & (np.array(shares) > 0)).any():
        without = f": without copies they are {len(originals)}" * (len(originals) < n_events)
        raise DataError(
            f"{n_events} events are too few to be split into shares {list(shares)}{without}",
            remedy="give more events",
            value=n_events,
        )
    wanted = np.array(shares) * n_events
    if len(originals) < n_events and np.abs(counts - wanted).max() > _tolerance(n_events):
        warnings.warn(
            f"the parts have {' and '.join(map(str, counts))} events instead of "
            f"{' and '.join(f'{aim:.0f}' for aim in wanted)}: copies stay together, and one event "
            f"is there {times.max()} times; remove copies, or choose other shares",
            Notice,
            stacklevel=3,
        )
    return [np.flatnonzero(part == number) for number in range(len(shares))]


def _tolerance(n_events: int) -> float:
    """Return by how many events a part may be wrong without a notice."""
    return max(1.0, 0.01 * n_events)


def _dealt(
    times: NDArray[np.int64],
    shares: Sequence[float] | NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal out events that come so many ``times``; return the number of the part of each."""
    # A random shift keeps the shares right on average where they do not divide the block.
    shift = random.random()
    place = random.permutation(len(times))
    width = np.empty(len(times), np.int64)
    width[place] = times
    points = (np.cumsum(width) - width + shift * width) / width.sum()
    deal = np.searchsorted(np.cumsum(shares)[:-1], points, side="right")
    return np.asarray(deal[place], np.int64)


def _deal_copies(
    first: NDArray[np.int64],
    times: NDArray[np.int64],
    conditions: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the part of each event that comes first of its copies."""
    part = np.full(len(first), -1)
    lack = np.array(shares) * len(first)
    largest = int(np.argmax(shares))
    # The ends of all conditions are put into the largest part.
    for values in conditions.values():
        for extreme in (values.min(), values.max()):
            ends = first[values == extreme]
            end = ends[np.argmin(times[ends])]
            # Not where it fits into another part only.
            if part[end] < 0 and not lack[largest] < times[end] - 0.5 <= lack.max():
                part[end] = largest
                lack[largest] -= times[end]
    # Others follow by how often they come, to a factor of two, those with the most copies first, so
    # that the many single ones make up for them. Each block is dealt by what the parts still lack.
    rest = np.flatnonzero((times > 0) & (part < 0))
    magnitude = np.frexp(times[rest])[1]
    for number in np.unique(magnitude)[::-1]:
        for block in _blocks(rest[magnitude == number], conditions):
            room = np.maximum(lack, 0)
            deal = _dealt(times[block], room / room.sum(), random)
            if (np.bincount(deal, times[block], len(lack)) - 0.5 > lack).any():
                # What a part has no room for goes to the one that lacks most, the largest first.
                left = lack.copy()
                for k in np.argsort(-times[block], kind="stable"):
                    if times[block[k]] - 0.5 > left[deal[k]]:
                        deal[k] = np.argmax(left)
                    left[deal[k]] -= times[block[k]]
            lack -= np.bincount(deal, times[block], len(lack))
            part[block] = deal
    while np.abs(lack).max() > _tolerance(len(first)) and _exchange(part, rest, times, lack):
        pass
    for number in np.setdiff1d(np.flatnonzero(shares), part[times > 0]):
        # A share that is too large is better than a part without events.
        mine = rest[part[rest] == largest]
        if len(mine):
            part[mine[np.argmin(times[mine])]] = number
    return part


def _exchange(
    part: NDArray[np.int64],
    movable: NDArray[np.int64],
    times: NDArray[np.int64],
    lack: NDArray[np.float64],
) -> bool:
    """Move an event from the fullest to the emptiest part, alone or in exchange for another.

    Those two are taken after which the parts lack most nearly the same. Returns False where no
    exchange makes the parts more equal.
    """
    full, poor = int(np.argmin(lack)), int(np.argmax(lack))
    give, take = (movable[part[movable] == number] for number in (full, poor))
    if not len(give):
        return False
    take = take[np.argsort(times[take], kind="stable")]
    back = np.concatenate([[0], times[take]])
    aim = (lack[poor] - lack[full]) / 2
    # The best of sorted numbers is on one of the two sides of what would be right.
    right = np.minimum(np.searchsorted(back, times[give] - aim), len(take))
    sides = np.stack([np.maximum(right - 1, 0), right])
    off = np.abs(times[give] - back[sides] - aim)
    side, given = np.unravel_index(np.argmin(off), off.shape)
    if off[side, given] >= aim:
        return False
    taken = sides[side, given]
    moved = times[give[given]] - back[taken]
    part[give[given]] = poor
    if taken:
        part[take[taken - 1]] = full
    lack[full] += moved
    lack[poor] -= moved
    return True


def _keep_ends(
    part: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]], largest: int
) -> None:
    """Put the ends of every condition into the largest part, in exchange for their neighbours."""
    if not len(part):
        return
    kept: set[int] = set()
    for values in conditions.values():
        rising = np.argsort(values, kind="stable")
        for order in (rising, rising[::-1]):
            end = int(order[0])
            others = (int(k) for k in order[1:] if part[k] == largest and int(k) not in kept)
            if part[end] != largest and (neighbour := next(others, None)) is not None:
                part[neighbour], part[end] = part[end], largest
            kept.add(end)


def _blocks(
    chosen: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]]
) -> Iterator[NDArray[np.int64]]:
    """Yield the chosen events, at most a hundred similar ones at a time."""
    for stratum in _strata(chosen, conditions):
        for begin in range(0, len(stratum), _BLOCK):
            yield stratum[begin : begin + _BLOCK]


def _strata(
    chosen: NDArray[np.int64], conditions: Mapping[str, NDArray[np.float64]]
) -> list[NDArray[np.int64]]:
    """Return the events of each kind, in an order in which neighbours have similar conditions."""
    names = sorted(conditions, key=lambda name: name != "energy")
    columns = [conditions[name] for name in names]
    n_values = [len(np.unique(values[chosen])) for values in columns]
    # Values that hardly repeat are not kinds, however few there are.
    most = min(_MOST_KINDS, len(chosen) // 20)
    kinds = [v for v, n in zip(columns, n_values, strict=True) if 1 < n <= most]
    others = [v for v, n in zip(columns, n_values, strict=True) if n > max(1, most)]
    order = _halved(chosen, others, 0) if others else chosen
    if not kinds:
        return [order]
    _, kind = np.unique(np.stack(kinds, axis=1)[order], axis=0, return_inverse=True)
    sizes = np.bincount(kind.ravel())
    return np.split(order[np.argsort(kind.ravel(), kind="stable")], np.cumsum(sizes)[:-1])


def _halved(
    chosen: NDArray[np.int64], columns: Sequence[NDArray[np.float64]], axis: int
) -> NDArray[np.int64]:
    """Sort by one condition after the other, halving at each step, as a k-d tree does."""
    order = chosen[np.argsort(columns[axis][chosen], kind="stable")]
    if len(columns) == 1 or len(order) <= _BLOCK:
        return order
    # Whole blocks in each half, so that no run of a hundred lies across the cut.
    middle = -(-len(order) // (2 * _BLOCK)) * _BLOCK
    following = (axis + 1) % len(columns)
    halves = [_halved(half, columns, following) for half in (order[:middle], order[middle:])]
    return np.concatenate(halves)
