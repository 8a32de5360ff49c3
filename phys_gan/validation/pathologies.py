"""Known failures of generators, each found and called by its name: :func:`diagnose`.

Each function of :data:`DIAGNOSES` looks for one failure and returns a :class:`Suspicion`: what it
saw in a sentence, and how probable that much of it is between equal samples. A p-value allows for
all cells, layers, bins and observables that the function looked at. A suspicion is a finding when
its p-value is below its share of the rate of false alarms of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from phys_gan.metrics.correlations import pearson
from phys_gan.metrics.response import rms90, rms90_error
from phys_gan.metrics.result import p_value_of
from phys_gan.metrics.statistics import Weights, effective_size, mean_and_error, quantile, taken
from phys_gan.validation.defects import (
    hard_hits,
    nearly_repeated_events,
    odd_cells,
    point_masses,
    repeated_events,
    soft_hits,
    spectral_lines,
)
from phys_gan.validation.evidence import (
    NAMED_LEVEL,
    NOTHING,
    Evidence,
    Finding,
    Suspicion,
    all_of_one,
    layer_name,
    named_cells,
    percent,
    some,
    two_sided,
)
from phys_gan.validation.relations import (
    energy_continuity,
    mirrored_layer,
    permuted_layer,
    permuted_response,
)
from phys_gan.validation.sample import Sample
from phys_gan.validation.tails import another_particle, holes, long_tails, missing_tails

COLLAPSE = ("duplicates", "distinct", "diversity")
MEMORISATION = ("closer_to_training", "training_distance", "training_copies")

_OF_SHOWERS = (
    "dead cells",
    "odd cells",
    "layer order",
    "soft hits",
    "hard hits",
    "spectral lines",
)
"""Those that images and toys cannot have: their cells may be negative, and are not energies."""

_FAR_OFF = 5.0
"""Standard deviations from which on a layer may be another one."""

_SHARES = {"missing tails": 20.0, "another particle": 20.0}
"""Shares of the rate of false alarms, of failures that have another one than 1.

Of a tail there are only so many events that can be missing, and of another particle only so many
lie outside of what the reference does: with a smaller level nothing would be seen of 16 of them,
while most other failures are beyond any level.
"""


def diagnose(evidence: Evidence, rate: float) -> list[Finding]:
    """Look for all known failures, each with its share of a rate of false alarms.

    Arguments:
        evidence: What was compared.
        rate: Probability that anything at all is found between equal samples.

    Returns:
        All that were looked for, found or not; a question without a meaning is not asked.
    """
    without = () if evidence.reference.detector.kind == "calorimeter" else _OF_SHOWERS
    seen = {name: find(evidence) for name, find in DIAGNOSES.items() if name not in without}
    asked = {name: suspicion for name, suspicion in seen.items() if suspicion is not None}
    total = sum(_SHARES.get(name, 1.0) for name in asked)
    return [
        Finding(name, s.text, s.p_value, rate * _SHARES.get(name, 1.0) / total)
        for name, s in asked.items()
    ]


def dead_cells(evidence: Evidence) -> Suspicion | None:
    """Look for cells that never fire although those of the reference do, and for the reverse.

    All events with a signal in a cell would be in one sample by chance.
    """
    texts, smallest = [], 1.0
    pair = evidence.samples
    n_cells = evidence.reference.detector.n_cells
    for (first, second), one, several in (
        (pair, "never fires, but does", "never fire, but do"),
        (pair[::-1], "fires, but never does", "fire, but never do"),
    ):
        silent = np.flatnonzero(second.profiles.cells.mean == 0)
        if not len(silent):
            continue
        signals = _effective_signals(first, silent)
        chances = 2 * n_cells * all_of_one(first.effective, second.effective, signals)
        smallest = min(smallest, float(chances.min()))
        cells = silent[chances < NAMED_LEVEL]
        if len(cells):
            words = several if len(cells) > 1 else one
            texts.append(f"{named_cells(cells, first)} {words} in the reference.")
    return Suspicion(min(1.0, smallest), " ".join(texts))


def _effective_signals(sample: Sample, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the effective number of all events with a signal in each of the cells."""
    fired = sample.kept.cells[:, cells] != 0
    if sample.kept.weights is None:
        kept = fired.sum(axis=0).astype(np.float64)
    else:
        sums, squares = (sample.kept.weights**power @ fired for power in (1, 2))
        kept = np.divide(sums**2, squares, out=np.zeros(len(cells)), where=squares > 0)
    return np.asarray(kept * sample.effective / max(1.0, sample.kept.effective_number))


