"""Fréchet distance between Gaussian fits: FPD on physics features, FID on those of a network.

:func:`frechet_distance` is the distance of two Gaussians, :func:`fpd` that of two samples,
extrapolated to infinitely many events. Sums over groups of events (:class:`Moments`) give the
Gaussian fit of any union of groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.metrics.samples import Weighted, as_weighted, normalised
from phys_gan.metrics.statistics import Estimate, Floats
from phys_gan.randomness import stream

_MAX_SIZE = 50_000
_SMALLEST = 0.4
_N_SIZES = 10
_N_GROUPS = 100
_BLOCK_VALUES = 2**20
_LEAST = 0.25
"""Smallest sum of weights of a union of groups, over its expectation."""


def frechet_distance(
    mean1: ArrayLike, cov1: ArrayLike, mean2: ArrayLike, cov2: ArrayLike
) -> Floats:
    r"""Return the squared Fréchet (Wasserstein-2) distance of two Gaussian distributions.

    .. math:: |\mu_1 - \mu_2|^2 + \mathrm{tr}(S_1) + \mathrm{tr}(S_2)
        - 2 \sum_i \sqrt{\lambda_i(S_1 S_2)}

    (Dowson and Landau, J. Multivariate Anal. 12, 1982, 450). The eigenvalues of
    :math:`S_1 S_2` are those of the symmetric :math:`R^T S_2 R` with :math:`S_1 = R R^T`: real
    and not negative also where a covariance is singular.

    Means have the shape ``(*, d)``, covariances ``(*, d, d)``, and the distances ``(*,)``;
    rounding may leave -1e-16 between equal distributions.

    Example:
        >>> float(frechet_distance([0.0], [[1.0]], [3.0], [[4.0]]))
        10.0
    """
    mean1, cov1, mean2, cov2 = (np.asarray(a, np.float64) for a in (mean1, cov1, mean2, cov2))
    values, vectors = np.linalg.eigh(cov1)
    root = vectors * np.sqrt(_without_rounding(values))[..., None, :]
    product = np.linalg.eigvalsh(np.swapaxes(root, -1, -2) @ cov2 @ root)
    cross = np.sqrt(_without_rounding(product)).sum(axis=-1)
    traces = np.trace(cov1 + cov2, axis1=-2, axis2=-1)
    return np.asarray(((mean1 - mean2) ** 2).sum(axis=-1) + traces - 2 * cross, np.float64)


def fpd(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    normalise: bool = True,
    batches: int = 20,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> Estimate:
    r"""Return the Fréchet physics distance, extrapolated to infinitely many events.

    Kansal et al., arXiv:2211.10295, sec. III; the extrapolation is that of Chong and Forsyth,
    arXiv:1911.07023. The distance of N events of both samples, drawn with replacement, is
    averaged over ``batches`` for ten N, regular in 1/N from 20,000 to 50,000; a straight line in
    1/N gives the value at 1/N = 0, which is bounded at 0. With fewer than 50,000 events in the
    smaller sample, N runs from 0.4 to 1 times their number instead; below some 10,000 (the
    minimum of the CaloChallenge) read the value against its floor only, because what is
    extrapolated to is the distance of the samples, not that of their distributions.

    Groups of 1 % of N are drawn, not single events: a batch then is a sum of moments. On the
    features of Inception-v3, without normalisation, this is the extrapolated FID; the plain FID
    is :func:`frechet_distance` of two samples. Time grows with the third power of the number of
    features.

    With weights the Gaussians have

    .. math:: \mu = \frac{\sum_i w_i x_i}{\sum_i w_i}, \qquad
        S = \frac{\sum_i w_i (x_i - \mu)(x_i - \mu)^T}{\sum_i w_i - \sum_i w_i^2 / \sum_i w_i}

    (unbiased for weights that do not depend on the features), and all numbers N are effective
    ones, :math:`(\sum_i w_i)^2 / \sum_i w_i^2`. Negative weights may give a covariance slightly
    negative eigenvalues, which count as 0.

    Arguments:
        reference: Features, shape (n, d).
        candidate: Features, shape (m, d).
        seed: Seed of the batches.
        normalise: Divide each feature by the largest absolute value in the reference.
        batches: Batches per size.
        reference_weights: Weights of the reference, shape (n,), of any sign and scale.
        candidate_weights: The same of the candidate, shape (m,).

    Returns:
        The intercept. Its error is that of the fit and the bootstrap error of the samples, in
        quadrature; JetNet quotes the former alone.

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than two events.
    """
    first, second = as_weighted(
        2, reference=(reference, reference_weights), candidate=(candidate, candidate_weights)
    )
    if normalise:
        first, second = normalised(first, second)
    # A common shift does not change the distance, but saves digits of the second moments.
    centre = first.features.mean(axis=0)
    smaller = int(min(first.number, second.number, _MAX_SIZE))
    size = max(1, smaller // _N_GROUPS)
    one, two = (
        group_moments(sample, len(sample) // round(size / sample.efficiency), centre)
        for sample in (first, second)
    )
    generator = stream(seed, "validation/fpd")
    value, error = fpd_of_groups(one, two, smaller // size, generator, batches)
    return Estimate(max(0.0, value), error)


@dataclass(frozen=True)
class Moments:
    """Sums over G groups of events.

    Attributes:
        n: Sums of the weights, shape (G,): numbers of events where these have none.
        squares: Sums of their squares, shape (G,).
        first: Sums of the features, shape (G, d).
        second: Sums of their products, shape (G, d, d).
    """

    n: Floats
    squares: Floats
    first: Floats
    second: Floats

    def __getitem__(self, groups: NDArray[np.intp]) -> Moments:
        return Moments(
            self.n[groups], self.squares[groups], self.first[groups], self.second[groups]
        )

    def gaussians(self, draws: Floats) -> tuple[Floats, Floats, Floats]:
        """Return effective numbers (R,), means (R, d) and covariances (R, d, d) of unions.

        Arguments:
            draws: How often each group is in each union, shape (R, G).
        """
        # Negative weights may leave nearly nothing of a small union, and no mean.
        least = _LEAST * self.n.mean() * draws.sum(axis=1)
        n, squares = np.maximum(draws @ self.n, least), draws @ self.squares
        mean = draws @ self.first / n[:, None]
        second = np.tensordot(draws, self.second, axes=1)
        outer = n[:, None, None] * mean[:, :, None] * mean[:, None, :]
        free = np.maximum(n - squares / n, 1)
        return n**2 / squares, mean, (second - outer) / free[:, None, None]


def group_moments(sample: Weighted, n_groups: int, centre: Floats) -> Moments:
    """Cut events, in their order, into groups, and sum features minus ``centre`` over each."""
    parts = [(part - centre, weights) for part, weights in sample.groups(n_groups)]
    n = [len(part) if weights is None else weights.sum() for part, weights in parts]
    squares = [len(part) if weights is None else weights @ weights for part, weights in parts]
    scaled = [part if weights is None else part * weights[:, None] for part, weights in parts]
    return Moments(
        np.array(n, np.float64),
        np.array(squares, np.float64),
        np.stack([part.sum(axis=0) for part in scaled]),
        np.stack([one.T @ other for one, (other, _) in zip(scaled, parts, strict=True)]),
    )


def fpd_of_groups(
    first: Moments, second: Moments, largest: int, generator: np.random.Generator, batches: int
) -> Estimate:
    """Return the unbounded intercept of :func:`fpd`, from at most ``largest`` groups a batch."""
    parts = 1 / np.linspace(1, 1 / _SMALLEST, _N_SIZES)
    counts = np.maximum(1, np.rint(largest * parts)).astype(int)
    draws = [_draws(len(m.n), counts, batches, generator) for m in (first, second)]
    inverse, distances = np.empty((2, _N_SIZES * batches))
    rows = max(1, _BLOCK_VALUES // first.second[0].size)
    for start in range(0, len(inverse), rows):
        part = slice(start, start + rows)
        n1, mean1, cov1 = first.gaussians(draws[0][part])
        n2, mean2, cov2 = second.gaussians(draws[1][part])
        distances[part] = frechet_distance(mean1, cov1, mean2, cov2)
        inverse[part] = (1 / n1 + 1 / n2) / 2
    distances = distances.reshape(_N_SIZES, batches)
    inverse = inverse.reshape(_N_SIZES, batches).mean(axis=1)
    value, fit_error = _intercept(inverse, distances.mean(axis=1))
    # The bootstrap error of N drawn events is that of n events times sqrt(n / N).
    n = min(first.n.sum(), second.n.sum())
    sampling = float(np.mean(distances.var(axis=1, ddof=1) / (n * inverse)))
    return Estimate(value, float(np.hypot(fit_error, np.sqrt(sampling))))


def _draws(
    n_groups: int, counts: NDArray[np.int_], batches: int, generator: np.random.Generator
) -> Floats:
    """Return how often each group is drawn, shape (n_sizes * batches, n_groups).

    All batches of a size together hold every group equally often (balanced bootstrap, Davison et
    al., Biometrika 73, 1986, 555): what is linear in the weights then does not fluctuate.
    """
    weights = []
    for count in counts:
        whole, rest = divmod(count * batches, n_groups)
        pool = [np.tile(np.arange(n_groups), whole), generator.permutation(n_groups)[:rest]]
        batch = generator.permutation(np.concatenate(pool)).reshape(batches, count)
        weights += [np.bincount(row, minlength=n_groups) for row in batch]
    return np.array(weights, np.float64)


def _intercept(x: Floats, y: Floats) -> Estimate:
    """Return the intercept of a straight line, with the error that its residuals imply."""
    offset = x - x.mean()
    width = float((offset**2).sum())
    if width == 0:
        return Estimate(float(y.mean()), 0.0)
    slope = float((offset * y).sum()) / width
    residuals = y - y.mean() - slope * offset
    variance = float((residuals**2).sum()) / (len(x) - 2)
    value = float(y.mean() - slope * x.mean())
    return Estimate(value, float(np.sqrt(variance * (1 / len(x) + x.mean() ** 2 / width))))


def _without_rounding(eigenvalues: Floats) -> Floats:
    """Set to zero what is zero but for rounding, whose square root would not be small."""
    largest = eigenvalues.max(axis=-1, keepdims=True, initial=0.0)
    tiny = largest * eigenvalues.shape[-1] * np.finfo(np.float64).eps
    return np.where(eigenvalues > tiny, eigenvalues, 0.0)
