"""One cheap number to choose a checkpoint by: :func:`physics_score`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phys_gan.events import Events
from phys_gan.metrics.distances import ks
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import effective_size, taken
from phys_gan.observables import measure, select
from phys_gan.observables.spectrum import open_edges, spectrum_per_event


def physics_score(reference: Events, candidate: Events) -> float:
    """Return the mean KS distance over all observables and the cell spectrum: 0 is best, 1 worst.

    Toys have no cell spectrum: their observables are the coordinates, the true density at the
    points, and the modes they belong to. Events count by their weights, where they have some.

    An observable that is defined in one sample only counts as 1. The incident energy itself is
    not an observable here: give both samples the same energies. No errors and no floor, so this
    ranks checkpoints and proves nothing; see :func:`phys_gan.validation.compare` for that.

    Arguments:
        reference: Held-out events of full simulation.
        candidate: Generated events of the same detector, at the same incident energies and with
            the same weights.

    Raises:
        DetectorError: The detectors differ, or there are no observables for them.
    """
    need_same_cells(reference.detector, candidate.detector)
    shared = [name for name in reference.conditions if name in candidate.conditions]
    chosen = [o for o in select(reference.detector, shared) if o.name != "E_inc"]
    first, second = measure(reference, chosen), measure(candidate, chosen)
    # The cells of a toy are coordinates, which are observables themselves.
    toy = reference.detector.is_toy
    distances = [] if toy else [_spectrum_distance(reference, candidate)]
    for o in chosen:
        p, q = first[o.name], second[o.name]
        weights = (
            taken(reference.weights, np.isfinite(p)),
            taken(candidate.weights, np.isfinite(q)),
        )
        p, q = p[np.isfinite(p)], q[np.isfinite(q)]
        known = [effective_size(len(v), w) > 0 for v, w in zip((p, q), weights, strict=True)]
        if all(known):
            distances.append(ks(p, q, weights))
        elif any(known):
            distances.append(1.0)
    return float(np.mean(distances))


def _spectrum_distance(reference: Events, candidate: Events) -> float:
    edges = open_edges(reference.detector)
    entries = [_spectrum(events, edges) for events in (reference, candidate)]
    if min(h.sum() for h in entries) <= 0:
        return 1.0
    first, second = (np.cumsum(h) / h.sum() for h in entries)
    return float(np.abs(first - second).max())


def _spectrum(events: Events, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum of the cells of all events together."""
    each = spectrum_per_event(events, edges)
    if events.weights is None:
        return np.asarray(each.sum(axis=0, dtype=np.float64), np.float64)
    return np.asarray(events.weights @ each, np.float64)
