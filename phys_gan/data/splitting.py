"""Cut events into parts that never overlap and look alike in their conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.randomness import stream

__all__ = ["split", "split_indices"]

_BLOCK = 100
_MOST_KINDS = 20


def split(events: Events, shares: Sequence[float], seed: int = 0) -> list[Events]:
    """Split events at random, stratified in their conditions.

    Events that are copies of each other (the same conditions and total signal, to the last bit)
    come into the same part, so that what a model has seen is never in its test sample. The smallest
    and the largest value of each condition come into the largest part, so that a model which has
    learned from it may be asked for the conditions of all others.

    Arguments:
        events: The events.
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal; the same seed gives the same parts.

    Returns:
        One set of events per share, each in the order of the original.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.
    """
    parts = split_indices(events.conditions, shares, seed, events.total_energy())
    return [events[part] for part in parts]


def split_indices(
    conditions: Mapping[str, NDArray[np.float64]],
    shares: Sequence[float],
    seed: int,
    totals: NDArray[np.float64],
) -> list[NDArray[np.int64]]:
    """Split numbers of events at random, stratified in the conditions.

    Events with the same value of a condition that has few values (a particle, a class) are
    strata of their own. Inside, events are sorted so that neighbours have similar conditions, by
    energy where that is the only one, and each run of a hundred is dealt out by the shares.

    Arguments:
        conditions: Name to values, shape (N,).
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal.
        totals: Total signal of each event, shape (N,). Events that agree in it and in all
            conditions are copies, unless it is 0.

    Returns:
        The numbers of the events of each part, in rising order.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.
    """
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-9):
        raise DataError(
            f"shares {list(shares)} do not add up to 1",
            remedy="give fractions, such as 0.8 and 0.2",
            value=list(shares),
        )
    n_events = len(totals)
    first_copy = _first_copies(totals, conditions)
    originals = np.flatnonzero(first_copy == np.arange(n_events))
    random = stream(seed, "split")
    part = np.empty(n_events, np.int64)
    for stratum in _strata(originals, conditions):
        for begin in range(0, len(stratum), _BLOCK):
            block = stratum[begin : begin + _BLOCK]
            # A random shift keeps the shares right on average where they do not divide the block.
            points = (np.arange(len(block)) + random.random()) / len(block)
            deal = np.searchsorted(np.cumsum(shares)[:-1], points, side="right")
            part[block] = random.permutation(deal)
    _keep_ends(part, originals, conditions, int(np.argmax(shares)))
    part = part[first_copy]
    parts = [np.flatnonzero(part == number) for number in range(len(shares))]
    for share, chosen in zip(shares, parts, strict=True):
        if share > 0 and len(chosen) == 0:
            raise DataError(
                f"{n_events} events are too few to be split into shares {list(shares)}",
                remedy="give more events",
                value=n_events,
            )
    return parts


def _keep_ends(
    part: NDArray[np.int64],
    originals: NDArray[np.int64],
    conditions: Mapping[str, NDArray[np.float64]],
    largest: int,
) -> None:
    """Put the ends of every condition into the largest part, in exchange for their neighbours."""
    kept: set[int] = set()
    for values in conditions.values():
        rising = originals[np.argsort(values[originals], kind="stable")]
        for order in (rising, rising[::-1]):
            end = int(order[0])
            others = (int(k) for k in order[1:] if part[k] == largest and int(k) not in kept)
            if part[end] != largest and (neighbour := next(others, None)) is not None:
                part[neighbour], part[end] = part[end], largest
            kept.add(end)


def _first_copies(
    totals: NDArray[np.float64], conditions: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.int64]:
    """Return for each event the number of the first one that is its copy, mostly itself."""
    numbers = np.arange(len(totals))
    keys = np.stack([totals, *conditions.values()], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.where(totals == 0, numbers, first[inverse.ravel()])


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
    spread = [v for v, n in zip(columns, n_values, strict=True) if n > max(1, most)]
    order = _halved(chosen, spread, 0) if spread else chosen
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
