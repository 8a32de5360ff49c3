"""The tables of the page: what stands in each cell, and by what number a column is sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phys_gan.report.lights import Light, observable_light, severity
from phys_gan.report.numbers import compact, floor_text, value_text, whole
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.distributions import Distributions
from phys_gan.validation.requirements import Check
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.result import Result

__all__ = [
    "Cell",
    "Checks",
    "Table",
    "observables_table",
    "overview_table",
    "requirements_table",
    "slices_table",
]

Checks = Mapping[str, Sequence[Check]]
"""Name of a candidate to the requirements that were checked on it."""

_COLUMNS = ("ks", "w1_scaled", "js", "separation", "chi2_ndf")
_NOTHING = -1.0


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        small: A second line in small type.
        sort: By what its column is sorted.
        light: A verdict to show before the text.
        loud: Whether the text is outside its floor.
        is_text: Whether it is a text and no number.
    """

    text: str
    small: str = ""
    sort: float | str = ""
    light: Light | None = None
    loud: bool = False
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: Heads of the columns; a second element explains one.
        rows: Name of the row and its cells.
        sortable: Whether clicking the heads sorts it.
    """

    heads: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    sortable: bool = True


def observables_table(comparison: Comparison, checks: Sequence[Check]) -> Table:
    """List all observables of a candidate with their metrics, the worst first."""
    heads = [("observable", "")]
    heads += [(METRICS[name].label, METRICS[name].description) for name in _COLUMNS]
    heads += [
        ("equivalent events", "Events of the reference in two samples that differ as much in KS"),
        ("verdict", ""),
    ]
    rows = []
    for name in _worst_first(comparison, checks):
        results = comparison.results[name]
        few = comparison.whole.not_compared.get(name, "")
        cells = [_metric(results.get(metric), few) for metric in _COLUMNS]
        cells.append(_equivalent(results.get("ks")))
        cells.append(_verdict(name, results, checks))
        rows.append((name, cells))
    return Table(heads, rows)


def overview_table(comparisons: Comparisons, checks: Checks) -> Table:
    """List all observables with verdict and KS of every candidate side by side."""
    severities: dict[str, float] = {}
    for comparison in comparisons.values():
        for name, results in comparison.results.items():
            severities[name] = max(severity(results), severities.get(name, 0.0))
    rows = []
    for name in sorted(severities, key=lambda name: -severities[name]):
        cells = []
        for candidate, comparison in comparisons.items():
            if name not in comparison.results:
                cells.append(Cell("not measured", sort=_NOTHING))
                continue
            results = comparison.results[name]
            light = observable_light(name, results, checks.get(candidate, ()))
            ks = results.get("ks")
            few = comparison.whole.not_compared.get(name)
            text = f"not compared: {few}" if ks is None else f"KS {value_text(ks)}"
            cells.append(
                Cell(
                    light.word,
                    text,
                    sort=light.rank + _squeezed(severity(results)),
                    light=light,
                    is_text=True,
                )
            )
        rows.append((name, cells))
    heads = [("observable", ""), *((name, "verdict and KS") for name in comparisons)]
    return Table(heads, rows)


def slices_table(comparisons: Comparisons) -> Table | None:
    """List all slices with the events of all samples and the verdicts; None when there are none."""
    found = list(comparisons.values())
    rows = []
    for place, part in enumerate(found[0].slices):
        cells = [Cell(whole(part.n_events[0]))]
        cells += [_slice(comparison.slices[place]) for comparison in found]
        rows.append((part.cut.label if part.cut else "all", cells))
    heads = [("slice", ""), ("reference events", ""), *((name, "") for name in comparisons)]
    return Table(heads, rows, sortable=False) if rows else None


def requirements_table(checks: Checks) -> Table | None:
    """List all requirements with what every candidate reached; None when there are none."""
    texts = list(dict.fromkeys(c.requirement.text for found in checks.values() for c in found))
    if not texts:
        return None
    rows = []
    for text in texts:
        cells = []
        for found in checks.values():
            check = next((c for c in found if c.requirement.text == text), None)
            cells.append(Cell("not checked") if check is None else _check(check))
        rows.append((text, cells))
    return Table([("requirement", ""), *((name, "") for name in checks)], rows, sortable=False)


def _worst_first(comparison: Comparison, checks: Sequence[Check]) -> list[str]:
    lights = {
        name: observable_light(name, results, checks).rank
        for name, results in comparison.results.items()
    }
    worst = {name: severity(results) for name, results in comparison.results.items()}
    return sorted(lights, key=lambda name: (-lights[name], -worst[name]))


def _metric(result: Result | None, few: str) -> Cell:
    if result is None:
        return Cell("not compared", few, sort=_NOTHING)
    return Cell(
        value_text(result),
        floor_text(result),
        sort=_sortable(result.value),
        loud=not result.within_floor,
    )


def _slice(part: Distributions) -> Cell:
    if part.too_few:
        return Cell("not compared", part.too_few, is_text=True)
    light = Light.AMBER if part.outside else Light.GREEN
    texts = [f"{whole(part.n_events[1])} events"]
    if part.outside:
        texts.append(f"{len(part.outside)} of {len(part.results)} observables outside")
    if part.not_compared:
        texts.append(f"{len(part.not_compared)} not compared")
    return Cell(light.word, ", ".join(texts), light=light, is_text=True)


def _equivalent(ks: Result | None) -> Cell:
    if ks is None:
        return Cell("–", sort=_NOTHING)
    number = ks.n_equivalent
    return Cell(compact(number), sort=1e300 if number is None else number)


def _verdict(name: str, results: Mapping[str, Result], checks: Sequence[Check]) -> Cell:
    light = observable_light(name, results, checks)
    outside = sum(not r.within_floor for r in results.values())
    small = f"in {outside} of {len(results)} metrics" if outside else ""
    sort = light.rank + _squeezed(severity(results))
    return Cell(light.word, small, sort=sort, light=light, is_text=True)


def _check(check: Check) -> Cell:
    value = f"{check.value:.4g}" if np.isfinite(check.value) else "not defined"
    light = Light.GREEN if check.met else Light.RED
    return Cell("met" if check.met else "NOT met", value, light=light, is_text=True)


def _squeezed(ratio: float) -> float:
    """Map a severity to 0 ... 1, so that it orders what has the same light."""
    return 1.0 if np.isinf(ratio) else ratio / (1 + ratio)


def _sortable(value: float) -> float:
    return value if np.isfinite(value) else 1e300
