"""All distances of this room between two feature matrices, each with error, floor and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.errors import RangeError
from phys_gan.randomness import stream
from phys_gan.validation.multivariate.collapse import (
    duplicates_share,
    effective_number,
    mean_distance,
    neighbour_scale,
)
from phys_gan.validation.multivariate.estimate import as_features, share
from phys_gan.validation.multivariate.frechet import fpd_of_groups, group_moments, normalised
from phys_gan.validation.multivariate.glossary import MULTIVARIATE
from phys_gan.validation.multivariate.kernel import kernel_sums, kpd_of_groups
from phys_gan.validation.multivariate.memorisation import (
    SAME,
    closer_share,
    copies_share,
    distance_ratio,
)
from phys_gan.validation.multivariate.neighbours import close_counts, nearest, standardised
from phys_gan.validation.multivariate.prdc import NEIGHBOURS, prdc_within
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["judge_features"]

MIN_EVENTS = 100
"""With fewer events a half has too few neighbours."""

_MAX_FRECHET = 100_000
_MAX_KERNEL = 20_000
_FRECHET_GROUPS = 200
_GROUPS = 20
_BATCHES = 10

Matrix = NDArray[np.float64]
Groups = NDArray[np.intp]


@dataclass
class _Rounds:
    """A metric in every round: of the candidate, and of the other half of the reference."""

    n: int
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    error: float = 0.0

    def add(self, value: float, floor: float) -> None:
        self.values.append(value)
        self.floors.append(floor)


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
    also is that of a whole sample, because half of it is drawn without replacement.

    The numbers of events are at most 100,000 of both for FPD, so that its batches reach 50,000;
    20,000 for KPD, batches of 5,000 of the 10,000 in a half; ``max_events`` for neighbours, half
    of them in a half; for memorisation the candidate has half of ``max_events``, and training
    and held-out events are 5 times ``max_events``.

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
    samples = {"reference": reference, "candidate": candidate}
    matrices = as_features(**samples, **({} if training is None else {"training": training}))
    names = (*samples, "training")[: len(matrices)]
    for name, matrix in zip(names, matrices, strict=True):
        if len(matrix) < MIN_EVENTS:
            raise RangeError(
                f"the {name} has {len(matrix)} events, but multivariate distances need at least "
                f"{MIN_EVENTS}",
                remedy="give more events",
                value=len(matrix),
                constraint=MIN_EVENTS,
            )
    if rounds < 2 or max_events < MIN_EVENTS:
        raise RangeError(
            f"{rounds} rounds with at most {max_events} events are too few",
            remedy=f"choose at least 2 rounds and {MIN_EVENTS} events",
            value=(rounds, max_events),
        )
    generator = stream(seed, "validation/multivariate")
    shuffled = [matrix[generator.permutation(len(matrix))] for matrix in matrices]
    first, second = normalised(*shuffled[:2])
    found = _frechet(first, second, generator, rounds)
    found |= _kernel(first, second, generator, rounds)
    del first, second
    scaled = standardised(*shuffled)
    found |= _neighbours(scaled[0], scaled[1], generator, rounds, max_events)
    if len(scaled) == 3:
        found |= _memorisation(*scaled, generator, rounds, max_events)
    return {name: _judged(name, metric) for name, metric in found.items()}


def _judged(name: str, metric: _Rounds) -> Result:
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


def _halves(
    n_groups: int, generator: np.random.Generator, rounds: int
) -> Iterator[tuple[Groups, Groups, Groups]]:
    """Yield the groups of A and B, halves of the reference, and of C, half of the candidate."""
    half = n_groups // 2
    for _ in range(rounds):
        order = generator.permutation(n_groups)
        yield order[:half], order[half : 2 * half], generator.permutation(n_groups)[:half]


def _frechet(
    reference: Matrix, candidate: Matrix, generator: np.random.Generator, rounds: int
) -> dict[str, _Rounds]:
    n = min(len(reference), len(candidate), _MAX_FRECHET)
    n_groups = min(n, _FRECHET_GROUPS)
    centre = reference.mean(axis=0)
    first, second = (group_moments(f[:n] - centre, n_groups) for f in (reference, candidate))
    fpd = _Rounds(n)
    for a, b, c in _halves(n_groups, generator, rounds):
        value, floor = (
            fpd_of_groups(first[a], other, len(a), generator, _BATCHES).value
            for other in (second[c], first[b])
        )
        fpd.add(value, floor)
    return {"fpd": fpd}


def _kernel(
    reference: Matrix, candidate: Matrix, generator: np.random.Generator, rounds: int
) -> dict[str, _Rounds]:
    n = min(len(reference), len(candidate), _MAX_KERNEL)
    parts = [*np.array_split(reference[:n], _GROUPS), *np.array_split(candidate[:n], _GROUPS)]
    sums, sizes = kernel_sums(parts), np.array([len(part) for part in parts])
    kpd = _Rounds(n)
    for a, b, c in _halves(_GROUPS, generator, rounds):
        value, floor = (
            kpd_of_groups(sums, sizes, a, other, generator).value for other in (c + _GROUPS, b)
        )
        kpd.add(value, floor)
    return {"kpd": kpd}


def _neighbours(
    reference: Matrix,
    candidate: Matrix,
    generator: np.random.Generator,
    rounds: int,
    max_events: int,
) -> dict[str, _Rounds]:
    size = min(len(reference), len(candidate), max_events) // _GROUPS
    n = size * _GROUPS
    samples = reference[:n], candidate[:n]
    near = [nearest(f, f, NEIGHBOURS, groups=_GROUPS, own=True) for f in samples]
    same, close = neighbour_scale(_merged(near[0], np.arange(_GROUPS)[::2], size)[:, 0])
    pairs = [close_counts(f, close, groups=_GROUPS) for f in samples]
    names = ("precision", "recall", "density", "coverage", "duplicates", "distinct", "diversity")
    found = {name: _Rounds(n) for name in names}
    for a, b, c in _halves(_GROUPS, generator, rounds):
        in_a, radii_a = _events(a, size), _merged(near[0], a, size)
        half = len(in_a)
        spread = mean_distance(samples[0][in_a]).value
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
                    "distinct": effective_number(met, half),
                    # A sample without any spread is as diverse as itself.
                    "diversity": mean_distance(events).value / spread if spread else 1.0,
                }
            )
        for name, metric in found.items():
            metric.add(outcomes[0][name], outcomes[1][name])
    found["duplicates"].error = _binomial(found["duplicates"], n // 2)
    return found


def _memorisation(
    reference: Matrix,
    candidate: Matrix,
    training: Matrix,
    generator: np.random.Generator,
    rounds: int,
    max_events: int,
) -> dict[str, _Rounds]:
    """Compare with training and held-out events in rounds that halve both.

    The metrics have the same expectation for any equal numbers, but copies of few training
    events are diluted by a half: their value comes from all events, the error from halves.
    """
    size = min(len(reference), len(training), 5 * max_events) // _GROUPS
    events = candidate[: max_events // 2]
    to_held, to_seen = (
        np.sqrt(nearest(events, points[: size * _GROUPS], 1, groups=_GROUPS)[:, :, 0])
        for points in (reference, training)
    )
    tolerance = SAME * float(np.median(to_held.min(axis=1)))

    def metrics(seen: Matrix, held: Matrix) -> dict[str, float]:
        near, far = seen.min(axis=1), held.min(axis=1)
        return {
            "closer_to_training": closer_share(near, far),
            "training_distance": distance_ratio(near, far),
            "training_copies": copies_share(near, tolerance).value,
        }

    whole = metrics(to_seen, to_held)
    found = {name: _Rounds(len(events)) for name in whole}
    for a, b, c in _halves(_GROUPS, generator, rounds):
        value, floor = metrics(to_seen[:, c], to_held[:, a]), metrics(to_held[:, b], to_held[:, a])
        for name, metric in found.items():
            metric.add(value[name], floor[name])
    for name, metric in found.items():
        metric.values = [whole[name] + v - float(np.mean(metric.values)) for v in metric.values]
    for name in ("closer_to_training", "training_copies"):
        found[name].error = _binomial(found[name], len(events))
    return found


def _binomial(metric: _Rounds, n: int) -> float:
    """Return the error of a share of n events, which no number of rounds without one shows."""
    return share(float(np.mean(metric.values)) * n, n).error


def _events(groups: Groups, size: int) -> Groups:
    """Return the numbers of the events in groups."""
    return np.asarray((groups[:, None] * size + np.arange(size)).ravel())


def _merged(near: Matrix, groups: Groups, size: int) -> Matrix:
    """Return the nearest neighbours, within the union of groups, of the events in them."""
    rows = near[_events(groups, size)][:, groups].reshape(len(groups) * size, -1)
    return np.sort(rows, axis=1)[:, :NEIGHBOURS]
