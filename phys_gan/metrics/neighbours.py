"""Nearest neighbours: precision and recall, mode collapse, memorisation.

Distances are Euclidean, between standardised features. They are taken in blocks, so that memory
does not grow with the samples. All metrics here depend on the numbers of events: compare values of
equal sizes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.metrics.result import MULTIVARIATE, Result, against_floor
from phys_gan.metrics.samples import as_features, standardised
from phys_gan.metrics.statistics import Estimate, Floats, fraction
from phys_gan.randomness import stream

NEIGHBOURS = 5
"""Number of the neighbour that ends a ball around an event."""

_SAME = 0.01
"""Events are the same within this part of the median distance between neighbours."""
_CLOSE = 0.1
"""Events are close within this quantile of the distances between neighbours."""
_SHIFTS = 10

_GROUPS = 200
_KEPT = 12
_EXCHANGES = 500
_LARGEST_RATIO = 1e6

_BLOCK_VALUES = 2**19


class Prdc(NamedTuple):
    """Precision, recall and coverage from 0 to 1; density from 0, and near 1 for equal samples."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(reference: ArrayLike, candidate: ArrayLike, *, k: int = NEIGHBOURS) -> Prdc:
    r"""Return precision, recall, density and coverage of features (n, d) and (m, d).

    With :math:`B(x)` the closed ball around an event that reaches to its k-th neighbour in its
    own sample:

    * precision: fraction of the candidate in any ball of the reference,
    * recall: fraction of the reference in any ball of the candidate
      (Kynkäänniemi et al., arXiv:1904.06991, eqs. 1-3),
    * density: number of balls of the reference around a candidate event, on average, over k,
    * coverage: fraction of the balls of the reference with a candidate event inside
      (Naeem et al., arXiv:2002.09797, eqs. 3-4).

    High precision alone means nothing, as a generator of a single good event has it. The features
    are standardised by the mean and standard deviation of the reference.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has no more than k events.
    """
    first, second = as_features(k + 1, reference=reference, candidate=candidate)
    first, second = standardised(first, second)
    radii = (nearest(features, features, k, own=True)[:, 0, -1] for features in (first, second))
    return prdc_within(first, second, *radii, k=k)


def prdc_within(
    reference: Floats,
    candidate: Floats,
    reference_radii: Floats,
    candidate_radii: Floats,
    *,
    k: int = NEIGHBOURS,
) -> Prdc:
    """Return the same from standardised features and squared radii, shapes (n,) and (m,)."""
    # An event on the edge of a ball is inside, within rounding.
    slack = _rounding(reference, candidate)
    own = (reference_radii * (1 + 1e-9) + slack)[:, None]
    other = candidate_radii * (1 + 1e-9) + slack
    balls = np.zeros(len(candidate), np.int64)
    covered = recalled = 0
    for rows, squared in _distance_blocks(reference, candidate):
        inside = squared <= own[rows]
        balls += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((squared <= other).any(axis=1).sum())
    return Prdc(
        precision=float(np.mean(balls > 0)),
        recall=recalled / len(reference),
        density=float(balls.mean()) / k,
        coverage=covered / len(reference),
    )


class Collapse(NamedTuple):
    """Attributes of :func:`collapse`, each a value with its standard error."""

    duplicates: Estimate
    distinct: Estimate
    diversity: Estimate


