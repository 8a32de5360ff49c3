"""Judge all metrics of features at once, each with error, floor and verdict.

Nearest neighbours and extrapolations depend on the numbers of events, so that a value and its floor
must come from equal numbers. Equally many events of both samples are cut into groups; in each of
some rounds the groups of the reference are divided at random into halves A and B, and half of the
groups of the candidate are C. The floors are the metric between A and B, the value is its mean
between A and C over all rounds. The standard deviation of the latter is the error (delete-half
jackknife, Shao and Wu, Ann. Stat. 17, 1989, 1176), which also is that of a whole sample, because
half of it is drawn without replacement. Memorisation needs no rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from phys_gan.errors import RangeError
from phys_gan.metrics.frechet import fpd_of_groups, group_moments
from phys_gan.metrics.kernel import kernel_sums, kpd_of_groups
from phys_gan.metrics.neighbours import (
    NEIGHBOURS,
    close_counts,
    distinct_events,
    diversity,
    duplicates,
    mean_distance,
    memorisation,
    nearest,
    neighbour_scale,
    prdc_within,
)
from phys_gan.metrics.result import MULTIVARIATE, Result, against_floor
from phys_gan.metrics.samples import Weighted, as_weighted, equal_parts, normalised, standardised
from phys_gan.metrics.statistics import Floats, fraction
from phys_gan.randomness import stream

MIN_EVENTS = 100
"""With fewer events a half has too few neighbours."""

_RARE = 0.00135
"""Probability beyond three standard deviations of a normal distribution, on one side."""

_MAX_FRECHET = 100_000
_MAX_KERNEL = 20_000
_FRECHET_GROUPS = 200
_GROUPS = 20
_BATCHES = 5

_Groups = NDArray[np.intp]


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

    The numbers of events are at most 100,000 of both for FPD, so that its batches reach 50,000;
    20,000 for KPD, batches of 5,000 of the 10,000 in a half; ``max_events`` for neighbours, half
    of them in a half; for memorisation the candidate has half of ``max_events``, and training
    and held-out events are 5 times ``max_events``.

    Weights enter FPD and KPD as they are, and the sample with more events is cut to the effective
    number of the other. Neighbours have no weights: what is taken from them is taken from events
    that are drawn by their weights, which cannot be done where a weight is negative, and is left
    out then or where fewer than 100 events of a sample are drawn. ``duplicates`` is about events
    that coincide and counts all of them; so does memorisation with the candidate. What is done for
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
    found = _frechet_rounds(first, second, generator, rounds)
    found |= _kernel_rounds(first, second, generator, rounds)
    del first, second
    events = [sample.features for sample in shuffled[:2]]
    drawn = _drawn(shuffled[:2], generator)
    if drawn is not None:
        scaled = standardised(drawn[0], drawn[1])
        found |= _neighbour_rounds(scaled[0], scaled[1], generator, rounds, max_events)
    if any(sample.weights is not None for sample in shuffled[:2]):
        # Two events coincide or not, whatever they count.
        scaled = standardised(events[0], events[1])
        among_all = _neighbour_rounds(scaled[0], scaled[1], generator, rounds, max_events)
        found["duplicates"] = among_all["duplicates"]
    results = {name: found[name].judged(name) for name in MULTIVARIATE if name in found}
    if len(samples) == 3:
        points = _drawn([samples[2], samples[0]], generator)
        if points is not None:
            candidates = samples[1].features
            results |= memorisation(candidates, *points, seed=seed, max_events=max_events)
    return results


def _drawn(samples: Sequence[Weighted], generator: np.random.Generator) -> list[Floats] | None:
    """Return events drawn by their weights; None where they cannot be, or are too few."""
    drawn = [sample.drawn(generator) for sample in samples]
    enough = [events for events in drawn if events is not None and len(events) >= MIN_EVENTS]
    return enough if len(enough) == len(samples) else None


@dataclass
class _Rounds:
    """A metric between A and C, and between A and B, in every round.

    Attributes:
        sizes: Events of the reference and of the candidate.
        values: Between half A of the reference and half C of the candidate.
        floors: Between the halves A and B of the reference.
    """

    sizes: tuple[int, int]
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def judged(self, name: str) -> Result:
        """Return the metric of that name with its verdict."""
        value = float(np.mean(self.values))
        error = float(np.std(self.values, ddof=1))
        if name == "duplicates":
            # No number of rounds without duplicates shows the error of their fraction.
            n = self.sizes[0] // 2
            error = float(np.hypot(error, fraction(value * n, n).error))
        if name == "fpd":
            # A squared distance is not negative, as an extrapolation may be.
            value = max(0.0, value)
        worse = MULTIVARIATE[name].worse
        judged = against_floor(value, error, self.floors, *self.sizes, worse=worse)
        if name != "duplicates":
            return judged
        # Rare pairs are counted: no number of bootstrap errors is needed where one is impossible.
        first, second = (max(0, round(part * n / 2)) for part in (judged.floor, value))
        p_value = float(binom.sf(second - 1, first + second, 0.5)) if second else 1.0
        return replace(judged, p_value=p_value, within_floor=p_value >= _RARE)


def _in_rounds(
    sizes: tuple[int, int],
    n_groups: int,
    generator: np.random.Generator,
    rounds: int,
    measure: Callable[[_Groups, int, _Groups], Mapping[str, float]],
) -> dict[str, _Rounds]:
    """Measure metrics between A and C (side 1), and between A and B (side 0), in every round."""
    found: dict[str, _Rounds] = {}
    half = n_groups // 2
    for _ in range(rounds):
        order = generator.permutation(n_groups)
        a, b, c = order[:half], order[half : 2 * half], generator.permutation(n_groups)[:half]
        values, floors = measure(a, 1, c), measure(a, 0, b)
        for name, value in values.items():
            metric = found.setdefault(name, _Rounds(sizes))
            metric.values.append(value)
            metric.floors.append(floors[name])
    return found


def _frechet_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, _Rounds]:
    """Return FPD, not bounded, from 200 groups of at most 100,000 events of both.

    The features are divided by their largest absolute values, and in random order.
    """
    parts = equal_parts(reference, candidate, _MAX_FRECHET)
    sizes = len(parts[0]), len(parts[1])
    n_groups = min(*sizes, _FRECHET_GROUPS)
    centre = reference.features.mean(axis=0)
    moments = [group_moments(part, n_groups, centre) for part in parts]

    def fpd(a: _Groups, side: int, other: _Groups) -> dict[str, float]:
        halves = moments[0][a], moments[side][other]
        return {"fpd": fpd_of_groups(*halves, len(a), generator, _BATCHES).value}

    return _in_rounds(sizes, n_groups, generator, rounds, fpd)


def _kernel_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, _Rounds]:
    """Return KPD from 20 groups of at most 20,000 events of both; features as those of FPD."""
    parts = equal_parts(reference, candidate, _MAX_KERNEL)
    sums = kernel_sums([group for part in parts for group in part.groups(_GROUPS)])

    def kpd(a: _Groups, side: int, other: _Groups) -> dict[str, float]:
        return {"kpd": kpd_of_groups(sums, a, other + side * _GROUPS, generator).value}

    return _in_rounds((len(parts[0]), len(parts[1])), _GROUPS, generator, rounds, kpd)


def _neighbour_rounds(
    reference: Floats,
    candidate: Floats,
    generator: np.random.Generator,
    rounds: int,
    max_events: int,
) -> dict[str, _Rounds]:
    """Return precision, recall, density, coverage and the indicators of mode collapse.

    The features are standardised, and in random order. Neighbours within each sample are searched
    once for all rounds, by group.
    """
    size = min(len(reference), len(candidate), max_events) // _GROUPS
    n = size * _GROUPS
    samples = reference[:n], candidate[:n]
    near = [nearest(f, f, NEIGHBOURS, groups=_GROUPS, own=True) for f in samples]
    same, close = neighbour_scale(_merged(near[0], np.arange(_GROUPS)[::2], size)[:, 0])
    pairs = [close_counts(f, close, groups=_GROUPS) for f in samples]

    def metrics(a: _Groups, side: int, other: _Groups) -> dict[str, float]:
        inside, radii = _events(other, size), _merged(near[side], other, size)
        known, events = samples[0][_events(a, size)], samples[side][inside]
        overlap = prdc_within(known, events, _merged(near[0], a, size)[:, -1], radii[:, -1])
        met = float(pairs[side][inside][:, other].sum()) / 2
        return {
            **overlap._asdict(),
            "duplicates": duplicates(radii[:, 0], same).value,
            "distinct": distinct_events(met, len(known)),
            "diversity": diversity(mean_distance(known), mean_distance(events)).value,
        }

    return _in_rounds((n, n), _GROUPS, generator, rounds, metrics)


def _events(groups: _Groups, size: int) -> _Groups:
    """Return the numbers of the events in groups."""
    return np.asarray((groups[:, None] * size + np.arange(size)).ravel())


def _merged(near: Floats, groups: _Groups, size: int) -> Floats:
    """Return the nearest neighbours, within the union of groups, of the events in them."""
    rows = near[_events(groups, size)][:, groups].reshape(len(groups) * size, -1)
    return np.sort(rows, axis=1)[:, :NEIGHBOURS]
