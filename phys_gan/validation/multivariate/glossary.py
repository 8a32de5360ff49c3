"""What the multivariate metrics mean, in words for a report."""

from __future__ import annotations

from dataclasses import dataclass

from phys_gan.validation.statistics.result import Worse

__all__ = ["MODES", "MULTIVARIATE", "UNWEIGHTED", "JointMetric"]


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
        "Share of the candidate among the neighbours of a reference event: are candidate events "
        "plausible? High precision alone means nothing, as a single good event, repeated, has it.",
        "lower",
    ),
    "recall": JointMetric(
        "recall",
        "Share of the reference among the neighbours of a candidate event: does the candidate "
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
        "Share of the reference events with a candidate event in their neighbourhood: is "
        "every kind of event there?",
        "lower",
    ),
    "duplicates": JointMetric(
        "duplicates",
        "Share of the candidate events that coincide with another one, within 1 % of the typical "
        "distance between neighbours in the reference.",
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
        "Share of the candidate events that are closer to a training event than to any of as "
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
        "Share of the candidate events that coincide with a training event, within 1 % of the "
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

MODES = {
    "modes_hit": JointMetric(
        "modes hit",
        "Number of modes of the true density with at least one candidate point within 3 sigma of "
        "their centre; a single point is enough, so that it grows with the number of points.",
        "lower",
    ),
    "high_quality": JointMetric(
        "high quality",
        "Share of the candidate points within 3 sigma of the centre of the nearest mode: "
        "1 - exp(-9/2) = 0.989 for the truth in two dimensions.",
        "lower",
    ),
    "reverse_kl": JointMetric(
        "reverse KL",
        "Kullback-Leibler divergence of the shares of the modes among the candidate points, each "
        "counted to the nearest centre, from the true ones [nats]: 0 when every mode has its "
        "share, ln K when all points are in one of K equal modes.",
    ),
}
"""The metrics of ``judge_modes``, of toys whose true density has several modes."""
