"""Single events to look at: random ones of both samples, and pairs of nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.validation.sample import Sample

_SHOWN = 4
_SHOWN_IMAGES = 16
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Gallery:
    """A few events of both samples.

    Attributes:
        reference: Random events of the reference, by rising incident energy; images by their flux,
            or the sum of their pixels.
        candidate: Events of the candidate whose incident energies are nearest to theirs; images
            whose conditions are.
        drawn: Random events of the candidate, in the same order.
        nearest: The event of the reference that is nearest to each of ``drawn``.
        distances: Their distances, shape (n,).
        typical: The distance from each of ``nearest`` to its own nearest neighbour in the
            reference, shape (n,): what two different events of one sample have.
    """

    reference: Events
    candidate: Events
    drawn: Events
    nearest: Events
    distances: NDArray[np.float64]
    typical: NDArray[np.float64]


def make_gallery(reference: Sample, candidate: Sample, *, seed: int) -> Gallery:
    r"""Choose events to show, among those that stayed in memory.

    The distance from an event x to an event y is that of the square roots of their cells,
    :math:`d^2 = \sum_i (\sqrt{x_i} - \sqrt{y_i})^2 / E_\mathrm{inc}(x)`: for showers of one energy
    it is, up to a factor, the Hellinger distance of two patterns. The root keeps a few bright
    cells from deciding alone, and because the energy of y is not divided out, events of about the
    same energy are near. Without incident energies, and for images, whose pixels may be negative,
    the distance is that of the cells as they are, over the length of x.

    """
    draws = stream(seed, "validation/gallery")
    first = _random(reference.kept, draws)
    drawn = _random(candidate.kept, draws)
    rows, distances = _nearest(drawn, reference.kept, skip=None)
    nearest = reference.kept[rows]
    _, typical = _nearest(nearest, reference.kept, skip=rows)
    return Gallery(
        reference=_copied(first),
        candidate=_copied(_alike(first, candidate.kept, draws)),
        drawn=_copied(drawn),
        nearest=_copied(nearest),
        distances=distances,
        typical=typical,
    )


def _random(events: Events, draws: np.random.Generator) -> Events:
    most = _SHOWN_IMAGES if events.detector.is_image else _SHOWN
    size, chance = min(most, len(events)), None
    if events.weights is not None:
        # An event is shown as often as it counts; no more are shown than have a chance.
        chance = np.maximum(events.weights, 0) / np.maximum(events.weights, 0).sum()
        size = min(size, int(np.count_nonzero(chance)))
    rows = draws.choice(len(events), size, replace=False, p=chance)
    chosen = events[rows]
    if events.detector.is_image:
        flux = chosen.conditions.get("flux", chosen.cells.sum(axis=1))
        return chosen[np.argsort(flux, kind="stable")]
    if "energy" in chosen.conditions:
        return chosen[np.argsort(chosen.energy, kind="stable")]
    return chosen


def _alike(wanted: Events, events: Events, draws: np.random.Generator) -> Events:
    """Return an event of nearly the same incident energy for each; random ones without it."""
    if wanted.detector.is_image:
        return _of_like_conditions(wanted, events, draws)
    if "energy" not in wanted.conditions or "energy" not in events.conditions:
        return _random(events, draws)
    energy = events.energy
    rows: list[int] = []
    for value in wanted.energy:
        off = np.abs(np.log(energy / value))
        off[rows] = np.inf
        # Of several equally near ones, such as at fixed energies, a random one.
        best = np.flatnonzero(off <= off.min() * (1 + 1e-9) + 1e-12)
        rows.append(int(draws.choice(best)))
    return events[rows]


def _of_like_conditions(wanted: Events, events: Events, draws: np.random.Generator) -> Events:
    """Return the event for each whose conditions are nearest, as quantiles of those of all."""
    shared = [name for name in wanted.conditions if name in events.conditions]
    if not shared:
        return _random(events, draws)
    mine, theirs = (
        np.stack(
            [
                np.searchsorted(np.sort(events.condition(name)), e.condition(name)) / len(events)
                for name in shared
            ],
            axis=1,
        )
        for e in (wanted, events)
    )
    rows: list[int] = []
    for values in mine:
        off = ((theirs - values) ** 2).sum(axis=1)
        # No event is shown twice, unless there are fewer than are wanted.
        if len(rows) < len(events):
            off[rows] = np.inf
        rows.append(int(off.argmin()))
    return events[rows]


def _nearest(
    wanted: Events, events: Events, skip: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each wanted event the row of the nearest of ``events``, and its distance.

    Arguments:
        wanted: A few events.
        events: All events.
        skip: Rows of ``events`` that are the wanted ones, whose own neighbours are looked for.
    """
    query = _pattern(wanted)
    lengths = (query**2).sum(axis=1)
    best = np.full(len(wanted), np.inf)
    rows = np.zeros(len(wanted), np.int64)
    size = max(1, _BLOCK_BYTES // (4 * events.detector.n_cells))
    for begin in range(0, len(events), size):
        patterns = _pattern(events[begin : begin + size])
        squares = lengths[:, None] - 2 * query @ patterns.T
        squares += np.einsum("ij,ij->i", patterns, patterns)
        if skip is not None:
            inside = np.flatnonzero((skip >= begin) & (skip < begin + len(patterns)))
            squares[inside, skip[inside] - begin] = np.inf
        found = squares.argmin(axis=1)
        value = squares[np.arange(len(wanted)), found]
        rows = np.where(value < best, begin + found, rows)
        best = np.minimum(value, best)
    # The expanded square rounds; the distance of the pair itself is exact.
    difference = query.astype(np.float64) - _pattern(events[rows])
    return rows, np.sqrt((difference**2).sum(axis=1)) / _scale(wanted)


def _pattern(events: Events) -> NDArray[np.float32]:
    return np.sqrt(events.cells) if _is_shower(events) else events.cells


def _scale(events: Events) -> NDArray[np.float64]:
    if _is_shower(events):
        return np.sqrt(events.energy)
    length = np.sqrt((events.cells.astype(np.float64) ** 2).sum(axis=1))
    return np.where(length > 0, length, 1.0)


def _is_shower(events: Events) -> bool:
    return events.detector.kind == "calorimeter" and "energy" in events.conditions


def _copied(events: Events) -> Events:
    """Copy a few events, so that they do not keep all others in memory."""
    return Events(
        events.cells.copy(),
        {name: values.copy() for name, values in events.conditions.items()},
        events.detector,
    )
