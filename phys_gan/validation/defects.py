"""Defects of hits, cells and single events: what a histogram of all of them hardly shows.

Repeated events and values, numbers of hits, lines of their spectrum, cells. Copies are counted
whatever they weigh; hits and cells are means over events, with their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, poisson

from phys_gan.events import Events
from phys_gan.metrics.statistics import Floats, mean_and_error
from phys_gan.randomness import stream
from phys_gan.units import MEV
from phys_gan.validation.evidence import (
    NAMED_LEVEL,
    NOTHING,
    Evidence,
    Suspicion,
    all_of_one,
    more_often,
    named_cells,
    some,
    two_sided,
)
from phys_gan.validation.sample import Sample
from phys_gan.validation.tails import longest_run

# Repetition

_CONTINUOUS = 1e-3
"""Values are continuous where two of them are equal less often than this."""
_TELLING_CELLS = 3
_MOST_PAIRED = 6_000
_MOST_GROUPS = 64
_SIGNALS_IN_GROUP = 10
_CELLS_IN_GROUP = 5
_ALIKE = 1e-3
_DIMENSIONS = 48
_NEAR = (0.003, 0.01, 0.03)


def repeated_events(evidence: Evidence) -> Suspicion | None:
    """Look for events of the candidate that are equal bit for bit, whatever their weights.

    Where energies are continuous, two events hardly ever agree in three cells: one copy is enough.
    Where they are not, or where events of the reference are copies too, the rates are compared.
    """
    candidate, reference = evidence.candidate, evidence.reference
    if candidate.detector.is_toy:
        return None
    copies, others = (s.n_seen - s.n_different for s in (candidate, reference))
    if not copies:
        return NOTHING
    same = _collisions(reference.kept.cells[reference.kept.cells != 0])
    n, m = reference.n_seen, candidate.n_seen
    if others or same > _CONTINUOUS:
        # Files that are joined repeat events by their number, a coarse read-out by that of pairs.
        share = m**2 / (m**2 + n**2)
        of_pairs = float(binom.sf(copies - 1, copies + others, share))
        chance = max(more_often(copies, others, m, n), of_pairs)
        compared = f", {others} of {n} in the reference"
    else:
        # Hardly any event has fewer signals, which all must agree.
        signals = np.quantile(np.count_nonzero(reference.kept.cells, axis=1), 0.01)
        expected = m * (m - 1) / 2 * same ** max(_TELLING_CELLS, float(signals))
        chance, compared = float(poisson.sf(copies - 1, expected)), ""
    text = f"{copies} of {m} events are copies of others of the candidate{compared}."
    return Suspicion(chance, text)


def _collisions(values: NDArray[np.floating], most: int = 200_000) -> float:
    """Return how often two of the values are equal; not below one in 2^22, about the digits."""
    values = values[:: max(1, len(values) // most)]
    n = len(values)
    if n < 2:
        return 1.0
    _, counts = np.unique(values, return_counts=True)
    return max(2.0**-22, float((counts * (counts - 1.0)).sum() / (n * (n - 1.0))))


def nearly_repeated_events(evidence: Evidence) -> Suspicion | None:
    """Look for events of the candidate that are others of its events with few changes.

    Two questions, of up to 6,000 different events of each sample, whatever their weights. Do two
    events agree in the ratios of all signals, to a per mille, in a layer or in random cells with
    about ten signals, so that they are copies but for a factor or for some cells? Are two events
    closer, in the square roots of all cells, than those of the reference ever are, so that they are
    copies but for some noise?
    """
    if evidence.reference.detector.is_toy:
        return None
    generator = stream(evidence.seed, "validation/near-repeats")
    events = [_different(sample.kept, generator) for sample in evidence.samples]
    n, m = (len(cells) for cells in events)
    if min(n, m) < 2:
        return None
    detector = evidence.reference.detector
    occupancy = float(np.mean(events[0] != 0))
    n_cells = detector.n_cells
    size = int(np.clip(_SIGNALS_IN_GROUP / max(occupancy, 1e-9), _CELLS_IN_GROUP + 1, n_cells))
    order = generator.permutation(n_cells)
    n_groups = int(np.clip(n_cells // size, 1, _MOST_GROUPS))
    groups = [np.sort(order[g * size : (g + 1) * size]) for g in range(n_groups)]
    if 1 < detector.n_layers <= _MOST_GROUPS:
        groups += [np.arange(n_cells)[detector.slice(k)] for k in range(detector.n_layers)]
    alike = [_alike_in_groups(cells, groups) for cells in events]
    tests, texts = [], []
    others, copies = (int(found.sum()) for found in alike)
    if copies:
        # Without a factor, all ratios but one are free.
        same = max(_ALIKE, _collisions(events[0][events[0] != 0]))
        expected = len(groups) * m * (m - 1) / 2 * same ** (_CELLS_IN_GROUP - 1)
        if others or same > 10 * _ALIKE:
            tests.append(more_often((copies + 1) // 2, others // 2, m, n))
        else:
            tests.append(float(poisson.sf(copies // 2 - 1, expected)))
        texts.append(
            f"{copies} of {m} events of the candidate are copies of others of them but for a "
            f"factor or some cells, {others} of {n} in the reference."
        )
    axes = generator.normal(size=(events[0].shape[1], _DIMENSIONS)).astype(np.float32)
    size = min(n, m)
    near = [_nearest_direction(cells[:size], axes) for cells in events]
    for limit in _NEAR:
        others, copies = (int((distance < limit).sum()) for distance in near)
        tests.append(more_often((copies + 1) // 2, others // 2, size, size))
        if not texts and tests[-1] < NAMED_LEVEL:
            texts.append(
                f"{copies} of {size} events of the candidate are within {100 * limit:g} % of "
                f"another one in all their cells, but {others} of the reference."
            )
    smallest = min(1.0, (1 + len(_NEAR)) * min(tests))
    return Suspicion(smallest, texts[0] if texts else "")


def _different(events: Events, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return the cells of at most 6,000 events, without copies and without (nearly) empty ones."""
    rows = np.sort(generator.permutation(len(events))[:_MOST_PAIRED])
    cells = events.cells[rows]
    cells = cells[np.count_nonzero(cells, axis=1) >= _CELLS_IN_GROUP]
    _, first = np.unique(_bytes(cells), return_index=True)
    return np.asarray(cells[np.sort(first)], np.float32)


