"""Cut events into parts that never overlap and look alike in energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.randomness import stream

__all__ = ["split"]

_BLOCK = 100


def split(events: Events, shares: Sequence[float], seed: int = 0) -> list[Events]:
    """Split events at random, stratified in the incident energy (or the first condition).

    Events are sorted by energy, and each run of a hundred is dealt out according to the shares,
    so that all parts have the same spectrum.

    Arguments:
        events: The events.
        shares: Shares of the parts, which add up to 1.
        seed: Seed of the deal; the same seed gives the same parts.

    Returns:
        One set of events per share, each in the order of the original.

    Raises:
        DataError: The shares do not add up to 1, or a part would be empty.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise DataError(f"shares {list(shares)} do not add up to 1", value=list(shares))
    random = stream(seed, "split")
    names = ["energy"] if "energy" in events.conditions else list(events.conditions)[:1]
    keys = events.conditions[names[0]] if names else np.arange(len(events))
    order = np.argsort(keys, kind="stable")
    part = np.empty(len(events), np.int64)
    for begin in range(0, len(events), _BLOCK):
        block = order[begin : begin + _BLOCK]
        # A random shift keeps the shares right on average where they do not divide the block.
        points = (np.arange(len(block)) + random.random()) / len(block)
        deal = np.searchsorted(np.cumsum(shares)[:-1], points, side="right")
        part[block] = random.permutation(deal)
    parts = [events[np.flatnonzero(part == number)] for number in range(len(shares))]
    for share, chosen in zip(shares, parts, strict=True):
        if share > 0 and len(chosen) == 0:
            raise DataError(
                f"{len(events)} events are too few to be split into shares {list(shares)}",
                remedy="give more events",
                value=len(events),
            )
    return parts
