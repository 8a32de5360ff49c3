"""Precision, recall, density and coverage from nearest neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.validation.multivariate.estimate import as_features
from phys_gan.validation.multivariate.neighbours import (
    distance_blocks,
    nearest,
    rounding,
    standardised,
)

__all__ = ["NEIGHBOURS", "Prdc", "prdc", "prdc_within"]

NEIGHBOURS = 5


class Prdc(NamedTuple):
    """Precision, recall and coverage from 0 to 1; density from 0, and near 1 for equal samples."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(reference: ArrayLike, candidate: ArrayLike, *, k: int = NEIGHBOURS) -> Prdc:
    r"""Return precision, recall, density and coverage.

    With :math:`B(x)` the closed ball around an event that reaches to its k-th neighbour in its
    own sample:

    * precision: share of the candidate in any ball of the reference,
    * recall: share of the reference in any ball of the candidate
      (Kynkäänniemi et al., arXiv:1904.06991, eqs. 1-3),
    * density: number of balls of the reference around a candidate event, on average, over k,
    * coverage: share of the balls of the reference with a candidate event inside
      (Naeem et al., arXiv:2002.09797, eqs. 3-4).

    All depend on the numbers of events: compare values of equal sizes only. High precision alone
    means nothing, as a generator of a single good event has it. The features are standardised
    by the mean and standard deviation of the reference.

    Arguments:
        reference: Features, shape (n, d).
        candidate: Features, shape (m, d).
        k: Number of the neighbour that ends a ball.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has no more than k events.
    """
    first, second = as_features(k + 1, reference=reference, candidate=candidate)
    first, second = standardised(first, second)
    radii = (nearest(features, features, k, own=True)[:, 0, -1] for features in (first, second))
    return prdc_within(first, second, *radii, k=k)


def prdc_within(
    reference: NDArray[np.float64],
    candidate: NDArray[np.float64],
    reference_radii: NDArray[np.float64],
    candidate_radii: NDArray[np.float64],
    *,
    k: int = NEIGHBOURS,
) -> Prdc:
    """Return the same from standardised features and squared radii, shapes (n,) and (m,)."""
    # An event on the edge of a ball is inside, whatever rounding says.
    slack = rounding(reference, candidate)
    own = (reference_radii * (1 + 1e-9) + slack)[:, None]
    other = candidate_radii * (1 + 1e-9) + slack
    balls = np.zeros(len(candidate), np.int64)
    covered = recalled = 0
    for rows, squared in distance_blocks(reference, candidate):
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
