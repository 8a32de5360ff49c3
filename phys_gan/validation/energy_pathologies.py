"""Known failures of the response to energies; each function says what it saw, or None."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.measuring import Measured
from phys_gan.validation.pathologies import Evidence
from phys_gan.validation.statistics.resolution import rms90, rms90_error
from phys_gan.validation.statistics.response import ResponseCurve

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
    deviation it hardly knows the tails, and is more precise where there are any.
    """
    if evidence.curves is None:
        return None
    edges = np.array(evidence.curves[0].edges)
    first, second = (_residuals(s, edges) for s in (evidence.reference, evidence.candidate))
    scale = np.array([rms90(values) for values in first])
    usable = [k for k in range(len(scale)) if scale[k] > 0 and len(second[k]) > 1]
    if not usable:
        return None
    joined = [np.concatenate([part[k] / scale[k] for k in usable]) for part in (first, second)]
    widths = [rms90(values) for values in joined]
    errors = [rms90_error(values) for values in joined]
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
        pairs.append(float(np.corrcoef(energy, total)[0, 1]) if total.std() > 0 else 0.0)
    # Fisher's transform makes the error of a correlation independent of its value.
    n, m = len(evidence.reference), len(evidence.candidate)
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
    medians = [float(np.median(response)) for response in responses]
    if min(medians) <= 0:
        return None
    # Relative to the median: a shift of all events is another failure.
    values, other = (r / median for r, median in zip(responses, medians, strict=True))
    share = 0.01 if len(values) >= 5000 else 0.05
    edge = float(np.quantile(values, share))
    expected = float(np.mean(values < edge))
    found = int(np.sum(other < edge))
    if not _too_few(found, len(other), expected, len(values)):
        return None
    return (
        f"The tail of low E_tot/E_inc is missing: {100 * found / len(other):.2f} % of the events "
        f"are below {edge:.4g} of the median, but {100 * expected:.2f} % of the reference."
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
    error = sum(c.var() / len(c) for c in counts) ** 0.5
    first, second = (float(c.mean()) for c in counts)
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


def _residuals(sample: Measured, edges: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return E_tot/E_inc over its median - 1 in each bin of incident energy."""
    energy = sample.conditions["energy"]
    response = sample.layer_energies.sum(axis=1) / energy
    place = np.searchsorted(edges, energy, side="right") - 1
    parts = [response[place == k] for k in range(len(edges) - 1)]
    medians = [float(np.median(part)) if len(part) else 0.0 for part in parts]
    return [
        part / median - 1 if median > 0 else part[:0]
        for part, median in zip(parts, medians, strict=True)
    ]


def _too_few(found: int, n: int, expected: float, n_reference: int) -> bool:
    """Return whether a binomial count is too low, the expectation being known from n_reference."""
    spread = (n * expected * (1 - expected) * (1 + n / n_reference)) ** 0.5
    return bool(found < n * expected - _SIGMAS * spread)


def _percent(value: float, error: float) -> str:
    """Write a fraction in per cent with two figures of its error."""
    places = int(np.clip(1 - np.floor(np.log10(100 * error)), 0, 6)) if error > 0 else 2
    return f"{100 * value:.{places}f} ± {100 * error:.{places}f} %"