def collapse(reference: ArrayLike, candidate: ArrayLike, *, seed: int) -> Collapse:
    r"""Return three indicators of mode collapse, from features (n, d) and (m, d).

    Two events are called *close* within the distance that 10 % of the reference events have to
    their nearest neighbour. The fraction of close pairs of a sample, :math:`\sum_i p_i^2` for
    discrete events, is the inverse of the number of equally frequent events which would meet as
    often: the effective number of different events (the birthday paradox test of Arora and
    Zhang, arXiv:1706.08224, with distances instead of eyes). The larger sample is reduced at random
    to the size of the smaller one; features are standardised by those of the reference.

    Returns:
        ``duplicates``, the fraction of events that coincide with another within 1 % of the median
        distance between neighbours in the reference. ``distinct``, the decadic logarithm of the
        effective number of different events. ``diversity``, the mean distance between two
        candidate events over that between two reference events.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has fewer than 20 events.
    """
    first, second = as_features(2 * _SHIFTS, reference=reference, candidate=candidate)
    n = min(len(first), len(second))
    generator = stream(seed, "validation/collapse")
    first, second = (
        features[generator.permutation(len(features))[:n]]
        for features in standardised(first, second)
    )
    same, close = neighbour_scale(nearest(first, first, 1, own=True))
    pairs = float(close_counts(second, close).sum()) / 2
    return Collapse(
        duplicates(nearest(second, second, 1, own=True)[:, 0, 0], same),
        # Close pairs are few of many: their number is nearly a Poisson one.
        Estimate(distinct_events(pairs, n), float(1 / (np.log(10) * np.sqrt(pairs + 1)))),
        diversity(mean_distance(first), mean_distance(second)),
    )


def diversity(reference: Estimate, candidate: Estimate) -> Estimate:
    """Return the mean distance in the candidate over that in the reference; 1 where this is 0."""
    if reference.value == 0:
        return Estimate(1.0, 0.0)
    value = candidate.value / reference.value
    error = np.hypot(candidate.error, value * reference.error) / reference.value
    return Estimate(value, float(error))


def neighbour_scale(squared: Floats) -> tuple[float, float]:
    """Return the distances below which events are the same, and close.

    They follow from the squared distances of the events of the reference to their neighbours.
    """
    distances = np.sqrt(squared)
    return _SAME * float(np.median(distances)), float(np.quantile(distances, _CLOSE))


def duplicates(squared: Floats, tolerance: float) -> Estimate:
    """Return the fraction of events within ``tolerance`` of their neighbour in the same sample."""
    return fraction(float(np.sum(squared <= tolerance**2)), len(squared))


def distinct_events(n_pairs: float, n: int) -> float:
    """Return the decadic logarithm of the effective number of different events, of n events.

    One is added to the number of close pairs, so that none gives a lower limit.

    Example:
        >>> round(distinct_events(5e4 - 1, 1001), 2)  # a tenth of all pairs meet
        1.0
    """
    return float(np.log10(n * (n - 1) / 2 / (n_pairs + 1)))


def mean_distance(features: Floats) -> Estimate:
    """Return the mean distance between two events, which stand in random order.

    Every event is paired with the ten after it; the error counts events, not pairs.
    """
    shifts = range(1, min(_SHIFTS, len(features) - 1) + 1)
    distances = np.mean(
        [np.linalg.norm(features - np.roll(features, s, axis=0), axis=1) for s in shifts], axis=0
    )
    # An event is in the pairs of both directions.
    error = np.sqrt(2 / len(features)) * distances.std()
    return Estimate(float(distances.mean()), float(error))


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

    Without memorisation training and held-out points are alike, whatever the candidate is,
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
        ``closer_to_training``, the fraction of candidate events whose nearest neighbour is a
        training event: 1/2 without memorisation. ``training_distance``, the median distance to
        training over that to held-out events: 1 without. ``training_copies``, the fraction of
        candidate events that coincide with a training event within 1 % of the median distance to
        held-out ones: 0 without, for continuous features.

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
        "closer_to_training": _closer,
        "training_distance": distance_ratio,
        "training_copies": lambda near, _: float(np.mean(near <= tolerance)),
    }
    found = {}
    for name, measure in measures.items():
        exchanged = distances[:, groups:] if name == "training_distance" else distances
        null = [measure(*sides) for sides in _exchanges(exchanged, generator)]
        found[name] = _judge_exchanges(name, measure(near, far), np.array(null), (n, len(events)))
    return found


def distance_ratio(to_training: Floats, to_held_out: Floats) -> float:
    """Return the median distance to training over that to held-out events; 0/0 is 1."""
    near, far = float(np.median(to_training)), float(np.median(to_held_out))
    if far > 0:
        return near / far
    return 1.0 if near == 0 else float("inf")


