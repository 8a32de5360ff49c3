"""Whether a classifier's probabilities are frequencies, and how to make them so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from phys_gan.events import effective_number

__all__ = ["Calibration", "calibration_curve", "platt"]

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
