"""A metric that can be judged (value, error, floor, verdict), and what the joint metrics mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfc

Worse = Literal["higher", "lower"]

LIMIT_SIGMAS = 3.0
"""Standard deviations between the floor and the limit of :func:`against_floor`."""


@dataclass(frozen=True)
class Result:
    """A metric with its verdict.

    Attributes:
        value: The metric.
        error: Its standard error.
        floor: Its mean between two samples of these sizes, both drawn from the reference.
        floor_error: The standard deviation of the same.
        limit: The worst value that still counts as within the floor.
        n_reference: Events of the reference that it was taken from.
        n_candidate: The same for the candidate.
        within_floor: Whether the value is not beyond the limit.
        p_value: Probability of a worse value between equal samples, where known.
        n_equivalent: Number of showers in two samples of the reference that differ as much, where
            the metric falls with the number of events.
        worse: On which side of the limit bad values are.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    limit: float
    n_reference: int
    n_candidate: int
    within_floor: bool
    p_value: float | None = None
    n_equivalent: float | None = None
    worse: Worse = "higher"

    @property
    def severity(self) -> float:
        """How far the value is from zero (or from the floor) in units of the limit; bad above 1."""
        if self.worse == "lower":
            off, reach = max(0.0, self.floor - self.value), self.floor - self.limit
        else:
            off, reach = max(0.0, self.value), self.limit
        if self.p_value == 1 and off >= reach * (1 - 1e-9):
            # A constant differs from itself by rounding and pseudo-counts alone, as much as ever.
            return 0.0
        if reach > 0:
            return off / reach
        return 0.0 if self.within_floor else float("inf")

    def as_dict(self) -> dict[str, float | int | bool | str | None]:
        """Return the fields for JSON, which has no NaN and no infinity: they become None."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def against_floor(
    value: float,
    error: float,
    floors: ArrayLike,
    n_reference: int,
    n_candidate: int,
    *,
    worse: Worse = "higher",
) -> Result:
    """Judge a metric by R repetitions between samples of the same sizes from the reference.

    The limit lies three standard deviations (of these ``floors`` and of the value itself, in
    quadrature) on the bad side of the mean floor.
    """
    floors = np.asarray(floors, np.float64)
    floor = float(floors.mean())
    sigma = float(floors.std(ddof=1)) if floors.size > 1 else 0.0
    sign = 1.0 if worse == "higher" else -1.0
    limit = floor + sign * LIMIT_SIGMAS * float(np.hypot(sigma, error))
    within = bool(sign * value <= sign * limit + 1e-12)
    return Result(value, error, floor, sigma, limit, n_reference, n_candidate, within, worse=worse)


def p_value_of(result: Result) -> float:
    """Return the p-value of a metric: its own, or that of a normal distribution around the floor.

    Example:
        >>> low, high = (Result(x, 0.3, 0.5, 0.4, 2.0, 100, 100, True) for x in (0.5, 1.5))
        >>> p_value_of(low), round(p_value_of(high), 4)
        (0.5, 0.0228)
    """
    if result.p_value is not None:
        return result.p_value
    off = result.value - result.floor if result.worse == "higher" else result.floor - result.value
    sigma = float(np.hypot(result.error, result.floor_error))
    if not sigma > 0 or not np.isfinite(off):
        return 1.0 if result.within_floor else 0.0
    return float(erfc(off / sigma / 2**0.5) / 2)


@dataclass(frozen=True)
class JointMetric:
    """How a metric of all features at once is named and read.

    Attributes:
        label: Name for people.
        description: One or two sentences for the glossary.
        worse: Whether higher or lower values are worse.
    """

    label: str
    description: str
    worse: Worse = "higher"


MULTIVARIATE = {
    "fpd": JointMetric(
        "FPD",
        "Fréchet physics distance: the squared distance of two Gaussians with the means and "
        "covariances of the features, extrapolated to many events. 0 when means, widths and "
        "linear correlations agree.",
    ),
    "kpd": JointMetric(
        "KPD",
        "Kernel physics distance: the squared maximum mean discrepancy with a kernel of fourth "
        "degree, which sees differences of moments and correlations up to the fourth. It is "
        "unbiased: equal samples scatter around 0.",
    ),
    "precision": JointMetric(
        "precision",
        "Fraction of the candidate among the neighbours of a reference event: are candidate events "
        "plausible? High precision alone means nothing, as a single good event, repeated, has it.",
        "lower",
    ),
    "recall": JointMetric(
        "recall",
        "Fraction of the reference among the neighbours of a candidate event: does the candidate "
        "reach everywhere?",
        "lower",
    ),
    "density": JointMetric(
        "density",
        "Number of reference events whose neighbourhood a candidate event is in, relative to "
        "that expected: near 1 for equal samples. Unlike precision it is not ruled by outliers.",
        "lower",
    ),
    "coverage": JointMetric(
        "coverage",
        "Fraction of the reference events with a candidate event in their neighbourhood: is "
        "every kind of event there?",
        "lower",
    ),
    "duplicates": JointMetric(
        "duplicates",
        "Fraction of the candidate events that coincide with another one, within 1 % of the "
        "typical distance between neighbours in the reference.",
    ),
    "distinct": JointMetric(
        "log10 distinct events",
        "Decadic logarithm of the effective number of different events, from how often two of "
        "them meet (birthday paradox). A generator that repeats 10 showers has 1.",
        "lower",
    ),
    "diversity": JointMetric(
        "diversity",
        "Mean distance between two candidate events over that between two reference events.",
        "lower",
    ),
    "closer_to_training": JointMetric(
        "closer to training",
        "Fraction of the candidate events that are closer to a training event than to any of as "
        "many held-out events: 1/2 without memorisation.",
    ),
    "training_distance": JointMetric(
        "distance to training",
        "Median distance to the nearest training event over that to the nearest of as many "
        "held-out events: 1 without memorisation.",
        "lower",
    ),
    "training_copies": JointMetric(
        "copies of training",
        "Fraction of the candidate events that coincide with a training event, within 1 % of the "
        "typical distance to held-out events.",
    ),
}
"""The metrics of ``judge_features``, by the name that they have in metrics.json."""

_DRAWN = (
    "is about nearest neighbours, which have no weights: it is taken from events drawn by their "
    "weights (hit or miss), and left out where a weight is negative or fewer than 100 events of "
    "either sample are drawn"
)
_MEMORISED = (
    "asks whether training and held-out events are alike: it is taken from those of them that are "
    "drawn by their weights (hit or miss) and from all candidate events, and left out where a "
    "weight of the former is negative or fewer than 100 are drawn"
)

UNWEIGHTED = {
    **dict.fromkeys(("precision", "recall", "density", "coverage"), _DRAWN),
    "duplicates": "is about events that coincide, whatever their weights: all count the same",
    **dict.fromkeys(("distinct", "diversity"), _DRAWN),
    **dict.fromkeys(("closer_to_training", "training_distance", "training_copies"), _MEMORISED),
}
"""What is done instead where a metric of ``MULTIVARIATE`` has no weighted form, by its name.

