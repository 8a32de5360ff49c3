"""Compare two sets of events in all observables, with errors, floors and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.validation.comparison import Comparison, Side
from phys_gan.validation.histograms import Histogram, scalar_pair, spectrum_pair
from phys_gan.validation.observables import Observable, measure, select
from phys_gan.validation.profiles import make_profiles
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.response import ResponseCurve, energy_edges, response_curve
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.uncertainty import assess, draw_replicas, undefined

__all__ = ["compare"]

MIN_EVENTS = 20
"""Fewer events, or fewer for which an observable is defined, are not compared."""

SPECTRUM = "cell_energy"


def compare(
    reference: Events,
    candidate: Events,
    *,
    seed: int = 0,
    observables: Sequence[str | Observable] | None = None,
) -> Comparison:
    """Compare a candidate with a reference in all observables of their detector.

    Arguments:
        reference: Events of full simulation, or whatever is taken as the truth.
        candidate: Events to judge, of the same detector.
        seed: Seed of bootstrap and floors: equal input and seed give equal output.
        observables: Names of registered observables, or own ones; all that apply when None.
            ``"cell_energy"`` is the spectrum of the cells.

    Raises:
        DetectorError: The detectors differ, or no observable exists for them.
        RangeError: A sample has fewer than 20 events.
        MissingError: An observable is not known.
    """
    detector = reference.detector
    _check(reference, candidate)
    shared = [name for name in reference.conditions if name in candidate.conditions]
    with_spectrum = observables is None or SPECTRUM in observables
    if observables is not None:
        observables = [name for name in observables if name != SPECTRUM]
    chosen = select(detector, shared, observables)
    replicas = draw_replicas(len(reference), len(candidate), seed)
    n_comparisons = (len(chosen) + with_spectrum) * len(METRICS)
    histograms: dict[str, Histogram] = {}
    results: dict[str, dict[str, Result]] = {}
    values = measure(reference, chosen), measure(candidate, chosen)
    for o in chosen:
        first, second = (side[o.name] for side in values)
        good = np.isfinite(first), np.isfinite(second)
        results[o.name] = {}
        if not (good[0].all() and good[1].all()):
            results[o.name]["undefined"] = undefined(~good[0], ~good[1], n_comparisons)
        histograms[o.name], pool = scalar_pair(o, first, second)
        sizes = int(good[0].sum()), int(good[1].sum())
        if min(sizes) >= MIN_EVENTS:
            whole = sizes == (len(reference), len(candidate))
            weights = replicas if whole else draw_replicas(*sizes, seed)
            found = assess(pool, sizes, weights, n_comparisons)
            results[o.name] = found | results[o.name]
    if with_spectrum:
        histograms[SPECTRUM], spectra = spectrum_pair(reference, candidate)
        dark = _without_hits(reference), _without_hits(candidate)
        if spectra is not None and min(int((~d).sum()) for d in dark) >= MIN_EVENTS:
            sizes = len(reference), len(candidate)
            results[SPECTRUM] = assess(spectra, sizes, replicas, n_comparisons)
        else:
            results[SPECTRUM] = {"undefined": undefined(*dark, n_comparisons)}
    curves = _curves(reference, candidate) if "energy" in shared else (None, None)
    return Comparison(
        reference=_make_side(reference, curves[0]),
        candidate=_make_side(candidate, curves[1]),
        detector=detector,
        histograms=histograms,
        results=results,
        warnings=_warnings(shared, results),
        seed=seed,
    )


def _check(reference: Events, candidate: Events) -> None:
    if not reference.detector.same_cells(candidate.detector):
        raise DetectorError(
            f"cannot compare events of '{reference.detector.name}' with events of "
            f"'{candidate.detector.name}'",
            remedy="give two samples of one detector",
        )
    for what, events in (("reference", reference), ("candidate", candidate)):
        if len(events) < MIN_EVENTS:
            raise RangeError(
                f"the {what} has {len(events)} events, but a comparison needs at least "
                f"{MIN_EVENTS}",
                remedy="give more events",
                value=len(events),
                constraint=MIN_EVENTS,
            )


def _curves(reference: Events, candidate: Events) -> tuple[ResponseCurve, ResponseCurve]:
    edges = energy_edges(reference.energy)
    first, second = (
        response_curve(events.energy, events.total_energy() / events.energy, edges)
        for events in (reference, candidate)
    )
    return first, second


def _without_hits(events: Events) -> NDArray[np.bool_]:
    return np.asarray(events.cells.max(axis=1) <= events.detector.threshold, np.bool_)


def _make_side(events: Events, curve: ResponseCurve | None) -> Side:
    energy = None
    if "energy" in events.conditions:
        low, middle, high = np.quantile(events.energy, [0, 0.5, 1]).tolist()
        energy = (low, middle, high)
    outside = None
    if events.overflow is not None:
        lost: NDArray[np.float64] = events.overflow.sum(axis=1, dtype=np.float64)
        total = lost.sum() + events.cells.sum(dtype=np.float64)
        outside = float(lost.sum() / total) if total > 0 else 0.0
    return Side(len(events), dict(events.provenance), energy, outside, make_profiles(events), curve)


def _warnings(conditions: Sequence[str], results: Mapping[str, dict[str, Result]]) -> list[str]:
    warnings = []
    if "energy" not in conditions:
        warnings.append(
            "The incident energies of both samples are not known: nothing tells whether the "
            "observables may be compared."
        )
    elif "E_inc" in results and not results["E_inc"]["ks"].within_floor:
        warnings.append(
            "The incident energies of both samples differ (KS "
            f"{results['E_inc']['ks'].value:.3f}): differences of the observables need not come "
            "from the generator. Generate the candidate with the energies of the reference."
        )
    return warnings
