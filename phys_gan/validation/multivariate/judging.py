"""All distances of this room between two feature matrices, each with error, floor and verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.glossary import MULTIVARIATE
from phys_gan.validation.multivariate.memorisation import memorisation
from phys_gan.validation.multivariate.neighbours import standardised
from phys_gan.validation.multivariate.rounds import (
    Rounds,
    frechet_rounds,
    kernel_rounds,
    neighbour_rounds,
)
from phys_gan.validation.multivariate.weighting import Weighted, as_weighted, normalised
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
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
    training_weights: ArrayLike | None = None,
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

    Weights enter FPD and KPD as they are, and the sample with more events is cut to the effective
    number of the other. Neighbours have no weights: what is taken from them is taken from events
    that are drawn by their weights, which cannot be done where a weight is negative, and is left
    out then or where fewer than 100 events of a sample are drawn. ``duplicates`` is about events
    that coincide and counts all of them; so does memorisation with the candidate. What is said of
    each metric is in ``UNWEIGHTED``. Weights that are all equal are none.

    All this is for tens to some hundred features: FPD takes d³ operations per batch.

    Arguments:
        reference: Finite features, shape (n, d); not the training events.
        candidate: Finite features, shape (m, d).
        seed: Seed: equal input and seed give equal output.
        training: Features of the events that the generator was trained with, shape (t, d).
        max_events: Events of each sample for neighbours; their cost is quadratic.
        rounds: Number of rounds.
        reference_weights: Weights of the reference, shape (n,), of any sign and scale.
        candidate_weights: The same of the candidate, shape (m,).
        training_weights: The same of the training events, shape (t,).

    Returns:
        Results by the names of ``MULTIVARIATE``; those of memorisation only with ``training``.

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than 100 events, or there are fewer than two
            rounds.
    """
    given = {
        "reference": (reference, reference_weights),
        "candidate": (candidate, candidate_weights),
    }
    if training is not None:
        given["training"] = (training, training_weights)
    samples = as_weighted(MIN_EVENTS, **given)
    if rounds < 2 or max_events < MIN_EVENTS:
        raise RangeError(
            f"{rounds} rounds with at most {max_events} events are too few",
            remedy=f"choose at least 2 rounds and {MIN_EVENTS} events",
            value=(rounds, max_events),
        )
    generator = stream(seed, "validation/multivariate")
    shuffled = [sample[generator.permutation(len(sample))] for sample in samples]
    first, second = normalised(shuffled[0], shuffled[1])
    found = frechet_rounds(first, second, generator, rounds)
    found |= kernel_rounds(first, second, generator, rounds)
    del first, second
    events = [sample.features for sample in shuffled[:2]]
    drawn = _drawn(shuffled[:2], generator)
    if drawn is not None:
        scaled = standardised(drawn[0], drawn[1])
        found |= neighbour_rounds(scaled[0], scaled[1], generator, rounds, max_events)
    if any(sample.weights is not None for sample in shuffled[:2]):
        # Two events coincide or not, whatever they count.
        scaled = standardised(events[0], events[1])
        among_all = neighbour_rounds(scaled[0], scaled[1], generator, rounds, max_events)
        found["duplicates"] = among_all["duplicates"]
    results = {name: _judged(name, found[name]) for name in MULTIVARIATE if name in found}
    if len(samples) == 3:
        points = _drawn([samples[2], samples[0]], generator)
        if points is not None:
            candidates = samples[1].features
            results |= memorisation(candidates, *points, seed=seed, max_events=max_events)
    return results


def _drawn(
    samples: Sequence[Weighted], generator: np.random.Generator
) -> list[NDArray[np.float64]] | None:
    """Return events drawn by their weights; None where they cannot be, or are too few."""
    drawn = [sample.drawn(generator) for sample in samples]
    enough = [events for events in drawn if events is not None and len(events) >= MIN_EVENTS]
    return enough if len(enough) == len(samples) else None


def _judged(name: str, metric: Rounds) -> Result:
    values = np.array(metric.values)
    value = float(values.mean())
    return against_floor(
        # FPD is a squared distance, whatever extrapolation says.
        max(0.0, value) if name == "fpd" else value,
        float(np.hypot(values.std(ddof=1), metric.error)),
        metric.floors,
        *metric.sizes,
        worse=MULTIVARIATE[name].worse,
    )
