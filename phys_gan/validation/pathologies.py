"""Known failures of generators, each found and called by its name: :func:`diagnose`.

Each function of :data:`DIAGNOSES` looks for one failure and returns what it found in a sentence, or
None. A difference counts from 5 standard deviations on where many cells, layers and metrics are
looked at, from 4 (by chance once in 16,000 times) where it is a single number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from phys_gan.metrics.correlations import pearson
from phys_gan.metrics.response import ResponseCurve, rms90, rms90_error
from phys_gan.metrics.result import LIMIT_SIGMAS, Result
from phys_gan.metrics.statistics import Weights, effective_size, mean_and_error, quantile, taken
from phys_gan.validation.sample import Sample

COLLAPSE = ("duplicates", "distinct", "diversity")
MEMORISATION = ("closer_to_training", "training_distance", "training_copies")

_OF_SHOWERS = ("dead cells", "layer order", "low-energy tail")
"""Those that images and toys cannot have: their cells may be negative, and are not energies."""

_SIGMAS_OF_MANY = 5.0
_SIGMAS_OF_ONE = 4.0


@dataclass(frozen=True)
class Finding:
    """A failure that was found.

    Attributes:
        name: Its name, a key of :data:`DIAGNOSES`.
        text: What was found, with its size, in one sentence.
    """

    name: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis looks at.

    Attributes:
        reference: The reference.
        candidate: The candidate.
        curves: Response of both, where the incident energies are known.
        multivariate: Results of metrics of whole events.
    """

    reference: Sample
    candidate: Sample
    curves: tuple[ResponseCurve, ResponseCurve] | None
    multivariate: Mapping[str, Result]


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return the known failures that the candidate shows; each is rare between equal samples."""
    without = () if evidence.reference.detector.kind == "calorimeter" else _OF_SHOWERS
    texts = ((name, find(evidence)) for name, find in DIAGNOSES.items() if name not in without)
    return [Finding(name, text) for name, text in texts if text is not None]


def dead_cells(evidence: Evidence) -> str | None:
    """Look for cells that never fire although those of the reference do, and for the reverse."""
    texts = []
    pair = evidence.reference, evidence.candidate
    for (first, second), one, several in (
        (pair, "never fires, but does", "never fire, but do"),
        (pair[::-1], "fires, but never does", "fire, but never do"),
    ):
        mean, error = first.profiles.cells.mean, first.profiles.cells.error
        silent = second.profiles.cells.mean == 0
        # The mean over its error is the root of the effective number of entries.
        ratio = (second.effective / first.effective) ** 0.5
        with np.errstate(invalid="ignore", divide="ignore"):
            known = (mean > 0) & (ratio * mean / error > _SIGMAS_OF_MANY)
        cells = np.flatnonzero(silent & known)
        if len(cells):
            words = several if len(cells) > 1 else one
            texts.append(f"{_named(cells, first)} {words} in the reference.")
    return " ".join(texts) or None


def layer_order(evidence: Evidence) -> str | None:
    """Look for another order of the layers in which their mean energies agree."""
    samples = evidence.reference, evidence.candidate
    n_layers = evidence.reference.detector.n_layers
    if n_layers < 2:
        return None
    # Fractions of the total vary from event to event much less than energies do.
    averages = []
    for sample in samples:
        lit = sample.layer_energies.sum(axis=1) > 0
        energies, weights = sample.layer_energies[lit], taken(sample.weights, lit)
        if effective_size(len(energies), weights) < 2:
            return None
        averages.append(mean_and_error(energies / energies.sum(axis=1, keepdims=True), weights))
    (first, first_error), (second, second_error) = averages
    pull = (second[:, None] - first) / (np.hypot(second_error[:, None], first_error) + 1e-12)
    cost = pull**2
    layer, place = linear_sum_assignment(cost)
    # Neighbours that are alike may change places by chance; only what was far off counts.
    moved = np.flatnonzero((layer != place) & (np.diag(cost) > _SIGMAS_OF_MANY**2))
    if len(moved) < 2 or cost[moved, place[moved]].mean() > 0.1 * np.diag(cost)[moved].mean():
        return None
    layers = evidence.reference.detector.layers
    shown = [
        f"{layers[k].name or k} looks like {layers[j].name or j}"
        for k, j in zip(moved.tolist(), place[moved].tolist(), strict=True)
    ]
    return f"The layers are in another order: {_some(shown)}."


def collapse(evidence: Evidence) -> str | None:
    """Look for a candidate that repeats a few events."""
    return _results_outside(evidence, COLLAPSE, "The candidate repeats itself")


def repeated_events(evidence: Evidence) -> str | None:
    """Look for events of the candidate that are equal bit for bit."""
    candidate, reference = evidence.candidate, evidence.reference
    copies = candidate.n_seen - candidate.n_different
    # A read-out of few values repeats itself in the reference as well.
    if not copies or reference.n_different < reference.n_seen:
        return None
    return f"{copies} of {candidate.n_seen} events are copies of others of the candidate."


def memorisation(evidence: Evidence) -> str | None:
    """Look for a candidate that is closer to its training events than to others."""
    return _results_outside(evidence, MEMORISATION, "The candidate repeats its training events")


def missing_modes(evidence: Evidence) -> str | None:
    """Look for modes of a known density that the reference hits and the candidate does not."""
    found = evidence.multivariate.get("modes_hit")
    if found is None or found.within_floor:
        return None
    return (
        f"{found.n_candidate} points of the candidate hit {found.value:.0f} modes of the true "
        f"density, half of the reference hits {found.floor:.3g}."
    )


def _results_outside(evidence: Evidence, names: Sequence[str], text: str) -> str | None:
    bad = [
        f"{name} {result.value:.3g} ± {result.error:.2g}, floor {result.floor:.3g}"
        for name, result in evidence.multivariate.items()
        if name in names
        and not result.within_floor
        # Their limits lie at three standard deviations.
        and abs(result.value - result.floor)
        > _SIGMAS_OF_MANY / LIMIT_SIGMAS * abs(result.limit - result.floor)
    ]
    return f"{text}: {'; '.join(bad)}." if bad else None


def _named(cells: NDArray[np.int64], sample: Sample) -> str:
    layers = np.searchsorted(sample.detector.offsets, cells, side="right") - 1
    shown = [
        f"{cell - sample.detector.offsets[k]} of layer {sample.detector.layers[k].name or k}"
        for cell, k in zip(cells.tolist(), layers.tolist(), strict=True)
    ]
    return f"{len(cells)} cell{'s' if len(cells) > 1 else ''} ({_some(shown)})"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def mean_response(evidence: Evidence) -> str | None:
    """Compare the mean response in bins of incident energy, averaged by their errors."""
    if evidence.curves is None:
        return None
    first, second = (curve.array("mean") for curve in evidence.curves)
    errors = [curve.array("mean_error") for curve in evidence.curves]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = second / first
        sigma = ratio * np.hypot(errors[0] / first, errors[1] / second)
    good = np.isfinite(ratio) & np.isfinite(sigma) & (sigma > 0)
    if not good.any():
        return None
    weights = sigma[good] ** -2
    off, error = float(np.average(ratio[good] - 1, weights=weights)), float(weights.sum() ** -0.5)
    if abs(off) <= _SIGMAS_OF_ONE * error:
        return None
    side = "above" if off > 0 else "below"
    return (
        f"The mean response E_tot/E_inc is {_percent(abs(off), error)} {side} that of the "
        "reference."
    )


def resolution(evidence: Evidence) -> str | None:
    """Compare the width of the response at equal incident energies.

    RMS90 of E_tot/E_inc around its median in bins of incident energy: unlike the standard
    deviation it hardly knows the tails, and is more precise where there are any. Events with
    negative weights have no shortest interval, and are not compared.
    """
    samples = evidence.reference, evidence.candidate
    if evidence.curves is None or any(
        s.weights is not None and (s.weights < 0).any() for s in samples
    ):
        return None
    edges = np.array(evidence.curves[0].edges)
    parts = [_residuals(sample, edges) for sample in samples]
    scale = np.array([rms90(*part) for part in parts[0]])
    usable = [k for k in range(len(scale)) if scale[k] > 0 and len(parts[1][k][0]) > 1]
    if not usable:
        return None
    widths, errors = [], []
    for part in parts:
        values = np.concatenate([part[k][0] / scale[k] for k in usable])
        weights = [w for _, w in (part[k] for k in usable) if w is not None]
        joined = values, np.concatenate(weights) if weights else None
        widths.append(rms90(*joined))
        errors.append(rms90_error(*joined))
    off = widths[1] / widths[0] - 1
    error = float(np.hypot(errors[1], errors[0] * widths[1] / widths[0])) / widths[0]
    if abs(off) <= _SIGMAS_OF_ONE * error:
        return None
    what = "worse" if off > 0 else "better"
    return (
        f"The energy resolution (RMS90 of E_tot/E_inc) is "
        f"{_percent(abs(off), error)} {what} than that of the reference."
    )


def _residuals(
    sample: Sample, edges: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], Weights]]:
    """Return E_tot/E_inc over its median - 1 in each bin of incident energy, and the weights."""
    energy = sample.conditions["energy"]
    response = sample.layer_energies.sum(axis=1) / energy
    place = np.searchsorted(edges, energy, side="right") - 1
    found = []
    for k in range(len(edges) - 1):
        inside = place == k
        part, weights, median = response[inside], taken(sample.weights, inside), 0.0
        if effective_size(len(part), weights) > 0:
            median = float(quantile(part, [0.5], weights)[0])
        if median <= 0:
            nothing = np.zeros(len(part), bool)
            part, weights, median = part[nothing], taken(weights, nothing), 1.0
        found.append((part / median - 1, weights))
    return found


def energy_dependence(evidence: Evidence) -> str | None:
    """Look for deposited energies that do not follow the incident energy."""
    pairs = []
    for sample in (evidence.reference, evidence.candidate):
        energy = sample.conditions.get("energy")
        if energy is None or energy.std() == 0:
            return None
        total = sample.layer_energies.sum(axis=1)
        both = pearson(np.stack([energy, total], axis=1), sample.weights)[0, 1]
        pairs.append(float(np.nan_to_num(both)))
    # Fisher's transform makes the error of a correlation independent of its value.
    n, m = evidence.reference.effective, evidence.candidate.effective
    error = (1 / max(1, n - 3) + 1 / max(1, m - 3)) ** 0.5
    first, second = (float(np.arctanh(np.clip(r, -0.999999, 0.999999))) for r in pairs)
    if first - second < _SIGMAS_OF_ONE * error or pairs[1] > 0.5 * pairs[0]:
        return None
    return (
        f"The deposited energy hardly depends on the incident energy: their correlation is "
        f"{pairs[1]:.2f}, but {pairs[0]:.2f} in the reference."
    )


def low_energy_tail(evidence: Evidence) -> str | None:
    """Look for missing events of low response and missing cells of low energy."""
    texts = [_low_response(evidence), _soft_cells(evidence)]
    return " ".join(text for text in texts if text) or None


def _low_response(evidence: Evidence) -> str | None:
    samples = evidence.reference, evidence.candidate
    if any("energy" not in sample.conditions for sample in samples):
        return None
    responses = [s.layer_energies.sum(axis=1) / s.conditions["energy"] for s in samples]
    medians = [
        float(quantile(r, [0.5], s.weights)[0]) for r, s in zip(responses, samples, strict=True)
    ]
    if min(medians) <= 0:
        return None
    # Relative to the median: a shift of all events is another failure.
    values, other = (r / median for r, median in zip(responses, medians, strict=True))
    n, m = (sample.effective for sample in samples)
    edge = float(quantile(values, [0.01 if n >= 5000 else 0.05], samples[0].weights)[0])
    expected, found = (
        float(np.average(part < edge, weights=sample.weights))
        for part, sample in zip((values, other), samples, strict=True)
    )
    # A binomial count, whose expectation is known from the n events of the reference.
    deviation = (m * expected * (1 - expected) * (1 + m / n)) ** 0.5
    if found * m >= m * expected - _SIGMAS_OF_ONE * deviation:
        return None
    return (
        f"The tail of low E_tot/E_inc is missing: {100 * found:.2f} % of the events are below "
        f"{edge:.4g} of the median, but {100 * expected:.2f} % of the reference."
    )


def _soft_cells(evidence: Evidence) -> str | None:
    reference, candidate = evidence.reference, evidence.candidate
    spectrum = reference.spectrum.sum(axis=0, dtype=np.float64)
    if not spectrum.sum():
        return None
    last = int(np.searchsorted(np.cumsum(spectrum), 0.1 * spectrum.sum()))
    counts = [
        s.spectrum[:, : last + 1].sum(axis=1, dtype=np.float64) for s in (reference, candidate)
    ]
    (first, first_error), (second, second_error) = (
        mean_and_error(c, s.weights) for c, s in zip(counts, (reference, candidate), strict=True)
    )
    error = float(np.hypot(first_error, second_error))
    if second >= 0.5 * first or first - second <= _SIGMAS_OF_ONE * error:
        return None
    edge = reference.spectrum_edges[min(last, len(reference.spectrum_edges) - 1)]
    return (
        f"Cells of low energy are missing: {second:.3g} per event below {edge:.3g} "
        f"{reference.detector.cell_unit}, but {first:.3g} in the reference."
    )


def _percent(value: float, error: float) -> str:
    """Write a fraction in per cent with two figures of its error."""
    places = int(np.clip(1 - np.floor(np.log10(100 * error)), 0, 6)) if error > 0 else 2
    return f"{100 * value:.{places}f} ± {100 * error:.{places}f} %"


DIAGNOSES: dict[str, Callable[[Evidence], str | None]] = {
    "mean response": mean_response,
    "resolution": resolution,
    "energy dependence": energy_dependence,
    "dead cells": dead_cells,
    "layer order": layer_order,
    "low-energy tail": low_energy_tail,
    "mode collapse": collapse,
    "repeated events": repeated_events,
    "memorised events": memorisation,
    "missing modes": missing_modes,
}
"""Name of a failure to the function that looks for it."""
