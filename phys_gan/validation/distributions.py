"""All observables of two samples, or of a slice of them, as histograms and metrics.

The two histograms of one observable, with everything a plot or a later re-plot needs.

Slices of a condition: the same comparison again where, say, the energy is low.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError
from phys_gan.metrics.result import Result
from phys_gan.metrics.statistics import Weights, effective_size, effective_weights, taken, variance
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
from phys_gan.observables import Observable
from phys_gan.observables.registry import counts, extended
from phys_gan.observables.spectrum import plot_edges, softening, spectrum_name
from phys_gan.validation.sample import Measured
from phys_gan.work import parallel_map

__all__ = [
    "FEW_HITS",
    "MIN_EVENTS",
    "Binnings",
    "Cut",
    "Distributions",
    "Histogram",
    "Selection",
    "Slices",
    "assess_all",
    "bin_edges",
    "choose_bins",
    "few_events",
    "make_cuts",
    "scalar_histogram",
    "spectrum_histogram",
]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Counts of both samples in common bins.

    Entries with weights are sums of them, where the weights have the mean 1 over the events.

    Attributes:
        label: LaTeX label with unit.
        description: One sentence for captions.
        edges: Bin edges, shape (n_bins + 1,).
        reference: Entries with under- and overflow, shape (n_bins + 2,).
        candidate: The same.
        reference_error: Statistical errors of the entries, same shape.
        candidate_error: The same.
        undefined: Events of reference and candidate for which the observable is not defined.
        n_events: Events of reference and candidate, the defined ones.
        n_effective: Their effective numbers, where they have weights.
        layer: Number of the layer that the observable belongs to.
        family: Name with ``{k}`` for the layer, for plots over all layers.
        moments: Mean and standard deviation of reference and candidate, shape (2, 2).
        per_event: Whether there are many entries per event.
        unit: Unit of the entries, where the height of a bin depends on it.
        softening: Value around which an asinh axis turns from linear to logarithmic, where entries
            of both signs span decades; such a histogram is shown over the width of its bins.
    """

    label: str
    description: str
    edges: Values
    reference: Values
    candidate: Values
    reference_error: Values
    candidate_error: Values
    undefined: tuple[int, int]
    n_events: tuple[int, int]
    layer: int | None = None
    family: str = ""
    moments: Values | None = None
    per_event: bool = False
    unit: str = ""
    softening: float | None = None
    n_effective: tuple[float, float] | None = None

    @property
    def is_log(self) -> bool:
        """Whether the bins are regular in the logarithm."""
        if len(self.edges) < 3 or self.edges[0] <= 0:
            return False
        widths = np.diff(self.edges)
        return bool(widths[-1] > 1.001 * widths[0])

    def as_dict(self) -> dict[str, Any]:
        """Return the histograms for JSON; the first and last entry are under- and overflow."""
        return {
            "label": self.label,
            "edges": self.edges.tolist(),
            "reference": self.reference.tolist(),
            "candidate": self.candidate.tolist(),
            "undefined": {"reference": self.undefined[0], "candidate": self.undefined[1]},
        }


def bin_edges(observable: Observable, reference: Values, candidates: Sequence[Values]) -> Values:
    """Choose bins from the defined values of the reference, continued to those of all candidates.

    Without a defined reference value the candidates alone can say where the bins belong, and
    beside a single one they say how wide these are.
    """
    guide = next((values for values in (reference, *candidates) if len(values)), None)
    if guide is not None and guide.min() == guide.max():
        guide = np.concatenate([reference, *candidates])
    edges = np.array([0.0, 1.0]) if guide is None else observable.binning.edges(guide)
    for values in candidates:
        edges = extended(edges, values)
    return edges


