"""Pearson correlations between layer energies, their errors, and how far two samples differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import DataError
from phys_gan.validation.statistics.grouping import (
    Parts,
    Replicated,
    deal,
    judge_difference,
    largest,
    make_parts,
    rms,
)
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.weighting import Weights, effective_size

__all__ = ["Correlations", "GroupedMoments", "compare_correlations", "pearson"]

_N_GROUPS = 50
_ROUNDING = 1e-12
"""A variance below this part of the mean square is a rounding error of a constant."""


@dataclass(frozen=True)
class GroupedMoments:
    """Sums of K values and of their products in G groups of events.

    They give the correlations of any set of groups without another look at the events.

    Attributes:
        counts: Number of events, or the sum of their weights, shape (G,).
        first: Sums of the values, shape (G, K).
        second: Sums of their products, shape (G, K, K).
    """

    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @staticmethod
    def of(
        values: NDArray[np.floating],
        groups: Sequence[NDArray[np.int64]],
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        columns: NDArray[np.int64] | slice = slice(None),
        weights: Weights = None,
    ) -> GroupedMoments:
        """Sum ``(values[:, columns] - shift) / scale``, of shape (N, K), in double precision.

        A shift near the mean and a scale near the standard deviation keep the precision.
        """
        k = len(shift)
        first, second = np.empty((len(groups), k)), np.empty((len(groups), k, k))
        counts = np.array([len(g) for g in groups], np.float64)
        for g, rows in enumerate(groups):
            part = (values[rows][:, columns].astype(np.float64) - shift) / scale
            if weights is None:
                first[g], second[g] = part.sum(axis=0), part.T @ part
            else:
                own = weights[rows]
                counts[g], first[g], second[g] = own.sum(), own @ part, (part.T * own) @ part
        return GroupedMoments(counts, first, second)

    def correlations(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return :math:`r_{ij} = \mathrm{cov}_{ij} / \sqrt{\mathrm{cov}_{ii} \mathrm{cov}_{jj}}`.

        NaN where a value is constant.

        Arguments:
            weights: How often each group counts, shape (R, G).

        Returns:
            Correlations, shape (R, K, K).
        """
        n = weights @ self.counts
        mean = weights @ self.first / n[:, None]
        square = np.tensordot(weights, self.second, 1) / n[:, None, None]
        covariance = square - mean[:, :, None] * mean[:, None, :]
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        constant = variance <= _ROUNDING * np.diagonal(square, axis1=1, axis2=2)
        sigma = np.sqrt(np.where(constant, np.nan, variance))
        covariance /= sigma[:, :, None]
        covariance /= sigma[:, None, :]
        return np.asarray(np.clip(covariance, -1, 1))


@dataclass(frozen=True)
class Correlations:
    """The correlation matrices of two samples, each (K, K); NaN where a value is constant.

    Attributes:
        names: What rows and columns are.
        reference: Correlations in the reference.
        candidate: Correlations in the candidate.
        reference_error: Their standard errors by jackknife over groups of events.
        candidate_error: The same.
        rms: Root mean square of the differences over all pairs.
        largest: The largest absolute difference of any pair.
    """

    names: tuple[str, ...]
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    candidate_error: NDArray[np.float64]
    rms: Result
    largest: Result

    @property
    def difference(self) -> NDArray[np.float64]:
        """Candidate minus reference."""
        return self.candidate - self.reference


def pearson(values: NDArray[np.floating], weights: Weights = None) -> NDArray[np.float64]:
    """Return the correlations between the columns of values (N, K), shape (K, K).

    With weights (N,) of a positive sum, those of the distribution that they stand for.

    Example:
        >>> pearson(np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0], [3.0, 0.0, 5.0]])).round(2)
        array([[ 1. , -0.5,  nan],
               [-0.5,  1. ,  nan],
               [ nan,  nan,  nan]])
    """
    everything = [np.arange(len(values))]
    moments = GroupedMoments.of(values, everything, *standard(values), weights=weights)
    return np.asarray(moments.correlations(np.ones((1, 1)))[0])


def compare_correlations(
    reference: NDArray[np.floating],
    candidate: NDArray[np.floating],
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
    weights: tuple[Weights, Weights] = (None, None),
) -> Correlations | None:
    """Compare the correlations between layer energies, or any other values of events.

    Where the incident energies spread, they alone make all layers rise together: give energies
    over the incident energy to see what a shower shares out between layers, or add the incident
    energy as a column.

    Arguments:
        reference: Values of the reference, shape (n, K).
        candidate: Values of the candidate, shape (m, K).
        names: What the columns are called; their numbers by default.
        seed: Seed of the groups of events.
        weights: Weights of the events of both, with positive sums.

    Returns:
        The comparison; None where there are fewer than two columns of the reference that vary.

    Raises:
        DataError: The numbers of columns differ, a value is not finite, or a sample has fewer
            than two events.
    """
    _check(reference, candidate)
    if reference.shape[1] < 2:
        return None
    shift, scale = standard(reference)
    pairs = np.triu_indices(reference.shape[1], 1)
    n_groups = min(_N_GROUPS, len(reference), len(candidate))
    parts = make_parts(n_groups, seed)
    whole = []
    replicated = []
    for values, own in zip((reference, candidate), weights, strict=True):
        groups = deal(len(values), n_groups, seed)
        moments = GroupedMoments.of(values, groups, shift, scale, weights=own)
        found = moments.correlations(parts.weights)
        whole.append((found[0], _errors(found, parts)))
        n = effective_size(len(values), own)
        replicated.append(Replicated.of(n, found[:, pairs[0], pairs[1]], parts))
    if not np.isfinite(replicated[0].value).any():
        return None
    return Correlations(
        tuple(names or map(str, range(reference.shape[1]))),
        reference=whole[0][0],
        candidate=whole[1][0],
        reference_error=whole[0][1],
        candidate_error=whole[1][1],
        rms=judge_difference(replicated[0], replicated[1], rms),
        largest=judge_difference(replicated[0], replicated[1], largest),
    )


def standard(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the columns; 1 instead of a deviation of 0."""
    shift = values.mean(axis=0, dtype=np.float64)
    # No temporary array; the correlations themselves do not depend on how exact this is.
    square = np.einsum("ij,ij->j", values, values, dtype=np.float64) / len(values)
    variance = square - shift**2
    return shift, np.sqrt(np.where(variance > _ROUNDING * square, variance, 1.0))


def _errors(found: NDArray[np.float64], parts: Parts) -> NDArray[np.float64]:
    flat = Replicated.of(0, found.reshape(len(found), -1), parts)
    return flat.error.reshape(found.shape[1:])


def _check(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> None:
    if reference.ndim != 2 or reference.shape[1:] != candidate.shape[1:]:
        raise DataError(
            f"values of shapes {reference.shape} and {candidate.shape} cannot be compared",
            remedy="give the same columns of both samples",
            value=(reference.shape, candidate.shape),
        )
    if min(len(reference), len(candidate)) < 2:
        raise DataError("correlations need at least two events", remedy="give more events")
    if not (np.isfinite(reference).all() and np.isfinite(candidate).all()):
        raise DataError(
            "values are NaN or infinite in some events", remedy="leave these events out"
        )
