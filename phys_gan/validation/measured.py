"""What is known of a sample when all its events have been seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.validation.observables import Observable
from phys_gan.validation.profiles import Profiles
from phys_gan.validation.statistics.weighting import Weights, effective_size, taken

__all__ = ["Measured", "Table"]


@dataclass(frozen=True)
class Table:
    """What is measured of each of some events; columns as in :class:`Measured`."""

    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    digests: NDArray[np.uint64]
    weights: Weights = None

    def __len__(self) -> int:
        return len(self.layer_energies)

    def __getitem__(self, rows: NDArray[np.int64]) -> Table:
        return Table(
            {name: column[rows] for name, column in self.values.items()},
            {name: column[rows] for name, column in self.conditions.items()},
            self.layer_energies[rows],
            self.spectrum[rows],
            self.digests[rows],
            taken(self.weights, rows),
        )

    @classmethod
    def join(cls, parts: Sequence[Table]) -> Table:
        """Return the rows of several tables, in order."""
        first = parts[0]
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            {name: np.concatenate([part.values[name] for part in parts]) for name in first.values},
            {
                name: np.concatenate([part.conditions[name] for part in parts])
                for name in first.conditions
            },
            np.concatenate([part.layer_energies for part in parts]),
            np.concatenate([part.spectrum for part in parts]),
            np.concatenate([part.digests for part in parts]),
            np.concatenate(weights) if weights else None,
        )


@dataclass(frozen=True)
class Measured:
    """What a comparison needs to know of one sample.

    Attributes:
        name: What it is called in tables and legends.
        detector: The detector of all events.
        observables: What was measured.
        values: Observable name to values, shape (N,), of all events or a random choice of them;
            NaN where not defined. Of events that are copies of each other, one is there.
        conditions: Condition name to values, shape (N,).
        layer_energies: Energy in each layer [MeV], shape (N, n_layers).
        spectrum_edges: Fixed logarithmic edges of cell energies [MeV].
        spectrum: Hits per event in these bins, with under- and overflow, shape (N, n_bins + 2).
        profiles: The average shower.
        kept: Events that stay in memory: all, or a random choice of what fits.
        rows: Their places among these N, rising.
        provenance: How the events were made.
        outside: Mean fraction of the energy that no cell caught, where known.
        n_events: Number of events of the sample.
        n_seen: How many of them were looked at: all, or the random choice.
        n_different: How many of these are different events.
        digests: What tells copies of an event, shape (N, 2); zeros where nothing does.
        weights: How much each of the N counts, shape (N,); None where all count the same.
        weighted: Whether the events have weights of their own.
    """

    name: str
    detector: Detector
    observables: tuple[Observable, ...]
    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum_edges: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]
    profiles: Profiles
    kept: Events
    rows: NDArray[np.int64]
    provenance: Mapping[str, str]
    outside: float | None
    n_events: int
    n_seen: int
    n_different: int
    digests: NDArray[np.uint64]
    weights: Weights = None
    weighted: bool = False

    def __len__(self) -> int:
        return len(self.layer_energies)

    @property
    def effective(self) -> float:
        """How many events of weight 1 say as much."""
        return effective_size(len(self), self.weights)
