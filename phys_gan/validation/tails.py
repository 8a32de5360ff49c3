"""Tails that the candidate does not reach, or leaves too often, and gaps in which it has no events.

All are counts, and equal samples are random parts of one pool, so that how many of the outermost
events, or of the events in a row, are of one of them has an exact distribution. Events with weights
have no such counts: their sums are compared, or nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from phys_gan.metrics.statistics import Floats, effective_size, mean_and_error, quantile
from phys_gan.randomness import stream
from phys_gan.validation.evidence import (
    NAMED_LEVEL,
    Evidence,
    Suspicion,
    all_of_one,
    more_often,
    some,
    two_sided,
)

_LEVELS = (0.001, 0.003, 0.01)
_RESPONSE = "E_tot/E_inc"
_ENERGY_BINS = 12
_MOST_EVENTS = 20_000
_AGREEING_CORE = 0.1
_OUTERMOST = 0.02
_EXCHANGES = 400


@dataclass(frozen=True)
class _Tail:
    """One end of an observable.

    Attributes:
        name: The observable.
        end: "low" or "high".
        level: Fraction of the reference beyond.
        found: Events of the candidate beyond.
        expected: Events that are expected there.
        fewer: Probability of so few.
        more: Probability of so many.
    """

    name: str
    end: str
    level: float
    found: float
    expected: float
    fewer: float
    more: float

    @property
    def text(self) -> str:
        """What is found there."""
        if not self.level:
            return (
                f"{self.found:.3g} events are {'below' if self.end == 'low' else 'above'} all of "
                f"the reference in {self.name}"
            )
        return (
            f"{self.found:.3g} events, where {self.expected:.3g} are expected, beyond the "
            f"{'lowest' if self.end == 'low' else 'highest'} {100 * self.level:.2g} % of "
            f"{self.name}"
        )


def missing_tails(evidence: Evidence) -> Suspicion | None:
    """Look for tails that the candidate does not reach.

    The reference has 0.1, 0.3 and 1 % of its events, and its most extreme ones, beyond as many
    values at both ends of every observable: how many of the candidate? They must be too few as they
    are, and also with the candidate shifted and stretched to the median and the middle 68 % of the
    reference, because other failures are called mean and resolution. The low end of the response,
    where leaking and late showers are, has three quarters of the rate of false alarms. Events with
    weights are summed, from ten effective ones on.
    """
    tails = evidence.once(_all_tails)
    if not tails:
        return None
    # Shares of the rate of false alarms: the rarest events of low response are all from one sample.
    asked = [t for t in tails if t.level > 0]
    low = [t for t in asked if (t.name, t.end) == (_RESPONSE, "low")]
    extreme = [t for t in low if t.level not in _LEVELS]
    rest = [t for t in asked if t not in low]
    groups = ((extreme, 0.55), ([t for t in low if t not in extreme], 0.2), (rest, 0.25))
    total = sum(share for group, share in groups if group)
    scaled = [(t.fewer * len(group) * total / share, t) for group, share in groups for t in group]
    if not scaled:
        return None
    return _worst_tails(scaled, "Tails are missing")


def long_tails(evidence: Evidence) -> Suspicion | None:
    """Look for tails in which the candidate has too many events, as :func:`missing_tails`."""
    tails = evidence.once(_all_tails)
    if not tails:
        return None
    asked = [t for t in tails if t.level in (0, *_LEVELS)]
    return _worst_tails([(t.more * len(asked), t) for t in asked], "Tails are too long")


def another_particle(evidence: Evidence) -> Suspicion | None:
    """Look for events of another kind: outside what showers of this energy are like.

    Showers of another particle lie, in part, where at their energy there is hardly any of the
    reference, while most of the candidate agrees with it. Of the outermost events of both samples,
    up to 2 %, at both ends of every essential observable but the response, too many may be of the
    candidate. How many numbers of events and observables are independent is learned from random
    exchanges of the events (Westfall and Young, as in
    :func:`~phys_gan.metrics.uncertainty.independent_number`). An observable of which more than a
    tenth of the candidate has left the middle half has another failure. Not asked with weights.
    """
    energies = [sample.conditions.get("energy") for sample in evidence.samples]
    if evidence.weighted or energies[0] is None or energies[1] is None:
        return None
    # Evenly spaced events of large samples are enough.
    rows = [slice(None, None, -(-len(e) // _MOST_EVENTS)) for e in energies if e is not None]
    energy = np.concatenate([energies[0][rows[0]], energies[1][rows[1]]])
    n = len(energies[0][rows[0]])
    if min(n, len(energy) - n) < 200:
        return None
    own = np.arange(len(energy)) >= n
    generator = stream(evidence.seed, "validation/exchanges")
    exchanged = generator.permuted(np.tile(own, (_EXCHANGES, 1)), axis=1)
    labels = np.concatenate([own[None], exchanged])
    smallest = np.zeros(len(labels))
    best: tuple[float, str, int, int] = (0.0, "", 0, 0)
    asked = 0
    essential = {o.name for o in evidence.reference.observables if o.essential}
    for name in _scalar_names(evidence):
        if name not in essential or name in ("E_inc", _RESPONSE):
            continue
        values = np.concatenate(
            [s.values[name][part] for s, part in zip(evidence.samples, rows, strict=True)]
        )
        for end, order, distinct in _outermost(values, energy, own):
            asked += 1
            counts = np.cumsum(labels[:, order], axis=1)
            # Events with equal values have no order.
            chances = np.where(distinct, _log_excess(counts, float(own.mean())), 0.0)
            smallest = np.minimum(smallest, chances.min(axis=1))
            place = int(np.argmin(chances[0]))
            if chances[0, place] < best[0]:
                best = (float(chances[0, place]), f"{end} {name}", place + 1, int(counts[0, place]))
    if not asked:
        return None
    independent = _independent(np.exp(smallest[1:]))
    chance = float(-np.expm1(independent * np.log1p(-min(np.exp(smallest[0]), 1 - 1e-12))))
    _, what, k, found = best
    share = 100 * (2 * found - k) / (len(energy) - n)
    text = (
        f"Some events are of another kind: of the {k} with the {what} at their energy {found} are "
        f"of the candidate, at least {share:.2g} % of all."
    )
    return Suspicion(chance, text if what else "")


def _outermost(
    values: Floats, energy: Floats, own: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield the events with the lowest and the highest values at their energy, outermost first.

    Values are taken from the median of their bin of energy, in units of the distance of its 16th or
    84th percentile, of both samples together. Nothing is yielded where their middle halves differ.

    Yields:
        "lowest" or "highest", the numbers of the events, and which of them differ from the next.
    """
    good = np.asarray(np.isfinite(values))
    if min(good[own].sum(), good[~own].sum()) < 200:
        return
    edges = np.unique(np.quantile(energy, np.linspace(0, 1, _ENERGY_BINS + 1)[1:-1]))
    place = np.searchsorted(edges, energy, side="right")
    scores = np.full((2, len(values)), np.inf)
    inside = np.zeros(len(values), bool)
    for b in np.unique(place[good]):
        rows = np.flatnonzero(good & (place == b))
        part = values[rows]
        low, left, middle, right, high = np.quantile(part, np.array([16, 25, 50, 75, 84]) / 100)
        scores[0, rows] = (part - middle) / ((middle - low) or 1.0)
        scores[1, rows] = (middle - part) / ((high - middle) or 1.0)
        inside[rows] = (part >= left) & (part <= right)
    first, second = (float(inside[good & side].mean()) for side in (~own, own))
    if abs(second - first) > _AGREEING_CORE * first:
        return
    n = int(np.ceil(_OUTERMOST * good.sum()))
    for end, score in zip(("lowest", "highest"), scores, strict=True):
        order = np.argsort(score, kind="stable")[: n + 1]
        yield end, order[:-1], np.diff(score[order]) > 0


