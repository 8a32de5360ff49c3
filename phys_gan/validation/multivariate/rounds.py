"""Every metric in rounds of random halves: A against C of the candidate, A against B."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.multivariate.collapse import (
    distinct_events,
    diversity,
    duplicates_share,
    mean_distance,
    neighbour_scale,
)
from phys_gan.validation.multivariate.estimate import share
from phys_gan.validation.multivariate.frechet import fpd_of_groups, group_moments
from phys_gan.validation.multivariate.kernel import kernel_sums, kpd_of_groups
from phys_gan.validation.multivariate.neighbours import close_counts, nearest
from phys_gan.validation.multivariate.prdc import NEIGHBOURS, prdc_within
from phys_gan.validation.multivariate.weighting import Weighted, equal_parts

__all__ = [
    "Rounds",
    "frechet_rounds",
    "kernel_rounds",
    "neighbour_rounds",
]

_MAX_FRECHET = 100_000
_MAX_KERNEL = 20_000
_FRECHET_GROUPS = 200
_GROUPS = 20
_BATCHES = 5

Matrix = NDArray[np.float64]
Groups = NDArray[np.intp]


@dataclass
class Rounds:
    """A metric of the candidate and, as its floor, of the reference, in every round.

    Attributes:
        sizes: Events of the reference and of the candidate.
        values: Between half A of the reference and half C of the candidate.
        floors: Between the halves A and B of the reference.
        error: What the values do not show of the error.
    """

    sizes: tuple[int, int]
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    error: float = 0.0

    def add(self, value: float, floor: float) -> None:
        """Add a round."""
        self.values.append(value)
        self.floors.append(floor)


def _halves(
    n_groups: int, generator: np.random.Generator, rounds: int
) -> Iterator[tuple[Groups, Groups, Groups]]:
    """Yield the groups of A and B, halves of the reference, and of C, half of the candidate."""
    half = n_groups // 2
    for _ in range(rounds):
        order = generator.permutation(n_groups)
        yield order[:half], order[half : 2 * half], generator.permutation(n_groups)[:half]


def frechet_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, Rounds]:
    """Return FPD, not bounded, from 200 groups of at most 100,000 events of both.

    Arguments:
        reference: Features over their largest absolute values, in random order.
        candidate: The same of the candidate.
        generator: Draws halves and batches.
        rounds: Number of rounds.
    """
    parts = equal_parts(reference, candidate, _MAX_FRECHET)
    sizes = len(parts[0]), len(parts[1])
    n_groups = min(*sizes, _FRECHET_GROUPS)
    centre = reference.features.mean(axis=0)
    first, second = (group_moments(part, n_groups, centre) for part in parts)
    fpd = Rounds(sizes)
    for a, b, c in _halves(n_groups, generator, rounds):
        value, floor = (
            fpd_of_groups(first[a], other, len(a), generator, _BATCHES).value
            for other in (second[c], first[b])
        )
        fpd.add(value, floor)
    return {"fpd": fpd}


def kernel_rounds(
    reference: Weighted, candidate: Weighted, generator: np.random.Generator, rounds: int
) -> dict[str, Rounds]:
    """Return KPD from 20 groups of at most 20,000 events of both.

    Arguments:
        reference: Features over their largest absolute values, in random order.
        candidate: The same of the candidate.
        generator: Draws halves and batches.
        rounds: Number of rounds.
    """
    parts = equal_parts(reference, candidate, _MAX_KERNEL)
    sums = kernel_sums([group for part in parts for group in part.groups(_GROUPS)])
    kpd = Rounds((len(parts[0]), len(parts[1])))
    for a, b, c in _halves(_GROUPS, generator, rounds):
        value, floor = (
            kpd_of_groups(sums, a, other, generator).value for other in (c + _GROUPS, b)
        )
        kpd.add(value, floor)
    return {"kpd": kpd}


def neighbour_rounds(
    reference: Matrix,
    candidate: Matrix,
    generator: np.random.Generator,
    rounds: int,
    max_events: int,
) -> dict[str, Rounds]:
    """Return precision, recall, density, coverage and the indicators of mode collapse.

    Neighbours within each sample are searched once for all rounds, by group.

    Arguments:
        reference: Standardised features, shape (n, d), in random order.
        candidate: The same of the candidate, shape (m, d).
        generator: Draws the halves.
        rounds: Number of rounds.
        max_events: Largest number of events of either sample.
    """
    size = min(len(reference), len(candidate), max_events) // _GROUPS
    n = size * _GROUPS
    samples = reference[:n], candidate[:n]
    near = [nearest(f, f, NEIGHBOURS, groups=_GROUPS, own=True) for f in samples]
    same, close = neighbour_scale(_merged(near[0], np.arange(_GROUPS)[::2], size)[:, 0])
    pairs = [close_counts(f, close, groups=_GROUPS) for f in samples]
    names = ("precision", "recall", "density", "coverage", "duplicates", "distinct", "diversity")
    found = {name: Rounds((n, n)) for name in names}
    for a, b, c in _halves(_GROUPS, generator, rounds):
        in_a, radii_a = _events(a, size), _merged(near[0], a, size)
        half = len(in_a)
        spread = mean_distance(samples[0][in_a])
        outcomes = []
        for side, groups in ((1, c), (0, b)):
            inside, radii = _events(groups, size), _merged(near[side], groups, size)
            events = samples[side][inside]
            shares = prdc_within(samples[0][in_a], events, radii_a[:, -1], radii[:, -1])
            met = float(pairs[side][inside][:, groups].sum()) / 2
            outcomes.append(
                {
                    **shares._asdict(),
                    "duplicates": duplicates_share(radii[:, 0], same).value,
                    "distinct": distinct_events(met, half),
                    "diversity": diversity(spread, mean_distance(events)).value,
                }
            )
        for name, metric in found.items():
            metric.add(outcomes[0][name], outcomes[1][name])
    found["duplicates"].error = _binomial(found["duplicates"], n // 2)
    return found


def _binomial(metric: Rounds, n: int) -> float:
    """Return the error of a share of n events, which no number of rounds without one shows."""
    return share(float(np.mean(metric.values)) * n, n).error


def _events(groups: Groups, size: int) -> Groups:
    """Return the numbers of the events in groups."""
    return np.asarray((groups[:, None] * size + np.arange(size)).ravel())


def _merged(near: Matrix, groups: Groups, size: int) -> Matrix:
    """Return the nearest neighbours, within the union of groups, of the events in them."""
    rows = near[_events(groups, size)][:, groups].reshape(len(groups) * size, -1)
    return np.sort(rows, axis=1)[:, :NEIGHBOURS]
