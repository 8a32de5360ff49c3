"""The tables of the page: observables, whole events, slices, requirements and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phys_gan.metrics.distances import METRICS
from phys_gan.metrics.response import ResponseCurve
from phys_gan.metrics.result import MODES, MULTIVARIATE, TESTS, Result
from phys_gan.report.numbers import (
    Status,
    compact,
    floor_text,
    observable_status,
    percent,
    result_status,
    severity,
    value_text,
    whole,
    with_error,
    worst_first,
)
from phys_gan.validation.comparison import Comparison, Comparisons, Side
from phys_gan.validation.distributions import Distributions
from phys_gan.validation.exploration import meaning_of
from phys_gan.validation.reconstruction import Peak
from phys_gan.validation.requirements import Check

Checks = Mapping[str, Sequence[Check]]
"""Name of a candidate to the requirements that were checked on it."""

_COLUMNS = ("ks", "w1_scaled", "js", "separation", "chi2_ndf")
_NOTHING = -1.0


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Its text.
        small: A second line in small type.
        sort: Key by which its column is sorted.
        status: A verdict to show before the text.
        loud: Whether the text is outside its floor.
        is_text: Whether it is a text, not a number.
    """

    text: str
    small: str = ""
    sort: float | str = ""
    status: Status | None = None
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
    for name in _by_status(comparison, checks):
        results = comparison.results[name]
        few = comparison.whole.not_compared.get(name, "")
        cells = [_metric(results.get(metric), few) for metric in _COLUMNS]
        cells.append(_equivalent(results.get("ks")))
        cells.append(_verdict(name, results, checks))
        rows.append((name, cells))
    return Table(heads, rows)


def overview_table(comparisons: Comparisons, checks: Checks) -> Table:
    """List all observables with verdict and KS of every candidate side by side."""
    rows = []
    for name in worst_first(comparisons.values()):
        cells = []
        for candidate, comparison in comparisons.items():
            if name not in comparison.results:
                cells.append(Cell("not measured", sort=_NOTHING))
                continue
            results = comparison.results[name]
            status = observable_status(name, results, checks.get(candidate, ()))
            ks = results.get("ks")
            few = comparison.whole.not_compared.get(name)
            text = f"not compared: {few}" if ks is None else f"KS {value_text(ks)}"
            cells.append(
                Cell(
                    status.word,
                    text,
                    sort=status.rank + _squeezed(severity(results)),
                    status=status,
                    is_text=True,
                )
            )
        rows.append((name, cells))
    heads = [("observable", ""), *((name, "verdict and KS") for name in comparisons)]
    return Table(heads, rows)


def peaks_table(comparisons: Comparisons) -> Table | None:
    """List positions and widths of reconstructed peaks of all samples; None without any."""
    found = {
        name: {
            f"{one}, {quantity}": peaks
            for one, reconstructed in comparison.reconstructions.items()
            for quantity, peaks in reconstructed.peaks.items()
        }
        for name, comparison in comparisons.items()
    }
    rows = []
    for quantity in dict.fromkeys(q for of in found.values() for q in of):
        both = {name: of[quantity] for name, of in found.items() if quantity in of}
        first = next(iter(both.values()))[0]
        cells = [_peak(first)]
        cells += [_peak(both[name][1]) if name in both else Cell("–") for name in found]
        rows.append((quantity, cells))
    heads = [("peak", ""), *((name, "position, and width") for name in ("reference", *found))]
    return Table(heads, rows, sortable=False) if rows else None


def _peak(peak: Peak) -> Cell:
    return Cell(
        with_error(peak.position, peak.position_error),
        f"width {with_error(peak.width, peak.width_error)}",
    )


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


def _by_status(comparison: Comparison, checks: Sequence[Check]) -> list[str]:
    statuses = {
        name: observable_status(name, results, checks).rank
        for name, results in comparison.results.items()
    }
    worst = {name: severity(results) for name, results in comparison.results.items()}
    return sorted(statuses, key=lambda name: (-statuses[name], -worst[name]))


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
    status = Status.AMBER if part.outside else Status.GREEN
    texts = [f"{whole(part.n_events[1])} events"]
    if part.outside:
        texts.append(f"{len(part.outside)} of {len(part.results)} observables outside")
    if part.not_compared:
        texts.append(f"{len(part.not_compared)} not compared")
    return Cell(status.word, ", ".join(texts), status=status, is_text=True)


def _equivalent(ks: Result | None) -> Cell:
    if ks is None:
        return Cell("–", sort=_NOTHING)
    number = ks.n_equivalent
    return Cell(compact(number), sort=1e300 if number is None else number)


def _verdict(name: str, results: Mapping[str, Result], checks: Sequence[Check]) -> Cell:
    status = observable_status(name, results, checks)
    outside = sum(not r.within_floor for r in results.values())
    small = f"in {outside} of {len(results)} metrics" if outside else ""
    sort = status.rank + _squeezed(severity(results))
    return Cell(status.word, small, sort=sort, status=status, is_text=True)


