r"""Likelihood-ratio test by kernels (NPLM): what other density fits the candidate better.

The logarithm f of the ratio of both densities is a sum of Gaussian kernels around some of the
events (Nyström centres), fitted by logistic regression with a small ridge penalty. The statistic is
twice the logarithm of the extended likelihood ratio,

.. math:: t = 2 \sum_\mathrm{cand} v f - 2 \sum_\mathrm{ref} w (e^f - 1),

with weights scaled so that both samples count the same. Its null distribution comes from toys, in
each of which f is fitted again: permutations of the events of both samples, and of weighted ones
bootstrap replicas of both, shifted so that f = 0 fits best on average. As centres and kernels stay,
all toys are fitted together by products of matrices.

Where the samples differ is seen from the reference reweighted by e^f (:meth:`Ratio.where`).

References:
    Learning new physics efficiently with nonparametric methods (Letizia et al., 2022),
    https://arxiv.org/abs/2204.02317
    Comparing generative models with the New Physics Learning Machine
    (Grossi, Letizia and Torre, 2025), https://arxiv.org/abs/2508.02275
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.special import expit

from phys_gan.errors import RangeError
from phys_gan.metrics.result import Result
from phys_gan.metrics.samples import Weighted, as_weighted, standardised_together
from phys_gan.metrics.statistics import Floats
from phys_gan.metrics.uncertainty import Null, judge_by_null
from phys_gan.randomness import stream

MIN_EVENTS = 100
"""Effective number of events that each sample needs."""

_CENTRES = 300
_TOYS = 200
_MAX_EVENTS = 5_000
_RIDGE = 0.1
"""Penalty on half the squared norm of f in the space of the kernel: f is of order 1/sqrt(0.1)."""

_SMALLEST = 1e-7
"""Smallest eigenvalue of the kernel between centres that is kept, over the largest."""

_SCALES = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05])
_STEPS = 60
_FEWEST = 10
_CLOSE = 1e-4
"""Newton decrement at which a fit ends: t is then known to this order."""


@dataclass(frozen=True, eq=False)
class Ratio:
    """A fitted ratio of densities and what it is worth.

    Attributes:
        result: The statistic t with its null distribution.
        empirical: Fraction of toys, this one counted, with at least this t.
        rows: Places of the events taken from reference and candidate, shapes (n,) and (m,).
        log_ratio: f of the events of both and in the toys, shape (n + m, 1 + T).
        masses: How much each counts as an event of the reference, same shape.
    """

    result: Result
    empirical: float
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    log_ratio: NDArray[np.float32]
    masses: NDArray[np.float32]

    def where(self, reference: Floats, candidate: Floats, edges: Floats) -> Floats:
        """Return what f makes of the histogram of an observable.

        Arguments:
            reference: The observable of all events of the reference, NaN where not defined.
            candidate: The same of the candidate.
            edges: Bin edges, shape (n_bins + 1,).

        Returns:
            Shape (2, n_bins): content of the reference reweighted by e^f over the plain one, and
            the standard deviation of the same in the toys; NaN in bins of fewer than 10 events of
            the reference.
        """
        values = np.concatenate([reference[self.rows[0]], candidate[self.rows[1]]])
        places = np.searchsorted(edges, values, side="right") - 1
        inside = np.isfinite(values) & (places >= 0) & (places < len(edges) - 1)
        pick = np.zeros((len(edges) - 1, len(values)), np.float32)
        pick[places[inside], np.flatnonzero(inside)] = 1
        plain = pick @ self.masses
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = self.masses * np.exp(self.log_ratio)
            # A ratio of densities has the mean 1, which a fit has not to the last digit.
            grown *= self.masses.sum(axis=0) / grown.sum(axis=0)
            ratios = (pick @ grown) / plain
        known = pick[:, : len(self.rows[0])].sum(axis=1) >= _FEWEST
        ratios[~known] = np.nan
        # A toy may have none of these events: it then says nothing.
        ratios[(plain <= 0) & known[:, None]] = 1
        return np.stack([ratios[:, 0], ratios[:, 1:].std(axis=1)]).astype(np.float64)


def density_ratio(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    n_centres: int = _CENTRES,
    n_toys: int = _TOYS,
    max_events: int = _MAX_EVENTS,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> Ratio:
    """Fit the ratio of the densities of two samples, and judge it by toys.

    Features are standardised with both samples together. The width of the kernels is the median
    distance between two events. The error of t is that of a noncentral chi-square distribution
    around its null; the p-value that of a shifted gamma distribution with the moments of the toys,
    of which chi-square is a case.

    Arguments:
        reference: Finite features, shape (n, d).
        candidate: Finite features, shape (m, d).
        seed: Seed of centres and toys.
        n_centres: Number of kernels.
        n_toys: Number of toys.
        max_events: Most events of each sample; of more, a random choice is taken.
        reference_weights: Weights of the reference, shape (n,), none negative.
        candidate_weights: The same of the candidate, shape (m,).

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than 100 events, or a weight is negative.

    Example:
        >>> normal = np.random.default_rng(0).normal
        >>> p, q = normal(0, 1, (500, 2)), normal(0.5, 1, (500, 2))
        >>> density_ratio(p, q, seed=0).result.p_value < 1e-4
        True
    """
    samples = as_weighted(
        MIN_EVENTS,
        reference=(reference, reference_weights),
        candidate=(candidate, candidate_weights),
    )
    generator = stream(seed, "validation/nplm")
    sides, rows = [], []
    for (name, weights), sample in zip(
        (("reference", reference_weights), ("candidate", candidate_weights)), samples, strict=True
    ):
        if sample.weights is not None and sample.weights.min() < 0:
            raise RangeError(
                f"{int((sample.weights < 0).sum())} weights of the {name} are negative, but the "
                "logarithm of a density needs weights that are not",
                remedy="leave this test out, or give events without negative weights",
                value=float(sample.weights.min()),
                constraint=0,
            )
        # Events of weight 0 are left out of the sample.
        counted = np.arange(len(sample))
        if weights is not None:
            nonzero = np.flatnonzero(np.asarray(weights))
            counted = nonzero if len(nonzero) == len(sample) else counted
        chosen = np.sort(generator.permutation(len(sample))[:max_events])
        sides.append(sample[chosen])
        rows.append(counted[chosen])
    basis = _basis(standardised_together(*(side.features for side in sides)), generator, n_centres)
    masses = _masses(sides[0], sides[1], generator, n_toys)
    f = np.empty((len(basis), 1 + n_toys))
    f[:, 0] = basis @ _fit(basis, masses[0][:, 0], masses[1][:, 0])
    if any(side.weights is not None for side in sides):
        # What the samples themselves say on average is taken from the replicas.
        pull = basis.T @ (masses[1][:, 0] - masses[0][:, 0])
    else:
        pull = np.zeros(basis.shape[1])
    slopes = _fit_together(basis, masses[0][:, 1:], masses[1][:, 1:], pull)
    f[:, 1:] = basis @ slopes
    t, scale = _statistic(f, *masses)
    t[1:], scale[1:] = _statistic(f[:, 1:], masses[0][:, 1:], masses[1][:, 1:], pull @ slopes)
    f *= scale

    null = Null.of(t[1:])
    # Of 1 + m/n times a noncentral chi-square: both samples fluctuate.
    ratio = 1 + sides[1].number / sides[0].number
    error = float(np.sqrt(null.sigma**2 + 4 * ratio * max(0.0, t[0] - null.mean)))
    return Ratio(
        result=judge_by_null(float(t[0]), error, null, (len(sides[0]), len(sides[1]))),
        empirical=float((1 + np.sum(t[1:] >= t[0])) / (1 + n_toys)),
        rows=(rows[0], rows[1]),
        log_ratio=f.astype(np.float32),
        masses=masses[0].astype(np.float32),
    )


def _basis(pool: Floats, generator: np.random.Generator, n_centres: int) -> Floats:
    """Return functions whose sums have the norm of the kernel, and 1 before them, shape (N, r).

    With the eigenvectors U and eigenvalues l of the kernel between centres they are K U / sqrt(l).
    """
    centres = pool[generator.permutation(len(pool))[:n_centres]]
    between = squareform(pdist(centres, "sqeuclidean"))
    width = float(np.median(between[np.triu_indices(len(centres), 1)])) or 1.0
    values, vectors = np.linalg.eigh(np.exp(-between / (2 * width)))
    kept = values > _SMALLEST * values[-1]
    kernel = np.exp(cdist(pool, centres, "sqeuclidean") / (-2 * width))
    functions = kernel @ (vectors[:, kept] / np.sqrt(values[kept]))
    return np.column_stack([np.ones(len(pool)), functions - functions.mean(axis=0)])


def _masses(
    p: Weighted, q: Weighted, generator: np.random.Generator, n_toys: int
) -> tuple[Floats, Floats]:
    """Return how much each event of both counts as one of either sample, (n + m, 1 + T) each.

    The first column is the samples themselves, the others are toys. Both samples add up to the
    (effective) number of events of the candidate.
    """
    n, m = len(p), len(q)
    total = q.number
    first, second = (np.zeros((n + m, 1 + n_toys)) for _ in range(2))
    own = [np.ones(len(side)) if side.weights is None else side.weights for side in (p, q)]
    first[:n, 0], second[n:, 0] = own
    if p.weights is None and q.weights is None:
        for toy in range(1, 1 + n_toys):
            order = generator.permutation(n + m)
            first[order[:n], toy] = second[order[n:], toy] = 1
    else:
        for toy in range(1, 1 + n_toys):
            for masses, rows, weights in (
                (first, slice(0, n), own[0]),
                (second, slice(n, n + m), own[1]),
            ):
                size = len(weights)
                drawn = np.bincount(generator.integers(0, size, size), minlength=size)
                masses[rows, toy] = weights * drawn
    return first * (total / first.sum(axis=0)), second * (total / second.sum(axis=0))


def _penalty(basis: Floats) -> Floats:
    """Return the ridge of each coefficient; the constant has none."""
    penalty = np.full(basis.shape[1], _RIDGE)
    penalty[0] = 0
    return penalty


def _fit(basis: Floats, first: Floats, second: Floats) -> Floats:
    """Fit f to two samples by Newton's method, shape (r,)."""
    penalty = _penalty(basis)
    total = first + second

    def loss(slopes: Floats) -> float:
        f = basis @ slopes
        losses = first @ np.logaddexp(0, f) + second @ np.logaddexp(0, -f)
        return float(losses + penalty @ slopes**2 / 2)

    slopes = np.zeros(basis.shape[1])
    lowest = loss(slopes)
    for _ in range(_STEPS):
        share = expit(basis @ slopes)
        gradient = basis.T @ (total * share - second) + penalty * slopes
        hessian = (basis * (total * share * (1 - share))[:, None]).T @ basis
        hessian[np.diag_indices_from(hessian)] += penalty + 1e-12
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < _CLOSE:
            break
        length = 1.0
        while (value := loss(slopes - length * step)) > lowest and length > 1e-6:
            length /= 2
        slopes, lowest = slopes - length * step, value
    return slopes


