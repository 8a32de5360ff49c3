"""The :class:`Histogram` of an observable of two samples, with all that a plot needs.

Bins are half-open, [low, high), the last one too; what lies outside is counted as under- and
overflow. Entries with weights are sums of them, where the weights have the mean 1 over the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.metrics.statistics import Weights, effective_size, taken, variance
from phys_gan.observables import Observable
from phys_gan.observables.registry import counts, extended

if TYPE_CHECKING:
    from hist import Hist

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Entries of both samples in common bins.

    Attributes:
        name: Name of the observable.
        label: LaTeX label with unit.
        description: One sentence for captions.
        edges: Bin edges, shape (n_bins + 1,).
        reference: Entries with under- and overflow, shape (n_bins + 2,).
        candidate: The same.
        reference_error: Statistical errors of the entries, same shape.
        candidate_error: The same.
        undefined: Events of reference and candidate for which the observable is not defined.
        n_events: Events of reference and candidate for which it is.
        n_effective: Their effective numbers, where they have weights.
        layer: Number of the layer that the observable belongs to.
        family: Name with ``{k}`` for the layer, for plots over all layers.
        moments: Mean and standard deviation of reference and candidate, shape (2, 2).
        per_event: Whether there are many entries per event.
        unit: Unit of the entries, where the height of a bin depends on it.
        softening: Value around which an asinh axis turns from linear to logarithmic, where entries
            of both signs span decades; such a histogram is shown over the width of its bins.
    """

    name: str
    label: str
    description: str
    edges: Values
    reference: Values
    candidate: Values
    reference_error: Values
    candidate_error: Values
    undefined: tuple[int, int]
    n_events: tuple[int, int]
    n_effective: tuple[float, float] | None = None
    layer: int | None = None
    family: str = ""
    moments: Values | None = None
    per_event: bool = False
    unit: str = ""
    softening: float | None = None

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

    def to_hist(self) -> tuple[Hist[Any], Hist[Any]]:
        """Return reference and candidate as histograms of the library ``hist``.

        They have values and variances (storage ``Weight``), under- and overflow, and an axis with
        the name of the observable and its label.

        Example:
            >>> import phys_gan as pg
            >>> showers = pg.simulate(pg.load_detector("calogan"), 100, seed=1)
            >>> found = pg.compare(showers[:50], showers[50:], observables=["depth"])
            >>> reference, candidate = found.histograms["depth"].to_hist()
            >>> float(reference.sum(flow=True).value), candidate.axes[0].name
            (50.0, 'depth')
        """
        from hist import Hist, axis, storage

        def made(sample: str, entries: Values, errors: Values) -> Hist[Any]:
            bins = axis.Variable(self.edges, name=self.name, label=self.label)
            histogram = Hist(bins, storage=storage.Weight(), name=self.name, label=sample)
            histogram.view(flow=True)["value"] = entries
            histogram.view(flow=True)["variance"] = errors**2
            return histogram

        return (
            made("reference", self.reference, self.reference_error),
            made("candidate", self.candidate, self.candidate_error),
        )


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
    samples: tuple[Values, Values],
    weights: tuple[Weights, Weights] = (None, None),
) -> Histogram:
    """Fill an observable of both samples, NaN where not defined, shapes (n,) and (m,)."""
    good = [np.isfinite(values) for values in samples]
    p, q = (values[rows] for values, rows in zip(samples, good, strict=True))
    w, v = (taken(one, rows) for one, rows in zip(weights, good, strict=True))
    first, second = _filled(p, w, edges), _filled(q, v, edges)
    return Histogram(
        name=observable.name,
        label=observable.axis_label,
        description=observable.description,
        edges=edges,
        reference=first[0],
        candidate=second[0],
        reference_error=first[1],
        candidate_error=second[1],
        undefined=(len(samples[0]) - len(p), len(samples[1]) - len(q)),
        n_events=(len(p), len(q)),
        n_effective=_effective((len(p), len(q)), (w, v)),
        layer=observable.layer,
        family=observable.family,
        moments=np.array([_moments(p, w), _moments(q, v)]),
    )


def spectrum_histogram(
    name: str,
    unit: str,
    edges: Values,
    samples: tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]],
    softening: float | None = None,
    weights: tuple[Weights, Weights] = (None, None),
) -> Histogram:
    """Add up the hits of all events, given per event and bin, shapes (n, n_bins + 2), (m, ...).

    Cells of one event fluctuate together: errors come from the standard deviation over events.

    Arguments:
        name: Name of the spectrum.
        unit: Unit of the cells.
        edges: Bin edges in this unit.
        samples: Hits of reference and candidate.
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
    first, second = (_summed(hits, w) for hits, w in zip(samples, weights, strict=True))
    sizes = len(samples[0]), len(samples[1])
    return Histogram(
        name=name,
        label=label,
        description=description,
        edges=edges,
        reference=first[0],
        candidate=second[0],
        reference_error=first[1],
        candidate_error=second[1],
        undefined=(0, 0),
        n_events=sizes,
        n_effective=_effective(sizes, weights),
        per_event=True,
        unit=unit,
        softening=softening,
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


def _summed(hits: NDArray[np.unsignedinteger], weights: Weights) -> tuple[Values, Values]:
    """Return the hits of all events, (n, n_bins + 2), and their statistical errors."""
    if weights is None:
        deviation = hits.std(axis=0, dtype=np.float64) if len(hits) else np.zeros(hits.shape[1])
        return hits.sum(axis=0, dtype=np.float64), np.sqrt(len(hits)) * deviation
    w = _unit(weights)
    total, squares = w @ hits, w**2 @ hits.astype(np.float64) ** 2
    mean, mixed = total / max(len(hits), 1), w**2 @ hits
    return total, np.sqrt(np.maximum(0, squares - 2 * mean * mixed + mean**2 * (w @ w)))


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
