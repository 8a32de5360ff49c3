"""What a classifier's scores of two samples are worth: AUC, ROC, Jensen-Shannon divergence.

Whether a classifier's probabilities are frequencies, and how to make them so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from phys_gan.events import effective_number

Floats = NDArray[np.float64]


def auc(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> float:
    r"""Return the area under the ROC curve.

    .. math:: P(s_\mathrm{cand} > s_\mathrm{ref}) + P(s_\mathrm{cand} = s_\mathrm{ref}) / 2,

    the Mann-Whitney statistic over n m, from ranks. With weights u and v of any sign it is

    .. math:: \frac{\sum_{ij} u_i v_j\, (1[s_j > s_i] + 1[s_j = s_i] / 2)}
        {\sum_i u_i \sum_j v_j},

    which negative weights may take beyond 0 or 1, within its error.

    Arguments:
        reference: Scores of the reference, shape (n,).
        candidate: Scores of the candidate, higher where the classifier takes it for one, (m,).
        reference_weights: Weights of the reference, shape (n,).
        candidate_weights: Weights of the candidate, shape (m,).

    Example:
        >>> auc([0.1, 0.4], [0.4, 0.8])
        0.875
    """
    return auc_with_error(reference, candidate, reference_weights, candidate_weights)[0]


def auc_with_error(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> tuple[float, float]:
    """Return the AUC and its standard error for a fixed classifier, without assumptions.

    References:
        Comparing the areas under two or more correlated receiver operating characteristic curves
        (DeLong, DeLong and Clarke-Pearson, 1988), https://doi.org/10.2307/2531595

    Arguments:
        reference: Scores, shape (n,), at least 2.
        candidate: Scores, shape (m,), at least 2.
        reference_weights: Weights of any sign, shape (n,).
        candidate_weights: Weights of any sign, shape (m,).
    """
    first, second = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    u, v = _shares(reference_weights), _shares(candidate_weights)
    # Fraction of the other sample that lies on the right side of each event.
    below, above = _below(second, first, u), 1 - _below(first, second, v)
    value, from_candidate = _mean(below, v)
    _, from_reference = _mean(above, u)
    return value, float(np.sqrt(from_candidate + from_reference))


def auc_spread(n: int, m: int) -> float:
    r"""Return the standard deviation of the AUC between equal samples.

    .. math:: \sqrt{(n + m + 1) / (12\, n m)},

    exact for any continuous score that does not depend on these n and m events; ties make it
    smaller.

    References:
        On a test of whether one of two random variables is stochastically larger than the other
        (Mann and Whitney, 1947), https://doi.org/10.1214/aoms/1177730491

    Example:
        >>> round(auc_spread(1000, 1000), 4)
        0.0129
    """
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def auc_spread_of(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None,
    candidate_weights: ArrayLike | None,
) -> float:
    r"""Return the standard deviation of the AUC between weighted samples, were they equal.

    .. math:: \sqrt{\sum_i u_i^2 (F(s_i) - 1/2)^2 + \sum_j v_j^2 (F(s_j) - 1/2)^2}

    with the weights of either sample scaled to the sum 1 and the mean F of both distribution
    functions. For weights that do not depend on the score it is :func:`auc_spread` of effective
    numbers; where those of large weight have extreme scores it is more.

    Arguments:
        reference: Scores, shape (n,).
        candidate: Scores, shape (m,).
        reference_weights: Weights of any sign, shape (n,); all the same when None.
        candidate_weights: Weights of any sign, shape (m,); all the same when None.
    """
    samples = [np.asarray(scores, np.float64) for scores in (reference, candidate)]
    shares = [_shares(weights) for weights in (reference_weights, candidate_weights)]
    variance = 0.0
    for scores, share in zip(samples, shares, strict=True):
        here = sum(_below(scores, s, w) for s, w in zip(samples, shares, strict=True)) / 2
        variance += float(np.sum(_squares(share, len(scores)) * (here - 0.5) ** 2))
    return float(np.sqrt(variance))


def accuracy_spread(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None,
    candidate_weights: ArrayLike | None,
) -> float:
    r"""Return the largest standard deviation of the accuracy between equal weighted samples.

    :math:`\sqrt{\sum_i u_i^2 + \sum_j v_j^2} / 4` with weights scaled to the sum 1, which equals
    :math:`1 / (2 \sqrt{2n})` for n events of each sample without weights, or what the events of
    these weights give, where that is more.
    """
    sizes = np.size(reference), np.size(candidate)
    shares = [_shares(weights) for weights in (reference_weights, candidate_weights)]
    pairs = zip(shares, sizes, strict=True)
    binomial = float(np.sqrt(sum(_squares(share, n).sum() for share, n in pairs)) / 4)
    weights = reference_weights, candidate_weights
    return max(binomial, accuracy(reference, candidate, *weights)[1])


def roc(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
    *,
    n_points: int = 200,
) -> tuple[Floats, Floats]:
    """Return the ROC curve on a regular axis.

    Arguments:
        reference: Scores, shape (n,).
        candidate: Scores, shape (m,).
        reference_weights: Weights, shape (n,). Where negative ones make a fraction fall, it stays
            at its height so far: a curve rises.
        candidate_weights: Weights, shape (m,).
        n_points: P.

    Returns:
        The fraction of the reference that is taken for the candidate (false positive rate), and
        the fraction of the candidate that is (true positive rate), shapes (P + 1,): the origin,
        then regular false positive rates from 0 to 1.
    """
    samples = [np.asarray(sample, np.float64) for sample in (reference, candidate)]
    cuts = np.unique(np.concatenate(samples))[::-1]
    false, true = (
        np.append(0.0, _above(sample, cuts, _shares(weights)))
        for sample, weights in zip(samples, (reference_weights, candidate_weights), strict=True)
    )
    axis = np.linspace(0, 1, n_points)
    # Where the curve rises vertically, its top is the value; ties are straight lines.
    here = np.searchsorted(false, axis, side="right") - 1
    there = np.minimum(here + 1, len(false) - 1)
    gap = false[there] - false[here]
    part = np.divide(axis - false[here], gap, out=np.zeros_like(axis), where=gap > 0)
    heights = true[here] + part * (true[there] - true[here])
    return np.append(0.0, axis), np.append(0.0, heights)


def jsd(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> tuple[float, float]:
    r"""Return the Jensen-Shannon divergence that a classifier finds, from 0 to 1, and its error.

    .. math:: (\ln 2 - \mathrm{BCE}) / \ln 2

    with the binary cross-entropy of both samples, each of weight one half, a mean by the weights of
    the events where they have any. It is a lower bound of
    the divergence of the samples (over ln 2) up to the statistical error of the test events;
    below 0 the classifier is more confident than it is right.

    References:
        CaloFlow (Krause and Shih, 2021), https://arxiv.org/abs/2106.05285

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
        reference_weights: Weights of any sign, shape (n,).
        candidate_weights: Weights of any sign, shape (m,).
    """
    found = (
        _mean(np.logaddexp(0, np.asarray(reference, np.float64)), _shares(reference_weights)),
        _mean(np.logaddexp(0, -np.asarray(candidate, np.float64)), _shares(candidate_weights)),
    )
    value = 1 - sum(mean for mean, _ in found) / (2 * np.log(2))
    variance = sum(variance for _, variance in found)
    return value, float(np.sqrt(variance) / (2 * np.log(2)))


def accuracy(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> tuple[float, float]:
    """Return the mean fraction of both samples with a logit on the right side of 0, and its error.

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
        reference_weights: Weights of any sign, shape (n,).
        candidate_weights: Weights of any sign, shape (m,).
    """
    right = (
        np.asarray(reference, np.float64) <= 0,
        np.asarray(candidate, np.float64) > 0,
    )
    shares = _shares(reference_weights), _shares(candidate_weights)
    total = variance = 0.0
    for side, share in zip(right, shares, strict=True):
        fraction = float(side.mean() if share is None else share @ side)
        total += fraction
        if share is None:
            variance += fraction * (1 - fraction) / len(side)
        else:
            variance += float(share**2 @ (side - fraction) ** 2)
    return total / 2, float(np.sqrt(variance) / 2)


def _shares(weights: ArrayLike | None) -> Floats | None:
    """Scale weights to the sum 1."""
    if weights is None:
        return None
    array = np.asarray(weights, np.float64)
    return np.asarray(array / array.sum())


def _squares(shares: Floats | None, n: int) -> Floats:
    """Return the squares of the shares of n events, shape (n,)."""
    return np.full(n, 1 / n**2) if shares is None else shares**2


def _mean(values: Floats, shares: Floats | None) -> tuple[float, float]:
    r"""Return a mean and its variance, :math:`\sum u^2 (x - \bar x)^2 / (1 - \sum u^2)`."""
    if shares is None:
        return float(values.mean()), float(values.var(ddof=1) / len(values))
    mean = float(shares @ values)
    squares = shares**2
    return mean, float(squares @ (values - mean) ** 2 / (1 - squares.sum()))


def _below(points: Floats, scores: Floats, shares: Floats | None) -> Floats:
    """Return the fraction of the scores below each point; equal ones count half."""
    if shares is None:
        ranks = rankdata(np.concatenate([scores, points]))
        return np.asarray((ranks[len(scores) :] - rankdata(points)) / len(scores))
    order = np.argsort(scores)
    heights = np.append(0.0, np.cumsum(shares[order]))
    sides = (np.searchsorted(scores[order], points, side=side) for side in ("left", "right"))
    return np.asarray(sum(heights[side] for side in sides) / 2)


def _above(scores: Floats, cuts: Floats, shares: Floats | None) -> Floats:
    """Return the fraction of the scores that are not below falling cuts; it rises from 0 to 1."""
    order = np.argsort(scores)
    below = np.searchsorted(scores[order], cuts, side="left")
    if shares is None:
        return np.asarray(1 - below / len(scores))
    # From above, so that rounding leaves 0 what it is.
    heights = np.append(0.0, np.cumsum(shares[order[::-1]]))
    fractions = heights[len(scores) - below]
    return np.asarray(np.clip(np.maximum.accumulate(fractions), 0, 1))


_MEAN_OF_MODULUS = float(np.sqrt(2 / np.pi))
"""Mean of the modulus of a standard normal number."""

_STEEPEST = 20.0
"""Largest slope of weighted logits of mean modulus 1.

