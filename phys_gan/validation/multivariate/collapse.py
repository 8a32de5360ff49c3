"""Mode collapse: how many different events there are, and the toys with countable modes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import Estimate, as_features, share
from phys_gan.validation.multivariate.neighbours import close_counts, nearest, standardised

__all__ = [
    "Collapse",
    "Modes",
    "collapse",
    "duplicates_share",
    "effective_number",
    "grid_modes",
    "mean_distance",
    "modes_hit",
    "neighbour_scale",
    "ring_modes",
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
    first, second = as_features(reference=reference, candidate=candidate)
    n = min(len(first), len(second))
    if n < 2 * _SHIFTS:
        raise RangeError(
            f"a sample has {n} events, but collapse is seen from {2 * _SHIFTS} on only",
            remedy="give more events",
            value=n,
            constraint=2 * _SHIFTS,
        )
    generator = stream(seed, "validation/collapse")
    first, second = (
        features[generator.permutation(len(features))[:n]]
        for features in standardised(first, second)
    )
    same, close = neighbour_scale(nearest(first, first, 1, own=True))
    pairs = float(close_counts(second, close).sum()) / 2
    one, two = mean_distance(first), mean_distance(second)
    return Collapse(
        duplicates_share(nearest(second, second, 1, own=True)[:, 0, 0], same),
        # Close pairs are few of many: their number is nearly a Poisson one.
        Estimate(effective_number(pairs, n), float(1 / (np.log(10) * np.sqrt(pairs + 1)))),
        Estimate(
            two.value / one.value,
            two.value
            / one.value
            * float(np.hypot(two.error / max(two.value, 1e-300), one.error / one.value)),
        ),
    )


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


def effective_number(n_pairs: float, n: int) -> float:
    """Return the decadic logarithm of the effective number of different events.

    Arguments:
        n_pairs: Number of close pairs; one is added, so that none gives a lower limit.
        n: Number of events.

    Example:
        >>> round(effective_number(5e4 - 1, 1001), 2)  # a tenth of all pairs meet
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


class Modes(NamedTuple):
    """What :func:`modes_hit` counts."""

    n_modes: int
    high_quality: float
    reverse_kl: float


def grid_modes() -> NDArray[np.float64]:
    """Return the centres of 25 Gaussians on a 5 x 5 grid of step 2; PacGAN's have sigma 0.05."""
    line = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


def ring_modes() -> NDArray[np.float64]:
    """Return the centres of 8 Gaussians on the unit circle; PacGAN's have sigma 0.01."""
    angles = 2 * np.pi * np.arange(8) / 8
    return np.column_stack([np.cos(angles), np.sin(angles)])


def modes_hit(samples: ArrayLike, centres: ArrayLike, sigma: float) -> Modes:
    r"""Count the modes that samples hit (Lin et al., PacGAN, arXiv:1712.04086, sec. 4.1).

    Arguments:
        samples: Generated points, shape (n, d).
        centres: Centres of equally frequent modes, shape (M, d).
        sigma: Standard deviation of each mode.

    Returns:
        Number of modes with a sample within 3 sigma of the centre; share of samples within 3
        sigma of any centre; reverse Kullback-Leibler divergence :math:`\sum_i q_i \ln(M q_i)` in
        nats of the shares q of samples by nearest centre: 0 when equally frequent, ln M when all
        are in one.

    Raises:
        DataError: The shapes do not match, or values are not finite.
        RangeError: Sigma is not positive.

    Example:
        >>> modes_hit([[1.0, 0.0]], ring_modes(), 0.01).n_modes
        1
    """
    modes, points = as_features(centres=centres, samples=samples)
    if not sigma > 0:
        raise RangeError(
            f"sigma is {sigma}, but must be positive",
            remedy="give the width of the modes",
            value=sigma,
            constraint="> 0",
        )
    distances = np.linalg.norm(points[:, None] - modes, axis=2)
    closest = distances.argmin(axis=1)
    good = distances.min(axis=1) <= 3 * sigma
    q = np.bincount(closest, minlength=len(modes)) / len(points)
    hit = q[q > 0]
    return Modes(
        n_modes=len(np.unique(closest[good])),
        high_quality=float(good.mean()),
        reverse_kl=float(max(0.0, np.sum(hit * np.log(hit * len(modes))))),
    )
