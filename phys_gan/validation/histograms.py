"""The two histograms of one observable, with everything a plot or a later re-plot needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.observables import Observable
from phys_gan.validation.observables.binning import counts, extended
from phys_gan.validation.statistics.weighting import Weights, effective_size, taken, variance

__all__ = ["Histogram", "bin_edges", "scalar_histogram", "spectrum_histogram"]

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
