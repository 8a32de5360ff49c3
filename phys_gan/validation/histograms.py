"""The two histograms of one observable, with everything a plot or a later re-plot needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.events import Events
from phys_gan.validation.observables import Observable
from phys_gan.validation.observables.binning import counts, extended
from phys_gan.validation.observables.spectrum import spectrum_edges, spectrum_per_event
from phys_gan.validation.statistics.samples import Scalars, Spectra

__all__ = ["Histogram", "scalar_pair", "spectrum_pair"]


@dataclass(frozen=True)
class Histogram:
    """Counts of both samples in common bins.

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
        layer: Number of the layer that the observable belongs to.
        family: Name with ``{k}`` for the layer, for plots over all layers.
        moments: Mean and standard deviation of reference and candidate, shape (2, 2).
        per_event: Whether there are many entries per event.
    """

    label: str
    description: str
    edges: NDArray[np.float64]
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    candidate_error: NDArray[np.float64]
    undefined: tuple[int, int]
    n_events: tuple[int, int]
    layer: int | None = None
    family: str = ""
    moments: NDArray[np.float64] | None = None
    per_event: bool = False

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


def scalar_pair(
    observable: Observable, reference: NDArray[np.float64], candidate: NDArray[np.float64]
) -> tuple[Histogram, Scalars]:
    """Bin an observable of both samples, NaN where not defined, shapes (n,) and (m,)."""
    p, q = (values[np.isfinite(values)] for values in (reference, candidate))
    # Without a defined reference value the candidate alone can say where the bins belong.
    guide = p if len(p) else q
    edges = observable.binning.edges(guide) if len(guide) else np.array([0.0, 1.0])
    edges = extended(edges, q)
    first, second = (counts(values, edges).astype(np.float64) for values in (p, q))
    moments = np.array([[v.mean(), v.std()] if len(v) else [np.nan, np.nan] for v in (p, q)])
    histogram = Histogram(
        label=observable.axis_label,
        description=observable.description,
        edges=edges,
        reference=first,
        candidate=second,
        reference_error=np.sqrt(first),
        candidate_error=np.sqrt(second),
        undefined=(len(reference) - len(p), len(candidate) - len(q)),
        n_events=(len(p), len(q)),
        layer=observable.layer,
        family=observable.family,
        moments=moments,
    )
    spread = float(p.std()) if len(p) else 0.0
    return histogram, Scalars(np.concatenate([p, q]), edges, spread)


def spectrum_pair(reference: Events, candidate: Events) -> tuple[Histogram, Spectra | None]:
    """Bin the energies of all cells above the threshold; no sample when either has no hits."""
    edges = spectrum_edges(reference)
    per_event = [spectrum_per_event(events, edges) for events in (reference, candidate)]
    entries = [h.sum(axis=0, dtype=np.float64) for h in per_event]
    # Cells of one event fluctuate together: the error is the spread over events.
    errors = [np.sqrt(len(h)) * h.std(axis=0, dtype=np.float64) for h in per_event]
    unit = reference.detector.cell_unit
    histogram = Histogram(
        label=rf"$E_\mathrm{{cell}}$ [{unit}]",
        description="Energy of every cell above the read-out threshold.",
        edges=edges,
        reference=entries[0],
        candidate=entries[1],
        reference_error=errors[0],
        candidate_error=errors[1],
        undefined=(0, 0),
        n_events=(len(reference), len(candidate)),
        per_event=True,
    )
    if min(h.sum() for h in entries) == 0 or entries[0][1:-1].sum() == 0:
        return histogram, None
    positions = np.log10(edges)
    centres = (positions[:-1] + positions[1:]) / 2
    middle = np.average(centres, weights=entries[0][1:-1])
    spread = float(np.sqrt(np.average((centres - middle) ** 2, weights=entries[0][1:-1])))
    return histogram, Spectra(np.concatenate(per_event), positions, spread)