def scalar_histogram(
    observable: Observable,
    edges: Values,
    reference: Values,
    candidate: Values,
    weights: tuple[Weights, Weights] = (None, None),
) -> Histogram:
    """Fill an observable of both samples, NaN where not defined, shapes (n,) and (m,)."""
    good = [np.isfinite(values) for values in (reference, candidate)]
    p, q = reference[good[0]], candidate[good[1]]
    w, v = (taken(one, rows) for one, rows in zip(weights, good, strict=True))
    (first, first_error), (second, second_error) = (
        _filled(values, own, edges) for values, own in ((p, w), (q, v))
    )
    moments = np.array([_moments(values, own) for values, own in ((p, w), (q, v))])
    return Histogram(
        label=observable.axis_label,
        description=observable.description,
        edges=edges,
        reference=first,
        candidate=second,
        reference_error=first_error,
        candidate_error=second_error,
        undefined=(len(reference) - len(p), len(candidate) - len(q)),
        n_events=(len(p), len(q)),
        layer=observable.layer,
        family=observable.family,
        moments=moments,
        n_effective=_effective((len(p), len(q)), (w, v)),
    )


def _filled(values: Values, weights: Weights, edges: Values) -> tuple[Values, Values]:
    """Return the entries with under- and overflow, and their statistical errors."""
    if weights is None:
        entries = counts(values, edges).astype(np.float64)
        return entries, np.sqrt(entries)
    unit = _unit(weights)
    places = np.searchsorted(edges, values, side="right")
    sums = [np.bincount(places, w, len(edges) + 1) for w in (unit, unit**2)]
    return np.asarray(sums[0], np.float64), np.sqrt(sums[1])


def _unit(weights: Values) -> Values:
    """Return weights over their mean; where they cancel, over that of their sizes."""
    mean = weights.mean() if len(weights) and weights.sum() > 0 else np.abs(weights).mean()
    return weights / mean if len(weights) and mean > 0 else weights


def _moments(values: Values, weights: Weights) -> tuple[float, float]:
    if not effective_size(len(values), weights) > 0:
        return np.nan, np.nan
    return float(np.average(values, weights=weights)), variance(values, weights) ** 0.5


def _effective(
    sizes: tuple[int, int], weights: tuple[Weights, Weights]
) -> tuple[float, float] | None:
    if weights[0] is None and weights[1] is None:
        return None
    return effective_size(sizes[0], weights[0]), effective_size(sizes[1], weights[1])


def spectrum_histogram(
    unit: str,
    edges: Values,
    reference: NDArray[np.unsignedinteger],
    candidate: NDArray[np.unsignedinteger],
    softening: float | None = None,
    weights: tuple[Weights, Weights] = (None, None),
) -> Histogram:
    """Add up the hits of all events, given per event and bin, shapes (n, n_bins + 2), (m, ...).

    Arguments:
        unit: Unit of the cells.
        edges: Bin edges in this unit.
        reference: Entries of the reference.
        candidate: Entries of the candidate.
        softening: That of pixels; none for energies.
        weights: Weights of the events of both.
    """
    label = rf"$E_\mathrm{{cell}}$ [{unit}]"
    description = "Energy of every cell above the read-out threshold."
    if softening is not None:
        label = f"pixel [{unit}]"
        description = (
            "All pixels, per unit of the axis, which is linear in the noise and logarithmic beyond."
        )
    entries, errors = [], []
    for h, own in zip((reference, candidate), weights, strict=True):
        if own is None:
            entries.append(h.sum(axis=0, dtype=np.float64))
            # Cells of one event fluctuate together: the error is the spread over events.
            spread = h.std(axis=0, dtype=np.float64) if len(h) else np.zeros(h.shape[1])
            errors.append(np.sqrt(len(h)) * spread)
            continue
        w = _unit(own)
        total, squares = w @ h, w**2 @ h.astype(np.float64) ** 2
        mean, mixed = total / max(len(h), 1), w**2 @ h
        entries.append(total)
        errors.append(np.sqrt(np.maximum(0, squares - 2 * mean * mixed + mean**2 * (w @ w))))
    return Histogram(
        label=label,
        description=description,
        edges=edges,
        reference=entries[0],
        candidate=entries[1],
        reference_error=errors[0],
        candidate_error=errors[1],
        undefined=(0, 0),
        n_events=(len(reference), len(candidate)),
        per_event=True,
        unit=unit,
        softening=softening,
        n_effective=_effective((len(reference), len(candidate)), weights),
    )


