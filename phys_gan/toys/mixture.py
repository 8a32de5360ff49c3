"""Mixtures of Gaussians: an exact density, and samples of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from phys_gan.errors import DataError, RangeError
from phys_gan.randomness import stream

__all__ = ["Mixture"]

_BLOCK = 1 << 14
"""Points whose distances to all centres are in memory together."""


@dataclass(frozen=True, eq=False)
class Mixture:
    r"""Mix K round Gaussians of one width in d dimensions.

    .. math:: p(x) = \sum_{k=1}^{K} w_k\,(2\pi\sigma^2)^{-d/2}
        \exp\left(-\frac{|x - \mu_k|^2}{2\sigma^2}\right)

    Arguments:
        centres: The means :math:`\mu_k`, shape (K, d).
        sigma: Standard deviation of every Gaussian along every axis.
        weights: The shares :math:`w_k`, shape (K,); equal ones when None. They are normalised.

    Raises:
        DataError: Centres or weights have a wrong shape or are not finite.
        RangeError: ``sigma`` or a weight is not positive.

    Example:
        >>> float(Mixture([[0.0]], sigma=1.0).density([[0.0]])[0])
        0.3989422804014327
    """

    centres: NDArray[np.float64]
    sigma: float
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        centres = np.array(self.centres, np.float64)
        if centres.ndim != 2 or not centres.size or not np.isfinite(centres).all():
            raise DataError(
                f"centres of shape {centres.shape} are not finite points",
                remedy="give at least one point, shape (K, d)",
                value=centres.shape,
            )
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise RangeError(
                f"sigma = {self.sigma} is no width",
                remedy="give a positive number",
                value=self.sigma,
            )
        n_modes = len(centres)
        shares = np.ones(n_modes) if self.weights is None else np.array(self.weights, np.float64)
        if shares.shape != (n_modes,):
            raise DataError(
                f"weights have shape {shares.shape}, but there are {n_modes} centres",
                remedy="give one weight per centre",
                value=shares.shape,
            )
        if not (np.isfinite(shares).all() and (shares > 0).all()):
            raise RangeError(
                f"a weight is {shares.min():g}",
                remedy="give positive weights, and leave out centres without any",
                value=float(shares.min()),
            )
        shares /= shares.sum()
        for array in (centres, shares):
            array.flags.writeable = False
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "weights", shares)

    @property
    def n_modes(self) -> int:
        """Number of Gaussians, K."""
        return len(self.centres)

    @property
    def n_dimensions(self) -> int:
        """Number of coordinates of a point, d."""
        return int(self.centres.shape[1])

    @property
    def shares(self) -> NDArray[np.float64]:
        """The normalised weights, shape (K,)."""
        assert self.weights is not None
        return self.weights

    def density(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return p at points of shape (N, d), shape (N,)."""
        return np.exp(self.log_density(points))

    def log_density(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return ln p at points of shape (N, d), shape (N,); finite also where p underflows."""
        constant = -self.n_dimensions / 2 * np.log(2 * np.pi * self.sigma**2)
        parts = [
            logsumexp(-squares / (2 * self.sigma**2), axis=1, b=self.shares) + constant
            for squares in self._squares(points)
        ]
        return np.concatenate([np.empty(0), *parts])

    def nearest(self, points: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the number of the centre nearest to each point and its distance, shapes (N,)."""
        parts = [(squares.argmin(axis=1), squares.min(axis=1)) for squares in self._squares(points)]
        modes = [np.empty(0, np.int64), *(mode for mode, _ in parts)]
        return np.concatenate(modes), np.sqrt(np.concatenate([np.empty(0), *(s for _, s in parts)]))

    def sample(self, n: int, seed: int) -> NDArray[np.float64]:
        """Draw n independent points, shape (n, d); the same seed gives the same ones.

        Raises:
            RangeError: ``n`` is less than 1.
        """
        if n < 1:
            raise RangeError(
                f"n = {n} is no number of points", remedy="ask for at least one", value=n
            )
        random = stream(seed, "mixture")
        modes = random.choice(self.n_modes, n, p=self.shares)
        return self.centres[modes] + self.sigma * random.standard_normal((n, self.n_dimensions))

    def _squares(self, points: ArrayLike) -> Iterator[NDArray[np.float64]]:
        """Yield the squared distances of blocks of points to all centres, shape (n, K)."""
        array = np.asarray(points, np.float64)
        if array.ndim != 2 or array.shape[1] != self.n_dimensions:
            raise DataError(
                f"points have shape {array.shape}, not (N, {self.n_dimensions})",
                remedy="give one row per point and one column per coordinate",
                value=array.shape,
            )
        for start in range(0, len(array), _BLOCK):
            # Differences, not |x|^2 - 2 x mu + |mu|^2: a mode is far narrower than it is far away.
            squares = np.zeros((min(_BLOCK, len(array) - start), self.n_modes))
            for x, mu in zip(array[start : start + _BLOCK].T, self.centres.T, strict=True):
                squares += (x[:, np.newaxis] - mu) ** 2
            yield squares
