"""Compare two sets of events in all observables, with errors, floors and a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.files import atomic_file
from phys_gan.validation.histograms import Histogram, scalar_pair, spectrum_pair
from phys_gan.validation.metrics import METRICS
from phys_gan.validation.observables import Observable, measure, select
from phys_gan.validation.profiles import Profiles, make_profiles
from phys_gan.validation.response import ResponseCurve, energy_edges, response_curve
from phys_gan.validation.uncertainty import ALPHA, Result, assess, draw_replicas, undefined

__all__ = ["Comparison", "Side", "compare"]

MIN_EVENTS = 20
"""Fewer events, or fewer for which an observable is defined, are not compared."""

SPECTRUM = "cell_energy"


@dataclass(frozen=True)
class Side:
    """One of the two samples.

    Attributes:
        n: Number of events.
        provenance: How the events were made.
        energy: Smallest, median and largest incident energy [MeV], where known.
        outside: Mean fraction of the energy that no cell caught, where known.
        profiles: The average shower.
        response: Response and resolution, where the incident energies are known.
    """

    n: int
    provenance: Mapping[str, str]
    energy: tuple[float, float, float] | None
    outside: float | None
    profiles: Profiles
    response: ResponseCurve | None


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found; :meth:`save` writes it down.

    Attributes:
        reference: The reference, such as full simulation.
        candidate: What is judged against it.
        detector: The detector of both.
        histograms: Observable name to the histograms of both.
        results: Observable name to metric name to result.
        warnings: What limits the meaning of the comparison, as sentences.
        seed: Seed of the resampling.
    """

    reference: Side
    candidate: Side
    detector: Detector
    histograms: dict[str, Histogram]
    results: dict[str, dict[str, Result]]
    warnings: list[str] = field(default_factory=list)
    seed: int = 0

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

    @property
    def within_floor(self) -> bool:
        """Whether every metric of every observable is within its floor."""
        return not self.outside

    @property
    def metrics(self) -> dict[str, Any]:
        """Everything of metrics.json, as plain dictionaries and numbers."""
        return {
            "reference": _side(self.reference),
            "candidate": _side(self.candidate),
            "observables": {
                name: {metric: result.as_dict() for metric, result in results.items()}
                for name, results in self.results.items()
            },
            "multivariate": {},
            "response": {
                side: None if curve is None else curve.as_dict()
                for side, curve in (
                    ("reference", self.reference.response),
                    ("candidate", self.candidate.response),
                )
            },
            "histograms": {name: h.as_dict() for name, h in self.histograms.items()},
            "provenance": {
                "phys_gan": __version__,
                "detector": self.detector.name,
                "seed": self.seed,
                "alpha": ALPHA,
                "within_floor": self.within_floor,
                "outside_floor": self.outside,
                "warnings": list(self.warnings),
            },
        }

    def summary(self) -> str:
        """Return a short table, the worst observables first."""
        lines = [
            f"{len(self.results) - len(self.outside)} of {len(self.results)} observables within "
            f"the floor ({self.reference.n} reference, {self.candidate.n} candidate events)",
            *self.warnings,
            "",
            f"{'observable':<16} {'KS':>18} {'floor':>18}   verdict",
        ]
        outside = set(self.outside)
        for name in self.ranking:
            ks = self.results[name].get("ks")
            value = f"{ks.value:.4f} ± {ks.error:.4f}" if ks else "not enough events"
            floor = f"{ks.floor:.4f} ± {ks.floor_error:.4f}" if ks else ""
            verdict = "OUTSIDE" if name in outside else "within floor"
            lines.append(f"{name:<16} {value:>18} {floor:>18}   {verdict}")
        return "\n".join(lines)

    def save(self, directory: str | Path) -> Path:
        """Write ``index.html`` and ``metrics.json``; other files of the folder stay as they are.

        Returns:
            The path of ``index.html``.

        Raises:
            OutputError: The folder cannot be written.
        """
        # The report needs matplotlib, which a pipeline that only wants numbers does not.
        from phys_gan.validation.report import render

        folder = Path(directory)
        page = render(self)
        with atomic_file(folder / "metrics.json") as temporary:
            text = json.dumps(self.metrics, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        with atomic_file(folder / "index.html") as temporary:
            temporary.write_text(page, encoding="utf-8")
        return folder / "index.html"


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


def _side(side: Side) -> dict[str, Any]:
    energy = None
    if side.energy is not None:
        energy = dict(zip(("min", "median", "max"), side.energy, strict=True))
    return {
        "n": side.n,
        "energy": energy,
        "energy_outside_cells": side.outside,
        "provenance": dict(side.provenance),
    }


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
