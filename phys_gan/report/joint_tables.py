"""Tables of metrics that look at whole events: distances, correlations, classifiers."""

from __future__ import annotations

from collections.abc import Mapping

from phys_gan.report.lights import Light, result_light
from phys_gan.report.numbers import floor_text, value_text
from phys_gan.report.tables import Cell, Checks, Table
from phys_gan.validation.comparison import Comparisons
from phys_gan.validation.multivariate.glossary import MODES, MULTIVARIATE
from phys_gan.validation.statistics.result import Result

__all__ = ["classifier_table", "together_table"]

_LABELS = {
    **{name: metric.label for name, metric in (MODES | MULTIVARIATE).items()},
    "layer_correlations": "layer correlations, rms difference",
    "cell_correlations": "cell correlations, rms difference",
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


def together_table(comparisons: Comparisons, checks: Checks) -> Table | None:
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
    light = result_light(name, result, checks.get(candidate, ()))
    small = f"floor {floor_text(result)}, {light.word}"
    return Cell(value_text(result), small, light=light, loud=light is not Light.GREEN)