def _log_excess(counts: NDArray[np.int64], share: float) -> Floats:
    """Return the logarithm of the probability of as many of the first 1, 2, ... events.

    Arguments:
        counts: Events of the candidate among them, shape (R, K).
        share: Fraction of all events that are of the candidate.
    """
    sizes = np.arange(1, counts.shape[1] + 1)
    table = binom.logsf(np.arange(counts.shape[1] + 1)[None] - 1, sizes[:, None], share)
    return np.asarray(np.asarray(table)[np.arange(len(sizes)), counts])


def _independent(p_values: Floats) -> float:
    """Return how many independent tests have smallest p-values like these, shape (R,)."""
    smallest = np.sort(-np.log1p(-np.minimum(p_values, 1 - 1e-12)))
    low = max(2, len(smallest) // 5)
    exposure = float(smallest[:low].sum() + (len(smallest) - low) * smallest[low - 1])
    return max(1.0, (low - 1) / max(exposure, 1e-12))


def _worst_tails(scaled: Sequence[tuple[float, _Tail]], what: str) -> Suspicion:
    """Name the tails that are beyond chance, one for each end of an observable."""
    named: dict[tuple[str, str], str] = {}
    for chance, tail in sorted(scaled, key=lambda pair: pair[0]):
        if chance < NAMED_LEVEL:
            named.setdefault((tail.name, tail.end), tail.text)
    chance = min(chance for chance, _ in scaled)
    text = f"{what}: {'; '.join(list(named.values())[:3])}" if named else ""
    if len(named) > 3:
        text += f"; and {len(named) - 3} more"
    return Suspicion(min(1.0, chance), f"{text}." if named else "")


def _scalar_names(evidence: Evidence) -> list[str]:
    reference, candidate = evidence.samples
    return [o.name for o in reference.observables if o.name in candidate.values]


def _all_tails(evidence: Evidence) -> list[_Tail]:
    return list(_each_tail(evidence))


def _each_tail(evidence: Evidence) -> Iterator[_Tail]:
    for name in _scalar_names(evidence):
        if name == "E_inc":
            continue
        parts = []
        for sample in evidence.samples:
            good = np.isfinite(sample.values[name])
            weights = None if sample.weights is None else sample.weights[good]
            parts.append((sample.values[name][good], weights))
        if min(len(values) for values, _ in parts) < 100:
            continue
        (first, w), (second, v) = parts
        core, other = (quantile(x, [0.16, 0.5, 0.84], y) for x, y in parts)
        aligned = second
        if core[2] > core[0] and other[2] > other[0]:
            aligned = (second - other[1]) * (core[2] - core[0]) / (other[2] - other[0]) + core[1]
        for end, sign in (("low", 1.0), ("high", -1.0)):
            sides = [
                list(
                    _weighted_tails(name, end, (sign * first, w), (sign * other, v))
                    if evidence.weighted
                    else _counted_tails(name, end, sign * first, sign * other)
                )
                for other in (second, aligned)
            ]
            for raw, moved in zip(*sides, strict=True):
                yield replace(
                    raw, fewer=max(raw.fewer, moved.fewer), more=max(raw.more, moved.more)
                )


def _counted_tails(name: str, end: str, first: Floats, second: Floats) -> Iterator[_Tail]:
    """Count the candidate below the k-th value of the reference, for some k.

    How many come before it is negative hypergeometric: k of the reference are among the first
    k + t of the pool. Also the other way round, by the most extreme event of the candidate.
    """
    n, m = len(first), len(second)
    first, second = np.sort(first), np.sort(second)
    for level in _LEVELS:
        k = int(np.ceil(level * n))
        edge = first[k - 1]
        below, with_ties = (int(np.searchsorted(second, edge, side)) for side in ("left", "right"))
        own = int(np.searchsorted(first, edge))
        fewer = more_often(k, with_ties, n, m)
        # Of the first own + below, at most ``own`` are of the reference.
        more = more_often(below, own, m, n)
        yield _Tail(name, end, level, below, m * k / n, fewer, more)
    # Events of one sample that are beyond all of the other.
    run = int(np.searchsorted(first, second[0]))
    level = (run or 0.5) / n
    yield _Tail(name, end, level, 0, m * run / n, float(all_of_one(n, m, run)), 1.0)
    run = int(np.searchsorted(second, first[0]))
    yield _Tail(name, end, 0, run, m / n, 1.0, float(all_of_one(m, n, run)))


def _weighted_tails(
    name: str,
    end: str,
    first: tuple[Floats, Floats | None],
    second: tuple[Floats, Floats | None],
) -> Iterator[_Tail]:
    """Compare the fractions beyond quantiles of the reference by their errors."""
    for level in _LEVELS:
        edge = float(quantile(first[0], [level], first[1])[0])
        (expected, one), (found, two) = (
            mean_and_error((values <= edge).astype(np.float64), weights)
            for values, weights in (first, second)
        )
        # Below ten effective events the error is none.
        if not expected > 0 or (expected / one if one > 0 else 0.0) ** 2 < 10:
            continue
        # Where events are missing, the error is that of a fraction of both samples together.
        sizes = [effective_size(len(values), weights) for values, weights in (first, second)]
        common = (sizes[0] * expected + sizes[1] * max(0.0, float(found))) / sum(sizes)
        sigma = float(one) * float(common / expected * (1 + sizes[0] / sizes[1])) ** 0.5
        if found > expected:
            sigma = float(np.hypot(one, two))
        chance = two_sided(float(found - expected) / sigma)
        m = len(second[0])
        fewer, more = (chance, 1.0) if found < expected else (1.0, chance)
        yield _Tail(name, end, level, float(found * m), float(expected * m), fewer, more)


def holes(evidence: Evidence) -> Suspicion | None:
    """Look for a gap of one sample, in which the other has many events in a row.

    In every condition, the incident energy first, in the energy of all cells and in the response.
    Ends of the range count for conditions only. Weights may stand for any other spectrum than the
    events have: then it is not asked.
    """
    if evidence.weighted:
        return None
    reference, candidate = evidence.samples
    asked: list[tuple[str, str, Floats, Floats, bool]] = []
    for name in reference.conditions:
        if name in candidate.conditions:
            one, two = reference.conditions[name], candidate.conditions[name]
            if name == "energy":
                asked.append(("incident energy", " GeV", one / 1000, two / 1000, False))
            else:
                asked.append((name, "", one, two, False))
    if reference.detector.kind == "calorimeter":
        one, two = (s.layer_energies.sum(axis=1) for s in evidence.samples)
        asked.append(("energy in all cells", " GeV", one / 1000, two / 1000, True))
        if all("energy" in s.conditions for s in evidence.samples):
            one = one / reference.conditions["energy"]
            two = two / candidate.conditions["energy"]
            asked.append((_RESPONSE, "", one, two, True))
    if not asked:
        return None
    smallest, texts = 1.0, []
    for (label, unit, first, second, inner), (who, whom) in product(
        asked, (("candidate", "reference"), ("reference", "candidate"))
    ):
        own, other = (first, second) if who == "candidate" else (second, first)
        # ``own`` has events where the other, which has the gap, has none.
        limits = (float(other.min()), float(other.max())) if inner else (-np.inf, np.inf)
        low, high, length = longest_run(np.concatenate([own, other]), len(own), limits)
        n, m = len(own), len(other)
        chance = 2 * len(asked) * (n + m) * float(all_of_one(n, m, length))
        if inner and not _hole_between(own, other, low, high):
            continue
        smallest = min(smallest, chance)
        if chance < NAMED_LEVEL:
            texts.append(
                f"the {who} has no events with the {label} from {low:.4g} to {high:.4g}{unit}, "
                f"the {whom} {length}"
            )
    text = f"{some(texts)}.".replace("the", "The", 1) if texts else ""
    return Suspicion(min(1.0, smallest), text)


def _hole_between(own: Floats, other: Floats, low: float, high: float) -> bool:
    """Return whether both samples are alike on both sides of a gap of the second.

    Elsewhere events are few because another failure has moved or widened all of them.
    """
    width = high - low
    for start, stop in ((low - 2 * width, low), (high, high + 2 * width)):
        expected = np.mean((own >= start) & (own <= stop))
        found = np.mean((other >= start) & (other <= stop))
        if not found > 0.5 * expected:
            return False
    return True


def longest_run(
    values: Floats, n_first: int, inside: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float, int]:
    """Return the ends and the number of most events of one sample without any of the other between.

    Arguments:
        values: Of the sample that has the run, ``n_first`` of them, and then of the other.
        n_first: Number of the first ones.
        inside: Range in which the run lies.
    """
    distinct, place = np.unique(values, return_inverse=True)
    place = place.ravel()
    own = np.bincount(place[:n_first], minlength=len(distinct))
    other = np.bincount(place[n_first:], minlength=len(distinct))
    usable = (other == 0) & (distinct >= inside[0]) & (distinct <= inside[1])
    # Runs end where the other sample has a value.
    run = np.cumsum(~usable)
    sums = np.bincount(run[usable], own[usable], minlength=int(run[-1]) + 1)
    if not sums.any():
        return 0.0, 0.0, 0
    members = np.flatnonzero(usable & (run == int(sums.argmax())) & (own > 0))
    return float(distinct[members[0]]), float(distinct[members[-1]]), int(sums.max())
