"""Numbers of a sample and of parts of it: errors by jackknife, floors from random halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.randomness import stream
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["Parts", "Replicated", "deal", "judge_difference", "largest", "make_parts", "rms"]

_N_HALVES = 50


@dataclass(frozen=True)
class Parts:
    """Which of G groups of events make up the parts of a sample, as weights 0 and 1.

    Attributes:
        left_out: All groups but one, shape (G, G).
        halves: Two random halves of the groups, R times, shape (2, R, G).
    """

    left_out: NDArray[np.float64]
    halves: NDArray[np.float64]

    @property
    def weights(self) -> NDArray[np.float64]:
        """The whole sample, all that lack a group, and all halves, shape (1 + G + 2R, G)."""
        whole = np.ones((1, len(self.left_out)))
        return np.concatenate([whole, self.left_out, self.halves[0], self.halves[1]])


@dataclass(frozen=True)
class Replicated:
    """M numbers that a sample gives, and the same numbers from parts of it.

    Attributes:
        n: Number of events, the effective one where they have weights.
        value: From the whole sample, shape (M,); NaN where not defined.
        left_out: From all groups of events but one, shape (G, M).
        halves: From pairs of random halves, shape (2, R, M).
    """

    n: float
    value: NDArray[np.float64]
    left_out: NDArray[np.float64]
    halves: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard errors by jackknife over groups of events, shape (M,)."""
        return _jackknife(self.left_out)

    @staticmethod
    def of(n: float, measured: NDArray[np.float64], parts: Parts) -> Replicated:
        """Sort what was measured with the rows of :attr:`Parts.weights`, shape (1 + G + 2R, M)."""
        g = len(parts.left_out)
        halves = measured[1 + g :].reshape(2, -1, measured.shape[1])
        return Replicated(n, measured[0], measured[1 : 1 + g], halves)


def make_parts(n_groups: int, seed: int) -> Parts:
    """Choose the parts of a sample of ``n_groups`` groups of events."""
    halves = np.zeros((_N_HALVES, n_groups))
    halves[:, : n_groups // 2] = 1
    halves = stream(seed, "validation/halves of groups").permuted(halves, axis=1)
    return Parts(1 - np.eye(n_groups), np.stack([halves, 1 - halves]))


def deal(n: int, n_groups: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal n events out to groups of equal size, at random: files may be sorted or periodic."""
    order = stream(seed, f"validation/groups of {n}").permutation(n)
    return [np.sort(order[group::n_groups]) for group in range(n_groups)]


def judge_difference(
    reference: Replicated,
    candidate: Replicated,
    norm: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Result:
    r"""Judge how far the numbers of two samples differ as a whole.

    The error is that of a jackknife over groups of events of both samples. The floor is the same
    norm between random halves of the reference, scaled from n/2 and n/2 events to n and m by
    :math:`\sqrt{(1/n + 1/m) / (4/n)}`. Numbers that the whole reference does not define are left
    out; where only a part or the candidate does not define them, they count as 0.

    Arguments:
        reference: The numbers of the reference.
        candidate: Those of the candidate.
        norm: Differences of shape (*, M) to a distance of shape (*,).
    """
    known = np.isfinite(reference.value)

    def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        return norm(np.nan_to_num(second[..., known]) - np.nan_to_num(first[..., known]))

    n, m = reference.n, candidate.n
    moved = (
        distance(reference.left_out, candidate.value),
        distance(reference.value, candidate.left_out),
    )
    error = float(np.hypot(*(_jackknife(values[:, None])[0] for values in moved)))
    floors = np.sqrt((1 / n + 1 / m) / (4 / n)) * distance(*reference.halves)
    value = float(distance(reference.value, candidate.value))
    return against_floor(value, error, floors, round(n), round(m))


def rms(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root of the mean square over the last axis."""
    return np.asarray(np.sqrt(np.mean(differences**2, axis=-1)))


def largest(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest absolute value over the last axis."""
    return np.asarray(np.abs(differences).max(axis=-1))


def _jackknife(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`\sqrt{\frac{G-1}{G} \sum_g (x_g - \bar x)^2}` over the first axis."""
    n_groups = len(left_out)
    deviations = left_out - left_out.mean(axis=0)
    return np.asarray(np.sqrt((n_groups - 1) / n_groups * (deviations**2).sum(axis=0)))
