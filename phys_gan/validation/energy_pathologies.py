"""Known failures of the response to energies; each function says what it saw, or None."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.measuring import Measured
from phys_gan.validation.pathologies import Evidence
from phys_gan.validation.statistics.correlations import pearson
from phys_gan.validation.statistics.resolution import rms90, rms90_error
from phys_gan.validation.statistics.response import ResponseCurve
from phys_gan.validation.statistics.weighting import (
    Weights,
    effective_size,
    mean_and_error,
    quantile,
    taken,
)

__all__ = ["energy_dependence", "low_energy_tail", "mean_response", "resolution"]

_SIGMAS = 4.0
"""In units of its error, where a difference counts: by chance once in 16,000 times."""


def mean_response(evidence: Evidence) -> str | None:
    """Compare the mean response in bins of incident energy, averaged by their errors."""
    found = _mean_ratio(evidence.curves)
    if found is None:
        return None
    off, error = found
    side = "above" if off > 0 else "below"
    return (
        f"The mean response E_tot/E_inc is {_percent(abs(off), error)} {side} that of the "
        "reference."
    )


def resolution(evidence: Evidence) -> str | None:
    """Compare the width of the response at equal incident energies.

    RMS90 of E_tot/E_inc around its median in bins of incident energy: unlike the standard
    deviation it hardly knows the tails, and is more precise where there are any. Negative weights
    have no shortest interval: nothing is said of such events.
    """
    if evidence.curves is None or any(_signed(s) for s in (evidence.reference, evidence.candidate)):
        return None
    edges = np.array(evidence.curves[0].edges)
    first, second = (_residuals(s, edges) for s in (evidence.reference, evidence.candidate))
    scale = np.array([rms90(*part) for part in first])
    usable = [k for k in range(len(scale)) if scale[k] > 0 and len(second[k][0]) > 1]
    if not usable:
        return None
    joined = [
        (
            np.concatenate([part[k][0] / scale[k] for k in usable]),
            None if sample.weights is None else np.concatenate([_own(part[k]) for k in usable]),
        )
        for sample, part in ((evidence.reference, first), (evidence.candidate, second))
    ]
    widths = [rms90(*part) for part in joined]
    errors = [rms90_error(*part) for part in joined]
    off = widths[1] / widths[0] - 1
    error = float(np.hypot(errors[1], errors[0] * widths[1] / widths[0])) / widths[0]
    if abs(off) <= _SIGMAS * error:
        return None
    what = "worse" if off > 0 else "better"
    return (
        f"The energy resolution (RMS90 of E_tot/E_inc) is "
        f"{_percent(abs(off), error)} {what} than that of the reference."
    )


def energy_dependence(evidence: Evidence) -> str | None:
    """Ask whether the deposited energy follows the incident energy."""
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
    if first - second < _SIGMAS * error or pairs[1] > 0.5 * pairs[0]:
        return None
    return (
        f"The deposited energy hardly depends on the incident energy: their correlation is "
        f"{pairs[1]:.2f}, but {pairs[0]:.2f} in the reference."
    )


def low_energy_tail(evidence: Evidence) -> str | None:
    """Ask whether the candidate has its share of events and cells of low energy."""
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
    if not _too_few(found * m, m, expected, n):
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
    if second >= 0.5 * first or first - second <= _SIGMAS * error:
        return None
    edge = reference.spectrum_edges[min(last, len(reference.spectrum_edges) - 1)]
    return (
        f"Cells of low energy are missing: {second:.3g} per event below {edge:.3g} "
        f"{reference.detector.cell_unit}, but {first:.3g} in the reference."
    )


def _mean_ratio(
    curves: tuple[ResponseCurve, ResponseCurve] | None,
) -> tuple[float, float] | None:
    """Return candidate / reference - 1, averaged over energy, and its error, where it counts."""
    if curves is None:
        return None
    first, second = (curve.array("mean") for curve in curves)
    errors = [curve.array("mean_error") for curve in curves]
    with np.errstate(invalid="ignore", divide="ignore"):
        off = second / first - 1
        error = second / first * np.hypot(errors[0] / first, errors[1] / second)
    good = np.isfinite(off) & np.isfinite(error) & (error > 0)
    if not good.any():
        return None
    weights = error[good] ** -2
    average, sigma = float(np.average(off[good], weights=weights)), float(weights.sum() ** -0.5)
    return (average, sigma) if abs(average) > _SIGMAS * sigma else None


def _residuals(
    sample: Measured, edges: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], Weights]]:
    """Return E_tot/E_inc over its median - 1 in each bin of incident energy, and the weights."""
    energy = sample.conditions["energy"]
    response = sample.layer_energies.sum(axis=1) / energy
    place = np.searchsorted(edges, energy, side="right") - 1
    found = []
    for k in range(len(edges) - 1):
        part, weights = response[place == k], taken(sample.weights, place == k)
        median = 0.0
        if effective_size(len(part), weights) > 0:
            median = float(quantile(part, [0.5], weights)[0])
        if median > 0:
            found.append((part / median - 1, weights))
        else:
            found.append((part[:0], None if weights is None else weights[:0]))
    return found


def _own(part: tuple[NDArray[np.float64], Weights]) -> NDArray[np.float64]:
    return np.ones(len(part[0])) if part[1] is None else part[1]


def _signed(sample: Measured) -> bool:
    return sample.weights is not None and bool((sample.weights < 0).any())


def _too_few(found: float, n: float, expected: float, n_reference: float) -> bool:
    """Return whether a binomial count is too low, the expectation being known from n_reference."""
    spread = (n * expected * (1 - expected) * (1 + n / n_reference)) ** 0.5
    return bool(found < n * expected - _SIGMAS * spread)


def _percent(value: float, error: float) -> str:
    """Write a fraction in per cent with two figures of its error."""
    places = int(np.clip(1 - np.floor(np.log10(100 * error)), 0, 6)) if error > 0 else 2
    return f"{100 * value:.{places}f} ± {100 * error:.{places}f} %"
