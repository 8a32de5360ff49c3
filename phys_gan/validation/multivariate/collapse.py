"""Mode collapse: how many different events there are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import Estimate, as_features, share
from phys_gan.validation.multivariate.neighbours import close_counts, nearest, standardised

__all__ = [
    "Collapse",
    "collapse",
    "distinct_events",
    "diversity",
    "duplicates_share",
    "mean_distance",
    "neighbour_scale",
]

_SAME = 0.01
_CLOSE = 0.1
_SHIFTS = 10


class Collapse(NamedTuple):
    """Attributes of :func:`collapse`, each a value with its standard error."""

    duplicates: Estimate
    distinct: Estimate
    diversity: Estimate


def collapse(reference: ArrayLike, candidate: ArrayLike, *, seed: int) -> Collapse:
    r"""Return three indicators of mode collapse of the candidate.

    Two events are called *close* within the distance that 10 % of the reference events have to
    their nearest neighbour. The share of close pairs of a sample, :math:`\sum_i p_i^2` for
    discrete events, is the inverse of the number of equally frequent events which would meet as
    often: the effective number of different events (the birthday paradox test of Arora and
    Zhang, arXiv:1706.08224, with distances instead of eyes). It depends on that distance, and so
    on the size of the reference: compare values of equal sizes only. The larger sample is reduced
    at random to the size of the smaller one; features are standardised by those of the reference.

    Arguments:
        reference: Features, shape (n, d).
        candidate: Features, shape (m, d).
        seed: Seed of the subsamples.

    Returns:
        ``duplicates``, the share of events that coincide with another within 1 % of the median
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
        duplicates_share(nearest(second, second, 1, own=True)[:, 0, 0], same),
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


def neighbour_scale(squared: NDArray[np.float64]) -> tuple[float, float]:
    """Return the distances below which events are the same, and close, from the reference.

    Arguments:
        squared: Squared distances of its events to their nearest neighbours.
    """
    distances = np.sqrt(squared)
    return _SAME * float(np.median(distances)), float(np.quantile(distances, _CLOSE))


def duplicates_share(squared: NDArray[np.float64], tolerance: float) -> Estimate:
    """Return the share of events with a neighbour within ``tolerance``, with binomial error.

    Arguments:
        squared: Squared distances to the nearest neighbour in the own sample, shape (n,).
        tolerance: Distance within which events are the same.
    """
    return share(float(np.sum(squared <= tolerance**2)), len(squared))


def distinct_events(n_pairs: float, n: int) -> float:
    """Return the decadic logarithm of the effective number of different events.

    Arguments:
        n_pairs: Number of close pairs; one is added, so that none gives a lower limit.
        n: Number of events.

    Example:
        >>> round(distinct_events(5e4 - 1, 1001), 2)  # a tenth of all pairs meet
        1.0
    """
    return float(np.log10(n * (n - 1) / 2 / (n_pairs + 1)))


def mean_distance(features: NDArray[np.float64]) -> Estimate:
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
