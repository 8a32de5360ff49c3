"""Kernel distance, the unbiased MMD²: KPD on physics features, KID on those of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.randomness import stream
from phys_gan.validation.multivariate.estimate import Estimate, as_features
from phys_gan.validation.multivariate.frechet import normalised

__all__ = ["kernel_sums", "kpd", "kpd_of_groups", "mmd2"]

_BATCH_SIZE = 5000
_N_GROUPS = 20
_MAX_VALUES = 2**25
_BLOCK_VALUES = 2**19


def mmd2(first: ArrayLike, second: ArrayLike) -> float:
    r"""Return the unbiased estimate of the squared maximum mean discrepancy.

    .. math:: \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)}
        + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)} - \frac{2 \sum_{ij} k(x_i, y_j)}{n m},
        \qquad k(x, y) = (x \cdot y / d + 1)^4

    (Gretton et al., JMLR 13, 2012, 723, eq. 3; the kernel is that of arXiv:2211.10295.)
    Negative values occur where the samples are alike.

    Arguments:
        first: Features, shape (n, d) with n > 1.
        second: Features, shape (m, d) with m > 1.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has fewer than two events.
    """
    x, y = as_features(2, first=first, second=second)
    sums = kernel_sums([x, y])
    return _mmd2(sums, np.array([len(x), len(y)]), [0], [1])


def kpd(
    reference: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    normalise: bool = True,
    batches: int = 10,
) -> Estimate:
    """Return the kernel physics distance: the median :func:`mmd2` of batches of 5,000 events.

    Kansal et al., arXiv:2211.10295, sec. III. Of at most 50,000 events of either sample, equally
    many of both, batches of 5,000 are drawn, or of half of these events where there are fewer
    than 10,000. On the features of Inception-v3, without normalisation, this is a KID with a
    kernel of fourth degree.

    Arguments:
        reference: Features, shape (n, d).
        candidate: Features, shape (m, d).
        seed: Seed of the batches.
        normalise: Divide each feature by the largest absolute value in the reference.
        batches: Number of batches.

    Returns:
        The median; its error is half of the range from 16.275 % to 83.725 %, the spread of one
        batch.

    Raises:
        DataError: The features are not finite or do not match.
        RangeError: A sample has fewer than 20 events.
    """
    first, second = as_features(_N_GROUPS, reference=reference, candidate=candidate)
    if normalise:
        first, second = normalised(first, second)
    generator = stream(seed, "validation/kpd")
    smaller = min(len(first), len(second), 10 * _BATCH_SIZE)
    groups = [
        part
        for f in (first, second)
        for part in np.array_split(f[generator.permutation(len(f))[:smaller]], _N_GROUPS)
    ]
    sizes = np.array([len(part) for part in groups])
    numbers = np.arange(2 * _N_GROUPS)
    return kpd_of_groups(
        kernel_sums(groups),
        sizes,
        numbers[:_N_GROUPS],
        numbers[_N_GROUPS:],
        generator,
        batches,
    )


def kpd_of_groups(
    sums: NDArray[np.float64],
    sizes: NDArray[np.int_],
    first: NDArray[np.int_],
    second: NDArray[np.int_],
    generator: np.random.Generator,
    batches: int = 10,
) -> Estimate:
    """Return :func:`kpd` from sums of the kernel over pairs of groups.

    A batch is a random half of the groups of either sample, or so many as make 5,000 events.

    Arguments:
        sums: Output of :func:`kernel_sums`.
        sizes: Number of events in each group.
        first: Numbers of the groups of one sample.
        second: Numbers of the groups of the other.
        generator: Draws the batches.
        batches: Number of batches.
    """
    size = max(1, round(float(sizes[first].mean())))
    count = int(np.clip(_BATCH_SIZE // size, 1, max(1, len(first) // 2)))
    values = [
        _mmd2(
            sums,
            sizes,
            generator.choice(first, count, replace=False),
            generator.choice(second, count, replace=False),
        )
        for _ in range(batches)
    ]
    low, middle, high = np.quantile(values, [0.16275, 0.5, 0.83725]).tolist()
    return Estimate(middle, (high - low) / 2)


def kernel_sums(groups: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    r"""Return the sums of the kernel over all pairs of events of two groups, shape (G, G).

    On the diagonal no event is paired with itself. Two exact ways, of which the cheaper is taken:
    over pairs of events, or, as :math:`k(x, y) = (z_x \cdot z_y)^2` with all products of two of
    the :math:`d + 1` numbers :math:`(x / \sqrt d, 1)` in z, from
    :math:`\sum_{ij} (z_i \cdot z_j)^2 = \langle \sum_i z_i z_i^T, \sum_j z_j z_j^T \rangle`,
    whose cost is linear in the number of events.

    Arguments:
        groups: Features of the events of each group, shapes (n_g, d).
    """
    lifted = [np.pad(g / np.sqrt(g.shape[1]), ((0, 0), (0, 1)), constant_values=1) for g in groups]
    width = lifted[0].shape[1]
    products = width * (width + 1) // 2
    affordable = len(groups) * products**2 <= _MAX_VALUES
    # A pair costs its product and, worth some fifty operations more, the fourth power.
    cheaper = 2 * products**2 < (width + 50) * sum(map(len, groups))
    sums = _by_products(lifted) if affordable and cheaper else _by_pairs(lifted)
    own = [float(((u**2).sum(axis=1) ** 4).sum()) for u in lifted]
    return sums - np.diag(own)


def _by_products(groups: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    i, j = np.triu_indices(groups[0].shape[1])
    root = np.where(i == j, 1.0, np.sqrt(2.0))
    rows = max(1, _BLOCK_VALUES // len(i))
    flat = np.zeros((len(groups), len(i) ** 2))
    for row, u in zip(flat, groups, strict=True):
        for start in range(0, len(u), rows):
            block = u[start : start + rows]
            z = block[:, i] * block[:, j] * root
            row += (z.T @ z).ravel()
    return np.asarray(flat @ flat.T, np.float64)


def _by_pairs(groups: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    everything = np.concatenate(groups)
    starts = np.concatenate([[0], np.cumsum([len(u) for u in groups])])
    sums = np.zeros((len(groups), len(groups)))
    for a, u in enumerate(groups):
        # The sums are symmetric: only groups from the own one on.
        others = everything[starts[a] :].T
        columns = np.empty(others.shape[1])
        width = max(1, _BLOCK_VALUES // len(u))
        for start in range(0, len(columns), width):
            kernel = u @ others[:, start : start + width]
            np.square(kernel, out=kernel)
            np.square(kernel, out=kernel)
            columns[start : start + width] = kernel.sum(axis=0)
        sums[a, a:] = np.add.reduceat(columns, starts[a:-1] - starts[a])
        sums[a:, a] = sums[a, a:]
    return sums


def _mmd2(
    sums: NDArray[np.float64], sizes: NDArray[np.int_], first: ArrayLike, second: ArrayLike
) -> float:
    """Return the unbiased MMD² between two unions of groups."""
    one, two = np.asarray(first), np.asarray(second)
    n, m = int(sizes[one].sum()), int(sizes[two].sum())
    within = [
        sums[np.ix_(groups, groups)].sum() / max(1, size * (size - 1))
        for groups, size in ((one, n), (two, m))
    ]
    return float(within[0] + within[1] - 2 * sums[np.ix_(one, two)].sum() / (n * m))
