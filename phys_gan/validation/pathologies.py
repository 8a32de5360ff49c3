"""Known failures of cells, layers and whole events; each function says what it saw, or None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from phys_gan.validation.measuring import Measured
from phys_gan.validation.statistics.response import ResponseCurve
from phys_gan.validation.statistics.result import LIMIT_SIGMAS, Result
from phys_gan.validation.statistics.weighting import effective_size, mean_and_error, taken

__all__ = [
    "Evidence",
    "collapse",
    "dead_cells",
    "layer_order",
    "memorisation",
    "missing_modes",
    "repeated_events",
]

COLLAPSE = ("duplicates", "distinct", "diversity")
MEMORISATION = ("closer_to_training", "training_distance", "training_copies")

_SIGMAS = 5.0
"""In units of its error, where a difference counts: many cells, layers and metrics are seen."""


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis may look at.

    Attributes:
        reference: The reference.
        candidate: The candidate.
        curves: Response of both, where the incident energies are known.
        multivariate: Results of what looks at whole events.
    """

    reference: Measured
    candidate: Measured
    curves: tuple[ResponseCurve, ResponseCurve] | None = None
    multivariate: Mapping[str, Result] | None = None


def dead_cells(evidence: Evidence) -> str | None:
    """Look for cells that never fire although those of the reference do, and the reverse."""
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
            known = (mean > 0) & (ratio * mean / error > _SIGMAS)
        cells = np.flatnonzero(silent & known)
        if len(cells):
            words = several if len(cells) > 1 else one
            texts.append(f"{_named(cells, first)} {words} in the reference.")
    return " ".join(texts) or None


def layer_order(evidence: Evidence) -> str | None:
    """Ask whether the mean layer energies agree once the layers are put into another order."""
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
    moved = np.flatnonzero((layer != place) & (np.diag(cost) > _SIGMAS**2))
    if len(moved) < 2 or cost[moved, place[moved]].mean() > 0.1 * np.diag(cost)[moved].mean():
        return None
    layers = evidence.reference.detector.layers
    shown = [
        f"{layers[k].name or k} looks like {layers[j].name or j}"
        for k, j in zip(moved.tolist(), place[moved].tolist(), strict=True)
    ]
    return f"The layers are in another order: {_some(shown)}."


def collapse(evidence: Evidence) -> str | None:
    """Ask whether the candidate repeats a few events."""
    return _results_outside(evidence, COLLAPSE, "The candidate repeats itself")


def repeated_events(evidence: Evidence) -> str | None:
    """Ask whether the candidate has events twice that are equal bit for bit."""
    candidate, reference = evidence.candidate, evidence.reference
    copies = candidate.n_seen - candidate.n_different
    # A read-out of few values repeats itself in the reference as well.
    if not copies or reference.n_different < reference.n_seen:
        return None
    return f"{copies} of {candidate.n_seen} events are copies of others of the candidate."


def memorisation(evidence: Evidence) -> str | None:
    """Ask whether the candidate lies closer to the training events than to others."""
    return _results_outside(evidence, MEMORISATION, "The candidate repeats its training events")


def missing_modes(evidence: Evidence) -> str | None:
    """Ask whether the candidate hits as many modes of a known density as the reference does."""
    found = (evidence.multivariate or {}).get("modes_hit")
    if found is None or found.within_floor:
        return None
    return (
        f"{found.n_candidate} points of the candidate hit {found.value:.0f} modes of the true "
        f"density, half of the reference hits {found.floor:.3g}."
    )


def _results_outside(evidence: Evidence, names: Sequence[str], text: str) -> str | None:
    bad = [
        f"{name} {result.value:.3g} ± {result.error:.2g}, floor {result.floor:.3g}"
        for name, result in (evidence.multivariate or {}).items()
        if name in names and _far_beyond(result)
    ]
    return f"{text}: {'; '.join(bad)}." if bad else None


def _far_beyond(result: Result) -> bool:
    """Return whether a value is off by five standard deviations; the limit is at three."""
    off, reach = abs(result.value - result.floor), abs(result.limit - result.floor)
    return not result.within_floor and off > _SIGMAS / LIMIT_SIGMAS * reach


def _named(cells: NDArray[np.int64], sample: Measured) -> str:
    layers = np.searchsorted(sample.detector.offsets, cells, side="right") - 1
    shown = [
        f"{cell - sample.detector.offsets[k]} of layer {sample.detector.layers[k].name or k}"
        for cell, k in zip(cells.tolist(), layers.tolist(), strict=True)
    ]
    return f"{len(cells)} cell{'s' if len(cells) > 1 else ''} ({_some(shown)})"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
