"""Averages over all showers: the mean of every cell, along the depth, and along the radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.events import Events
from phys_gan.validation.observables.showers import Showers, blocks

__all__ = ["Profile", "ProfileSums", "Profiles", "make_profiles"]


@dataclass(frozen=True)
class Profile:
    """A mean per bin with its statistical error.

    Attributes:
        mean: Mean energy per event [MeV], shape (n_bins,).
        error: Standard error of the mean over events [MeV], shape (n_bins,).
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
    """Sum cells, layers and rings over blocks of events, in float64."""

    def __init__(self, detector: Detector) -> None:
        polar = {k: x for k, x in enumerate(detector.layers) if isinstance(x, PolarLayer)}
        self.n = 0
        self._cells = _Sums(detector.n_cells)
        self._depth = _Sums(detector.n_layers)
        self._radius = {k: _Sums(layer.shape[1]) for k, layer in polar.items()}

    def add(self, showers: Showers) -> None:
        """Add a block of events."""
        self.n += len(showers.events)
        self._cells.add(showers.events.cells.astype(np.float64))
        self._depth.add(showers.layer_energy)
        for k, sums in self._radius.items():
            sums.add(showers.events.layer(k).sum(axis=1, dtype=np.float64))

    def profiles(self) -> Profiles:
        """Return the average of all events added."""
        n = self.n
        return Profiles(
            self._cells.profile(n),
            self._depth.profile(n),
            {k: sums.profile(n) for k, sums in self._radius.items()},
        )


def make_profiles(events: Events) -> Profiles:
    """Average events in blocks with bounded temporary memory; sums run in float64."""
    sums = ProfileSums(events.detector)
    for _, showers in blocks(events):
        sums.add(showers)
    return sums.profiles()


class _Sums:
    """Sum values and their squares over events."""

    def __init__(self, n_bins: int) -> None:
        self.first = np.zeros(n_bins)
        self.second = np.zeros(n_bins)

    def add(self, values: NDArray[np.float64]) -> None:
        self.first += values.sum(axis=0)
        self.second += (values**2).sum(axis=0)

    def profile(self, n: int) -> Profile:
        mean = self.first / n
        variance = np.maximum(0.0, self.second / n - mean**2)
        return Profile(mean, np.sqrt(variance / max(1, n - 1)))
