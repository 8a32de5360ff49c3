"""Events: cells, conditions and their detector, the one type that goes into and out of every room.

Copies among events are found by digests of their cells, without holding all cells in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.randomness import draw_by_weight, stream

WEIGHT_NAMES = ("weight", "weights")
"""Names of the weight of an event in files."""


@dataclass(frozen=True, eq=False)
class Events:
    """Many events, immutable: cells, the conditions they were simulated for, and the detector.

    Arguments:
        cells: Energies in the detector's unit, shape (N, n_cells), kept as float32.
        conditions: Name to values of shape (N,), kept as float64. ``energy`` is always the
            incident kinetic energy [MeV].
        detector: The detector that the cells belong to.
        overflow: Energy beside the cells of each layer, in the same unit, shape (N, n_layers),
            where the source of the events knows it.
        provenance: How the events were made, as short texts by name.
        weights: Weights of the events, shape (N,), kept as float64; those of NLO generators may
            be negative; None where all are equal.

    Raises:
        DataError: A shape is wrong, a value is NaN or infinite, a deposit is negative (pixels and
            coordinates may be), an incident energy is not positive, or weights are given as a
            condition.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> Events(np.ones((2, 504)), {"energy": [600.0, 700.0]}, load_detector("calogan"))
        Events(2 x 504 cells, calogan, energy)
    """

    cells: NDArray[np.float32]
    conditions: Mapping[str, NDArray[np.float64]]
    detector: Detector
    overflow: NDArray[np.float32] | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        detector = self.detector
        cells = self._array("cells", self.cells, np.float32)
        if cells.ndim != 2 or cells.shape[1] != detector.n_cells:
            raise DataError(
                f"cells have shape {cells.shape}, but detector '{detector.name}' needs "
                f"(N, {detector.n_cells})",
                remedy="name the detector that the data were made with",
                value=cells.shape,
                constraint=("N", detector.n_cells),
            )
        for name in self.conditions:
            if name in WEIGHT_NAMES:
                raise DataError(
                    f"'{name}' is the weight of an event, not a condition",
                    remedy="give it as weights",
                    value=name,
                )
        conditions = {
            name: self._array(f"condition '{name}'", values, np.float64, (len(cells),))
            for name, values in self.conditions.items()
        }
        if "energy" in conditions and np.any(conditions["energy"] <= 0):
            worst = conditions["energy"].min()
            raise DataError(
                f"an incident energy is {worst:g} MeV, but must be positive",
                remedy="remove such events or correct their energy",
                value=worst,
            )
        overflow = self.overflow
        if overflow is not None:
            shape = len(cells), detector.n_layers
            overflow = self._array("overflow", overflow, np.float32, shape)
        weights = self.weights
        if weights is not None:
            weights = as_weights(self._array("weights", weights, np.float64), len(cells))
        object.__setattr__(self, "cells", cells)
        object.__setattr__(self, "conditions", MappingProxyType(conditions))
        object.__setattr__(self, "overflow", overflow)
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        object.__setattr__(self, "weights", weights)

    def _array(
        self,
        what: str,
        values: ArrayLike,
        dtype: type[Any],
        shape: tuple[int, ...] | None = None,
    ) -> NDArray[Any]:
        """Return a read-only array of ``dtype`` after a check of its shape and of every value."""
        with np.errstate(over="ignore"):
            # What is too large for single precision becomes infinite, and is refused below.
            array = np.asarray(values, dtype=dtype).view()
        if shape is not None and array.shape != shape:
            raise DataError(
                f"{what} has shape {array.shape}, not {shape}",
                remedy="give one value per event" + (" and layer" if len(shape) == 2 else ""),
                value=array.shape,
                constraint=shape,
            )
        # NaN and infinities show in the smallest and largest value, without a temporary array.
        low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
        if not (np.isfinite(low) and np.isfinite(high)):
            events = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
            raise DataError(
                f"{what} hold NaN or infinite values in {len(events)} of {len(array)} events "
                f"(first: event {events[0]})",
                remedy="find out what the simulation did there, or remove these events",
                value=float("nan"),
            )
        energies = what in ("cells", "overflow") and self.detector.kind == "calorimeter"
        if energies and low < 0:
            events = np.flatnonzero((array < 0).any(axis=1))
            raise DataError(
                f"{what} hold negative energies in {len(events)} of {len(array)} events "
                f"(first: event {events[0]}, smallest {low:g} {self.detector.cell_unit})",
                remedy="subtract noise or pedestals before, or remove these events",
                value=float(low),
                constraint=">= 0",
            )
        array.flags.writeable = False
        return array

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only views of dictionaries cannot be pickled.
        conditions, provenance = dict(self.conditions), dict(self.provenance)
        fields = (self.cells, conditions, self.detector, self.overflow, provenance, self.weights)
        return Events, fields

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        names = ", ".join(self.conditions) or "no conditions"
        weighted = "" if self.weights is None else ", weighted"
        size = f"{len(self)} x {self.detector.n_cells} cells"
        return f"Events({size}, {self.detector.name}, {names}{weighted})"

    def __getitem__(self, index: slice | NDArray[Any] | Sequence[int]) -> Events:
        """Return the chosen events: a slice, a mask or an array of numbers."""
        if not isinstance(index, slice):
            index = np.asarray(index)
        return Events(
            self.cells[index],
            {name: values[index] for name, values in self.conditions.items()},
            self.detector,
            None if self.overflow is None else self.overflow[index],
            self.provenance,
            None if self.weights is None else self.weights[index],
        )

    @property
    def energy(self) -> NDArray[np.float64]:
        """Incident kinetic energy [MeV], shape (N,).

        Raises:
            MissingError: These events have no such condition.
        """
        return self.condition("energy")

    def condition(self, name: str) -> NDArray[np.float64]:
        """Return a condition by name, shape (N,).

        Raises:
            MissingError: There is no such condition; the message lists those there are.
        """
        try:
            return self.conditions[name]
        except KeyError:
            raise MissingError(
                f"the events have no condition '{name}'; available: "
                f"{', '.join(self.conditions) or 'none'}",
                remedy="name one of these, or give events that have it",
                value=name,
            ) from None

    def layer(self, k: int) -> NDArray[np.float32]:
        """Return the cells of layer k as a view of shape ``(N, *shape)``."""
        shape = self.detector.layers[k].shape
        return self.cells[:, self.detector.slice(k)].reshape(len(self), *shape)

    def layer_energies(self) -> NDArray[np.float64]:
        """Return the energy in the cells of each layer, shape (N, n_layers)."""
        starts = np.array(self.detector.offsets[:-1])
        sums = np.add.reduceat(self.cells, starts, axis=1, dtype=np.float64)
        return np.asarray(sums, np.float64)

    def total_energy(self) -> NDArray[np.float64]:
        """Return the energy in all cells, shape (N,)."""
        return np.asarray(self.cells.sum(axis=1, dtype=np.float64), np.float64)

    @property
    def effective_number(self) -> float:
        r"""Number of events of equal weight that have the same statistical error.

        :math:`(\sum_i w_i)^2 / \sum_i w_i^2` (Kish, Survey Sampling, 1965, sec. 11.7); the number
        of events where they have no weights, 0 where all weights are 0.
        """
        return float(len(self)) if self.weights is None else effective_number(self.weights)

    def empty(self) -> NDArray[np.bool_]:
        """Return which events have no signal in any cell, shape (N,)."""
        return np.asarray(~self.cells.any(axis=1), np.bool_)

    def resampled(self, seed: int = 0) -> Events:
        """Draw as many events by their weights, without weights; events without any stay.

        Raises:
            DataError: A weight is negative, or all are 0.
        """
        if self.weights is None:
            return self
        require_drawable(self.weights)
        drawn = draw_by_weight(self.weights, len(self), stream(seed, "resampled"))
        return replace(self, weights=None)[drawn]

    def digests(self) -> NDArray[np.uint64]:
        """Return 128 bits for the cells of each event, shape (N, 2).

        Two events have the same ones if, and for all practical purposes only if, all their cells
        are equal to the last bit (BLAKE2b, RFC 7693; no two different events are known to agree,
        nor expected to among fewer than :math:`2^{64}`). 0.0 and -0.0 have the same digest.
        """
        # -0.0 + 0.0 is 0.0; every other number stays as it is.
        digests = (blake2b(row + np.float32(0), digest_size=16).digest() for row in self.cells)
        return np.frombuffer(b"".join(digests), np.uint64).reshape(len(self), 2)

    @staticmethod
    def concatenate(parts: Sequence[Events]) -> Events:
        """Join events of one detector, in order.

        Provenance that differs between the parts is joined by semicolons. The overflow is kept
        only when every part knows it.

        Raises:
            DetectorError: The parts belong to different detectors.
            DataError: There are no parts, their conditions differ, or some have weights and others
                do not.
        """
        if not parts:
            raise DataError("there are no events to join", remedy="give at least one part")
        first = parts[0]
        for part in parts[1:]:
            if not part.detector.same_cells(first.detector):
                raise DetectorError(
                    f"cannot join events of '{first.detector.name}' and '{part.detector.name}'",
                    remedy="give files of one detector",
                )
            if set(part.conditions) != set(first.conditions):
                raise DataError(
                    f"cannot join events with the conditions {sorted(first.conditions)} and "
                    f"{sorted(part.conditions)}",
                    remedy="give files with the same conditions",
                )
        weights = [part.weights for part in parts if part.weights is not None]
        if 0 < len(weights) < len(parts):
            raise DataError(
                "cannot join events with weights and events without",
                remedy="give all of them weights (1 where all are equal), or leave them out",
            )
        with_overflow = [part.overflow for part in parts if part.overflow is not None]
        names = dict.fromkeys(name for part in parts for name in part.provenance)
        return Events(
            np.concatenate([part.cells for part in parts]),
            {
                name: np.concatenate([part.conditions[name] for part in parts])
                for name in first.conditions
            },
            first.detector,
            np.concatenate(with_overflow) if len(with_overflow) == len(parts) else None,
            {
                name: _joined([p.provenance[name] for p in parts if name in p.provenance])
                for name in names
            },
            np.concatenate(weights) if weights else None,
        )


def as_weights(
    weights: ArrayLike | None, n: int, what: str = "weights"
) -> NDArray[np.float64] | None:
    """Return weights for n events as float64, (n,); None where there are none.

    Arguments:
        weights: The weights.
        n: Number of events.
        what: What errors call the weights.

    Raises:
        DataError: There is not one finite weight per event.
    """
    if weights is None:
        return None
    values = np.asarray(weights, np.float64)
    if values.shape != (n,):
        raise DataError(
            f"{what} have shape {values.shape}, but there are {n} events",
            remedy="give one weight per event, or none at all",
            value=values.shape,
        )
    if not np.isfinite(values).all():
        raise DataError(
            f"{what} are NaN or infinite in {(~np.isfinite(values)).sum()} of {n} events",
            remedy="find out what the simulation did there, or remove these events",
            value=float("nan"),
        )
    return values


def effective_number(weights: NDArray[np.float64]) -> float:
    """Return the number of events of equal weight with the statistical error of these weights."""
    # Scaled first: squares of cross sections may leave the range of numbers.
    scaled = weights / max(float(np.abs(weights).max(initial=0.0)), np.finfo(np.float64).tiny)
    squares = float(scaled @ scaled)
    return float(scaled.sum()) ** 2 / squares if squares else 0.0


def require_drawable(weights: NDArray[np.float64], what: str = "events") -> None:
    """Require that events (or ``what`` they are called) can be drawn by their weights (N,).

    Raises:
        DataError: A weight is negative, or all are 0.
    """
    remedy = "leave the weights out: phys-gan convert IN OUT --drop weights"
    negative = int((weights < 0).sum())
    if negative:
        raise DataError(
            f"weights are negative in {negative:,} of {len(weights):,} {what}, and no event can be "
            f"drawn a negative number of times",
            remedy="cancel them before, by merging or resampling neighbouring events of both signs "
            f"(as arXiv:2109.07851 does), or {remedy}",
            value=float(weights.min()),
            constraint=">= 0",
        )
    if not weights.any():
        raise DataError(
            f"the weights of all {len(weights):,} {what} are 0, so that none can be drawn",
            remedy=f"correct them, or {remedy}",
            value=0.0,
            constraint="> 0",
        )


def first_copies(digests: NDArray[np.uint64], empty: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each event the number of the first one that is its copy, shape (N,).

    Copies are events whose cells are equal to the last bit, whatever their conditions are; an
    event without copies has its own number. Events without a signal are not copies of each other:
    nothing distinguishes two of them, but they may well be two.

    Arguments:
        digests: :meth:`Events.digests` of all events, shape (N, 2).
        empty: :meth:`Events.empty` of all events, shape (N,).

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> cells = np.array([[1.0], [2.0], [0.0], [1.0], [0.0]]) * np.ones(504)
        >>> events = Events(cells, {}, load_detector("calogan"))
        >>> first_copies(events.digests(), events.empty()).tolist()
        [0, 1, 2, 0, 4]
    """
    # Both sorts are stable, so that of equal digests the first event stays in front.
    order = np.lexsort(digests.T)
    in_order = digests[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return np.where(empty, np.arange(len(order)), first)


def _joined(texts: Sequence[str]) -> str:
    """Join texts by semicolons, each once, also where some are joined already."""
    if len(set(texts)) == 1:
        return texts[0]
    return "; ".join(dict.fromkeys(part for text in texts for part in text.split("; ")))