def _fit_together(basis: Floats, first: Floats, second: Floats, pull: Floats) -> Floats:
    """Fit f in all toys, shape (r, T).

    Between equal samples f is small, and the second derivatives are nearly those at f = 0 with
    the mean masses of all toys: one inverse serves all steps of all toys. A toy whose decrement
    grows goes half as far.

    Arguments:
        basis: Functions, shape (N, r).
        first: Masses of the references, shape (N, T).
        second: Masses of the candidates, shape (N, T).
        pull: Sums of the functions over candidate - reference that are no part of a toy, (r,).
    """
    penalty = _penalty(basis)
    total = first + second
    hessian = (basis * (total.mean(axis=1) / 4)[:, None]).T @ basis + np.diag(penalty + 1e-12)
    inverse = np.linalg.inv(hessian)
    slopes = np.zeros((basis.shape[1], first.shape[1]))
    lengths, last = np.ones(first.shape[1]), np.full(first.shape[1], np.inf)
    constant = basis.T @ second - pull[:, None] / 2
    for _ in range(_STEPS):
        gradient = basis.T @ (total * expit(basis @ slopes)) - constant
        gradient += penalty[:, None] * slopes
        steps = inverse @ gradient
        decrements = np.einsum("ij,ij->j", gradient, steps)
        if decrements.max() < _CLOSE:
            break
        lengths = np.where(decrements > last, lengths / 2, lengths)
        last = decrements
        slopes -= lengths * steps
    return slopes


def _statistic(
    f: Floats, first: Floats, second: Floats, pulls: Floats | float = 0.0
) -> tuple[Floats, Floats]:
    """Return t of every column at the best multiple of f, and this multiple.

    Logistic regression knows f well where both samples are, but the statistic has e^f, which a
    single event beyond may rule: of some multiples of f, the one with the largest likelihood
    counts. For equal samples it is nearly always 1.
    """
    linear = np.einsum("ij,ij->j", second, f) - pulls
    trials = []
    for scale in _SCALES:
        grown = np.einsum("ij,ij->j", first, np.expm1(np.minimum(scale * f, 50.0)))
        trials.append(2 * (scale * linear - grown))
    best = np.argmax(trials, axis=0)
    return np.max(trials, axis=0), _SCALES[best]