def _check(check: Check) -> Cell:
    value = f"{check.value:.4g}" if np.isfinite(check.value) else "not defined"
    status = Status.GREEN if check.met else Status.RED
    return Cell("met" if check.met else "NOT met", value, status=status, is_text=True)


def _squeezed(ratio: float) -> float:
    """Map a severity to 0 ... 1, so that it orders what has the same status."""
    return 1.0 if np.isinf(ratio) else ratio / (1 + ratio)


def _sortable(value: float) -> float:
    return value if np.isfinite(value) else 1e300


_LABELS = {
    **{name: metric.label for name, metric in (MODES | MULTIVARIATE | TESTS).items()},
    "layer_correlations": "layer correlations, rms difference",
    "cell_correlations": "cell correlations, rms difference",
    "cross_layer": "relations at fixed energy, rms difference",
}
_OF_IMAGES = {
    "layer_correlations": "band correlations, rms difference",
    "cell_correlations": "pixel correlations, rms difference",
}
_CLASSIFIER_LABELS = {
    "auc": "AUC",
    "jsd": "JSD",
    "jsd_calibrated": "JSD, calibrated",
    "accuracy": "accuracy",
}


def joint_table(comparisons: Comparisons, checks: Checks) -> Table | None:
    """List the metrics of whole events, one column per candidate; None when there are none."""
    found = {
        name: {
            metric: result
            for metric, result in comparison.multivariate.items()
            if metric not in _of_classifiers(comparisons)
        }
        for name, comparison in comparisons.items()
    }
    image = next(iter(comparisons.values())).detector.is_image
    return _table(found, _LABELS | _OF_IMAGES if image else _LABELS, checks, "metric")


def classifier_table(comparisons: Comparisons, checks: Checks) -> Table | None:
    """List what the classifiers found, one column per candidate; None when there are none."""
    labels = _of_classifiers(comparisons)
    found = {
        name: {
            f"{metric}_{form}": result
            for form, judged in comparison.classifiers.items()
            for metric, result in judged.results.items()
        }
        for name, comparison in comparisons.items()
    }
    return _table(found, labels, checks, "metric, input")


def importance_table(comparisons: Comparisons) -> Table | None:
    """List what gives candidates away, one column per candidate; None where nothing does."""
    found = {
        name: {one.group: one for one in comparison.trees.importance}
        for name, comparison in comparisons.items()
        if comparison.trees is not None and not comparison.trees.within_floor
    }
    if not found:
        return None
    rows = []
    for group in dict.fromkeys(group for groups in found.values() for group in groups):
        cells = []
        for groups in found.values():
            one = groups[group]
            alone = "" if one.alone is None else f"; AUC alone {one.alone:.3f}"
            first, second = one.means
            best = f"{one.best}: mean {first:.3g} in the reference, {second:.3g} here"
            cells.append(
                Cell(
                    f"{max(one.drop, 0):.3f} ± {one.error:.3f}{alone}",
                    best,
                    sort=one.drop,
                    loud=one.counts,
                    is_text=True,
                )
            )
        rows.append((group, cells))
    heads = [("what gives it away", "")]
    heads += [
        (name, "Loss of AUC when the group is shuffled; most telling feature") for name in found
    ]
    return Table(heads, rows)


def tails_table(comparisons: Comparisons) -> Table | None:
    """List the fractions of extreme weights, and what these events are extreme in."""
    rows = []
    forms = dict.fromkeys(form for c in comparisons.values() for form in c.tails)
    for form in forms:
        each = [c.tails.get(form) for c in comparisons.values()]
        some = next(tails for tails in each if tails is not None)
        for place, tail in enumerate(some):
            own = [None if tails is None else tails[place] for tails in each]
            cells = [
                Cell("not computed", is_text=True)
                if one is None
                else Cell(percent(one.fraction, one.error), is_text=True)
                for one in own
            ]
            rows.append((f"{form}: {tail.text}", cells))
            most = max(len(one.extremes) if one else 0 for one in own)
            for number in range(min(most, _EXTREMES)):
                cells = [
                    Cell(name, f"median percentile {p:.0f}", is_text=True)
                    for name, p in (
                        one.extremes[number] if one and number < len(one.extremes) else ("", 50.0)
                        for one in own
                    )
                ]
                rows.append(("extreme in", cells))
    heads = [("events of extreme weights", "")]
    heads += [
        (name, "Fraction of the sample; median percentile in the reference") for name in comparisons
    ]
    return Table(heads, rows, sortable=False) if rows else None


def _of_classifiers(comparisons: Comparisons) -> dict[str, str]:
    """Return the names of the metrics of classifiers among the multivariate ones, with labels."""
    return {
        f"{metric}_{form}": f"{_CLASSIFIER_LABELS.get(metric, metric)}, {form}"
        for comparison in comparisons.values()
        for form, judged in comparison.classifiers.items()
        for metric in judged.results
    }