Each goes on after the label of the metric, in a sentence.
"""

_ALONG = (
    "the mean of {} along 64 random directions. The floor is that of random permutations of the "
    "events of both samples. A difference in one feature of many is diluted; what is spread over "
    "many is seen."
)

TESTS = {
    "auc_trees": JointMetric(
        "AUC of boosted trees",
        "Area under the ROC curve of boosted trees on observables and features of cells: the "
        "probability that they take a candidate event for one rather than a reference event. 1/2 "
        "for equal samples. Every event is judged by trees that never saw it.",
    ),
    "sliced_ks": JointMetric(
        "sliced KS",
        "Sliced test: all observables are standardised, and " + _ALONG.format("KS"),
    ),
    "sliced_w1": JointMetric(
        "sliced Wasserstein-1",
        "Sliced test: all observables are standardised, and "
        + _ALONG.format("the Wasserstein-1 distance"),
    ),
    "sliced_ks_cells": JointMetric(
        "sliced KS, cells",
        "The sliced test of the cells: each is standardised, and " + _ALONG.format("KS"),
    ),
    "sliced_w1_cells": JointMetric(
        "sliced Wasserstein-1, cells",
        "The sliced test of the cells: each is standardised, and "
        + _ALONG.format("the Wasserstein-1 distance"),
    ),
    "nplm": JointMetric(
        "NPLM",
        "Twice the logarithm of the likelihood ratio between the best density that 300 kernels in "
        "the space of all observables find for the candidate, and that of the reference. The floor "
        "is that of random permutations of the events, fitted again: it is not 0, because kernels "
        "follow fluctuations too.",
    ),
}
"""Tests of whole events with a null distribution of their own, by their names in metrics.json."""

MODES = {
    "modes_hit": JointMetric(
        "modes hit",
        "Number of modes of the true density with at least one candidate point within 3 sigma of "
        "their centre; a single point is enough, so that it grows with the number of points.",
        "lower",
    ),
    "high_quality": JointMetric(
        "high quality",
        "Fraction of the candidate points within 3 sigma of the centre of the nearest mode: "
        "1 - exp(-9/2) = 0.989 for the truth in two dimensions.",
        "lower",
    ),
    "reverse_kl": JointMetric(
        "reverse KL",
        "Kullback-Leibler divergence of the fractions of the candidate points in each mode, that "
        "of the nearest centre, from the true ones [nats]: 0 when every mode has its fraction, "
        "ln K when all points are in one of K equal modes.",
    ),
}
"""The metrics of ``judge_modes``, of toys whose true density has several modes."""