def layer_order(evidence: Evidence) -> Suspicion | None:
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
    moved = np.flatnonzero((layer != place) & (np.diag(cost) > _FAR_OFF**2))
    if len(moved) < 2 or cost[moved, place[moved]].mean() > 0.1 * np.diag(cost)[moved].mean():
        return NOTHING
    reference = evidence.reference
    shown = [
        f"{layer_name(reference, k)} looks like {layer_name(reference, j)}"
        for k, j in zip(moved.tolist(), place[moved].tolist(), strict=True)
    ]
    chance = two_sided(float(np.diag(cost)[moved].min()) ** 0.5)
    return Suspicion(chance, f"The layers are in another order: {some(shown)}.")


def collapse(evidence: Evidence) -> Suspicion | None:
    """Look for a candidate that repeats a few events."""
    return _worst_result(evidence, COLLAPSE, "The candidate repeats itself")


def _worst_result(evidence: Evidence, names: Sequence[str], text: str) -> Suspicion | None:
    """Judge metrics of whole events together; name those that are outside their floor."""
    asked = {name: r for name, r in evidence.multivariate.items() if name in names}
    if not asked:
        return None
    # Exchanges of labels know no probability below one in their number: their tail is normal.
    chances = {
        name: p_value_of(r if name not in MEMORISATION else replace(r, p_value=None))
        for name, r in asked.items()
    }
    bad = [
        f"{name} {r.value:.3g} ± {r.error:.2g}, floor {r.floor:.3g}"
        for name, r in asked.items()
        if not r.within_floor
    ]
    smallest = min(chances.values())
    return Suspicion(min(1.0, len(asked) * smallest), f"{text}: {'; '.join(bad)}." if bad else "")


def memorisation(evidence: Evidence) -> Suspicion | None:
    """Look for a candidate that is closer to its training events than to others."""
    return _worst_result(evidence, MEMORISATION, "The candidate repeats its training events")


def missing_modes(evidence: Evidence) -> Suspicion | None:
    """Look for modes of a known density that the reference hits and the candidate does not."""
    found = evidence.multivariate.get("modes_hit")
    if found is None:
        return None
    text = (
        f"{found.n_candidate} points of the candidate hit {found.value:.0f} modes of the true "
        f"density, half of the reference hits {found.floor:.3g}."
    )
    return Suspicion(p_value_of(found), "" if found.within_floor else text)


def mean_response(evidence: Evidence) -> Suspicion | None:
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
    side = "above" if off > 0 else "below"
    return Suspicion(
        two_sided(off / error),
        f"The mean response E_tot/E_inc is {percent(abs(off), error)} {side} that of the "
        "reference.",
    )


def resolution(evidence: Evidence) -> Suspicion | None:
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
    what = "worse" if off > 0 else "better"
    return Suspicion(
        two_sided(off / error) if error > 0 else 1.0,
        f"The energy resolution (RMS90 of E_tot/E_inc) is "
        f"{percent(abs(off), error)} {what} than that of the reference.",
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


def energy_dependence(evidence: Evidence) -> Suspicion | None:
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
    if first <= second or pairs[1] > 0.5 * pairs[0]:
        return NOTHING
    return Suspicion(
        two_sided((first - second) / error),
        f"The deposited energy hardly depends on the incident energy: their correlation is "
        f"{pairs[1]:.2f}, but {pairs[0]:.2f} in the reference.",
    )


DIAGNOSES: dict[str, Callable[[Evidence], Suspicion | None]] = {
    "repeated events": repeated_events,
    "nearly repeated events": nearly_repeated_events,
    "memorised events": memorisation,
    "mode collapse": collapse,
    "missing modes": missing_modes,
    "dead cells": dead_cells,
    "odd cells": odd_cells,
    "layer order": layer_order,
    "layer mirrored": mirrored_layer,
    "layer permuted": permuted_layer,
    "response permuted": permuted_response,
    "energy dependence": energy_dependence,
    "hole in energy": holes,
    "energy continuity": energy_continuity,
    "point masses": point_masses,
    "mean response": mean_response,
    "resolution": resolution,
    "another particle": another_particle,
    "missing tails": missing_tails,
    "long tails": long_tails,
    "soft hits": soft_hits,
    "hard hits": hard_hits,
    "spectral lines": spectral_lines,
}
"""Name of a failure to the function that looks for it; causes come before what they cause."""
