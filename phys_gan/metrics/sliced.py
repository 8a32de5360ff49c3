r"""Sliced tests: one-dimensional distances of two samples along random directions.

Features are standardised with the mean and standard deviation of both samples together, projected
on K random unit vectors, and compared along each of them without binning. The mean of the
Kolmogorov-Smirnov distances, and that of the Wasserstein-1 distances, sees any difference of the
joint distributions (Cramér and Wold), at the cost of K sorts.

Which event belongs to which sample is permuted, the same way along all directions, so that the null
distribution is exact whatever the features are. Events with weights cannot be exchanged; their null
is that of bootstrap replicas of both samples, shifted by the difference of the samples themselves
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sec. 16.4).

References:
    Refereeing the referees: evaluating two-sample tests for validating generators in precision
    sciences (Grossi, Letizia and Torre, 2024), https://arxiv.org/abs/2409.16336
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.events import Events
from phys_gan.metrics.result import Result
from phys_gan.metrics.samples import (
    as_weighted,
    need_events,
    need_same_cells,
    standardised_together,
)
from phys_gan.metrics.statistics import Floats, Weights, effective_size, relative_weights, taken
from phys_gan.metrics.uncertainty import Null, judge_by_null
from phys_gan.randomness import stream

MIN_EVENTS = 20
"""Effective number of events that each sample needs."""

_DIRECTIONS = 64
_PERMUTATIONS = 300
_REPLICAS = 60
_MAX_EVENTS = 10_000
_ROWS = 512
_DIGITS = 9
"""Decimals of a projection: events with equal features must stay equal."""


def sliced_tests(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    n_directions: int = _DIRECTIONS,
    n_permutations: int = _PERMUTATIONS,
    max_events: int = _MAX_EVENTS,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> dict[str, Result]:
    r"""Return the sliced KS and Wasserstein-1 distances of two samples, with p-values.

    .. math:: \frac{1}{K} \sum_k \sup_t |F_p^{(k)}(t) - F_q^{(k)}(t)|, \qquad
        \frac{1}{K} \sum_k \int |F_p^{(k)}(t) - F_q^{(k)}(t)|\, dt,

    the latter in standard deviations of a feature. The error is the standard deviation over
    bootstrap replicas of both samples, the floor mean and standard deviation of the null
    distribution; the p-value is that of a shifted gamma distribution with its moments.

    Arguments:
        reference: Finite features, shape (n, d).
        candidate: Finite features, shape (m, d).
        seed: Seed of directions and permutations.
        n_directions: Number K of directions.
        n_permutations: Number of permutations, or of bootstrap replicas of weighted events.
        max_events: Most events of each sample; of more, a random choice is taken.
        reference_weights: Weights of the reference, shape (n,), of any sign and scale.
        candidate_weights: The same of the candidate, shape (m,).

    Returns:
        The results ``sliced_ks`` and ``sliced_w1``; none where all features are constant.

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than 20 events.

    Example:
        >>> normal = np.random.default_rng(0).normal
        >>> found = sliced_tests(normal(0, 1, (500, 3)), normal(0.5, 1, (500, 3)), seed=0)
        >>> found["sliced_ks"].p_value < 1e-4
        True
    """
    samples = as_weighted(
        MIN_EVENTS,
        reference=(reference, reference_weights),
        candidate=(candidate, candidate_weights),
    )
    generator = stream(seed, "validation/sliced")
    p, q = (sample[np.sort(generator.permutation(len(sample))[:max_events])] for sample in samples)
    pool = standardised_together(p.features, q.features)
    if not pool.shape[1]:
        return {}
    directions = _directions(generator, n_directions, pool.shape[1])
    weights = p.weights, q.weights
    return _judged(pool @ directions.T, (len(p), len(q)), weights, generator, n_permutations)


def sliced_tests_of_cells(
    reference: Events,
    candidate: Events,
    *,
    seed: int,
    n_directions: int = _DIRECTIONS,
    n_permutations: int = _PERMUTATIONS,
    max_events: int = _MAX_EVENTS,
) -> dict[str, Result]:
    """Return the same of the cells, as fractions of the incident energy where both know it.

    Cells are projected block by block, so that those of no sample are copied as a whole.

    Arguments:
        reference: Events of the reference.
        candidate: Events of the candidate, of the same detector.
        seed: As in :func:`sliced_tests`, like all that follow.
        n_directions: Number of directions.
        n_permutations: Number of permutations.
        max_events: Most events of each sample.

    Returns:
        The results ``sliced_ks_cells`` and ``sliced_w1_cells``; none where all cells are constant.

    Raises:
        DetectorError: The detectors differ.
        RangeError: A sample has effectively fewer than 20 events.
    """
    need_same_cells(reference.detector, candidate.detector)
    generator = stream(seed, "validation/sliced-cells")
    sides, weights = [], []
    for name, events in (("reference", reference), ("candidate", candidate)):
        need_events(name, len(events), MIN_EVENTS)
        given = relative_weights(name, events.weights, len(events), MIN_EVENTS)
        chosen = np.sort(generator.permutation(len(events))[:max_events])
        sides.append(events[chosen])
        weights.append(taken(given, chosen))
    relative = all("energy" in events.conditions for events in sides)

    def blocks(events: Events) -> Iterator[Floats]:
        for begin in range(0, len(events), _ROWS):
            part = events[begin : begin + _ROWS]
            cells = part.cells.astype(np.float64)
            yield cells / part.energy[:, None] if relative else cells

    # Mean and variance around the first event, whose digits a variance of squares would lose.
    total, squares = np.zeros(reference.detector.n_cells), np.zeros(reference.detector.n_cells)
    first = next(blocks(sides[0]))[0]
    for cells in (cells - first for events in sides for cells in blocks(events)):
        total += cells.sum(axis=0)
        squares += np.einsum("ij,ij->j", cells, cells)
    size = sum(map(len, sides))
    centre = first + total / size
    scale = np.sqrt(np.maximum(0.0, squares / size - (total / size) ** 2))
    varies = scale > 1e-12 * np.maximum(np.abs(centre), np.abs(centre).max(initial=0.0) * 1e-6)
    if not varies.any():
        return {}
    directions = np.zeros((n_directions, len(scale)))
    directions[:, varies] = _directions(generator, n_directions, int(varies.sum())) / scale[varies]
    projections = np.concatenate(
        [(cells - centre) @ directions.T for events in sides for cells in blocks(events)]
    )
    sizes = len(sides[0]), len(sides[1])
    found = _judged(projections, sizes, (weights[0], weights[1]), generator, n_permutations)
    return {f"{name}_cells": result for name, result in found.items()}


def _directions(generator: np.random.Generator, number: int, size: int) -> Floats:
    """Return random unit vectors, shape (number, size)."""
    directions = generator.normal(size=(number, size))
    return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def _judged(
    projections: Floats,
    sizes: tuple[int, int],
    weights: tuple[Weights, Weights],
    generator: np.random.Generator,
    n_permutations: int,
) -> dict[str, Result]:
    """Judge the distances along all directions, from the projections of both, (n + m, K)."""
    masses = _masses(sizes, weights, generator, n_permutations)
    ks, w1 = np.zeros(masses.shape[1]), np.zeros(masses.shape[1])
    for projection in np.round(projections, _DIGITS).T:
        # All replicas at once: their masses in the order of the events.
        order = np.argsort(projection, kind="stable")
        gaps = np.diff(projection[order])
        steps = np.abs(np.cumsum(masses[order], axis=0)[:-1])
        ks += steps[gaps > 0].max(axis=0, initial=0.0)
        w1 += gaps.astype(steps.dtype) @ steps
    effective = [effective_size(n, w) for n, w in zip(sizes, weights, strict=True)]
    found = {}
    for name, distances in (("sliced_ks", ks), ("sliced_w1", w1)):
        values = distances / projections.shape[1]
        found[name] = judge_by_null(
            float(values[0]),
            float(values[1 + n_permutations :].std(ddof=1)),
            Null.of(values[1 : 1 + n_permutations]),
            sizes,
            effective=(effective[0], effective[1]),
            power=0.5,
        )
    return found


def _masses(
    sizes: tuple[int, int],
    weights: tuple[Weights, Weights],
    generator: np.random.Generator,
    n_permutations: int,
) -> NDArray[np.float32]:
    """Return the signed mass of each event in each replica, shape (n + m, 1 + null + bootstrap).

    That of the reference is positive, and both add up to 1. The first replica is the samples
    themselves; the cumulative sum of a column is the difference of two distribution functions.
    """
    n = sizes[0]
    own = np.concatenate(
        [
            sign * (np.full(size, 1 / size) if w is None else w / w.sum())
            for sign, size, w in zip((1, -1), sizes, weights, strict=True)
        ]
    )
    weighted = any(w is not None for w in weights)
    n_boot = _REPLICAS + (n_permutations if weighted else 0)
    boot = np.empty((len(own), n_boot))
    for column in range(n_boot):
        drawn = [np.bincount(generator.integers(0, k, k), minlength=k) for k in sizes]
        mass = own * np.concatenate(drawn)
        mass[:n] /= mass[:n].sum()
        mass[n:] /= -mass[n:].sum()
        boot[:, column] = mass
    if weighted:
        null, boot = boot[:, :n_permutations] - own[:, None], boot[:, n_permutations:]
    else:
        null = np.stack([generator.permutation(own) for _ in range(n_permutations)], axis=1)
    return np.concatenate([own[:, None], null, boot], axis=1).astype(np.float32)
