"""Averages over all showers: the mean of every cell, along the depth, and along the radius."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.validation.observables.showers import Showers, map_blocks
from phys_gan.validation.statistics.sums import ExactSum
from phys_gan.validation.statistics.weighting import Weights

__all__ = ["Profile", "ProfileSums", "Profiles", "make_profiles"]


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
    """Sums over events from which the average shower follows; they run in double precision.

    Sums of different blocks of events may be made side by side and merged in any order, which
    changes nothing: what rounding takes away is kept beside each sum.

    Arguments:
        detector: The detector of all events.
    """

    def __init__(self, detector: Detector) -> None:
        self.n = 0
        # Sums of the weights, and of their squares, where the events have some.
        self._weights = _Sums(1)
        self.weighted = False
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

    def profiles(self, narrower: float = 1.0) -> Profiles:
        """Return the average of all events added.

        Arguments:
            narrower: By how much the squares of the errors would be too small, because some
                events are copies of others.

        Raises:
            DataError: There are none, or their weights cancel.
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

        def made(sums: _Sums) -> Profile:
            return sums.profile(self.n, weights, narrower**0.5)

        radius = {k: made(sums) for k, sums in self._radius.items()}
        return Profiles(made(self._cells), made(self._depth), radius)

    def _all(self) -> list[_Sums]:
        return [self._weights, self._cells, self._depth, *self._radius.values()]


def make_profiles(events: Events, *, threads: int | None = None) -> Profiles:
    """Average events in blocks with bounded temporary memory.

    Arguments:
        events: At least one event.
        threads: As in :func:`phys_gan.validation.observables.showers.map_blocks`; the result does
            not depend on it.

    Raises:
        DataError: There are no events.
    """
    total = ProfileSums(events.detector)
    for _, sums in map_blocks(events, lambda s: ProfileSums(s.detector).add(s), threads):
        total.merge(sums)
    return total.profiles()


@lru_cache
def _rings(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the matrix that adds up the cells of each ring, shape (n_cells, n_rings)."""
    n_alpha, n_rings = shape
    return np.tile(np.eye(n_rings), (n_alpha, 1))


class _Sums:
    """Sums of values and of their squares over events: of w x, (w x)^2 and w^2 x with weights."""

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

    def profile(self, n: int, weights: tuple[float, float] | None, wider: float) -> Profile:
        if weights is None:
            mean = self.first.value / n
            variance = np.maximum(0.0, self.second.value / n - mean**2)
            return Profile(mean, wider * np.sqrt(variance / max(1, n - 1)))
        total, squares = weights
        mean = self.first.value / total
        # The error of a ratio of sums: sum of w^2 (x - mean)^2 over the square of the sum of w.
        spread = self.second.value - 2 * mean * self.mixed.value + mean**2 * squares
        return Profile(mean, wider * np.sqrt(np.maximum(0.0, spread)) / total)
