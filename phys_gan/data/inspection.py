"""What a file holds, and what looks wrong with it: :func:`inspect`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phys_gan.data.containers.hdf5_chunks import spare_memory
from phys_gan.data.format import HitMapping, Reader
from phys_gan.data.metadata import expected_response, response
from phys_gan.data.reading import How, check, open_events
from phys_gan.data.source import find_sources
from phys_gan.data.streaming import slowness
from phys_gan.detectors import Detector
from phys_gan.errors import DataError
from phys_gan.events import effective_number, first_copies
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
        """Return those of an array."""
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
        occupancy: Fraction of the cells above the read-out threshold.
        overflow: Fraction of the energy outside the cells, of all events and of the worst one; None
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
            fraction, worst = (f"{100 * part:.3g} %" for part in self.overflow)
            what = f"of the {_signal(detector)} outside the cells"
            rows.append(("overflow", f"{fraction} {what}, at most {worst} of one event's"))
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
    """Read a file and return what it holds, in which units, and what looks wrong.

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
        detector, n_events = reader.detector, len(reader)

        # One pass, block by block, keeps some numbers per event: the file may exceed the memory.
        totals, ratios, outside, digests, empty = [], [], [], [], []
        low, high, n_hit = math.inf, -math.inf, 0
        for number, events in enumerate(reader.blocks()):
            if not number:
                check(events, reader, layout)
            totals.append(events.total_energy())
            if (ratio := response(events)) is not None:
                ratios.append(ratio)
            if events.overflow is not None:
                outside.append(events.overflow.sum(axis=1, dtype=np.float64))
            low, high = min(low, float(events.cells.min())), max(high, float(events.cells.max()))
            n_hit += int(np.count_nonzero(events.cells > detector.threshold))
            digests.append(events.digests())
            empty.append(events.empty())

        mean_and_error = None
        if ratios:
            ratio = np.concatenate(ratios)
            deviation = float(ratio.std(ddof=1)) if len(ratio) > 1 else math.nan
            mean_and_error = float(ratio.mean()), deviation / math.sqrt(len(ratio))
        fractions = None
        if outside:
            fractions = _fractions(np.concatenate(totals), np.concatenate(outside))
        slow = slowness(
            sources[0], reader.compressed(), reader.block, n_events, detector.n_cells, how
        )
        return Inspection(
            source=str(sources[0]),
            format=layout.name,
            description=layout.description,
            detector=detector,
            n_events=n_events,
            conditions={
                name: (float(values.min()), float(values.max()))
                for name, values in reader.conditions.items()
            },
            response=mean_and_error,
            cell_range=(low, high),
            occupancy=n_hit / (n_events * detector.n_cells),
            overflow=fractions,
            provenance=dict(reader.provenance),
            notes=reader.notes,
            warnings=[
                *_strange_response(detector, mean_and_error),
                *_strange_events(reader, np.concatenate(digests), np.concatenate(empty)),
                *_much_overflow(detector, fractions),
                *([slow] if slow else []),
            ],
            weights=None if reader.weights is None else Weights.of(reader.weights),
        )


def _strange_events(
    reader: Reader, digests: NDArray[np.uint64], empty: NDArray[np.bool_]
) -> list[str]:
    """Report events without a signal and events that are there more than once."""
    found, n, silent = list[str](), len(empty), int(np.count_nonzero(empty))
    # The origin of a toy is a point like any other.
    if silent and not reader.detector.is_toy:
        found.append(f"{silent} of {n} events have no signal in any cell")
    first = first_copies(digests, empty)
    copies = np.flatnonzero(first != np.arange(n))
    # Single numbers are equal by chance.
    if len(copies) and reader.detector.n_cells > 1:
        others = [v[copies] != v[first[copies]] for v in reader.conditions.values()]
        n_others = int(np.count_nonzero(np.any(others, axis=0)))
        condition = f", {n_others} of them with other conditions" if n_others else ""
        found.append(f"{len(copies)} of {n} events are copies of others{condition}")
    return found


def _fractions(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> tuple[float, float]:
    """Return the fraction outside of all events together, and the largest of one event."""
    both = inside + outside
    each = np.divide(outside, both, out=np.zeros_like(both), where=both != 0)
    return float(outside.sum() / both.sum()) if both.sum() else 0.0, float(each.max())


def _much_overflow(detector: Detector, fractions: tuple[float, float] | None) -> list[str]:
    if fractions is None or fractions[0] <= _MUCH_OVERFLOW:
        return []
    return [f"{fractions[0]:.0%} of the {_signal(detector)} misses every cell"]


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
