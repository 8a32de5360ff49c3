"""Say what a file holds, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from phys_gan.data.format import Format
from phys_gan.data.reading import read_source
from phys_gan.data.registry import find_format
from phys_gan.data.source import find_sources
from phys_gan.data.units import expected_response, response
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.units import format_energy

__all__ = ["Inspection", "inspect"]

_STRANGE_FACTOR = 3.0
_MUCH_OVERFLOW = 0.1


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
        overflow: Share of the energy that no cell caught; None where the file does not know it.
        provenance: How the events were made.
        warnings: What looks wrong, a sentence each.
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
    overflow: float | None
    provenance: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the inspection as aligned lines for people."""
        detector, unit = self.detector, self.detector.cell_unit
        rows = [
            ("file", self.source),
            ("format", f"{self.format} ({self.description})"),
            (
                "detector",
                f"{detector.name} ({detector.n_cells} cells in {detector.n_layers} "
                f"layer{'s' if detector.n_layers > 1 else ''})",
            ),
            ("events", str(self.n_events)),
        ]
        for name, (low, high) in self.conditions.items():
            energies = f"{format_energy(low)} to {format_energy(high)}"
            rows.append((name, energies if name == "energy" else _span(low, high)))
        if self.response:
            mean, error = self.response
            rows.append(("E_tot/E_inc", f"{_with_error(mean, error)} (mean)"))
        rows.append(("cells", f"{_span(*self.cell_range)} {unit}"))
        rows.append(("cells hit", f"{self.occupancy:.1%} above {detector.threshold:g} {unit}"))
        if self.overflow is not None:
            rows.append(("overflow", f"{self.overflow:.2%} of the energy outside the cells"))
        rows += [("provenance", f"{name}: {text}") for name, text in self.provenance.items()]
        rows += [("warning", text) for text in self.warnings]
        width = max(len(label) for label, _ in rows)
        return [f"{label:<{width}}  {text}" for label, text in rows]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def inspect(
    path: str | Path, detector: str | Path | Detector | None = None, format: str | None = None
) -> Inspection:
    """Read a file and say what it holds, in which units, and what looks wrong.

    Arguments:
        path: One file, or a tree in it (``file.root:tree``).
        detector: As in :func:`read`.
        format: As in :func:`read`.

    Raises:
        MissingError, DataError, DetectorError: As in :func:`read`, for what cannot be read at all.
    """
    sources = find_sources(path)
    if len(sources) > 1:
        raise DataError(
            f"'{path}' names {len(sources)} files", remedy="inspect one at a time", value=str(path)
        )
    wanted = None if detector is None else load_detector(detector)
    chosen = None if format is None else find_format(format)
    events, layout = read_source(sources[0], wanted, chosen)
    return _summary(str(sources[0]), layout, events)


def _summary(source: str, layout: Format, events: Events) -> Inspection:
    cells, total = events.cells, events.total_energy()
    ratio = response(events)
    mean_and_error = None
    if ratio is not None:
        spread = float(ratio.std(ddof=1)) if len(ratio) > 1 else math.nan
        mean_and_error = float(ratio.mean()), spread / math.sqrt(len(ratio))
    share = None
    if events.overflow is not None:
        outside = float(events.overflow.sum(dtype=np.float64))
        inside = float(total.sum())
        share = outside / (inside + outside) if inside + outside else 0.0
    return Inspection(
        source=source,
        format=layout.name,
        description=layout.description,
        detector=events.detector,
        n_events=len(events),
        conditions={
            name: (float(values.min()), float(values.max()))
            for name, values in events.conditions.items()
        },
        response=mean_and_error,
        cell_range=(float(cells.min()), float(cells.max())),
        occupancy=float(np.count_nonzero(cells > events.detector.threshold) / cells.size),
        overflow=share,
        provenance=dict(events.provenance),
        warnings=[
            *_strange_response(events, mean_and_error),
            *_strange_events(events),
            *(
                [f"{share:.0%} of the energy misses every cell"]
                if (share or 0) > _MUCH_OVERFLOW
                else []
            ),
        ],
    )


def _strange_response(events: Events, measured: tuple[float, float] | None) -> list[str]:
    expected = expected_response(events.detector)
    if measured is None or 1 / _STRANGE_FACTOR < measured[0] / expected < _STRANGE_FACTOR:
        return []
    return [
        f"E_tot/E_inc is {measured[0]:.3g} on average, but detector '{events.detector.name}' has "
        f"about {expected:.3g}: check the units and the detector"
    ]


def _strange_events(events: Events) -> list[str]:
    """Tell of events without a signal and of events that are there more than once."""
    total = events.total_energy()
    found = []
    empty = int(np.count_nonzero(~events.cells.any(axis=1)))
    if empty:
        found.append(f"{empty} of {len(events)} events have no signal in any cell")
    keys = np.stack([total, *events.conditions.values()], axis=1)[total != 0]
    copies = len(keys) - len(np.unique(keys, axis=0))
    if copies:
        found.append(f"{copies} of {len(events)} events are copies of others")
    return found


def _with_error(value: float, error: float) -> str:
    """Return both with two significant digits of the error."""
    if not error > 0:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _span(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"