Slices = Mapping[str, Sequence[float] | None]
"""Condition name to edges; None to choose them from the reference."""

_N_SLICES = 4
_MIN_EVENTS = 100
_MAX_VALUES = 8


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

    def rows(self, sample: Measured) -> NDArray[np.int64]:
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


def make_cuts(reference: Measured, slices: Slices) -> list[Cut]:
    """Turn the wanted slices into selections.

    Without given edges a condition of up to 8 different values has one slice for each, and any
    other one up to 4 slices with equal numbers of reference events; each has at least 100 of them.

    Arguments:
        reference: The reference.
        slices: Condition name to edges, or to None.

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
        edges = _chosen(reference.conditions[name]) if given is None else _given(name, given)
        values = reference.conditions[name]
        single = given is None and len(np.unique(values)) <= _MAX_VALUES
        cuts += [Cut(name, float(low), float(high), single) for low, high in pairwise(edges)]
    return cuts


def _given(name: str, edges: Sequence[float]) -> NDArray[np.float64]:
    result = np.asarray(edges, np.float64)
    if len(result) < 2 or np.any(np.diff(result) <= 0):
        raise ConfigError(
            f"the edges of the slices of '{name}' do not rise: {', '.join(map(str, edges))}",
            remedy="give at least two rising numbers",
            value=tuple(edges),
        )
    return result


def _chosen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges; none, that is a single one, when the events are too few for two slices."""
    unique = np.unique(values)
    above = float(np.nextafter(unique[-1], np.inf))
    if 1 < len(unique) <= _MAX_VALUES:
        return np.append(unique, above)
    n_slices = min(_N_SLICES, len(values) // _MIN_EVENTS)
    if len(unique) == 1 or n_slices < 2:
        return unique[:1]
    edges = np.quantile(values, np.linspace(0, 1, n_slices + 1))
    edges[1:-1] = [_rounded(edge, (edges[-1] - edges[0]) / n_slices) for edge in edges[1:-1]]
    edges[-1] = above
    return np.unique(edges)


def _rounded(value: float, width: float) -> float:
    """Round an edge to a twentieth of the typical width of a slice or of its own size."""
    step = 10.0 ** np.floor(np.log10(min(width, abs(value) or width) / 5))
    return float(step * np.round(value / step))


MIN_EVENTS = 20
"""Fewer events, or fewer for which an observable is defined, are not compared."""

FEW_HITS = "too few events with a hit"
"""Why a spectrum of cells is not compared."""


Scalar = TypeVar("Scalar", bound=np.generic)
Rows = NDArray[np.int64]
Binnings = dict[str, NDArray[np.float64]]
Selection = tuple[Cut | None, Binnings]
"""Some of the events, and the bins of every observable there."""


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
        """Observables that too few events define, each with their number in words."""
        return {
            name: few_events(*histogram.n_events, histogram.n_effective) or FEW_HITS
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
    """Say which of two samples have fewer than the 20 events that a comparison needs.

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


def choose_bins(
    reference: Measured,
    candidates: Sequence[Measured],
    cut: Cut | None,
    *,
    spectrum: bool,
) -> Binnings:
    """Choose the bins of every observable, the same for all candidates."""
    samples = [reference, *candidates]
    rows = [None if cut is None else cut.rows(sample) for sample in samples]

    def one(o: Observable) -> NDArray[np.float64]:
        first, *others = (
            _finite(_taken(sample.values[o.name], r))
            for sample, r in zip(samples, rows, strict=True)
            if o.name in sample.values
        )
        return bin_edges(o, first, others)

    edges = parallel_map(one, reference.observables)
    chosen = {o.name: e for o, e in zip(reference.observables, edges, strict=True)}
    name = spectrum_name(reference.detector)
    if spectrum and name is not None:
        spectra = [
            _taken(sample.spectrum, r).sum(axis=0, dtype=np.float64)
            for sample, r in zip(samples, rows, strict=True)
        ]
        entries = spectra[0]
        if np.count_nonzero(entries) < 2:
            # Where the reference has no hits, or all in one bin, candidates say what to show.
            entries = np.sum(spectra, axis=0)
        chosen[name] = plot_edges(reference.detector, reference.spectrum_edges, entries)
    return chosen


def assess_all(
    observables: Sequence[Observable],
    reference: Measured,
    candidate: Measured,
    selections: Sequence[Selection],
    seed: int,
) -> list[Distributions]:
    """Compare all observables in several selections of events, judged as one family.

    Each selection has its own random splits into as many events as both samples have there: those
    of all events would split a slice by the numbers of the whole, and judge samples of different
    spectra by the wrong sizes.

    Arguments:
        observables: What both samples were measured in.
        reference: The reference.
        candidate: The candidate.
        selections: The cuts, with the bins of every observable there.
        seed: Seed of the replicas.
    """
    found = []
    for cut, binnings in selections:
        rows = (None, None) if cut is None else (cut.rows(reference), cut.rows(candidate))
        found.append(_assess(observables, reference, candidate, binnings, rows, seed))
    n_comparisons = independent_number(
        [raw for _, _, raws in found for by_metric in raws.values() for raw in by_metric.values()]
    )
    result = []
    for (cut, _), (n_events, histograms, raws) in zip(selections, found, strict=True):
        judged = {
            name: {metric: judge(raw, n_comparisons) for metric, raw in by_metric.items()}
            for name, by_metric in raws.items()
        }
        result.append(
            Distributions(
                cut,
                n_events,
                histograms,
                judged,
                n_comparisons,
                global_p_value(judged, n_comparisons),
            )
        )
    return result


def _assess(
    observables: Sequence[Observable],
    reference: Measured,
    candidate: Measured,
    binnings: Binnings,
    rows: tuple[Rows | None, Rows | None],
    seed: int,
) -> tuple[tuple[int, int], dict[str, Histogram], dict[str, Mapping[str, Statistic]]]:
    n_events = (
        len(reference) if rows[0] is None else len(rows[0]),
        len(candidate) if rows[1] is None else len(rows[1]),
    )
    weights = taken(reference.weights, rows[0]), taken(candidate.weights, rows[1])
    replicas = None
    if min(n_events) >= MIN_EVENTS:
        weighted = any(own is not None for own in weights)
        replicas = draw_replicas(*n_events, seed, weighted=weighted)

    def one(o: Observable) -> tuple[Histogram, Mapping[str, Statistic]]:
        values = reference.values[o.name], candidate.values[o.name]
        return _assess_values(o, binnings[o.name], values, weights, rows, replicas)

    tasks: dict[str, Callable[[], tuple[Histogram, Mapping[str, Statistic]]]] = {}
    spectrum = spectrum_name(reference.detector)
    if spectrum in binnings:
        edges = binnings[spectrum]
        # The longest one begins first.
        tasks[spectrum] = partial(
            _assess_spectrum, reference, candidate, edges, weights, rows, replicas
        )
    tasks |= {o.name: partial(one, o) for o in observables}
    done = dict(zip(tasks, parallel_map(lambda task: task(), tasks.values()), strict=True))
    # The spectrum is shown after the others.
    names = [*(o.name for o in observables), *(name for name in tasks if name == spectrum)]
    histograms = {name: done[name][0] for name in names}
    raws = {name: done[name][1] for name in names if done[name][1]}
    return n_events, histograms, raws


def _assess_values(
    o: Observable,
    edges: NDArray[np.float64],
    values: tuple[NDArray[np.float64], NDArray[np.float64]],
    weights: tuple[Weights, Weights],
    rows: tuple[Rows | None, Rows | None],
    replicas: Replicas | None,
) -> tuple[Histogram, Mapping[str, Statistic]]:
    first, second = (_taken(v, r) for v, r in zip(values, rows, strict=True))
    histogram = scalar_histogram(o, edges, first, second, weights)
    good = np.isfinite(first), np.isfinite(second)
    whole = bool(good[0].all() and good[1].all())
    raw: dict[str, Statistic] = {}
    sizes = int(good[0].sum()), int(good[1].sum())
    defined = _Pair.of(sizes, (taken(weights[0], good[0]), taken(weights[1], good[1])))
    if replicas is not None and defined.enough:
        places: tuple[Rows | None, Rows | None] = (None, None)
        if not whole:
            places = np.flatnonzero(good[0]), np.flatnonzero(good[1])
        p, q = first[good[0]], second[good[1]]
        sample = Scalars(p, q, edges, *places, weights=defined.scaled)
        raw = assess(sample, sizes, replicas, defined.effective)
    if not whole and _Pair.of((len(first), len(second)), weights).enough:
        raw["undefined"] = undefined(~good[0], ~good[1], weights)
    return histogram, raw


@dataclass(frozen=True)
class _Pair:
    """How much two samples weigh.

    Attributes:
        sizes: Numbers of events.
        effective: Effective numbers, where either has weights.
        scaled: The weights of both with these sums, where either has some.
    """

    sizes: tuple[int, int]
    effective: tuple[float, float] | None
    scaled: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    @classmethod
    def of(cls, sizes: tuple[int, int], weights: tuple[Weights, Weights]) -> _Pair:
        if weights[0] is None and weights[1] is None:
            return cls(sizes, None, None)
        first, second = (
            np.ones(n) if w is None else effective_weights(w)
            for n, w in zip(sizes, weights, strict=True)
        )
        return cls(sizes, (float(first.sum()), float(second.sum())), (first, second))

    @property
    def enough(self) -> bool:
        """Whether there are events enough to be compared."""
        return min(*self.sizes, *(self.effective or ())) >= MIN_EVENTS

    @property
    def some(self) -> bool:
        """Whether there are events whose weights do not cancel."""
        return min(*self.sizes, *(self.effective or ())) > 0


def _assess_spectrum(
    reference: Measured,
    candidate: Measured,
    edges: NDArray[np.float64],
    weights: tuple[Weights, Weights],
    rows: tuple[Rows | None, Rows | None],
    replicas: Replicas | None,
) -> tuple[Histogram, Mapping[str, Statistic]]:
    first, second = (
        _joined(_taken(sample.spectrum, r), sample.spectrum_edges, edges)
        for sample, r in zip((reference, candidate), rows, strict=True)
    )
    soft = None
    if reference.detector.is_image:
        entries = _taken(reference.spectrum, rows[0]).sum(axis=0, dtype=np.float64)
        soft = softening(reference.spectrum_edges, entries)
    unit = reference.detector.cell_unit
    histogram = spectrum_histogram(unit, edges, first, second, soft, weights)
    pair = _Pair.of((len(first), len(second)), weights)
    dark = [h.sum(axis=1) == 0 for h in (first, second)]
    if replicas is None or not pair.enough:
        return histogram, {}
    lit = (int((~dark[0]).sum()), int((~dark[1]).sum()))
    if not _Pair.of(lit, (taken(weights[0], ~dark[0]), taken(weights[1], ~dark[1]))).enough:
        return histogram, {"undefined": undefined(dark[0], dark[1], weights)}
    # Decades, also of pixels: their asinh is a logarithm but for the noise around zero.
    places = np.log10(edges) if soft is None else np.arcsinh(edges / soft) / np.log(10)
    sample = Spectra(first, second, places, weights=pair.scaled)
    return histogram, assess(sample, pair.sizes, replicas, pair.effective)


def _joined(
    spectrum: NDArray[np.unsignedinteger], edges: NDArray[np.float64], chosen: NDArray[np.float64]
) -> NDArray[np.unsignedinteger]:
    """Add up the bins between chosen ones of the edges, and those beyond to the flow bins."""
    places = np.searchsorted(edges, chosen)
    starts = np.concatenate([[0], places + 1])
    return np.asarray(np.add.reduceat(spectrum, starts, axis=1, dtype=spectrum.dtype))


def _taken(values: NDArray[Scalar], rows: Rows | None) -> NDArray[Scalar]:
    return values if rows is None else values[rows]


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]
