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

__all__ = ["Measured", "Table"]


@dataclass(frozen=True)
class Table:
    """What is measured of each of some events; columns as in :class:`Measured`."""

    values: dict[str, NDArray[np.float64]]
    conditions: dict[str, NDArray[np.float64]]
    layer_energies: NDArray[np.float64]
    spectrum: NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.layer_energies)

    def __getitem__(self, rows: NDArray[np.int64]) -> Table:
        return Table(
            {name: column[rows] for name, column in self.values.items()},
            {name: column[rows] for name, column in self.conditions.items()},
            self.layer_energies[rows],
            self.spectrum[rows],
        )

    @classmethod
    def join(cls, parts: Sequence[Table]) -> Table:
        """Return the rows of several tables, in order."""
        first = parts[0]
        return cls(
            {name: np.concatenate([part.values[name] for part in parts]) for name in first.values},
            {
                name: np.concatenate([part.conditions[name] for part in parts])
                for name in first.conditions
            },
            np.concatenate([part.layer_energies for part in parts]),
            np.concatenate([part.spectrum for part in parts]),
        )


@dataclass(frozen=True)
class Measured:
    """What a comparison needs to know of one sample.

    Attributes:
        name: What it is called in tables and legends.
        detector: The detector of all events.
        observables: What was measured.
        values: Observable name to values, shape (N,), of all events or a random choice of them;
            NaN where not defined.
        conditions: Condition name to values, shape (N,).
        layer_energies: Energy in each layer [MeV], shape (N, n_layers).
        spectrum_edges: Fixed logarithmic edges of cell energies [MeV].
        spectrum: Hits per event in these bins, with under- and overflow, shape (N, n_bins + 2).
        profiles: The average shower.
        kept: Events that stay in memory: all, or a random choice of what fits.
        rows: Their places among these N, rising.
        provenance: How the events were made.
        outside: Mean fraction of the energy that no cell caught, where known.
        n_events: Number of events of the sample, N of which have values.
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

    def __len__(self) -> int:
        return len(self.layer_energies)
