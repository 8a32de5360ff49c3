"""Whether a generator knows its training events by heart: neighbours there and elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import Estimate, as_features, share
from phys_gan.validation.multivariate.neighbours import nearest, standardised

__all__ = [
    "SAME",
    "Memorisation",
    "closer_share",
    "copies_share",
    "distance_ratio",
    "memorisation",
]

SAME = 0.01
"""Two events are the same when their distance is below this part of a typical neighbour's."""

_REPLICAS = 100


class Memorisation(NamedTuple):
    """Attributes of :func:`memorisation`, each a value with its standard error."""

    closer: Estimate
    ratio: Estimate
    copies: Estimate


def memorisation(
    candidate: ArrayLike, training: ArrayLike, held_out: ArrayLike, *, seed: int
) -> Memorisation:
    """Compare the distances of candidate events to training and to held-out events.

    Both are drawn from one distribution, so that a generator which learnt that distribution,
    well or badly, is as near to either (Meehan et al., arXiv:2004.05675; Xu et al.,
    arXiv:1806.07755 test the same question). The larger of both samples is reduced at random to
    the size of the smaller one. The features are standardised by those of the held-out events.

    Arguments:
        candidate: Features, shape (n, d).
        training: Features of the events that the generator has seen, shape (t, d).
        held_out: Features of events that it has not seen, shape (h, d).
        seed: Seed of the subsamples and of the bootstrap.

    Returns:
        ``closer``, the share of candidate events whose nearest neighbour is a training event: 1/2
        without memorisation. ``ratio``, the median distance to training over that to held-out
        events: 1 without. ``copies``, the share of candidate events that coincide with a training
        event within 1 % of the median distance to held-out ones: 0 without, for continuous
        features.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: There are fewer than two candidate events.
    """
    held, seen, events = as_features(held_out=held_out, training=training, candidate=candidate)
    if len(events) < 2:
        raise RangeError(
            f"the candidate has {len(events)} event, but an error needs two",
            remedy="give more events",
            value=len(events),
            constraint=2,
        )
    generator = stream(seed, "validation/memorisation")
    n = min(len(seen), len(held))
    held, seen, events = standardised(held, seen, events)
    to_seen, to_held = (
        np.sqrt(nearest(events, points[generator.permutation(len(points))[:n]], 1)[:, 0, 0])
        for points in (seen, held)
    )
    draws = generator.integers(0, len(events), (_REPLICAS, len(events)))
    ratios = [distance_ratio(to_seen[draw], to_held[draw]) for draw in draws]
    closer = closer_share(to_seen, to_held)
    return Memorisation(
        Estimate(closer, share(closer * len(events), len(events)).error),
        Estimate(distance_ratio(to_seen, to_held), float(np.std(ratios, ddof=1))),
        copies_share(to_seen, SAME * float(np.median(to_held))),
    )


def closer_share(to_training: NDArray[np.float64], to_held_out: NDArray[np.float64]) -> float:
    """Return the share of events closer to training than to held-out ones; ties count half."""
    return float(np.mean(to_training < to_held_out) + np.mean(to_training == to_held_out) / 2)


def distance_ratio(to_training: NDArray[np.float64], to_held_out: NDArray[np.float64]) -> float:
    """Return the median distance to training over that to held-out events; 0/0 is 1."""
    near, far = float(np.median(to_training)), float(np.median(to_held_out))
    if far > 0:
        return near / far
    return 1.0 if near == 0 else float("inf")


def copies_share(to_training: NDArray[np.float64], tolerance: float) -> Estimate:
    """Return the share of events that coincide with a training event, with binomial error."""
    return share(float(np.sum(to_training <= tolerance)), len(to_training))
