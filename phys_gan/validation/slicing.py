"""Slices of a condition: the same comparison again where, say, the energy is low."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError
from phys_gan.validation.measuring import Measured

__all__ = ["Cut", "Slices", "make_cuts"]

Slices = Mapping[str, Sequence[float] | None]
"""Condition name to edges; None to choose them from the reference."""

_N_SLICES = 4
_MIN_EVENTS = 100
_MAX_VALUES = 8


@dataclass(frozen=True)
class Cut:
    """A selection of events by one condition.

    Attributes:
        condition: Name of the condition.
        low: Smallest value.
        high: Values end before this one.
        single: Whether ``low`` is the only value inside.
    """

    condition: str
    low: float
    high: float
    single: bool = False

    def rows(self, sample: Measured) -> NDArray[np.int64]:
        """Return the numbers of the events inside."""
        values = sample.conditions[self.condition]
        return np.flatnonzero((values >= self.low) & (values < self.high))

    @property
    def label(self) -> str:
        """The selection in words; incident energies in GeV."""
        if self.condition == "energy":
            low, high = f"{self.low / 1000:.3g}", f"{self.high / 1000:.3g}"
            return f"{low} GeV" if self.single else f"{low} to {high} GeV"
        if self.single:
            return f"{self.condition} = {self.low:.6g}"
        return f"{self.condition} from {self.low:.4g} to {self.high:.4g}"


def make_cuts(reference: Measured, slices: Slices) -> list[Cut]:
    """Turn the wanted slices into selections.

    Without given edges a condition of up to 8 different values has one slice for each, and any
    other one up to 4 slices with equal numbers of reference events; each has at least 100 of them.

    Arguments:
        reference: The reference.
        slices: Condition name to edges, or to None.

    Raises:
        MissingError: The reference has no such condition.
        ConfigError: The edges of a slice do not rise.
    """
    cuts = []
    for name, given in slices.items():
        if name not in reference.conditions:
            raise MissingError(
                f"there is no condition '{name}' to slice; available: "
                f"{', '.join(reference.conditions) or 'none'}",
                value=name,
            )
        edges = _chosen(reference.conditions[name]) if given is None else _given(name, given)
        values = reference.conditions[name]
        single = given is None and len(np.unique(values)) <= _MAX_VALUES
        cuts += [Cut(name, float(low), float(high), single) for low, high in pairwise(edges)]
    return cuts


def _given(name: str, edges: Sequence[float]) -> NDArray[np.float64]:
    result = np.asarray(edges, np.float64)
    if len(result) < 2 or np.any(np.diff(result) <= 0):
        raise ConfigError(
            f"the edges of the slices of '{name}' do not rise: {', '.join(map(str, edges))}",
            remedy="give at least two rising numbers",
            value=tuple(edges),
        )
    return result


def _chosen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges; none, that is a single one, when the events are too few for two slices."""
    unique = np.unique(values)
    above = float(np.nextafter(unique[-1], np.inf))
    if 1 < len(unique) <= _MAX_VALUES:
        return np.append(unique, above)
    n_slices = min(_N_SLICES, len(values) // _MIN_EVENTS)
    if len(unique) == 1 or n_slices < 2:
        return unique[:1]
    edges = np.quantile(values, np.linspace(0, 1, n_slices + 1))
    edges[1:-1] = [_rounded(edge, (edges[-1] - edges[0]) / n_slices) for edge in edges[1:-1]]
    edges[-1] = above
    return np.unique(edges)


def _rounded(value: float, width: float) -> float:
    """Round an edge to a twentieth of the typical width of a slice or of its own size."""
    step = 10.0 ** np.floor(np.log10(min(width, abs(value) or width) / 5))
    return float(step * np.round(value / step))
