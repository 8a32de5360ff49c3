"""All distances of this room between two feature matrices, each with error, floor and verdict.

Every metric in rounds of random halves: A against C of the candidate, A against B.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.metrics.frechet import fpd_of_groups, group_moments
from phys_gan.metrics.kernel import kernel_sums, kpd_of_groups
from phys_gan.metrics.neighbours import (
    NEIGHBOURS,
    close_counts,
    distinct_events,
    diversity,
    duplicates_share,
    mean_distance,
    memorisation,
    nearest,
    neighbour_scale,
    prdc_within,
)
from phys_gan.metrics.result import MULTIVARIATE, Result, against_floor
from phys_gan.metrics.samples import Weighted, as_weighted, equal_parts, normalised, standardised
from phys_gan.metrics.statistics import fraction
from phys_gan.randomness import stream

_MAX_FRECHET = 100_000
_MAX_KERNEL = 20_000
_FRECHET_GROUPS = 200
_GROUPS = 20
_BATCHES = 5

Matrix = NDArray[np.float64]
Groups = NDArray[np.intp]


@dataclass
class Rounds:
    """A metric of the candidate and, as its floor, of the reference, in every round.

    Attributes:
        sizes: Events of the reference and of the candidate.
        values: Between half A of the reference and half C of the candidate.
        floors: Between the halves A and B of the reference.
        error: What the values do not show of the error.
    """

    sizes: tuple[int, int]
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    error: float = 0.0

    def add(self, value: float, floor: float) -> None:
        """Add a round."""
        self.values.append(value)
        self.floors.append(floor)


def _halves(
    n_groups: int, generator: np.random.Generator, rounds: int
) -> Iterator[tuple[Groups, Groups, Groups]]:
    """Yield the groups of A and B, halves of the reference, and of C, half of the candidate."""
    half = n_groups // 2
    for _ in range(rounds):
        order = generator.permutation(n_groups)
        yield order[:half], order[half : 2 * half], generator.permutation(n_groups)[:half]


def frechet_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, Rounds]:
    """Return FPD, not bounded, from 200 groups of at most 100,000 events of both.

    Arguments:
        reference: Features over their largest absolute values, in random order.
        candidate: The same of the candidate.
        generator: Draws halves and batches.
        rounds: Number of rounds.
    """
    parts = equal_parts(reference, candidate, _MAX_FRECHET)
    sizes = len(parts[0]), len(parts[1])
    n_groups = min(*sizes, _FRECHET_GROUPS)
    centre = reference.features.mean(axis=0)
    first, second = (group_moments(part, n_groups, centre) for part in parts)
    fpd = Rounds(sizes)
    for a, b, c in _halves(n_groups, generator, rounds):
        value, floor = (
            fpd_of_groups(first[a], other, len(a), generator, _BATCHES).value
            for other in (second[c], first[b])
        )
        fpd.add(value, floor)
    return {"fpd": fpd}


def kernel_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, Rounds]:
    """Return KPD from 20 groups of at most 20,000 events of both.

    Arguments:
        reference: Features over their largest absolute values, in random order.
        candidate: The same of the candidate.
        generator: Draws halves and batches.
        rounds: Number of rounds.
    """
    parts = equal_parts(reference, candidate, _MAX_KERNEL)
    sums = kernel_sums([group for part in parts for group in part.groups(_GROUPS)])
    kpd = Rounds((len(parts[0]), len(parts[1])))
    for a, b, c in _halves(_GROUPS, generator, rounds):
        value, floor = (
            kpd_of_groups(sums, a, other, generator).value for other in (c + _GROUPS, b)
        )
        kpd.add(value, floor)
    return {"kpd": kpd}


def neighbour_rounds(
    reference: Matrix,
    candidate: Matrix,
    generator: np.random.Generator,
    rounds: int,
    max_events: int,
) -> dict[str, Rounds]:
    """Return precision, recall, density, coverage and the indicators of mode collapse.

    Neighbours within each sample are searched once for all rounds, by group.

    Arguments:
        reference: Standardised features, shape (n, d), in random order.
        candidate: The same of the candidate, shape (m, d).
        generator: Draws the halves.
        rounds: Number of rounds.
        max_events: Largest number of events of either sample.
    """
    size = min(len(reference), len(candidate), max_events) // _GROUPS
    n = size * _GROUPS
    samples = reference[:n], candidate[:n]
    near = [nearest(f, f, NEIGHBOURS, groups=_GROUPS, own=True) for f in samples]
    same, close = neighbour_scale(_merged(near[0], np.arange(_GROUPS)[::2], size)[:, 0])
    pairs = [close_counts(f, close, groups=_GROUPS) for f in samples]
    names = ("precision", "recall", "density", "coverage", "duplicates", "distinct", "diversity")
    found = {name: Rounds((n, n)) for name in names}
    for a, b, c in _halves(_GROUPS, generator, rounds):
        in_a, radii_a = _events(a, size), _merged(near[0], a, size)
        half = len(in_a)
        spread = mean_distance(samples[0][in_a])
        outcomes = []
        for side, groups in ((1, c), (0, b)):
            inside, radii = _events(groups, size), _merged(near[side], groups, size)
            events = samples[side][inside]
            shares = prdc_within(samples[0][in_a], events, radii_a[:, -1], radii[:, -1])
            met = float(pairs[side][inside][:, groups].sum()) / 2
            outcomes.append(
                {
                    **shares._asdict(),
                    "duplicates": duplicates_share(radii[:, 0], same).value,
                    "distinct": distinct_events(met, half),
                    "diversity": diversity(spread, mean_distance(events)).value,
                }
            )
        for name, metric in found.items():
            metric.add(outcomes[0][name], outcomes[1][name])
    found["duplicates"].error = _binomial(found["duplicates"], n // 2)
    return found


def _binomial(metric: Rounds, n: int) -> float:
    """Return the error of a share of n events, which no number of rounds without one shows."""
    return fraction(float(np.mean(metric.values)) * n, n).error


def _events(groups: Groups, size: int) -> Groups:
    """Return the numbers of the events in groups."""
    return np.asarray((groups[:, None] * size + np.arange(size)).ravel())


def _merged(near: Matrix, groups: Groups, size: int) -> Matrix:
    """Return the nearest neighbours, within the union of groups, of the events in them."""
    rows = near[_events(groups, size)][:, groups].reshape(len(groups) * size, -1)
    return np.sort(rows, axis=1)[:, :NEIGHBOURS]


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
