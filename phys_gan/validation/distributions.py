"""All observables of two samples, or of slices of them, as :class:`Distributions`.

Slices of a condition repeat the comparison where, say, the energy is low. Each selection of events
has its own random splits into as many events as both samples have there: those of all events would
judge a slice by the wrong sizes. All metrics of the selections given together are judged as one
family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events
from phys_gan.metrics.distances import ks
from phys_gan.metrics.result import Result
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import Weights, effective_size, effective_weights, taken
from phys_gan.metrics.uncertainty import (
    Replicas,
    Scalars,
    Spectra,
    Statistic,
    assess,
    draw_replicas,
    global_p_value,
    independent_number,
    judge,
    undefined,
)
from phys_gan.observables import Observable, measure, select
from phys_gan.observables.spectrum import (
    open_edges,
    plot_edges,
    softening,
    spectrum_name,
    spectrum_per_event,
)
from phys_gan.validation.histograms import (
    Histogram,
    bin_edges,
    scalar_histogram,
    spectrum_histogram,
)
from phys_gan.validation.sample import Sample
from phys_gan.work import parallel_map

MIN_EVENTS = 20
"""Fewer events, or fewer for which an observable is defined, are not compared."""

Slices = Mapping[str, Sequence[float] | None]
"""Condition name to edges; None to choose them from the reference."""

_FEW_HITS = "too few events with a hit"
_N_SLICES = 4
_MIN_IN_SLICE = 100
_MAX_VALUES = 8

Scalar = TypeVar("Scalar", bound=np.generic)
Binnings = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Cut:
    """A selection of events by one condition.

    Attributes:
        condition: Name of the condition.
        low: Smallest value.
        high: Values end before this one.
        single: Whether ``low`` is the only value inside.
    """

    condition: str
    low: float
    high: float
    single: bool = False

    def rows(self, sample: Sample) -> NDArray[np.int64]:
        """Return the numbers of the events inside."""
        values = sample.conditions[self.condition]
        return np.flatnonzero((values >= self.low) & (values < self.high))

    @property
    def label(self) -> str:
        """The selection in words; incident energies in GeV."""
        if self.condition == "energy":
            low, high = f"{self.low / 1000:.3g}", f"{self.high / 1000:.3g}"
            return f"{low} GeV" if self.single else f"{low} to {high} GeV"
        if self.single:
            return f"{self.condition} = {self.low:.6g}"
        return f"{self.condition} from {self.low:.4g} to {self.high:.4g}"


Selection = tuple[Cut | None, Binnings]
"""Some of the events, or all, and the bins of every observable there."""


@dataclass(frozen=True)
class Distributions:
    """The observables of both samples, compared one by one.

    Attributes:
        cut: The selection of events; None for all.
        n_events: Events of reference and candidate.
        histograms: Observable name to the histograms of both.
        results: Observable name to metric name to result.
        n_comparisons: Effective number of metrics that were judged together.
        p_value: Probability that equal samples differ this much in any metric of these.
    """

    cut: Cut | None
    n_events: tuple[int, int]
    histograms: dict[str, Histogram]
    results: dict[str, dict[str, Result]]
    n_comparisons: float
    p_value: float

    @property
    def not_compared(self) -> dict[str, str]:
        """Observables that too few events define, each with the reason in words."""
        return {
            name: why_not_compared(histogram)
            for name, histogram in self.histograms.items()
            if "ks" not in self.results.get(name, {})
        }

    @property
    def too_few(self) -> str:
        """Why nothing at all is compared, in words; empty where something is."""
        if self.results:
            return ""
        of_all = (h.n_effective for h in self.histograms.values() if h.n_events == self.n_events)
        return few_events(*self.n_events, next(of_all, None)) or "too few events"

    def severity(self, name: str) -> float:
        """Return the largest ratio of a metric of one observable to its limit."""
        return max(result.severity for result in self.results[name].values())

    @property
    def ranking(self) -> list[str]:
        """Names of the observables, the worst first."""
        return sorted(self.results, key=self.severity, reverse=True)

    @property
    def outside(self) -> list[str]:
        """Observables with any metric outside its floor, the worst first."""
        return [
            name
            for name in self.ranking
            if not all(result.within_floor for result in self.results[name].values())
        ]


def few_events(
    n_reference: int, n_candidate: int, effective: tuple[float, float] | None = None
) -> str:
    """Name the samples with fewer than the 20 events that a comparison needs.

    Arguments:
        n_reference: Events of the reference.
        n_candidate: Events of the candidate.
        effective: Effective numbers of both, where they have weights.

    Example:
        >>> few_events(250, 3), few_events(250, 80, (200.0, 7.2)), few_events(20, 20)
        ('3 candidate events', '80 candidate events worth 7.2', '')
        >>> few_events(1, 0), few_events(0, 0)
        ('1 reference event and no candidate events', 'no events')
    """
    if not n_reference + n_candidate:
        return "no events"
    numbers = n_reference, n_candidate
    found = []
    for name, n, worth in zip(
        ("reference", "candidate"), numbers, effective or numbers, strict=True
    ):
        if min(n, worth) < MIN_EVENTS:
            text = f"{n or 'no'} {name} event{'s' * (n != 1)}"
            found.append(text if n < MIN_EVENTS else f"{text} worth {worth:.2g}")
    return " and ".join(found)


def why_not_compared(histogram: Histogram) -> str:
    """Return in words why an observable has no distances."""
    return few_events(*histogram.n_events, histogram.n_effective) or _FEW_HITS


def make_cuts(reference: Sample, slices: Slices) -> list[Cut]:
    """Turn the wanted slices into selections.

    Without given edges a condition of up to 8 different values has one slice for each, and any
    other one up to 4 slices with equal numbers of reference events; each has at least 100 of them.

    Raises:
        MissingError: The reference has no such condition.
        ConfigError: The edges of a slice do not rise.
    """
    cuts = []
    for name, given in slices.items():
        if name not in reference.conditions:
            raise MissingError(
                f"there is no condition '{name}' to slice; available: "
                f"{', '.join(reference.conditions) or 'none'}",
                value=name,
            )
        values = reference.conditions[name]
        edges = _chosen_edges(values) if given is None else np.asarray(given, np.float64)
        if given is not None and (len(edges) < 2 or np.any(np.diff(edges) <= 0)):
            raise ConfigError(
                f"the edges of the slices of '{name}' do not rise: {', '.join(map(str, given))}",
                remedy="give at least two rising numbers",
                value=tuple(given),
            )
        single = given is None and len(np.unique(values)) <= _MAX_VALUES
        cuts += [Cut(name, float(low), float(high), single) for low, high in pairwise(edges)]
    return cuts


def _chosen_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges; a single one when the events are too few for two slices."""
    unique = np.unique(values)
    above = float(np.nextafter(unique[-1], np.inf))
    if 1 < len(unique) <= _MAX_VALUES:
        return np.append(unique, above)
    n_slices = min(_N_SLICES, len(values) // _MIN_IN_SLICE)
    if len(unique) == 1 or n_slices < 2:
        return unique[:1]
    edges = np.quantile(values, np.linspace(0, 1, n_slices + 1))
    width = (edges[-1] - edges[0]) / n_slices
    for k, edge in enumerate(edges[1:-1], 1):
        # Edges between slices are rounded to a twentieth of their width or of their own size.
        step = 10.0 ** np.floor(np.log10(min(width, abs(edge) or width) / 5))
        edges[k] = step * np.round(edge / step)
    edges[-1] = above
    return np.unique(edges)


class _Part:
    """The events of a sample inside a cut."""

    def __init__(self, sample: Sample, cut: Cut | None) -> None:
        self.sample = sample
        self._rows = None if cut is None else cut.rows(sample)
        self.n = len(sample) if self._rows is None else len(self._rows)
        self.weights = taken(sample.weights, self._rows)

    def of(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the events of a column of the sample."""
        return column if self._rows is None else column[self._rows]

    def values(self, name: str) -> NDArray[np.float64]:
        """Return an observable, NaN where not defined."""
        return self.of(self.sample.values[name])

    def entries(self) -> NDArray[np.float64]:
        """Return the spectrum of the cells of all events together."""
        total = self.of(self.sample.spectrum).sum(axis=0, dtype=np.float64)
        return np.asarray(total, np.float64)


def choose_bins(
    reference: Sample, candidates: Sequence[Sample], cut: Cut | None, *, spectrum: bool
) -> Binnings:
    """Choose the bins of every observable, the same for all candidates."""
    parts = [_Part(sample, cut) for sample in (reference, *candidates)]

    def one(o: Observable) -> NDArray[np.float64]:
        columns = (part.values(o.name) for part in parts if o.name in part.sample.values)
        first, *others = (values[np.isfinite(values)] for values in columns)
        return bin_edges(o, first, others)

    edges = parallel_map(one, reference.observables)
    chosen = {o.name: e for o, e in zip(reference.observables, edges, strict=True)}
    name = spectrum_name(reference.detector)
    if spectrum and name is not None:
        entries = parts[0].entries()
        if np.count_nonzero(entries) < 2:
            # Where the reference has no hits, or all in one bin, candidates say what to show.
            entries = np.sum([part.entries() for part in parts], axis=0)
        chosen[name] = plot_edges(reference.detector, reference.spectrum_edges, entries)
    return chosen


def assess_all(
    observables: Sequence[Observable],
    reference: Sample,
    candidate: Sample,
    selections: Sequence[Selection],
    seed: int,
) -> list[Distributions]:
    """Compare all observables in several selections of events, judged as one family."""
    found = []
    for cut, binnings in selections:
        parts = _Part(reference, cut), _Part(candidate, cut)
        found.append((cut, (parts[0].n, parts[1].n), *_assess(observables, parts, binnings, seed)))
    n_comparisons = independent_number(
        [raw for *_, raws in found for metrics in raws.values() for raw in metrics.values()]
    )
    result = []
    for cut, n_events, histograms, raws in found:
        judged = {
            name: {metric: judge(raw, n_comparisons) for metric, raw in metrics.items()}
            for name, metrics in raws.items()
        }
        p_value = global_p_value(judged, n_comparisons)
        result.append(Distributions(cut, n_events, histograms, judged, n_comparisons, p_value))
    return result


_Parts = tuple[_Part, _Part]
_Assessed = tuple[Histogram, Mapping[str, Statistic]]


def _assess(
    observables: Sequence[Observable], parts: _Parts, binnings: Binnings, seed: int
) -> tuple[dict[str, Histogram], dict[str, Mapping[str, Statistic]]]:
    replicas = None
    if min(part.n for part in parts) >= MIN_EVENTS:
        weighted = any(part.weights is not None for part in parts)
        replicas = draw_replicas(parts[0].n, parts[1].n, seed, weighted=weighted)
    tasks: dict[str, Callable[[], _Assessed]] = {}
    spectrum = spectrum_name(parts[0].sample.detector)
    if spectrum in binnings:
        # The longest one begins first.
        tasks[spectrum] = partial(_assess_spectrum, spectrum, binnings[spectrum], parts, replicas)
    for o in observables:
        tasks[o.name] = partial(_assess_values, o, binnings[o.name], parts, replicas)
    done = dict(zip(tasks, parallel_map(lambda task: task(), tasks.values()), strict=True))
    if spectrum in done:
        # It is shown after the others.
        done[spectrum] = done.pop(spectrum)
    histograms = {name: histogram for name, (histogram, _) in done.items()}
    return histograms, {name: raws for name, (_, raws) in done.items() if raws}


def _assess_values(
    o: Observable, edges: NDArray[np.float64], parts: _Parts, replicas: Replicas | None
) -> _Assessed:
    weights = parts[0].weights, parts[1].weights
    first, second = (part.values(o.name) for part in parts)
    histogram = scalar_histogram(o, edges, (first, second), weights)
    good = np.isfinite(first), np.isfinite(second)
    whole = bool(good[0].all() and good[1].all())
    raw: dict[str, Statistic] = {}
    defined = _Sizes.inside(good, weights)
    if replicas is not None and defined.enough:
        p, q = first[good[0]], second[good[1]]
        sample = Scalars(p, q, edges, weights=defined.scaled)
        own = replicas if whole else replicas.among(*good)
        raw = assess(sample, defined.n, own, defined.effective)
    if not whole and _Sizes.of((len(first), len(second)), weights).enough:
        raw["undefined"] = undefined(~good[0], ~good[1], weights)
    return histogram, raw


def _assess_spectrum(
    name: str, edges: NDArray[np.float64], parts: _Parts, replicas: Replicas | None
) -> _Assessed:
    reference = parts[0].sample
    weights = parts[0].weights, parts[1].weights
    first, second = (
        _rebinned(part.of(part.sample.spectrum), part.sample.spectrum_edges, edges)
        for part in parts
    )
    soft = None
    if reference.detector.is_image:
        soft = softening(reference.spectrum_edges, parts[0].entries())
    unit = reference.detector.cell_unit
    histogram = spectrum_histogram(name, unit, edges, (first, second), soft, weights)
    sizes = _Sizes.of((len(first), len(second)), weights)
    if replicas is None or not sizes.enough:
        return histogram, {}
    hit = first.sum(axis=1) > 0, second.sum(axis=1) > 0
    if not _Sizes.inside(hit, weights).enough:
        return histogram, {"undefined": undefined(~hit[0], ~hit[1], weights)}
    # Decades, also of pixels: their asinh is a logarithm but for the noise around zero.
    places = np.log10(edges) if soft is None else np.arcsinh(edges / soft) / np.log(10)
    sample = Spectra(first, second, places, weights=sizes.scaled)
    return histogram, assess(sample, sizes.n, replicas, sizes.effective)


def _rebinned(
    spectrum: NDArray[np.unsignedinteger], edges: NDArray[np.float64], chosen: NDArray[np.float64]
) -> NDArray[np.unsignedinteger]:
    """Add up the bins between chosen ones of the edges, and those beyond to the flow bins."""
    starts = np.concatenate([[0], np.searchsorted(edges, chosen) + 1])
    return np.asarray(np.add.reduceat(spectrum, starts, axis=1, dtype=spectrum.dtype))


@dataclass(frozen=True)
class _Sizes:
    """Sizes of two samples.

    Attributes:
        n: Numbers of events.
        effective: Effective numbers, where either has weights.
        scaled: The weights of both with these sums, where either has some.
    """

    n: tuple[int, int]
    effective: tuple[float, float] | None
    scaled: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @classmethod
    def of(cls, n: tuple[int, int], weights: tuple[Weights, Weights]) -> _Sizes:
        if weights[0] is None and weights[1] is None:
            return cls(n, None, None)
        first, second = (
            np.ones(size) if w is None else effective_weights(w)
            for size, w in zip(n, weights, strict=True)
        )
        return cls(n, (float(first.sum()), float(second.sum())), (first, second))

    @classmethod
    def inside(
        cls, masks: tuple[NDArray[np.bool_], NDArray[np.bool_]], weights: tuple[Weights, Weights]
    ) -> _Sizes:
        n = int(masks[0].sum()), int(masks[1].sum())
        return cls.of(n, (taken(weights[0], masks[0]), taken(weights[1], masks[1])))

    @property
    def enough(self) -> bool:
        return min(*self.n, *(self.effective or ())) >= MIN_EVENTS


# One cheap number to choose a checkpoint by


def physics_score(reference: Events, candidate: Events) -> float:
    """Return the mean KS distance over all observables and the cell spectrum: 0 is best, 1 worst.

    Toys have no cell spectrum: their observables are the coordinates, the true density at the
    points, and the modes they belong to. Events count by their weights, where they have some.

    An observable that is defined in one sample only counts as 1. The incident energy itself is
    not an observable here: give both samples the same energies. No errors and no floor, so this
    ranks checkpoints and proves nothing; see :func:`phys_gan.validation.compare` for that.

    Arguments:
        reference: Held-out events of full simulation.
        candidate: Generated events of the same detector, at the same incident energies and with
            the same weights.

    Raises:
        DetectorError: The detectors differ, or there are no observables for them.
    """
    need_same_cells(reference.detector, candidate.detector)
    shared = [name for name in reference.conditions if name in candidate.conditions]
    chosen = [o for o in select(reference.detector, shared) if o.name != "E_inc"]
    first, second = measure(reference, chosen), measure(candidate, chosen)
    # The cells of a toy are coordinates, which are observables themselves.
    toy = reference.detector.is_toy
    distances = [] if toy else [_spectrum_distance(reference, candidate)]
    for o in chosen:
        p, q = first[o.name], second[o.name]
        weights = (
            taken(reference.weights, np.isfinite(p)),
            taken(candidate.weights, np.isfinite(q)),
        )
        p, q = p[np.isfinite(p)], q[np.isfinite(q)]
        known = [effective_size(len(v), w) > 0 for v, w in zip((p, q), weights, strict=True)]
        if all(known):
            distances.append(ks(p, q, weights))
        elif any(known):
            distances.append(1.0)
    return float(np.mean(distances))


def _spectrum_distance(reference: Events, candidate: Events) -> float:
    edges = open_edges(reference.detector)
    entries = [_spectrum(events, edges) for events in (reference, candidate)]
    if min(h.sum() for h in entries) <= 0:
        return 1.0
    first, second = (np.cumsum(h) / h.sum() for h in entries)
    return float(np.abs(first - second).max())


def _spectrum(events: Events, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum of the cells of all events together."""
    each = spectrum_per_event(events, edges)
    if events.weights is None:
        return np.asarray(each.sum(axis=0, dtype=np.float64), np.float64)
    return np.asarray(events.weights @ each, np.float64)
