"""Count the modes of a mixture that points hit, and how well they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import DataError
from phys_gan.toys.mixture import Mixture

__all__ = ["RADIUS", "ModeCount", "count_modes", "summarise", "tally_modes"]

RADIUS = 3.0
"""Distance to the nearest centre, in units of sigma, up to which a point is of high quality."""


@dataclass(frozen=True)
class ModeCount:
    """What points show of a mixture.

    Attributes:
        modes_hit: Number of modes with at least one point of high quality.
        n_modes: Number of modes that there are.
        high_quality: Share of the points within 3 sigma of the nearest centre.
        reverse_kl: Divergence of the shares of the modes among the points from the true ones, in
            nats.
    """

    modes_hit: int
    n_modes: int
    high_quality: float
    reverse_kl: float


def count_modes(points: ArrayLike, mixture: Mixture) -> ModeCount:
    r"""Count the modes that points hit.

    A point belongs to the mode with the nearest centre, and is of high quality within 3 sigma of
    it. A single such point hits a mode, so the count says nothing without the number of points,
    N: the published ones are of 2,500. Of points from a mixture of well separated modes itself
    the share :math:`1 - e^{-9/2} = 0.989` is of high quality in two dimensions, and 0.9973 in
    one. The reverse Kullback-Leibler divergence is that of the shares :math:`q_k` of all points,
    good or not, from the weights,

    .. math:: \mathrm{KL}(q \,\|\, w) = \sum_k q_k \ln\frac{q_k}{w_k},

    which is 0 when every mode has its share, and :math:`\ln K` when all points are in one of K
    equally frequent ones. The truth itself has on average :math:`(K - 1) / 2N`.

    References:
        PacGAN: The power of two samples in generative adversarial networks (Lin, Khetan, Fanti,
        Oh, 2017), https://arxiv.org/abs/1712.04086, section 4.1

    Arguments:
        points: Generated points, shape (N, d).
        mixture: The truth.

    Raises:
        DataError: There are no points, or they do not have the shape (N, d).

    Example:
        >>> from phys_gan.toys import TOYS
        >>> ring = TOYS["toy-ring"]
        >>> count_modes(ring.centres[[0, 0, 3, 3]], ring).modes_hit
        2
    """
    return summarise(tally_modes(points, mixture), mixture)


def tally_modes(points: ArrayLike, mixture: Mixture) -> NDArray[np.int64]:
    """Count the points by nearest mode, those within 3 sigma and those beyond, shape (2, K).

    Raises:
        DataError: There are no points, or they do not have the shape (N, d).
    """
    modes, distances = mixture.nearest(points)
    if not len(modes):
        raise DataError("there are no points to count", remedy="generate some")
    beyond = distances > RADIUS * mixture.sigma
    cells = np.bincount(modes + mixture.n_modes * beyond, minlength=2 * mixture.n_modes)
    return cells.reshape(2, mixture.n_modes)


def summarise(tally: NDArray[np.integer], mixture: Mixture) -> ModeCount:
    """Return what a tally of points shows.

    Arguments:
        tally: Points by mode, within 3 sigma and beyond, shape (2, K).
        mixture: The truth.
    """
    shares = tally.sum(axis=0) / tally.sum()
    hit = shares > 0
    divergence = float(np.sum(shares[hit] * np.log(shares[hit] / mixture.shares[hit])))
    return ModeCount(
        modes_hit=int(np.count_nonzero(tally[0])),
        n_modes=mixture.n_modes,
        high_quality=float(tally[0].sum() / tally.sum()),
        # Rounding must not make a divergence negative.
        reverse_kl=max(0.0, divergence),
    )
