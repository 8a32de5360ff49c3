"""Which events make up each replica: drawn once, and shared by all observables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.randomness import stream

__all__ = ["Columns", "Replicas", "draw_replicas"]

_GROUPS = 2_000
_MIN_GROUPS = 100
_RATIO = 100
"""Of a sample that is larger by more, the replicas hold a random choice."""


@dataclass(frozen=True)
class Columns:
    """Where each kind of replica stands among the columns of the weights.

    Attributes:
        whole: The sample itself.
        bootstrap: Replicas of the sample, drawn with replacement.
        splits: First parts of random splits of both samples together; of weighted events, the
            bootstrap replicas.
        halves: First halves of random splits of the reference (empty for the candidate).
    """

    whole: slice
    bootstrap: slice
    splits: slice
    halves: slice


@dataclass(frozen=True)
class Replicas:
    """How often every group of events occurs in each replica.

    Groups are random: resampling them has the moments of resampling events, at a cost that hardly
    depends on the number of events. Up to 2,000 events of both samples together, each is its own
    group; of more, at least 100 groups are made of either sample. Of a sample with more than 100
    times the events of the other a random choice is enough: its own fluctuations hardly count. The
    last group then holds all others, and occurs in no replica.

    Attributes:
        reference_groups: Group of each reference event, shape (n,).
        candidate_groups: Group of each candidate event, shape (m,).
        share: Which part of the reference the replicas hold.
        reference: Weights of the groups of the reference, shape (G_n, R_n).
        candidate: Weights of the groups of the candidate, shape (G_m, R_m).
        columns: The kinds of replicas among the columns; those of the candidate end before
            the halves.
    """

    reference_groups: NDArray[np.int32]
    candidate_groups: NDArray[np.int32]
    reference: NDArray[np.float32]
    candidate: NDArray[np.float32]
    columns: Columns
    share: float = 1.0


def draw_replicas(
    n: int, m: int, seed: int, number: int = 100, *, weighted: bool = False
) -> Replicas:
    """Draw bootstrap replicas, random splits of the pool and random halves of the reference.

    Arguments:
        n: Events in the reference.
        m: Events in the candidate.
        seed: Seed.
        number: Number of bootstrap replicas and of halves; there are twice as many splits, because
            the verdict depends on their skewness.
        weighted: Whether events have weights. Exchanging events then exchanges weights too, so
            that nothing is split: there are twice as many bootstrap replicas, which serve both.
    """
    n_held, m_held = min(n, _RATIO * m), min(m, _RATIO * n)
    size = max(1, min(-(-(n_held + m_held) // _GROUPS), min(n, m) // _MIN_GROUPS))
    n_groups, m_groups = -(-n_held // size), -(-m_held // size)
    n_boot = 2 * number if weighted else number
    boot = [
        _bootstrap(groups, n_boot, stream(seed, f"validation/bootstrap-{name}"))
        for groups, name in ((n_groups, "reference"), (m_groups, "candidate"))
    ]
    n_splits = 0 if weighted else 2 * number
    splits = _parts(n_groups, n_groups + m_groups, n_splits, stream(seed, "validation/splits"))
    halves = _parts(n_groups // 2, n_groups, number, stream(seed, "validation/halves"))
    bootstrap = slice(1, 1 + n_boot)
    return Replicas(
        _groups(n, n_held, n_groups, stream(seed, "validation/groups-reference")),
        _groups(m, m_held, m_groups, stream(seed, "validation/groups-candidate")),
        _weights([_whole(n_groups), boot[0], splits[:n_groups], halves], n_held < n),
        _weights([_whole(m_groups), boot[1], splits[n_groups:]], m_held < m),
        Columns(
            whole=slice(0, 1),
            bootstrap=bootstrap,
            splits=bootstrap if weighted else slice(1 + number, 1 + 3 * number),
            halves=slice(1 + n_boot + n_splits, 1 + n_boot + n_splits + number),
        ),
        n_held / n,
    )


def _groups(n: int, held: int, n_groups: int, generator: np.random.Generator) -> NDArray[np.int32]:
    if n == n_groups:
        return np.arange(n, dtype=np.int32)
    # Files are often in the order of energy: neighbours must not be resampled together.
    order = generator.permutation(n)
    return np.asarray(np.where(order < held, order % n_groups, n_groups), np.int32)


def _weights(kinds: Sequence[NDArray[np.float32]], with_others: bool) -> NDArray[np.float32]:
    weights = np.concatenate(kinds, axis=1)
    return np.pad(weights, ((0, 1), (0, 0))) if with_others else weights


def _whole(n_groups: int) -> NDArray[np.float32]:
    return np.ones((n_groups, 1), np.float32)


def _bootstrap(n: int, number: int, generator: np.random.Generator) -> NDArray[np.float32]:
    draws = [np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(number)]
    return np.stack(draws, axis=1).astype(np.float32)


def _parts(
    part: int, total: int, number: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    result = np.zeros((total, number), np.float32)
    for column in range(number):
        result[generator.permutation(total)[:part], column] = 1
    return result