def _closer(to_training: Floats, to_held_out: Floats) -> float:
    """Return the fraction of events closer to training than to held-out ones; ties count half."""
    return float(np.mean(to_training < to_held_out) + np.mean(to_training == to_held_out) / 2)


def _exchanges(
    distances: Floats, generator: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Yield distances to training and to held-out points, (n,), after exchanges of their labels.

    From distances to groups of points, (n, n_groups), half of which are called training in each
    exchange. Infinite where the nearest groups all have the other label: one event in 2,000.
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


def _judge_exchanges(name: str, value: float, null: Floats, sizes: tuple[int, int]) -> Result:
    worse = MULTIVARIATE[name].worse
    beyond = null >= value if worse == "higher" else null <= value
    p_value = (1 + int(beyond.sum())) / (1 + len(null))
    # A point on which events lie may be at the distance 0 of half of them: no ratio then.
    null = np.minimum(null, _LARGEST_RATIO)
    # The exchanges hold the fluctuation of the candidate too: no error widens them further.
    judged = against_floor(value, 0.0, null, *sizes, worse=worse)
    error = judged.floor_error
    if name == "training_copies":
        # Exchanges without a copy all give 0, but the number of copies has an error.
        error = max(error, fraction(value * sizes[1], sizes[1]).error)
    return replace(judged, error=error, p_value=p_value)


def _distance_blocks(rows: Floats, columns: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield some rows, as a slice, and their squared Euclidean distances to all columns.

    |x|² - 2 x·y + |y|² as one matrix product, in float64: the cancellation costs digits, which
    single precision would not have for near duplicates. See :func:`_rounding`.
    """
    left = np.column_stack([-2 * rows, (rows**2).sum(axis=1), np.ones(len(rows))])
    right = np.column_stack([columns, np.ones(len(columns)), (columns**2).sum(axis=1)]).T
    size = max(1, _BLOCK_VALUES // len(columns))
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        yield part, left[part] @ right


def _rounding(*samples: Floats) -> float:
    """Return how far squared distances may be off through rounding."""
    largest = max(float((features**2).sum(axis=1).max()) for features in samples)
    return float(1e-14 * samples[0].shape[1] * (1 + largest))


def nearest(
    queries: Floats,
    points: Floats,
    k: int,
    *,
    groups: int = 1,
    own: bool = False,
) -> Floats:
    """Return the k smallest squared distances of each query to each group of points.

    The k nearest of a union of groups are among the k nearest of its groups, so that one pass
    serves every choice of groups.

    Arguments:
        queries: Features, shape (n, d).
        points: Features, shape (m, d); group g holds m/groups of them in their order.
        k: How many; infinite where a group has fewer.
        groups: Number of groups, a divisor of m.
        own: The queries are the points themselves: none is its own neighbour.

    Returns:
        Squared distances in ascending order, shape (n, groups, k).
    """
    size = len(points) // groups
    found = np.full((len(queries), groups, k), np.inf)
    kept = min(k, size)
    for part, squared in _distance_blocks(queries, points):
        if own:
            squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        by_group = squared.reshape(len(squared), groups, size)
        if kept == 1:
            found[part, :, 0] = by_group.min(axis=2)
            continue
        by_group.partition(kept - 1, axis=2)
        found[part, :, :kept] = np.sort(by_group[:, :, :kept], axis=2)
    return np.asarray(np.maximum(found, 0))


def close_counts(features: Floats, radius: float, *, groups: int = 1) -> NDArray[np.int64]:
    """Count the other events within a radius of each event, by group, shape (n, groups)."""
    limit = radius**2 * (1 + 1e-9) + _rounding(features)
    counts = np.empty((len(features), groups), np.int64)
    for part, squared in _distance_blocks(features, features):
        squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        close = (squared <= limit).reshape(len(squared), groups, -1)
        counts[part] = np.count_nonzero(close, axis=2)
    return counts