Negative weights may make an unbounded one the best. Every logit then is certain already.
"""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Compare predicted probabilities with observed fractions, in bins of equal numbers of events.

    Attributes:
        predicted: Mean predicted probability of being a candidate, shape (B,).
        observed: Fraction of candidates, by weights where there are any, shape (B,).
        error: Standard error of the fraction, shape (B,).
        counts: Events in the bin, shape (B,).
        expected_error: Expected calibration error: mean modulus of observed - predicted.
        floor: What it is on average for perfect probabilities and these numbers of events.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    error: NDArray[np.float64]
    counts: NDArray[np.int64]
    expected_error: float
    floor: float

    def as_dict(self) -> dict[str, float | list[float]]:
        """Return the fields for JSON."""
        return {
            "predicted": self.predicted.tolist(),
            "observed": self.observed.tolist(),
            "error": self.error.tolist(),
            "counts": self.counts.tolist(),
            "expected_error": self.expected_error,
            "floor": self.floor,
        }


def calibration_curve(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
    *,
    n_bins: int = 10,
) -> Calibration:
    """Return the reliability of a classifier's logits.

    The error of a fraction k/n is taken at (k + 1)/(n + 2), so that 0 and 1 have one too.

    With weights both samples count the same in all, n is the effective number of events in a bin,
    and a bin in which negative weights leave no event is joined to the next one.

    References:
        On calibration of modern neural networks (Guo et al., 2017),
        https://arxiv.org/abs/1706.04599

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
        reference_weights: Weights of any sign, shape (n,).
        candidate_weights: Weights of any sign, shape (m,).
        n_bins: Number of bins B; fewer where there are fewer events.
    """
    probability = expit(np.concatenate([reference, candidate]).astype(np.float64))
    label = np.repeat([0.0, 1.0], [np.size(reference), np.size(candidate)])
    order = np.argsort(probability, kind="stable")
    bins = [part for part in np.array_split(order, n_bins) if len(part)]
    n: NDArray[np.float64] | NDArray[np.int64]
    if reference_weights is None and candidate_weights is None:
        counts = n = totals = np.array([len(part) for part in bins], np.int64)
        predicted = np.array([probability[part].mean() for part in bins])
        observed = np.array([label[part].mean() for part in bins])
    else:
        sizes = np.size(reference), np.size(candidate)
        counting = _balanced(reference_weights, candidate_weights, sizes)
        bins = _with_events(bins, counting)
        counts = np.array([len(part) for part in bins], np.int64)
        n = np.array([effective_number(counting[part]) for part in bins])
        totals = np.array([counting[part].sum() for part in bins])
        predicted, observed = (
            np.clip([counting[part] @ values[part] for part in bins] / totals, 0, 1)
            for values in (probability, label)
        )
    smooth = (observed * n + 1) / (n + 2)
    weights = totals / totals.sum()
    chance = np.sqrt(predicted * (1 - predicted) / n)
    return Calibration(
        predicted,
        observed,
        np.sqrt(smooth * (1 - smooth) / n),
        counts,
        float(weights @ np.abs(observed - predicted)),
        float(weights @ chance * _MEAN_OF_MODULUS),
    )


def platt(
    reference: ArrayLike,
    candidate: ArrayLike,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> tuple[float, float]:
    """Return slope and offset that turn logits into calibrated ones: ``slope * logit + offset``.

    A logistic regression on the logits of validation events. Its two parameters do not follow
    the noise of few events as isotonic regression does, and its probabilities never become 0 or
    1, where the cross-entropy of a single wrong event is infinite. The target of n events of one
    class is (n + 1)/(n + 2) instead of 1, so that separable samples have a finite slope. With
    weights both samples count the same in all, and n is their effective number.

    References:
        Probabilistic outputs for support vector machines (Platt, 1999);
        A note on Platt's probabilistic outputs (Lin, Lin and Weng, 2007),
        https://doi.org/10.1007/s10994-007-5018-6

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
        reference_weights: Weights of any sign, shape (n,).
        candidate_weights: Weights of any sign, shape (m,).

    Example:
        >>> logits = np.random.default_rng(0).normal(0, 1, 100_000)
        >>> taken = np.random.default_rng(1).random(100_000) < expit(logits)
        >>> slope, offset = platt(3 * logits[~taken] + 1, 3 * logits[taken] + 1)
        >>> round(slope, 2), round(offset, 2)
        (0.33, -0.33)
    """
    logits = np.concatenate([reference, candidate]).astype(np.float64)
    sizes, given = (np.size(reference), np.size(candidate)), (reference_weights, candidate_weights)
    n, m = (
        size if weights is None else effective_number(np.asarray(weights, np.float64))
        for size, weights in zip(sizes, given, strict=True)
    )
    target = np.repeat([1 / (n + 2), (m + 1) / (m + 2)], sizes)
    counting = None if all(w is None for w in given) else _balanced(*given, sizes)
    # On a scale of order one, whatever the confidence of the network.
    scale = float(np.abs(logits).mean()) or 1.0
    scaled = logits / scale

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        mapped = parameters[0] * scaled + parameters[1]
        losses = np.logaddexp(0, mapped) - target * mapped
        slip = expit(mapped) - target
        if counting is not None:
            losses, slip = counting * losses, counting * slip
        return float(np.mean(losses)), np.array([np.mean(slip * scaled), slip.mean()])

    bounds = None if counting is None else [(-_STEEPEST, _STEEPEST)] * 2
    start = np.array([scale if bounds is None else min(scale, _STEEPEST), 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(found[0] / scale), float(found[1])


def _balanced(
    reference_weights: ArrayLike | None,
    candidate_weights: ArrayLike | None,
    sizes: tuple[int, int],
) -> NDArray[np.float64]:
    """Scale weights so that both samples count the same in all, and an event 1 on average."""
    scaled = []
    for weights, size in zip((reference_weights, candidate_weights), sizes, strict=True):
        array = np.ones(size) if weights is None else np.asarray(weights, np.float64)
        scaled.append(array * (sum(sizes) / 2 / array.sum()))
    return np.concatenate(scaled)


def _with_events(
    bins: list[NDArray[np.intp]], weights: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Join bins until in each the sum of weights is effectively that of an event or more."""
    joined: list[NDArray[np.intp]] = []
    for part in bins:
        if joined and not _counts(weights[joined[-1]]):
            joined[-1] = np.concatenate([joined[-1], part])
        else:
            joined.append(part)
    while len(joined) > 1 and not _counts(weights[joined[-1]]):
        last = joined.pop()
        joined[-1] = np.concatenate([joined[-1], last])
    return joined


def _counts(weights: NDArray[np.float64]) -> bool:
    return weights.sum() > 0 and effective_number(weights) >= 1
