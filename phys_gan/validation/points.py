"""Compare the points of toys as wholes: distances between clouds, and the modes that are hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.randomness import stream
from phys_gan.toys import Mixture, truth_of
from phys_gan.toys.modes import summarise, tally_modes
from phys_gan.validation.measuring import Measured
from phys_gan.validation.multivariate.glossary import MODES
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["MOST_SHOWN", "Clouds", "coordinates", "judge_modes", "make_clouds"]

MOST_SHOWN = 20_000
"""Points of each sample that a picture holds."""

_REPLICAS = 100


@dataclass(frozen=True)
class Clouds:
    """Points of both samples to look at.

    Attributes:
        detector: Their space.
        reference: Points of the reference, shape (n, d).
        candidate: Points of the candidate, shape (m, d).
        truth: Their exact density, where it is known.
    """

    detector: Detector
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    truth: Mixture | None


def coordinates(sample: Measured) -> NDArray[np.float64]:
    """Return the points of a sample that are in memory, shape (n, d)."""
    return sample.kept.cells.astype(np.float64)


def make_clouds(reference: Measured, candidate: Measured, *, seed: int) -> Clouds:
    """Choose the points to show: all, or 20,000 at random of each sample."""
    draws = stream(seed, "validation/clouds")
    first, second = (
        points[np.sort(draws.permutation(len(points))[:MOST_SHOWN])]
        for points in (coordinates(reference), coordinates(candidate))
    )
    return Clouds(reference.detector, first, second, truth_of(reference.detector))


def judge_modes(reference: Measured, candidate: Measured, *, seed: int) -> dict[str, Result]:
    r"""Judge the modes that the candidate hits; nothing where the density has a single one.

    Each metric compares one sample with the truth (:func:`phys_gan.toys.count_modes`). Its error
    is that of 100 bootstrap replicas of the candidate; its floor comes from random halves of the
    reference. The reverse divergence of a perfect sample falls as 1/N, and is scaled from the
    half of the reference to the size of the candidate. All that is needed of a sample is its
    tally by mode: replicas are multinomial, halves hypergeometric draws from it.

    Arguments:
        reference: Points of the truth.
        candidate: Points to judge.
        seed: Seed of replicas and halves.
    """
    truth = truth_of(reference.detector)
    if truth is None or truth.n_modes < 2:
        return {}
    first, second = (tally_modes(coordinates(s), truth) for s in (reference, candidate))
    n, m = int(first.sum()), int(second.sum())
    half = n // 2
    boot = stream(seed, "validation/modes").multinomial(m, second.ravel() / m, _REPLICAS)
    halves = stream(seed, "validation/mode-halves").multivariate_hypergeometric(
        first.ravel(), half, _REPLICAS
    )
    replicas, floors = (
        [summarise(tally.reshape(first.shape), truth) for tally in tallies]
        for tallies in (boot, halves)
    )
    value = summarise(second, truth)
    found = {}
    for name, metric in MODES.items():
        scale = half / m if name == "reverse_kl" else 1.0
        found[name] = against_floor(
            float(getattr(value, name)),
            float(np.std([getattr(replica, name) for replica in replicas], ddof=1)),
            [scale * getattr(part, name) for part in floors],
            n,
            m,
            worse=metric.worse,
        )
    return found
