"""Whether a classifier's probabilities are frequencies, and how to make them so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["Calibration", "calibration_curve", "platt"]

_MEAN_OF_MODULUS = float(np.sqrt(2 / np.pi))
"""Mean of the modulus of a standard normal number."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Compare predicted probabilities with observed fractions, in bins of equal numbers of events.

    Attributes:
        predicted: Mean predicted probability of being a candidate, shape (B,).
        observed: Fraction of candidates, shape (B,).
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


def calibration_curve(reference: ArrayLike, candidate: ArrayLike, n_bins: int = 10) -> Calibration:
    """Return the reliability of a classifier's logits.

    The error of a fraction k/n is taken at (k + 1)/(n + 2), so that 0 and 1 have one too.

    References:
        On calibration of modern neural networks (Guo et al., 2017),
        https://arxiv.org/abs/1706.04599

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).
        n_bins: Number of bins B; fewer where there are fewer events.
    """
    probability = expit(np.concatenate([reference, candidate]).astype(np.float64))
    label = np.repeat([0.0, 1.0], [np.size(reference), np.size(candidate)])
    order = np.argsort(probability, kind="stable")
    bins = [part for part in np.array_split(order, n_bins) if len(part)]
    counts = np.array([len(part) for part in bins], np.int64)
    predicted = np.array([probability[part].mean() for part in bins])
    observed = np.array([label[part].mean() for part in bins])
    smooth = (observed * counts + 1) / (counts + 2)
    weights = counts / counts.sum()
    chance = np.sqrt(predicted * (1 - predicted) / counts)
    return Calibration(
        predicted,
        observed,
        np.sqrt(smooth * (1 - smooth) / counts),
        counts,
        float(weights @ np.abs(observed - predicted)),
        float(weights @ chance * _MEAN_OF_MODULUS),
    )


def platt(reference: ArrayLike, candidate: ArrayLike) -> tuple[float, float]:
    """Return slope and offset that turn logits into calibrated ones: ``slope * logit + offset``.

    A logistic regression on the logits of validation events. Its two parameters do not follow
    the noise of few events as isotonic regression does, and its probabilities never become 0 or
    1, where the cross-entropy of a single wrong event is infinite. The target of n events of one
    class is (n + 1)/(n + 2) instead of 1, so that separable samples have a finite slope.

    References:
        Probabilistic outputs for support vector machines (Platt, 1999);
        A note on Platt's probabilistic outputs (Lin, Lin and Weng, 2007),
        https://doi.org/10.1007/s10994-007-5018-6

    Arguments:
        reference: Logits of being a candidate, shape (n,).
        candidate: The same, shape (m,).

    Example:
        >>> logits = np.random.default_rng(0).normal(0, 1, 100_000)
        >>> taken = np.random.default_rng(1).random(100_000) < expit(logits)
        >>> slope, offset = platt(3 * logits[~taken] + 1, 3 * logits[taken] + 1)
        >>> round(slope, 2), round(offset, 2)
        (0.33, -0.33)
    """
    logits = np.concatenate([reference, candidate]).astype(np.float64)
    n, m = np.size(reference), np.size(candidate)
    target = np.repeat([1 / (n + 2), (m + 1) / (m + 2)], [n, m])
    # On a scale of order one, whatever the confidence of the network.
    scale = float(np.abs(logits).mean()) or 1.0
    scaled = logits / scale

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        mapped = parameters[0] * scaled + parameters[1]
        slip = expit(mapped) - target
        value = float(np.mean(np.logaddexp(0, mapped) - target * mapped))
        return value, np.array([np.mean(slip * scaled), slip.mean()])

    found = minimize(loss, np.array([scale, 0.0]), jac=True, method="L-BFGS-B").x
    return float(found[0] / scale), float(found[1])
