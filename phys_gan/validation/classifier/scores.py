"""What a classifier's scores of two samples are worth: AUC, ROC, Jensen-Shannon divergence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

__all__ = ["accuracy", "auc", "auc_spread", "auc_with_error", "jsd", "roc"]


def auc(reference: ArrayLike, candidate: ArrayLike) -> float:
    r"""Return the area under the ROC curve.

    .. math:: P(s_\mathrm{cand} > s_\mathrm{ref}) + P(s_\mathrm{cand} = s_\mathrm{ref}) / 2,

    the Mann-Whitney statistic over n m, from ranks.

    Arguments:
        reference: Scores of the reference, shape (n,).
        candidate: Scores of the candidate, higher where the classifier takes it for one, (m,).

    Example:
        >>> auc([0.1, 0.4], [0.4, 0.8])
        0.875
    """
    return auc_with_error(reference, candidate)[0]


def auc_with_error(reference: ArrayLike, candidate: ArrayLike) -> tuple[float, float]:
    """Return the AUC and its standard error for a fixed classifier, without assumptions.

    References:
        Comparing the areas under two or more correlated receiver operating characteristic curves
        (DeLong, DeLong and Clarke-Pearson, 1988), https://doi.org/10.2307/2531595

    Arguments:
        reference: Scores, shape (n,), at least 2.
        candidate: Scores, shape (m,), at least 2.
    """
    first, second = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    n, m = len(first), len(second)
    ranks = rankdata(np.concatenate([first, second]))
    # Fraction of the other sample that lies on the right side of each event.
    below = (ranks[n:] - rankdata(second)) / n
    above = 1 - (ranks[:n] - rankdata(first)) / m
    return float(below.mean()), float(np.sqrt(below.var(ddof=1) / m + above.var(ddof=1) / n))


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


def roc(
    reference: ArrayLike, candidate: ArrayLike, n_points: int = 200
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ROC curve on a regular axis.

    Arguments:
        reference: Scores, shape (n,).
        candidate: Scores, shape (m,).
        n_points: P.

    Returns:
        The fraction of the reference that is taken for the candidate (false positive rate), and
        the fraction of the candidate that is (true positive rate), shapes (P + 1,): the origin,
        then regular false positive rates from 0 to 1.
    """
    samples = [np.sort(np.asarray(sample, np.float64)) for sample in (reference, candidate)]
    cuts = np.unique(np.concatenate(samples))[::-1]
    false, true = (
        np.append(0.0, 1 - np.searchsorted(sample, cuts, side="left") / len(sample))
        for sample in samples
    )
    axis = np.linspace(0, 1, n_points)
    # Where the curve rises vertically, its top is the value; ties are straight lines.
    here = np.searchsorted(false, axis, side="right") - 1
    there = np.minimum(here + 1, len(false) - 1)
    gap = false[there] - false[here]
    part = np.divide(axis - false[here], gap, out=np.zeros_like(axis), where=gap > 0)
    heights = true[here] + part * (true[there] - true[here])
    return np.append(0.0, axis), np.append(0.0, heights)


def jsd(reference: ArrayLike, candidate: ArrayLike) -> tuple[float, float]:
    r"""Return the Jensen-Shannon divergence that a classifier finds, from 0 to 1, and its error.

    .. math:: (\ln 2 - \mathrm{BCE}) / \ln 2

    with the binary cross-entropy of both samples, each of weight one half. It is a lower bound of
    the divergence of the samples (over ln 2) up to the statistical error of the test events;
    below 0 the classifier is more confident than it is right.

    References:
        CaloFlow (Krause and Shih, 2021), https://arxiv.org/abs/2106.05285

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
    """
    losses = (
        np.logaddexp(0, np.asarray(reference, np.float64)),
        np.logaddexp(0, -np.asarray(candidate, np.float64)),
    )
    value = 1 - sum(float(loss.mean()) for loss in losses) / (2 * np.log(2))
    variance = sum(float(loss.var(ddof=1)) / len(loss) for loss in losses)
    return value, float(np.sqrt(variance) / (2 * np.log(2)))


def accuracy(reference: ArrayLike, candidate: ArrayLike) -> tuple[float, float]:
    """Return the mean fraction of both samples with a logit on the right side of 0, and its error.

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
    """
    right = (
        np.asarray(reference, np.float64) <= 0,
        np.asarray(candidate, np.float64) > 0,
    )
    fractions = [float(side.mean()) for side in right]
    variance = sum(p * (1 - p) / len(side) for p, side in zip(fractions, right, strict=True))
    return sum(fractions) / 2, float(np.sqrt(variance) / 2)
