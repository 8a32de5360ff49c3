"""Kernel distance, the unbiased MMD²: KPD on physics features, KID on those of a network.

:func:`mmd2` is the distance of two samples, :func:`kpd` its median over batches. Sums over pairs of
groups of events (:class:`KernelSums`) give the MMD² between any unions of groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.metrics.samples import as_weighted, equal_parts, normalised
from phys_gan.metrics.statistics import Estimate, Floats, Weights
from phys_gan.randomness import stream

_BATCH_SIZE = 5000
_N_GROUPS = 20
_MAX_VALUES = 2**25
_BLOCK_VALUES = 2**19

_Group = tuple[Floats, Weights]
"""Features of the events of a group, shape (n, d), and their weights, shape (n,), if any."""


def mmd2(
    first: ArrayLike,
    second: ArrayLike,
    *,
    first_weights: ArrayLike | None = None,
    second_weights: ArrayLike | None = None,
) -> float:
    r"""Return the unbiased estimate of the squared maximum mean discrepancy.

    .. math:: \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)}
        + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)} - \frac{2 \sum_{ij} k(x_i, y_j)}{n m},
        \qquad k(x, y) = (x \cdot y / d + 1)^4

    (Gretton et al., JMLR 13, 2012, 723, eq. 3; the kernel is that of arXiv:2211.10295.)
    Negative values occur where the samples are alike. With weights u and v of any sign,

    .. math:: \frac{\sum_{i \ne j} u_i u_j k(x_i, x_j)}{(\sum_i u_i)^2 - \sum_i u_i^2}
        + \frac{\sum_{i \ne j} v_i v_j k(y_i, y_j)}{(\sum_i v_i)^2 - \sum_i v_i^2}
        - \frac{2 \sum_{ij} u_i v_j k(x_i, y_j)}{\sum_i u_i \sum_j v_j}.

    The features have shapes (n, d) and (m, d), the weights (n,) and (m,).

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than two events.
    """
    samples = as_weighted(2, first=(first, first_weights), second=(second, second_weights))
    return mmd2_of_groups(kernel_sums([group for s in samples for group in s.groups(1)]), [0], [1])


def kpd(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    normalise: bool = True,
    batches: int = 10,
    reference_weights: ArrayLike | None = None,
    candidate_weights: ArrayLike | None = None,
) -> Estimate:
    """Return the kernel physics distance: the median :func:`mmd2` of batches of 5,000 events.

    Kansal et al., arXiv:2211.10295, sec. III. Of at most 50,000 events of either sample, equally
    many of both, batches of 5,000 are drawn, or of half of these events where there are fewer
    than 10,000. On the features of Inception-v3, without normalisation, this is a KID with a
    kernel of fourth degree. With weights all these numbers but the 50,000 are effective ones.

    Arguments:
        reference: Features, shape (n, d).
        candidate: Features, shape (m, d).
        seed: Seed of the batches.
        normalise: Divide each feature by the largest absolute value in the reference.
        batches: Number of batches.
        reference_weights: Weights of the reference, shape (n,), of any sign and scale.
        candidate_weights: The same of the candidate, shape (m,).

    Returns:
        The median; its error is half of the range from 16.275 % to 83.725 %, that of one batch.

    Raises:
        DataError: The features or weights are not finite or do not match.
        RangeError: A sample has effectively fewer than 20 events.
    """
    first, second = as_weighted(
        _N_GROUPS,
        reference=(reference, reference_weights),
        candidate=(candidate, candidate_weights),
    )
    if normalise:
        first, second = normalised(first, second)
    generator = stream(seed, "validation/kpd")
    first, second = (s[generator.permutation(len(s))] for s in (first, second))
    parts = equal_parts(first, second, 10 * _BATCH_SIZE)
    sums = kernel_sums([group for part in parts for group in part.groups(_N_GROUPS)])
    one, two = np.arange(2 * _N_GROUPS).reshape(2, -1)
    return kpd_of_groups(sums, one, two, generator, batches)


@dataclass(frozen=True)
class KernelSums:
    """Sums over G groups of events.

    Attributes:
        kernel: Of the kernel over the pairs of events of two groups, shape (G, G); on the diagonal
            no event is paired with itself.
        n: Of the weights of a group, shape (G,): numbers of events where these have none.
        squares: Of the squares of the weights, shape (G,).
    """

    kernel: Floats
    n: Floats
    squares: Floats


def kpd_of_groups(
    sums: KernelSums,
    first: NDArray[np.int_],
    second: NDArray[np.int_],
    generator: np.random.Generator,
    batches: int = 10,
) -> Estimate:
    """Return :func:`kpd` between the groups with these numbers.

    A batch is a random half of the groups of either sample, or so many as make 5,000 events.
    """
    size = max(1, round(float(sums.n[first].mean())))
    count = int(np.clip(_BATCH_SIZE // size, 1, max(1, len(first) // 2)))
    values = [
        mmd2_of_groups(
            sums,
            generator.choice(first, count, replace=False),
            generator.choice(second, count, replace=False),
        )
        for _ in range(batches)
    ]
    low, middle, high = np.quantile(values, [0.16275, 0.5, 0.83725]).tolist()
    return Estimate(middle, (high - low) / 2)


def kernel_sums(groups: Sequence[_Group]) -> KernelSums:
    r"""Return the sums of the kernel over all pairs of events of two groups.

    Two exact ways, of which the cheaper is taken: over pairs of events, or, as
    :math:`k(x, y) = (z_x \cdot z_y)^2` with all products of two of the :math:`d + 1` numbers
    :math:`(x / \sqrt d, 1)` in z, from :math:`\sum_{ij} w_i w_j (z_i \cdot z_j)^2 =
    \langle \sum_i w_i z_i z_i^T, \sum_j w_j z_j z_j^T \rangle`, whose cost is linear in the number
    of events.
    """
    lifted = [
        (np.pad(x / np.sqrt(x.shape[1]), ((0, 0), (0, 1)), constant_values=1), weights)
        for x, weights in groups
    ]
    width = lifted[0][0].shape[1]
    products = width * (width + 1) // 2
    affordable = len(groups) * products**2 <= _MAX_VALUES
    # A pair costs its product and, worth some fifty operations more, the fourth power.
    cheaper = 2 * products**2 < (width + 50) * sum(len(u) for u, _ in lifted)
    sums = _by_products(lifted) if affordable and cheaper else _by_pairs(lifted)
    own = [_total((u**2).sum(axis=1) ** 4, None if w is None else w**2) for u, w in lifted]
    return KernelSums(
        sums - np.diag(own),
        np.array([len(u) if w is None else w.sum() for u, w in lifted], np.float64),
        np.array([len(u) if w is None else w @ w for u, w in lifted], np.float64),
    )


def _total(values: Floats, weights: Weights) -> Floats:
    """Add up, with weights where there are any, over the first axis."""
    return np.asarray(values.sum(axis=0) if weights is None else weights @ values, np.float64)


def _by_products(groups: Sequence[_Group]) -> Floats:
    i, j = np.triu_indices(groups[0][0].shape[1])
    root = np.where(i == j, 1.0, np.sqrt(2.0))
    rows = max(1, _BLOCK_VALUES // len(i))
    flat = np.zeros((len(groups), len(i) ** 2))
    for row, (u, weights) in zip(flat, groups, strict=True):
        for start in range(0, len(u), rows):
            block = slice(start, start + rows)
            z = u[block][:, i] * u[block][:, j] * root
            scaled = z if weights is None else z * weights[block, None]
            row += (scaled.T @ z).ravel()
    return np.asarray(flat @ flat.T, np.float64)


def _by_pairs(groups: Sequence[_Group]) -> Floats:
    everything = np.concatenate([u for u, _ in groups])
    starts = np.concatenate([[0], np.cumsum([len(u) for u, _ in groups])])
    counts = [np.ones(len(u)) if weights is None else weights for u, weights in groups]
    sums = np.zeros((len(groups), len(groups)))
    for a, (u, weights) in enumerate(groups):
        # The sums are symmetric: only groups from the own one on.
        others = everything[starts[a] :].T
        columns = np.empty(others.shape[1])
        width = max(1, _BLOCK_VALUES // len(u))
        for start in range(0, len(columns), width):
            kernel = u @ others[:, start : start + width]
            np.square(kernel, out=kernel)
            np.square(kernel, out=kernel)
            columns[start : start + width] = _total(kernel, weights)
        columns *= np.concatenate(counts[a:])
        sums[a, a:] = np.add.reduceat(columns, starts[a:-1] - starts[a])
        sums[a:, a] = sums[a, a:]
    return sums


def mmd2_of_groups(sums: KernelSums, first: ArrayLike, second: ArrayLike) -> float:
    """Return :func:`mmd2` between two unions of groups, of these numbers."""
    one, two = np.asarray(first), np.asarray(second)
    n, m = sums.n[one].sum(), sums.n[two].sum()
    within = [
        sums.kernel[np.ix_(groups, groups)].sum() / max(1, size**2 - sums.squares[groups].sum())
        for groups, size in ((one, n), (two, m))
    ]
    return float(within[0] + within[1] - 2 * sums.kernel[np.ix_(one, two)].sum() / (n * m))
