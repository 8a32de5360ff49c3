"""The linear map in front of a classifier: standardise its inputs, or decorrelate them too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scaling", "fit_scaling"]

_BLOCK_VALUES = 2**22
_MOST_WHITENED = 2048
"""More inputs have a covariance that takes minutes to diagonalise."""
_EVENTS_PER_INPUT = 5
"""With fewer, directions of small variance are chance, and are not to be blown up."""
_SMALLEST = 1e-9
"""Variance, relative to the largest, below which a direction is rounding of single precision."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map inputs x to ``(x - mean) * matrix`` or ``(x - mean) @ matrix``.

    Attributes:
        mean: Mean of the training events, shape (F,).
        matrix: Inverse standard deviations (F,), or whitening directions (F, K), K <= F.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @property
    def whitens(self) -> bool:
        """Whether the inputs are decorrelated."""
        return self.matrix.ndim == 2

    @property
    def n_outputs(self) -> int:
        """Number of inputs that are left, K."""
        return int(self.matrix.shape[-1])


def fit_scaling(
    inputs: NDArray[np.float32], rows: NDArray[np.int64], *, whiten: bool = False
) -> Scaling:
    r"""Fit to the training events: mean 0, variance 1, and no correlation where whitened.

    A response that is off by 1 % moves :math:`\log_{10} E_\mathrm{tot} - \log_{10} E_\mathrm{inc}`
    by 0.004, where each of the two spreads by 0.4 and both are almost equal. Gradient descent
    on standardised inputs does not find such a direction within usual numbers of epochs. Whitening
    (z = D^{-1/2} V^T x for the covariance V D V^T of standardised inputs) makes it an input of
    unit variance. The map is linear and keeps all directions, so that no network can express more
    or less behind it.

    Inputs that are constant are not scaled. Whitening falls back to standardising for more than
    2048 inputs, or with fewer than 5 training events per input.

    Arguments:
        inputs: Inputs, shape (N, F).
        rows: The training events among them.
        whiten: Whether to decorrelate.

    Example:
        >>> x = np.random.default_rng(0).normal(3, 2, (1000, 2)).astype(np.float32)
        >>> scaling = fit_scaling(x, np.arange(1000))
        >>> bool(np.allclose(((x - scaling.mean) * scaling.matrix).std(axis=0), 1, atol=1e-3))
        True
    """
    n, n_inputs = len(rows), inputs.shape[1]
    mean = sum(block.sum(axis=0) for block in _blocks(inputs, rows)) / n
    variance = sum(np.square(block - mean).sum(axis=0) for block in _blocks(inputs, rows)) / n
    spread = np.sqrt(variance)
    # In single precision a constant spreads by rounding.
    inverse = 1 / np.where(spread > 1e-7 * np.abs(mean), spread, 1.0)
    if not whiten or n_inputs > _MOST_WHITENED or n < _EVENTS_PER_INPUT * n_inputs:
        return Scaling(mean.astype(np.float32), inverse.astype(np.float32))
    covariance = np.zeros((n_inputs, n_inputs))
    for block in _blocks(inputs, rows):
        centred = (block - mean) * inverse
        covariance += centred.T @ centred / n
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _SMALLEST * values[-1]
    matrix = inverse[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return Scaling(mean.astype(np.float32), matrix.astype(np.float32))


def _blocks(inputs: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    size = max(1, _BLOCK_VALUES // inputs.shape[1])
    for start in range(0, len(rows), size):
        yield inputs[rows[start : start + size]].astype(np.float64)
