"""All observables of two samples, or of a slice of them, as histograms and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.histograms import (
    Histogram,
    bin_edges,
    scalar_histogram,
    spectrum_histogram,
)
from phys_gan.validation.measuring import Measured
from phys_gan.validation.observables import Observable
from phys_gan.validation.observables.pixels import softening
from phys_gan.validation.observables.spectrum import plot_edges, spectrum_name
from phys_gan.validation.slicing import Cut
from phys_gan.validation.statistics.resampling import Replicas, draw_replicas
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.samples import Sample, Scalars, Spectra
from phys_gan.validation.statistics.uncertainty import (
    Raw,
    assess,
    effective_number,
    global_p_value,
    judge,
    undefined,
)
from phys_gan.validation.statistics.weighting import Weights, scaled, taken

__all__ = [
    "FEW_HITS",
    "MIN_EVENTS",
    "Binnings",
    "Distributions",
    "Selection",
    "assess_all",
    "choose_bins",
    "few_events",
]

MIN_EVENTS = 20
"""Fewer events, or fewer for which an observable is defined, are not compared."""

FEW_HITS = "too few events with a hit"
"""Why a spectrum of cells is not compared."""

_THREADS = min(os.cpu_count() or 1, 4)

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

    with ThreadPoolExecutor(_THREADS) as pool:
        edges = pool.map(one, reference.observables)
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
    n_comparisons = effective_number(
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
) -> tuple[tuple[int, int], dict[str, Histogram], dict[str, Mapping[str, Raw]]]:
    n_events = (
        len(reference) if rows[0] is None else len(rows[0]),
        len(candidate) if rows[1] is None else len(rows[1]),
    )
    weights = taken(reference.weights, rows[0]), taken(candidate.weights, rows[1])
    replicas = None
    if min(n_events) >= MIN_EVENTS:
        weighted = any(own is not None for own in weights)
        replicas = draw_replicas(*n_events, seed, weighted=weighted)

    def one(o: Observable) -> tuple[Histogram, Mapping[str, Raw]]:
        values = reference.values[o.name], candidate.values[o.name]
        return _assess_values(o, binnings[o.name], values, weights, rows, replicas)

    with ThreadPoolExecutor(_THREADS) as pool:
        tasks = {}
        spectrum = spectrum_name(reference.detector)
        if spectrum in binnings:
            edges = binnings[spectrum]
            # The longest one begins first.
            tasks[spectrum] = pool.submit(
                _assess_spectrum, reference, candidate, edges, weights, rows, replicas
            )
        tasks |= {o.name: pool.submit(one, o) for o in observables}
        done = {name: task.result() for name, task in tasks.items()}
    # The spectrum is shown behind the others.
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
) -> tuple[Histogram, Mapping[str, Raw]]:
    first, second = (_taken(v, r) for v, r in zip(values, rows, strict=True))
    histogram = scalar_histogram(o, edges, first, second, weights)
    good = np.isfinite(first), np.isfinite(second)
    whole = bool(good[0].all() and good[1].all())
    raw: dict[str, Raw] = {}
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
            np.ones(n) if w is None else scaled(w) for n, w in zip(sizes, weights, strict=True)
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
) -> tuple[Histogram, Mapping[str, Raw]]:
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
    sample: Sample = Spectra(first, second, places, weights=pair.scaled)
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
