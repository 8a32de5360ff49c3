r"""The average shower, :class:`Profiles`: the mean of every cell, along the depth and the radius.

The error of a mean of n events is :math:`\sqrt{(\overline{x^2} - \bar x^2) / (n - 1)}`. With
weights it is that of a ratio of sums, :math:`\sqrt{\sum w^2 (x - \bar x)^2} / \sum w` (Cochran,
Sampling Techniques, 1977, sec. 6.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DataError
from phys_gan.metrics.statistics import ExactSum, Weights
from phys_gan.observables import Showers


@dataclass(frozen=True)
class Profile:
    """A mean per bin with its statistical error.

    Attributes:
        mean: Mean energy per event in the unit of the cells, shape (n_bins,).
        error: Standard error of the mean over events in the same unit, shape (n_bins,).
    """

    mean: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class Profiles:
    """The average shower.

    Attributes:
        cells: Energy of every cell.
        depth: Energy of every layer.
        radius: Number of each polar layer to the energy of its rings.
    """

    cells: Profile
    depth: Profile
    radius: dict[int, Profile]


class ProfileSums:
    """Sums over events from which the average shower follows, with twice the digits of a double.

    Sums of different blocks of events can be made side by side and merged in any order.

    Arguments:
        detector: The detector of all events.
    """

    def __init__(self, detector: Detector) -> None:
        self.n = 0
        self.weighted = False
        # Sums of the weights, and of their squares.
        self._weights = _Sums(1)
        self._cells = _Sums(detector.n_cells)
        self._depth = _Sums(detector.n_layers)
        self._radius = {
            k: _Sums(layer.shape[1])
            for k, layer in enumerate(detector.layers)
            if isinstance(layer, PolarLayer)
        }

    def add(self, showers: Showers) -> ProfileSums:
        """Add a block of events; return self."""
        self.n += len(showers)
        cells, detector, weights = showers.doubles, showers.detector, showers.events.weights
        if weights is not None:
            self.weighted = True
            self._weights.add(weights[:, None])
        self._cells.add(cells, weights)
        self._depth.add(showers.layer_sums, weights)
        for k, sums in self._radius.items():
            sums.add(cells[:, detector.slice(k)] @ _rings(detector.layers[k].shape), weights)
        return self

    def merge(self, other: ProfileSums) -> ProfileSums:
        """Add the events of other sums; return self."""
        self.n += other.n
        self.weighted = self.weighted or other.weighted
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.merge(theirs)
        return self

    def profiles(self, inflation: float = 1.0) -> Profiles:
        """Return the average of all events added.

        Arguments:
            inflation: Factor on the variances of the means, above 1 where events are copies of
                others.

        Raises:
            DataError: There are no events, or their weights cancel.
        """
        if not self.n:
            raise DataError("there are no events to average", remedy="add some first")
        weights = None
        if self.weighted:
            weights = float(self._weights.first.value[0]), float(self._weights.second.value[0])
            if weights[0] <= 0:
                raise DataError(
                    f"the weights of {self.n} events have the sum {weights[0]:.4g}, which must be "
                    f"positive",
                    remedy="give more events, or leave their weights out",
                    value=weights[0],
                )
        cells, depth, *rings = (
            sums.profile(self.n, weights, inflation**0.5) for sums in self._all()[1:]
        )
        return Profiles(cells, depth, dict(zip(self._radius, rings, strict=True)))

    def _all(self) -> list[_Sums]:
        return [self._weights, self._cells, self._depth, *self._radius.values()]


class _Sums:
    """Sums over events of x and x^2, per bin; with weights of w x, (w x)^2 and w^2 x."""

    def __init__(self, n_bins: int) -> None:
        self.first = ExactSum(n_bins)
        self.second = ExactSum(n_bins)
        self.mixed = ExactSum(n_bins)

    def add(self, values: NDArray[np.float64], weights: Weights = None) -> None:
        if weights is not None:
            self.mixed.add(weights**2 @ values)
            values = weights[:, None] * values
        self.first.add(values.sum(axis=0))
        self.second.add(np.einsum("ij,ij->j", values, values))

    def merge(self, other: _Sums) -> None:
        self.first.merge(other.first)
        self.second.merge(other.second)
        self.mixed.merge(other.mixed)

    def profile(self, n: int, weights: tuple[float, float] | None, factor: float) -> Profile:
        """Return the mean and its error times a factor; ``weights`` are sum w and sum w^2."""
        if weights is None:
            mean = self.first.value / n
            variance = np.maximum(0.0, self.second.value / n - mean**2)
            return Profile(mean, factor * np.sqrt(variance / max(1, n - 1)))
        total, squares = weights
        mean = self.first.value / total
        variance = self.second.value - 2 * mean * self.mixed.value + mean**2 * squares
        return Profile(mean, factor * np.sqrt(np.maximum(0.0, variance)) / total)


@lru_cache
def _rings(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the matrix that adds up the cells of each ring, shape (n_cells, n_rings)."""
    n_alpha, n_rings = shape
    return np.tile(np.eye(n_rings), (n_alpha, 1))