def _bytes(rows: NDArray[np.generic]) -> NDArray[np.void]:
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()


def _alike_in_groups(
    cells: NDArray[np.float32], groups: Sequence[NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """Return which events share all ratios in a group of cells with another one, shape (n,)."""
    found = np.zeros(len(cells), bool)
    for group in groups:
        part = cells[:, group].astype(np.float64)
        rows = np.flatnonzero(np.count_nonzero(part, axis=1) >= _CELLS_IN_GROUP)
        if len(rows) < 2:
            continue
        part = part[rows]
        part /= np.abs(part).max(axis=1, keepdims=True)
        size = np.log(np.maximum(np.abs(part), 1e-300)) / _ALIKE
        steps = np.where(part == 0, 2**30, np.round(size)).astype(np.int32) * np.where(
            part < 0, -1, 1
        ).astype(np.int32)
        _, which, times = np.unique(_bytes(steps), return_inverse=True, return_counts=True)
        found[rows[times[which.ravel()] > 1]] = True
    return found


def _nearest_direction(cells: NDArray[np.float32], axes: NDArray[np.float32]) -> Floats:
    """Return the distance of each event to the nearest other one, as unit vectors, shape (n,).

    In random projections, which keep distances within 20 % or so.
    """
    points = (np.sign(cells) * np.sqrt(np.abs(cells))) @ axes
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-30)
    nearest = np.empty(len(points), np.int64)
    step = max(1, 2**22 // len(points))
    for start in range(0, len(points), step):
        cosines = points[start : start + step] @ points.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
        nearest[start : start + step] = cosines.argmax(axis=1)
    # The difference itself has the digits that 1 - cos lacks.
    return np.asarray(np.linalg.norm(points - points[nearest], axis=1), np.float64)


def point_masses(evidence: Evidence) -> Suspicion | None:
    """Look for values of observables and cells that a continuum does not repeat.

    Copies of events are left out. Values of an observable are equal in many events of the
    candidate and in few of the reference, or so close that no event of the reference lies between
    them. Events count the same, whatever their weights.
    """
    reference, candidate = evidence.samples
    kept = [_single_rows(sample) for sample in evidence.samples]
    n, m = (len(rows) for rows in kept)
    tests: list[tuple[float, str]] = []
    names = [o.name for o in reference.observables if o.name in candidate.values]
    names = [name for name in names if name != "E_inc"]
    if min(n, m) < 2 or not names:
        return None
    for name in names:
        first, second = (
            s.values[name][rows] for s, rows in zip(evidence.samples, kept, strict=True)
        )
        first, second = first[np.isfinite(first)], second[np.isfinite(second)]
        if _is_discrete(first):
            continue
        chance, value, times, others = _most_repeated(first, second)
        tests.append((chance, f"{times} of {m} events have {name} = {value:.5g}, {others} of {n}"))
        chance, value, times = _narrowest_run(first, second)
        tests.append((chance, f"{times} of {m} events have {name} about {value:.5g}, none of {n}"))
    if not reference.detector.is_toy:
        tests.append(_most_repeated_cell(reference, candidate))
    if not tests:
        return None
    smallest = min(chance for chance, _ in tests) * len(tests)
    beyond = [text for chance, text in sorted(tests) if chance * len(tests) < NAMED_LEVEL]
    text = f"Values are drawn again and again: {some(beyond)} of the reference." if beyond else ""
    return Suspicion(min(1.0, smallest), text)


def _single_rows(sample: Sample) -> NDArray[np.int64]:
    """Return the rows of a sample without copies."""
    known = np.asarray(sample.digests.any(axis=1))
    _, first = np.unique(sample.digests, axis=0, return_index=True)
    return np.sort(np.concatenate([first[known[first]], np.flatnonzero(~known)]))


def _is_discrete(values: Floats) -> bool:
    """Return whether values are counts or steps: most of them occur again.

    The most frequent one may be that of empty layers, and is left out.
    """
    different, times = np.unique(values, return_counts=True)
    if not len(different):
        return True
    rest = len(values) - int(times.max())
    return 2 * (len(different) - 1) < rest


def _most_repeated(first: Floats, second: Floats) -> tuple[float, float, int, int]:
    """Return p-value, value and numbers of the value that is most often too often in the second."""
    values, times = np.unique(second, return_counts=True)
    many = np.flatnonzero(times >= 3)
    if not len(many):
        return 1.0, 0.0, 0, 0
    ordered = np.sort(first)
    others = np.searchsorted(ordered, values[many], "right") - np.searchsorted(
        ordered, values[many]
    )
    times, values = times[many], values[many]
    # Steps of a coarse observable are frequent in both.
    odd = times * len(first) >= 5 * (others + 1) * len(second)
    if not odd.any():
        return 1.0, 0.0, 0, 0
    chances = [
        more_often(int(k), int(j), len(second), len(first))
        for k, j in zip(times[odd], others[odd], strict=True)
    ]
    place = int(np.argmin(chances))
    chance = min(1.0, len(values) * chances[place])
    return chance, float(values[odd][place]), int(times[odd][place]), int(others[odd][place])


def _narrowest_run(first: Floats, second: Floats) -> tuple[float, float, int]:
    """Return p-value, value and number of close values of the second with none of the first.

    Away from the tails, and within a thousandth of the middle 68 % of the first.
    """
    n, m = len(first), len(second)
    if min(n, m) < 100:
        return 1.0, 0.0, 0
    low, left, right, high = np.quantile(first, [0.01, 0.16, 0.84, 0.99])
    start, stop, length = longest_run(np.concatenate([second, first]), m, (low, high))
    # Up to the next value of the first, a run has others beside those that are close.
    most = int(0.8 * length)
    if most < 2:
        return 1.0, 0.0, 0
    run = np.sort(second[(second >= start) & (second <= stop)])
    spans = run[most - 1 :] - run[: len(run) - most + 1]
    first_one = int(spans.argmin())
    if not spans[first_one] < 1e-3 * (right - left):
        return 1.0, 0.0, 0
    return min(1.0, (n + m) * float(all_of_one(m, n, most))), float(run[first_one]), most


def _most_repeated_cell(reference: Sample, candidate: Sample) -> tuple[float, str]:
    """Test the energies of hits that most events of the candidate share."""
    n, m = len(reference.kept), len(candidate.kept)
    pair, threshold = (candidate, reference), candidate.detector.threshold
    hits, others = (s.kept.cells[s.kept.cells > threshold] for s in pair)
    values, times = np.unique(hits, return_counts=True)
    known, known_times = np.unique(others, return_counts=True)
    place = np.minimum(np.searchsorted(known, values), max(0, len(known) - 1))
    twins = np.where(known[place] == values, known_times[place], 0) if len(known) else 0 * times
    # Lines of the spectrum repeat values in both.
    odd = np.flatnonzero((times >= 10) & (times * n >= 5 * (twins + 1) * m))
    best = (1.0, "")
    for row in odd[np.argsort(times[odd], kind="stable")[::-1][:20]]:
        value = values[row]
        k, j = (int((s.kept.cells == value).any(axis=1).sum()) for s in pair)
        chance = min(1.0, len(values) * more_often(k, j, m, n))
        text = (
            f"{k} of {m} events have a cell of exactly {value:.6g} {candidate.detector.cell_unit}, "
            f"{j} of {n}"
        )
        best = min(best, (chance, text))
    return best


# Hits

_BINS_PER_DECADE = 10
_LARGE_CHANGE = 0.1
_LINE_BINS = 0.005
"""Width of the bins in which lines are looked for [decades]: 1.2 %."""
_LINE_SIGMAS = 8.0
_MOST_LINES = 12
_SIDE = (3, 8)
_MOST_EVENTS = 20_000


def soft_hits(evidence: Evidence) -> Suspicion | None:
    """Compare the numbers of hits in the decades of energy below the median hit."""
    return _hits_by_decade(evidence, soft=True)


def hard_hits(evidence: Evidence) -> Suspicion | None:
    """Compare the numbers of hits in the decades of energy above the median hit."""
    return _hits_by_decade(evidence, soft=False)


def _hits_by_decade(evidence: Evidence, *, soft: bool) -> Suspicion | None:
    """Name decades in which the number of hits per event is off by more than a tenth."""
    reference = evidence.reference
    total = reference.spectrum.sum(axis=0, dtype=np.float64)
    if not total[1:-1].any():
        return None
    edges = reference.spectrum_edges
    # Decades from powers of ten on, or from the read-out threshold.
    whole = np.abs(np.log10(edges) % 1 - np.log10(edges[0]) % 1) % 1
    cuts = np.flatnonzero(np.minimum(whole, 1 - whole) < 0.01)
    softer = np.cumsum(total) / total.sum()
    median = int(np.searchsorted(softer, 0.5))
    cuts = cuts[cuts + 1 <= median] if soft else cuts[cuts >= median]
    # The lowest and the highest decade take what is beyond, which may be little.
    known = (softer[cuts] > 0.002) & (softer[cuts] < 0.998)
    cuts = cuts[known]
    if not len(cuts):
        return None
    starts = np.append(0, cuts + 1) if soft else cuts + 1
    stops = np.append(cuts + 1, median + 1)[: len(starts)] if soft else np.append(cuts[1:] + 1, -1)
    tests = []
    for start, stop in zip(starts, stops, strict=True):
        stop = len(total) if stop < 0 else int(stop)
        if stop <= start:
            continue
        (first, one), (second, two) = (
            mean_and_error(s.spectrum[:, start:stop].sum(axis=1, dtype=np.float64), s.weights)
            for s in evidence.samples
        )
        sigma = float(np.hypot(one, two))
        if not first > 0 or not sigma > 0:
            continue
        chance = two_sided(float(second - first) / sigma)
        ratio = float(second / first)
        low = f"from {edges[start - 1]:.3g} " if start else "up "
        high = f"to {edges[stop - 1]:.3g} " if stop < len(total) else "on "
        text = (
            f"{ratio:.3g} ± {sigma / first:.2g} times as many {low}{high}"
            f"{reference.detector.cell_unit}"
        )
        tests.append((chance if abs(ratio - 1) > _LARGE_CHANGE else 1.0, text))
    if not tests:
        return None
    smallest = min(1.0, len(tests) * min(chance for chance, _ in tests))
    beyond = [text for chance, text in sorted(tests) if chance * len(tests) < NAMED_LEVEL]
    what = "soft" if soft else "hard"
    text = f"The number of {what} hits is off: {some(beyond)}." if beyond else ""
    return Suspicion(smallest, text)


def spectral_lines(evidence: Evidence) -> Suspicion | None:
    """Compare the narrow lines of the spectrum of the hits.

    A line is a bin of 1.2 % of energy that stands above its surroundings by eight standard
    deviations and a tenth in both samples together: annihilation photons at 511 keV, K shells.
    Its height is the mean number of hits in it and beside it, above the surroundings.
    """
    reference = evidence.reference
    unit = MEV.get(reference.detector.cell_unit, 1.0)
    hits = [_Hits.of(sample, unit) for sample in evidence.samples]
    if min(len(h.energy) for h in hits) < 1000:
        return None
    logs = np.concatenate([h.energy for h in hits])
    low, high = np.quantile(logs, [0.002, 0.998])
    n_bins = int((high - low) / _LINE_BINS)
    if n_bins < 4 * _SIDE[1]:
        return NOTHING
    edges = low + _LINE_BINS * np.arange(n_bins + 1)
    counts = np.histogram(logs, edges)[0].astype(np.float64)
    lines = _find_lines(counts)
    if not len(lines):
        return NOTHING
    tests = []
    for line in lines:
        narrow, wide = ([h.height(edges[line], reach) for h in hits] for reach in (1, _SIDE[1] + 4))
        (first, one), (second, two) = narrow
        sigma = float(np.hypot(one, two))
        if not sigma > 0:
            continue
        chance = two_sided((second - first) / sigma)
        inside = logs[(logs >= edges[line]) & (logs < edges[line + 1])]
        energy = 10 ** float(np.median(inside))
        shown = f"{1000 * energy:.0f} keV" if energy < 1 else f"{energy:.3g} MeV"
        lost = first - second
        if first < 3 * one:
            how = "is new"
        elif second < 3 * two or second < 0.2 * first:
            kept = wide[1][0] > 0.4 * wide[0][0] > 0
            how = "is smeared" if kept else "is missing"
        else:
            how = "is too weak" if lost > 0 else "is too strong"
        text = f"{shown} {how} ({second:.3g} ± {two:.2g} hits per event, {first:.3g} ± {one:.2g}"
        tests.append((chance, f"{text} in the reference)"))
    if not tests:
        return NOTHING
    smallest = min(1.0, len(tests) * min(chance for chance, _ in tests))
    beyond = [text for chance, text in sorted(tests) if chance * len(tests) < NAMED_LEVEL]
    return Suspicion(smallest, f"Lines of the spectrum: {some(beyond)}." if beyond else "")


def _find_lines(counts: Floats) -> NDArray[np.int64]:
    """Return the bins that stand above the median of those beside them, the highest first."""
    near, far = _SIDE
    offsets = [*range(-far, -near + 1), *range(near, far + 1)]
    places = np.arange(far, len(counts) - far)
    around = np.median([counts[places + o] for o in offsets], axis=0)
    excess = counts[places] - around
    sigmas = excess / np.sqrt(around + 1)
    peak = counts[places] == np.max([counts[places + o] for o in range(-2, 3)], axis=0)
    found = np.flatnonzero(peak & (sigmas > _LINE_SIGMAS) & (excess > _LARGE_CHANGE * around))
    order = found[np.argsort(sigmas[found], kind="stable")[::-1]]
    return np.asarray(places[order[:_MOST_LINES]])


@dataclass(frozen=True)
class _Hits:
    """All hits of some events.

    Attributes:
        energy: Decadic logarithm of their energies [MeV], shape (n_hits,).
        event: Numbers of their events, shape (n_hits,).
        n: Number of events.
        weights: Weights of the events, shape (n,), or None.
    """

    energy: Floats
    event: NDArray[np.int64]
    n: int
    weights: Floats | None

    @classmethod
    def of(cls, sample: Sample, unit: float) -> _Hits:
        events = sample.kept[:: max(1, len(sample.kept) // _MOST_EVENTS)]
        event, cell = np.nonzero(events.cells > sample.detector.threshold)
        energy = np.log10(events.cells[event, cell].astype(np.float64) * unit)
        return cls(energy, event, len(events), events.weights)

    def height(self, low: float, reach: int) -> tuple[float, float]:
        """Return the mean number of hits in a line above its surroundings, and its error."""
        near, far = _SIDE
        away = np.floor((self.energy - low) / _LINE_BINS)
        line, n_line = np.abs(away) <= reach, 2 * reach + 1
        shift = reach - 1
        beside = (np.abs(away) >= near + shift) & (np.abs(away) <= far + shift)
        share = n_line / (2 * (far - near + 1))
        per_event = np.bincount(self.event[line], minlength=self.n) - share * np.bincount(
            self.event[beside], minlength=self.n
        )
        mean, error = mean_and_error(per_event.astype(np.float64), self.weights)
        return float(mean), float(error)


# Cells

_FEW_CELLS = 0.05
_ENTRIES = 300.0


def odd_cells(evidence: Evidence) -> Suspicion | None:
    """Look for single cells that are off, where their likes agree: hot, weak or badly calibrated.

    The mean energy of a cell over that of the reference, of cells that are well known, is compared
    with that of all others: the standard deviation of all pulls takes the place of 1, where it is
    larger. Many cells that are off are another failure.
    """
    reference = evidence.reference
    (first, one), (second, two) = (
        (s.profiles.cells.mean, s.profiles.cells.error) for s in evidence.samples
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.minimum((first / one) ** 2, (second / two) ** 2) > _ENTRIES
    known &= np.minimum(first, second) > 0
    cells = np.flatnonzero(known)
    if len(cells) < 20:
        return None
    ratio = second[cells] / first[cells]
    typical = float(np.median(ratio))
    # Means of rare large energies are skewed, and their logarithms less so.
    pulls = np.log(ratio / typical) / np.hypot(
        one[cells] / first[cells], two[cells] / second[cells]
    )
    spread = max(1.0, 1.4826 * float(np.median(np.abs(pulls - np.median(pulls)))))
    chances = np.array([two_sided(pull) for pull in pulls / spread]) * len(cells)
    chances[np.abs(ratio / typical - 1) < _LARGE_CHANGE] = 1.0
    odd = np.flatnonzero(chances < NAMED_LEVEL)
    if len(odd) > max(3, _FEW_CELLS * len(cells)):
        return NOTHING
    text = ""
    if len(odd):
        worst = odd[np.argmin(chances[odd])]
        has = "have" if len(odd) > 1 else "has"
        text = (
            f"{named_cells(cells[odd], reference)} {has} another mean energy than the reference "
            f"where others agree: up to {ratio[worst] / typical:.3g} times as much."
        )
    return Suspicion(min(1.0, float(chances.min())), text)
