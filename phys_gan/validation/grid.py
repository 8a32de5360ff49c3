"""Maps over two conditions: :class:`ConditionMap` says where a candidate fails.

The plane of two conditions is cut into cells of equal numbers of reference events: the first one
into bands, and each band by the second one. Every cell holds the response, the resolution, the KS
distance of observables and the AUC of a classifier that judged all events. A map shows where a
difference sits; whether there is one is what the observables, the slices and the metrics of whole
events say, so that maps take no part in the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi, ndtr, ndtri

from phys_gan.errors import ConfigError, MissingError
from phys_gan.files import finite
from phys_gan.metrics.distances import ks, ks_p_value
from phys_gan.metrics.response import rms90
from phys_gan.metrics.statistics import Weights, effective_size, mean_and_error, quantile, taken
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.randomness import stream
from phys_gan.validation.distributions import MIN_EVENTS, Cut, few_events
from phys_gan.validation.sample import Sample

Values = NDArray[np.float64]
Maps = Mapping[str, Sequence[str]]
"""Two conditions, ``"energy,theta"``, to observables whose KS is shown beside that of the worst."""

RESPONSE = ("E_tot/E_inc", "flux/flux_in")
"""What over the condition of its name is the response, of showers and of images."""

_FIRST = ("energy", "flux")
_THEN = ("theta", "eta", "phi")
_MOST_MAPS = 3
_MOST_BANDS = 5
_IN_CELL = 100
_MAX_VALUES = 8
_MOST_SHOWN = 3
_REPLICAS = 60

# Mean and standard deviation of Kolmogorov's distribution, of sqrt(n m / (n + m)) KS.
_KS_MEAN = float(np.sqrt(np.pi / 2) * np.log(2))
_KS_SIGMA = float(np.sqrt(np.pi**2 / 12 - _KS_MEAN**2))


class Judged(NamedTuple):
    """Scores of a classifier that never saw the events that it scores.

    Attributes:
        scores: Of events of reference and candidate; higher is more like the candidate.
        rows: Numbers of these events in the two samples.
    """

    scores: tuple[Values, Values]
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Entry:
    """A quantity in a cell.

    Attributes:
        value: Its value.
        error: Its standard error; of KS the standard deviation between equal samples.
        floor: Its mean between equal samples of these sizes.
        limit: Highest value within chance: beyond it lie 1 % of equal samples over the number of
            cells (of ratios half of that).
        p_value: Probability of a value as far or farther off, between equal samples.
        outside: Whether it is beyond chance: the p-value is below 1 % over the number of cells.
    """

    value: float
    error: float
    floor: float
    limit: float
    p_value: float
    outside: bool


@dataclass(frozen=True)
class Tile:
    """A cell of a map.

    Attributes:
        cuts: Its ranges of both conditions.
        n_events: Events of reference and candidate inside.
        entries: Name of a quantity to its value; empty where there are too few events.
        worst: The observable with the largest KS over its limit here; empty without any.
        too_few: Why nothing is compared, in words; empty where something is.
    """

    cuts: tuple[Cut, Cut]
    n_events: tuple[int, int]
    entries: Mapping[str, Entry]
    worst: str = ""
    too_few: str = ""

    def as_dict(self, conditions: tuple[str, str]) -> dict[str, Any]:
        """Return the fields for JSON."""
        found: dict[str, Any] = {
            name: {"low": cut.low, "high": cut.high}
            for name, cut in zip(conditions, self.cuts, strict=True)
        }
        found |= {"n_reference": self.n_events[0], "n_candidate": self.n_events[1]}
        if self.too_few:
            return found | {"not_compared": self.too_few}
        values = {name: finite(asdict(entry)) for name, entry in self.entries.items()}
        return found | {"values": values, "worst_observable": self.worst}


@dataclass(frozen=True)
class ConditionMap:
    """Quantities over the plane of two conditions.

    Attributes:
        conditions: Names of both.
        tiles: The cells.
        quantities: Names of the quantities: ``"response"`` and ``"resolution"`` (candidate over
            reference, less 1), ``"KS of X"`` and ``"AUC"``.
    """

    conditions: tuple[str, str]
    tiles: Sequence[Tile]
    quantities: Sequence[str]

    def outside(self, quantity: str) -> int:
        """Return the number of cells in which a quantity is beyond chance."""
        return sum(t.entries[quantity].outside for t in self.tiles if quantity in t.entries)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "conditions": list(self.conditions),
            "quantities": list(self.quantities),
            "cells": [tile.as_dict(self.conditions) for tile in self.tiles],
        }


class Planned(NamedTuple):
    """A map to make of every candidate.

    Attributes:
        conditions: Names of both conditions.
        tiles: The ranges of both in each cell.
        shown: Observables whose KS is shown.
    """

    conditions: tuple[str, str]
    tiles: Sequence[tuple[Cut, Cut]]
    shown: Sequence[str]


def plan_maps(
    given: Maps | Sequence[str] | None, reference: Sample, others: Sequence[Sample]
) -> list[Planned]:
    """Choose pairs of conditions and the cells of their maps, the same for all candidates.

    By default the incident energy (or flux) with every further condition that varies in all
    samples, at most three, where there are at least 400 reference events; of samples without
    energy any pairs.

    Raises:
        ConfigError: A map does not name two different conditions.
        MissingError: A sample has no such condition, or an observable was not measured.
    """
    samples = [reference, *others]
    smallest = min(sample.effective for sample in samples)
    if given is not None:
        wanted: Maps = given if isinstance(given, Mapping) else dict.fromkeys(given, ())
        chosen = {_pair(text, samples): tuple(shown) for text, shown in wanted.items()}
        for name in (name for shown in chosen.values() for name in shown):
            if name not in reference.values:
                raise MissingError(
                    f"'{name}' was not measured, and its KS cannot be mapped; available: "
                    f"{', '.join(reference.values) or 'none'}",
                    value=name,
                )
    else:
        pairs = _default_pairs(samples) if reference.effective >= 4 * _IN_CELL else []
        chosen = dict.fromkeys(pairs, ())
    return [
        Planned(pair, make_tiles(reference, pair, smallest), shown)
        for pair, shown in chosen.items()
    ]


def _default_pairs(samples: Sequence[Sample]) -> list[tuple[str, str]]:
    """Return the first condition that varies with each of the others, the usual ones first."""
    varying = [
        name
        for name, values in samples[0].conditions.items()
        if all(name in sample.conditions for sample in samples) and np.ptp(values) > 0
    ]
    order = [*_FIRST, *_THEN]
    varying.sort(key=lambda name: order.index(name) if name in order else len(order))
    pairs = list(combinations(varying, 2))
    if varying and varying[0] in _FIRST:
        pairs = [pair for pair in pairs if pair[0] == varying[0]]
    return pairs[:_MOST_MAPS]


def _pair(text: str, samples: Sequence[Sample]) -> tuple[str, str]:
    first, _, second = (part.strip() for part in text.partition(","))
    if not first or not second or first == second or "," in second:
        raise ConfigError(
            f"'{text}' does not name two conditions to map",
            remedy="write them like 'energy,theta'",
            value=text,
        )
    for sample in samples:
        for name in (first, second):
            if name not in sample.conditions:
                raise MissingError(
                    f"{sample.name} has no condition '{name}' to map; available: "
                    f"{', '.join(sample.conditions) or 'none'}",
                    remedy="leave this map out",
                    value=name,
                )
    return first, second


def make_tiles(reference: Sample, pair: tuple[str, str], smallest: float) -> list[tuple[Cut, Cut]]:
    """Cut the plane of two conditions into cells of equal numbers of reference events.

    There are up to five bands of up to five cells, so that a cell has at least 100 events of the
    smaller sample (two by two with fewer). A condition of up to 8 different values is cut into
    these. Of weighted events the sums of weights are equal.

    Arguments:
        reference: The reference.
        pair: Names of the conditions.
        smallest: Effective number of events of the smallest sample.
    """
    n_cells = smallest / _IN_CELL
    first, second = (reference.conditions[name] for name in pair)
    counts = [len(np.unique(values)) for values in (first, second)]
    few = [count if count <= _MAX_VALUES else 0 for count in counts]
    # What one condition leaves of the number of cells, the other one may have.
    across = few[0] or _bands(n_cells / few[1] if few[1] else np.sqrt(n_cells))
    upwards = few[1] or _bands(n_cells / across)
    tiles = []
    for one in _cut(pair[0], first, reference.weights, across):
        rows = one.rows(reference)
        inside = _cut(pair[1], second[rows], taken(reference.weights, rows), upwards)
        tiles += [(one, other) for other in inside]
    return tiles


def _bands(number: float) -> int:
    return int(np.clip(np.floor(number), 2, _MOST_BANDS))


def _cut(name: str, values: Values, weights: Weights, n: int) -> list[Cut]:
    """Cut values into n ranges of equal content, or into single values where they are few."""
    unique = np.unique(values)
    if not len(unique):
        return []
    above = float(np.nextafter(unique[-1], np.inf))
    if len(unique) <= _MAX_VALUES:
        edges = np.append(unique, above)
        single = True
    else:
        inner = quantile(values, np.linspace(0, 1, n + 1)[1:-1], weights)
        edges = np.unique([unique[0], *inner, above])
        single = False
    return [Cut(name, float(low), float(high), single) for low, high in pairwise(edges)]


def map_conditions(
    reference: Sample,
    candidate: Sample,
    planned: Planned,
    judged: Judged | None = None,
    *,
    seed: int = 0,
) -> ConditionMap:
    """Compare two samples in every cell of the plane of two conditions.

    The resolution is RMS90 of the response over its mean: of 100 showers with tails the standard
    deviation is not known well enough to be judged. KS distances are shown of the observables that
    are asked for; of up to three, the others are the worst ones and the response. The worst is the
    observable whose p-values in all cells have the smallest product.
    """
    pair, tiles, shown = planned
    names = [o.name for o in reference.observables if o.name in candidate.values]
    sides = [_Side.of(sample) for sample in (reference, candidate)]
    places = [_Rows.of(cuts, sides, judged) for cuts in tiles]
    level = ALPHA / max(1, sum(not place.too_few for place in places))
    distances: list[dict[str, Entry]] = []
    for place in places:
        own = {} if place.too_few else {name: _distance(name, place, level) for name in names}
        distances.append({name: entry for name, entry in own.items() if entry is not None})

    # The observables to show.
    known = [found for found in distances if found]
    chosen = [name for name in shown if name in names]
    main = [name for name in RESPONSE if name in names and name not in chosen]
    if known and names:
        total = {
            name: sum(np.log(max(d[name].p_value, 1e-300)) for d in known if name in d)
            for name in names
            if name != "E_inc"
        }
        worst = sorted(total, key=total.__getitem__)
        chosen = list(dict.fromkeys([*chosen, *worst[:1], *main, *worst]))
        chosen = chosen[: max(len(shown), _MOST_SHOWN)]

    found = []
    for cuts, place, measured in zip(tiles, places, distances, strict=True):
        entries: dict[str, Entry | None] = {}
        if not place.too_few:
            entries = {
                "response": place.response(level),
                "resolution": place.resolution(level, seed),
            }
            entries |= {f"KS of {name}": measured.get(name) for name in chosen}
            entries["AUC"] = place.auc(level)
        kept = {name: entry for name, entry in entries.items() if entry is not None}
        extreme = {n: e.value / e.limit for n, e in measured.items() if n != "E_inc"}
        worst_here = max(extreme, key=extreme.__getitem__) if extreme else ""
        found.append(Tile(cuts, place.n_events, kept, worst_here, place.too_few))
    order = ["response", "resolution", *(f"KS of {name}" for name in chosen), "AUC"]
    present = [name for name in order if any(name in tile.entries for tile in found)]
    return ConditionMap(pair, found, present)


@dataclass(frozen=True)
class _Side:
    """A sample, with its response where there is one."""

    sample: Sample
    response: Values | None

    @classmethod
    def of(cls, sample: Sample) -> _Side:
        if sample.detector.kind == "calorimeter" and "energy" in sample.conditions:
            return cls(sample, sample.layer_energies.sum(axis=1) / sample.conditions["energy"])
        return cls(sample, next((sample.values[n] for n in RESPONSE if n in sample.values), None))


@dataclass(frozen=True)
class _Rows:
    """The events of both samples in one cell.

    Attributes:
        sides: The samples.
        rows: The events inside.
        effective: Effective numbers of events.
        judged: Their scores and weights, where a classifier judged them; else nothing.
    """

    sides: Sequence[_Side]
    rows: Sequence[NDArray[np.int64]]
    effective: tuple[float, float]
    judged: Sequence[tuple[Values, Weights]]

    @classmethod
    def of(cls, cuts: tuple[Cut, Cut], sides: Sequence[_Side], judged: Judged | None) -> _Rows:
        rows, scores = [], []
        for place, side in enumerate(sides):
            first, second = (cut.rows(side.sample) for cut in cuts)
            inside = np.intersect1d(first, second, assume_unique=True)
            rows.append(inside)
            if judged is not None:
                chosen = np.isin(judged.rows[place], inside)
                weights = taken(side.sample.weights, judged.rows[place][chosen])
                scores.append((judged.scores[place][chosen], weights))
        n, m = (
            effective_size(len(inside), taken(side.sample.weights, inside))
            for side, inside in zip(sides, rows, strict=True)
        )
        return cls(sides, rows, (n, m), scores)

    @property
    def n_events(self) -> tuple[int, int]:
        return len(self.rows[0]), len(self.rows[1])

    @property
    def too_few(self) -> str:
        return few_events(*self.n_events, self.effective)

    def pairs(self, of: Callable[[_Side], Values | None]) -> list[tuple[Values, Weights]] | None:
        """Return what is defined of a column of both samples, with weights; None where too few."""
        found = []
        for side, rows in zip(self.sides, self.rows, strict=True):
            column = of(side)
            if column is None:
                return None
            inside = rows[np.isfinite(column[rows])]
            weights = taken(side.sample.weights, inside)
            if effective_size(len(inside), weights) < MIN_EVENTS:
                return None
            found.append((column[inside], weights))
        return found

    def response(self, level: float) -> Entry | None:
        both = self.pairs(lambda side: side.response)
        if both is None:
            return None
        (a, da), (b, db) = (mean_and_error(values, weights) for values, weights in both)
        return _ratio((float(a), float(da)), (float(b), float(db)), level)

    def resolution(self, level: float, seed: int) -> Entry | None:
        both = self.pairs(lambda side: side.response)
        if both is None or any(w is not None and w.min() < 0 for _, w in both):
            return None
        first, second = (_relative_width(values, weights, seed) for values, weights in both)
        return _ratio(first, second, level)

    def auc(self, level: float) -> Entry | None:
        """Return the AUC of the scores inside, judged one-sided against that of equal samples."""
        sizes = [effective_size(len(scores), weights) for scores, weights in self.judged]
        if min(sizes, default=0) < MIN_EVENTS:
            return None
        # Only needed where a classifier was trained.
        from phys_gan.metrics.classifier.scores import Scores, auc_sigma, auc_with_error

        (first, u), (second, v) = self.judged
        value, error = auc_with_error(Scores(first, second, u, v))
        sigma = auc_sigma(round(sizes[0]), round(sizes[1]))
        limit = 0.5 - float(ndtri(level)) * sigma
        p_value = float(ndtr((0.5 - value) / sigma))
        return Entry(value, error, 0.5, limit, p_value, p_value < level)


def _distance(name: str, place: _Rows, level: float) -> Entry | None:
    both = place.pairs(lambda side: side.sample.values[name])
    if both is None:
        return None
    (first, u), (second, v) = both
    n, m = effective_size(len(first), u), effective_size(len(second), v)
    value, scale = ks(first, second, (u, v)), float(np.sqrt(1 / n + 1 / m))
    limit = float(kolmogi(level)) * scale
    p_value = ks_p_value(value, n, m)
    return Entry(value, _KS_SIGMA * scale, _KS_MEAN * scale, limit, p_value, p_value < level)


def _relative_width(values: Values, weights: Weights, seed: int) -> tuple[float, float]:
    """Return RMS90 over the mean, and its error from 60 bootstrap replicas."""
    mean = float(np.average(values, weights=weights))
    rows = stream(seed, "validation/maps").integers(0, len(values), (_REPLICAS, len(values)))
    widths = [rms90(values[own], taken(weights, own)) for own in rows]
    if mean <= 0:
        return float("nan"), float("nan")
    return rms90(values, weights) / mean, float(np.std(widths, ddof=1)) / mean


def _ratio(
    reference: tuple[float, float], candidate: tuple[float, float], level: float
) -> Entry | None:
    """Return candidate over reference, less 1, with the two-sided p-value of its logarithm."""
    (a, da), (b, db) = reference, candidate
    if not (a > 0 and b > 0):
        return None
    value, relative = b / a - 1, float(np.hypot(da / a, db / b))
    if not relative > 0:
        return None
    p_value = float(2 * ndtr(-abs(np.log(b / a)) / relative))
    limit = float(np.expm1(-ndtri(level / 2) * relative))
    return Entry(value, relative * b / a, 0.0, limit, p_value, p_value < level)
