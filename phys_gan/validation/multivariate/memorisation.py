"""Whether a generator knows its training events by heart: neighbours there and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import as_features, share
from phys_gan.validation.multivariate.glossary import MULTIVARIATE
from phys_gan.validation.multivariate.neighbours import nearest, standardised
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["distance_ratio", "memorisation"]

_SAME = 0.01
_GROUPS = 200
_KEPT = 12
_EXCHANGES = 500
_LARGEST = 1e6

Floats = NDArray[np.float64]


def memorisation(
    candidate: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike,
    *,
    seed: int,
    max_events: int = 10_000,
) -> dict[str, Result]:
    """Compare the distances of candidate events to training and to held-out events.

    Both are drawn from one distribution, so that a generator which learnt that distribution,
    well or badly, is as near to either (Meehan et al., arXiv:2004.05675; Xu et al.,
    arXiv:1806.07755 test the same question). The larger of both samples is reduced at random to
    the size of the smaller one. The features are standardised by both together.

    Without memorisation nothing tells training from held-out points, whatever the candidate is,
    so that exchanging their labels at random gives the metrics' exact distribution (permutation
    test: Hoeffding, Ann. Math. Stat. 23, 1952, 169; with nearest neighbours: Henze, Ann. Stat. 16,
    1988, 772). It holds the fluctuation of the points, which a binomial error lacks: a point that
    is the nearest of many candidate events counts many times. Its mean is the floor, its standard
    deviation the error (for copies the binomial one where that is larger), three of them lie
    between floor and limit, and its tail, the observed labels included, is the p-value (Phipson
    and Smyth, arXiv:1603.05766). Only the ratio of medians, which a candidate of copies makes jump
    with every exchange, is exchanged between halves of the held-out points, where it scatters more.

    Arguments:
        candidate: Features, shape (n, d).
        training: Features of the events that the generator has seen, shape (t, d).
        held_out: Features of events that it has not seen, shape (h, d).
        seed: Seed of the subsamples and of the exchanges.
        max_events: Twice the largest number of candidate events; a fifth of that of the others.

    Returns:
        ``closer_to_training``, the share of candidate events whose nearest neighbour is a training
        event: 1/2 without memorisation. ``training_distance``, the median distance to training
        over that to held-out events: 1 without. ``training_copies``, the share of candidate events
        that coincide with a training event within 1 % of the median distance to held-out ones: 0
        without, for continuous features.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has fewer than two events.
    """
    matrices = as_features(2, held_out=held_out, training=training, candidate=candidate)
    generator = stream(seed, "validation/memorisation")
    held, seen, events = (matrix[generator.permutation(len(matrix))] for matrix in matrices)
    events = events[: max_events // 2]
    n = min(len(seen), len(held), 5 * max_events)
    size = max(1, n // _GROUPS)
    groups = n // size
    n = groups * size
    points, events = standardised(np.concatenate([seen[:n], held[:n]]), events)
    # Labels are exchanged by groups of points: one search serves every exchange.
    distances = np.sqrt(nearest(events, points, 1, groups=2 * groups)[:, :, 0])
    near, far = (part.min(axis=1) for part in np.split(distances, 2, axis=1))
    tolerance = _SAME * float(np.median(far))
    measures: dict[str, Callable[[Floats, Floats], float]] = {
        "closer_to_training": _closer_share,
        "training_distance": distance_ratio,
        "training_copies": lambda near, _: float(np.mean(near <= tolerance)),
    }
    found = {}
    for name, measure in measures.items():
        exchanged = distances[:, groups:] if name == "training_distance" else distances
        null = [measure(*sides) for sides in _exchanges(exchanged, generator)]
        found[name] = _judged(name, measure(near, far), np.array(null), (n, len(events)))
    return found


def distance_ratio(to_training: Floats, to_held_out: Floats) -> float:
    """Return the median distance to training over that to held-out events; 0/0 is 1."""
    near, far = float(np.median(to_training)), float(np.median(to_held_out))
    if far > 0:
        return near / far
    return 1.0 if near == 0 else float("inf")


def _closer_share(to_training: Floats, to_held_out: Floats) -> float:
    """Return the share of events closer to training than to held-out ones; ties count half."""
    return float(np.mean(to_training < to_held_out) + np.mean(to_training == to_held_out) / 2)


def _exchanges(
    distances: Floats, generator: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Yield distances to training and to held-out points after exchanges of the points' labels.

    Arguments:
        distances: Of candidate events to groups of points, shape (n, n_groups); half of the groups
            are called training in each exchange.
        generator: Draws the labels.

    Yields:
        Shapes (n,); infinite where the nearest groups all have the other label, which happens to
        one event in 2,000.
    """
    n_groups = distances.shape[1]
    nearest_groups = np.argpartition(distances, min(_KEPT, n_groups) - 1, axis=1)[:, :_KEPT]
    near = np.take_along_axis(distances, nearest_groups, axis=1).T.copy()
    nearest_groups = nearest_groups.T.copy()
    for _ in range(_EXCHANGES):
        training = (generator.permutation(n_groups) < n_groups // 2)[nearest_groups]
        yield (
            np.where(training, near, np.inf).min(axis=0),
            np.where(training, np.inf, near).min(axis=0),
        )


def _judged(name: str, value: float, null: Floats, sizes: tuple[int, int]) -> Result:
    worse = MULTIVARIATE[name].worse
    beyond = null >= value if worse == "higher" else null <= value
    p_value = (1 + int(beyond.sum())) / (1 + len(null))
    # A point on which events lie may be at the distance 0 of half of them: no ratio then.
    null = np.minimum(null, _LARGEST)
    # The exchanges hold the fluctuation of the candidate too: no error widens them further.
    judged = against_floor(value, 0.0, null, *sizes, worse=worse)
    error = judged.floor_error
    if name == "training_copies":
        # Exchanges without a copy all give 0, but the number of copies has an error.
        error = max(error, share(value * sizes[1], sizes[1]).error)
    return replace(judged, error=error, p_value=p_value)