def _table(
    found: Mapping[str, Mapping[str, Result]],
    labels: Mapping[str, str],
    checks: Checks,
    head: str,
) -> Table | None:
    names = list(dict.fromkeys(name for results in found.values() for name in results))
    if not names:
        return None
    rows = []
    for name in names:
        cells = [
            _cell(name, results.get(name), candidate, checks)
            for candidate, results in found.items()
        ]
        rows.append((labels.get(name, name), cells))
    return Table([(head, ""), *((name, "") for name in found)], rows, sortable=False)


def _cell(name: str, result: Result | None, candidate: str, checks: Checks) -> Cell:
    if result is None:
        return Cell("not computed")
    status = result_status(name, result, checks.get(candidate, ()))
    small = f"floor {floor_text(result)}, {status.word}"
    return Cell(value_text(result), small, status=status, loud=status is not Status.GREEN)


_EXTREMES = 3
_LONGEST = 4000
"""Characters of what is recorded of a sample."""


def samples_table(comparisons: Comparisons) -> Table:
    """List the numbers of events and the incident energies, of images the ranges of conditions."""
    detector = next(iter(comparisons.values())).detector
    if detector.is_image:
        return _galaxies_table(comparisons)
    if detector.is_toy:
        counts = [(name, [_events(side)]) for name, side in _sides(comparisons)]
        return Table([("sample", ""), ("points", "")], counts, sortable=False)
    rows = [(name, _sample(side)) for name, side in _sides(comparisons)]
    heads = ("sample", "events", "incident energy [GeV]", "energy outside the cells")
    return Table([(head, "") for head in heads], rows, sortable=False)


def _galaxies_table(comparisons: Comparisons) -> Table:
    """List the ranges of the conditions as well, in the units that they are known to have."""
    detector = next(iter(comparisons.values())).detector
    sides = _sides(comparisons)
    names = list(dict.fromkeys(name for _, side in sides for name in side.conditions))
    units = [meaning_of(detector, name).unit for name in names]
    heads = [
        "sample",
        "galaxies",
        *(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True)),
    ]
    rows = [
        (label, [_events(side), *(Cell(_range(side, name)) for name in names)])
        for label, side in sides
    ]
    return Table([(head, "") for head in heads], rows, sortable=False)


def provenance_table(comparisons: Comparisons) -> Table:
    """List what is recorded of how every sample was made."""
    sides = _sides(comparisons)
    keys = list(dict.fromkeys(key for _, side in sides for key in side.provenance))
    rows = [
        (key[:_LONGEST], [_recorded(side.provenance.get(key, "–")) for _, side in sides])
        for key in keys
    ]
    if not rows:
        rows = [("made by", [Cell("not recorded", is_text=True) for _ in sides])]
    return Table([("", ""), *((name, "") for name, _ in sides)], rows, sortable=False)


def _recorded(text: str) -> Cell:
    # Whoever wrote a file may have written a book into it.
    return Cell(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …", is_text=True)


def response_table(comparisons: Comparisons) -> Table | None:
    """List the fits of the resolution and the linearity; None without incident energies."""
    rows = [
        (name, _fit(side.response))
        for name, side in _sides(comparisons)
        if side.response is not None
    ]
    heads = ("sample", "stochastic term a", "constant term b", "χ²/ndf of the fit", "non-linearity")
    return Table([(head, "") for head in heads], rows, sortable=False) if rows else None


def _sides(comparisons: Comparisons) -> list[tuple[str, Side]]:
    references = [c.reference for c in comparisons.values()]
    # Its response is known beside those candidates alone whose incident energies are.
    first = next((side for side in references if side.response), references[0])
    return [("reference", first), *((name, c.candidate) for name, c in comparisons.items())]


def _sample(side: Side) -> list[Cell]:
    energy = "not known"
    if side.energy is not None:
        energy = _range_text([value / 1000 for value in side.energy])
    outside = "not recorded" if side.outside is None else f"{100 * side.outside:.3f} %"
    return [_events(side), Cell(energy), Cell(outside)]


def _events(side: Side) -> Cell:
    """Say how many events there are, and how many of weight 1 would say as much."""
    worth = f" (weighted, worth {whole(round(side.n_effective))})" if side.weighted else ""
    return Cell(f"{whole(side.n)}{worth}")


def _range(side: Side, name: str) -> str:
    return _range_text(side.conditions[name]) if name in side.conditions else "not known"


def _range_text(values: Sequence[float]) -> str:
    low, middle, high = values
    return f"{low:.3g} to {high:.3g}, median {middle:.3g}"


def _fit(curve: ResponseCurve) -> list[Cell]:
    fit = curve.fit
    chi2 = f"{fit.chi2_ndf:.2f}" if np.isfinite(fit.chi2_ndf) else "not defined"
    return [
        Cell(percent(fit.a, fit.a_error)),
        Cell(percent(fit.b, fit.b_error)),
        Cell(chi2),
        Cell(percent(curve.linearity, curve.linearity_error)),
    ]
