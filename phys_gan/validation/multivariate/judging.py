"""All distances of this room between two feature matrices, each with error, floor and verdict."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from phys_gan.errors import RangeError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import as_features
from phys_gan.validation.multivariate.frechet import normalised
from phys_gan.validation.multivariate.glossary import MULTIVARIATE
from phys_gan.validation.multivariate.memorisation import memorisation
from phys_gan.validation.multivariate.neighbours import standardised
from phys_gan.validation.multivariate.rounds import (
    Rounds,
    frechet_rounds,
    kernel_rounds,
    neighbour_rounds,
)
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["judge_features"]

MIN_EVENTS = 100
"""With fewer events a half has too few neighbours."""


def judge_features(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    training: ArrayLike | None = None,
    max_events: int = 10_000,
    rounds: int = 10,
) -> dict[str, Result]:
    """Return every multivariate metric of two samples, judged against the reference itself.

    Nearest neighbours and extrapolations depend on the numbers of events, so that a value and
    its floor must come from equal numbers. Equally many events of both samples are cut into
    groups; in each of some rounds the groups of the reference are divided at random into halves
    A and B, and half of the groups of the candidate are C. The floors are the metric between A
    and B, the value is its mean between A and C over all rounds. The standard deviation of the
    latter is the error (delete-half jackknife, Shao and Wu, Ann. Stat. 17, 1989, 1176), which
    also is that of a whole sample, because half of it is drawn without replacement. Memorisation
    needs no rounds (:func:`memorisation`).

    The numbers of events are at most 100,000 of both for FPD, so that its batches reach 50,000;
    20,000 for KPD, batches of 5,000 of the 10,000 in a half; ``max_events`` for neighbours, half
    of them in a half; for memorisation the candidate has half of ``max_events``, and training
    and held-out events are 5 times ``max_events``.

    All this is for tens to some hundred features: FPD takes d³ operations per batch.

    Arguments:
        reference: Finite features, shape (n, d); not the training events.
        candidate: Finite features, shape (m, d).
        seed: Seed: equal input and seed give equal output.
        training: Features of the events that the generator was trained with, shape (t, d).
        max_events: Events of each sample for neighbours; their cost is quadratic.
        rounds: Number of rounds.

    Returns:
        Results by the names of ``MULTIVARIATE``; those of memorisation only with ``training``.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has fewer than 100 events, or there are fewer than two rounds.
    """
    samples: dict[str, ArrayLike] = {"reference": reference, "candidate": candidate}
    if training is not None:
        samples["training"] = training
    matrices = as_features(MIN_EVENTS, **samples)
    if rounds < 2 or max_events < MIN_EVENTS:
        raise RangeError(
            f"{rounds} rounds with at most {max_events} events are too few",
            remedy=f"choose at least 2 rounds and {MIN_EVENTS} events",
            value=(rounds, max_events),
        )
    generator = stream(seed, "validation/multivariate")
    shuffled = [matrix[generator.permutation(len(matrix))] for matrix in matrices]
    first, second = normalised(shuffled[0], shuffled[1])
    found = frechet_rounds(first, second, generator, rounds)
    found |= kernel_rounds(first, second, generator, rounds)
    del first, second
    scaled = standardised(shuffled[0], shuffled[1])
    found |= neighbour_rounds(scaled[0], scaled[1], generator, rounds, max_events)
    results = {name: _judged(name, metric) for name, metric in found.items()}
    if len(matrices) == 3:
        held_out, events, seen = matrices
        results |= memorisation(events, seen, held_out, seed=seed, max_events=max_events)
    return results


def _judged(name: str, metric: Rounds) -> Result:
    values = np.array(metric.values)
    value = float(values.mean())
    return against_floor(
        # FPD is a squared distance, whatever extrapolation says.
        max(0.0, value) if name == "fpd" else value,
        float(np.hypot(values.std(ddof=1), metric.error)),
        metric.floors,
        metric.n,
        metric.n,
        worse=MULTIVARIATE[name].worse,
    )
