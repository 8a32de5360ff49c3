"""Say what a file holds, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_chunks import spare_memory
from phys_gan.data.format import Format, HitMapping, Reader
from phys_gan.data.metadata import expected_response, response
from phys_gan.data.reading import How, check, open_events
from phys_gan.data.source import find_sources
from phys_gan.data.streaming import slowness
from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import Events, effective_number, first_copies
from phys_gan.units import format_energy

_STRANGE_FACTOR = 3.0
_MUCH_OVERFLOW = 0.1


@dataclass(frozen=True)
class Weights:
    """What the weights of events are.

    Attributes:
        low: The smallest.
        high: The largest.
        n_negative: How many are below zero.
        effective_number: How many events of equal weight have the same statistical error.
    """

    low: float
    high: float
    n_negative: int
    effective_number: float

    @classmethod
    def of(cls, weights: NDArray[np.float64]) -> Weights:
        """Return what these are."""
        return cls(
            float(weights.min()),
            float(weights.max()),
            int(np.count_nonzero(weights < 0)),
            effective_number(weights),
        )

    def __str__(self) -> str:
        negative = f"{self.n_negative} negative, " if self.n_negative else ""
        span = _span(self.low, self.high)
        return f"{span} ({negative}as many as {self.effective_number:.4g} events of equal weight)"


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    Attributes:
        source: The file, and the tree where one was named.
        format: Name of the layout.
        description: The layout in one line.
        detector: The detector.
        n_events: Number of events.
        conditions: Smallest and largest value of each condition; ``energy`` in MeV.
        response: Mean of E_tot/E_inc and its statistical error; None where there is none.
        cell_range: Smallest and largest cell [the detector's unit].
        occupancy: Share of the cells above the read-out threshold.
        overflow: Share of the energy that no cell caught, of all events and of the worst one; None
            where the file does not know it.
        provenance: How the events were made.
        notes: What of the file is not kept, and what may be mistaken, a sentence each.
        warnings: What looks wrong, a sentence each.
        weights: What the weights are; None where all events count the same.
    """

    source: str
    format: str
    description: str
    detector: Detector
    n_events: int
    conditions: Mapping[str, tuple[float, float]]
    response: tuple[float, float] | None
    cell_range: tuple[float, float]
    occupancy: float
    overflow: tuple[float, float] | None
    provenance: Mapping[str, str]
    notes: Sequence[str] = ()
    warnings: list[str] = field(default_factory=list)
    weights: Weights | None = None

    def lines(self) -> list[str]:
        """Return the inspection as aligned lines for people."""
        detector, unit = self.detector, self.detector.cell_unit
        rows = [
            ("file", self.source),
            ("format", f"{self.format} ({self.description})"),
            ("detector", f"{detector.name} ({_extent(detector)})"),
            ("events", str(self.n_events)),
        ]
        for name, (low, high) in self.conditions.items():
            energies = f"{format_energy(low)} to {format_energy(high)}"
            rows.append((name, energies if name == "energy" else _span(low, high)))
        if self.weights is not None:
            rows.append(("weights", str(self.weights)))
        if self.response:
            mean, error = self.response
            rows.append(("E_tot/E_inc", f"{_with_error(mean, error)} (mean)"))
        rows.append(("cells", f"{_span(*self.cell_range)} {unit}".rstrip()))
        if not detector.is_toy:
            rows.append(("cells hit", f"{self.occupancy:.1%} above {detector.threshold:g} {unit}"))
        if self.overflow is not None:
            share, worst = (f"{100 * part:.3g} %" for part in self.overflow)
            what = f"of the {_signal(detector)} outside the cells"
            rows.append(("overflow", f"{share} {what}, at most {worst} of one event's"))
        rows += [("provenance", f"{name}: {text}") for name, text in self.provenance.items()]
        rows += [("note", text) for text in self.notes]
        rows += [("warning", text) for text in self.warnings]
        width = max(len(label) for label, _ in rows)
        return [f"{label:<{width}}  {shown(text)}" for label, text in rows]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def shown(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def inspect(
    path: str | Path,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
) -> Inspection:
    """Read a file and say what it holds, in which units, and what looks wrong.

    Arguments:
        path: One file, or a tree in it (``file.root:tree``).
        detector: As in :func:`read`.
        format: As in :func:`read`.
        mapping: As in :func:`read`.

    Raises:
        PhysGanError: As in :func:`read`, for what cannot be read at all.
    """
    sources = find_sources(path)
    if len(sources) > 1:
        raise DataError(
            f"'{path}' names {len(sources)} files", remedy="inspect one at a time", value=str(path)
        )
    how = How.of(detector, format, mapping)
    with open_events(sources[0], how, spare_memory()) as (reader, layout):
        seen = _Seen(reader)
        for number, events in enumerate(reader.blocks()):
            if not number:
                check(events, reader, layout)
            seen.add(events)
        found = seen.summary(str(sources[0]), layout)
        n_events, n_cells = len(reader), reader.detector.n_cells
        slow = slowness(sources[0], reader.compressed(), reader.block, n_events, n_cells, how)
        found.warnings.extend([slow] if slow else [])
        return found


class _Seen:
    """What was seen of a file so far, block by block, so that it may be larger than memory."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._totals: list[NDArray[np.float64]] = []
        self._responses: list[NDArray[np.float64]] = []
        self._low, self._high = math.inf, -math.inf
        self._hit = 0
        self._digests: list[NDArray[np.uint64]] = []
        self._empty: list[NDArray[np.bool_]] = []
        self._outside: list[NDArray[np.float64]] = []

    def add(self, events: Events) -> None:
        """Look at some more events."""
        self._totals.append(events.total_energy())
        ratio = response(events)
        if ratio is not None:
            self._responses.append(ratio)
        self._low = min(self._low, float(events.cells.min()))
        self._high = max(self._high, float(events.cells.max()))
        self._hit += int(np.count_nonzero(events.cells > events.detector.threshold))
        self._digests.append(events.digests())
        self._empty.append(events.empty())
        if events.overflow is not None:
            self._outside.append(events.overflow.sum(axis=1, dtype=np.float64))

    def summary(self, source: str, layout: Format) -> Inspection:
        """Return what was seen."""
        reader, detector = self._reader, self._reader.detector
        total = np.concatenate(self._totals)
        mean_and_error = None
        if self._responses:
            ratio = np.concatenate(self._responses)
            spread = float(ratio.std(ddof=1)) if len(ratio) > 1 else math.nan
            mean_and_error = float(ratio.mean()), spread / math.sqrt(len(ratio))
        shares = _shares(total, np.concatenate(self._outside)) if self._outside else None
        return Inspection(
            source=source,
            format=layout.name,
            description=layout.description,
            detector=detector,
            n_events=len(reader),
            conditions={
                name: (float(values.min()), float(values.max()))
                for name, values in reader.conditions.items()
            },
            response=mean_and_error,
            cell_range=(self._low, self._high),
            occupancy=self._hit / (len(reader) * detector.n_cells),
            overflow=shares,
            provenance=dict(reader.provenance),
            notes=reader.notes,
            warnings=[
                *_strange_response(detector, mean_and_error),
                *self._strange_events(),
                *_much_overflow(detector, shares),
            ],
            weights=None if reader.weights is None else Weights.of(reader.weights),
        )

    def _strange_events(self) -> list[str]:
        """Tell of events without a signal and of events that are there more than once."""
        detector, empty, found = self._reader.detector, np.concatenate(self._empty), list[str]()
        n, silent = len(empty), int(np.count_nonzero(empty))
        # The origin of a toy is a point like any other.
        if silent and not detector.is_toy:
            found.append(f"{silent} of {n} events have no signal in any cell")
        first = first_copies(np.concatenate(self._digests), empty)
        copies = np.flatnonzero(first != np.arange(n))
        # Single numbers are equal by chance.
        if len(copies) and detector.n_cells > 1:
            columns = self._reader.conditions.values()
            others = [values[copies] != values[first[copies]] for values in columns]
            n_others = int(np.count_nonzero(np.any(others, axis=0)))
            condition = f", {n_others} of them with other conditions" if n_others else ""
            found.append(f"{len(copies)} of {n} events are copies of others{condition}")
        return found


def _shares(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> tuple[float, float]:
    """Return the share outside of all events together, and of the one with the largest share."""
    both = inside + outside
    each = np.divide(outside, both, out=np.zeros_like(both), where=both != 0)
    return float(outside.sum() / both.sum()) if both.sum() else 0.0, float(each.max())


def _much_overflow(detector: Detector, shares: tuple[float, float] | None) -> list[str]:
    if shares is None or shares[0] <= _MUCH_OVERFLOW:
        return []
    return [f"{shares[0]:.0%} of the {_signal(detector)} misses every cell"]


def _strange_response(detector: Detector, measured: tuple[float, float] | None) -> list[str]:
    expected = expected_response(detector)
    if measured is None or 1 / _STRANGE_FACTOR < measured[0] / expected < _STRANGE_FACTOR:
        return []
    return [
        f"E_tot/E_inc is {measured[0]:.3g} on average, but detector '{detector.name}' has "
        f"about {expected:.3g}: check the units and the detector"
    ]


def _extent(detector: Detector) -> str:
    if detector.is_toy:
        return f"coordinates {', '.join(layer.name for layer in detector.layers)}"
    layers = f"{detector.n_layers} layer{'s' if detector.n_layers > 1 else ''}"
    return f"{detector.n_cells} cells in {layers}"


def _signal(detector: Detector) -> str:
    return "flux" if detector.is_image else "energy"


def _with_error(value: float, error: float) -> str:
    """Return both with two significant digits of the error."""
    # Equal values differ by rounding.
    if not error > 1e-12 * abs(value):
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _span(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"
