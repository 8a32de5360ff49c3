"""Requirements on the metrics of a comparison, such as ``ks.max<0.1``: :func:`evaluate`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phys_gan.errors import ConfigError, MissingError
from phys_gan.metrics.distances import METRICS

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
}
_PATTERN = re.compile(
    r"""\s*(?P<slices>slices\.)?(?P<metric>\w+)
    (?:\.(?P<statistic>\w+)|\[\s*(?P<quote>["']?)(?P<observable>[^"'\]]+?)(?P=quote)\s*\])?
    \s*(?P<operator><=|>=|<|>)
    \s*(?P<bound>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*""",
    re.VERBOSE,
)
_OF_OBSERVABLES = (*METRICS, "undefined")
_REMEDY = "write it like 'ks.max<0.1', 'ks[E_tot/E_inc]<0.05' or 'outside_floor<=0'"


@dataclass(frozen=True)
class Requirement:
    """One parsed requirement.

    Attributes:
        text: As the user wrote it.
        in_slices: Whether the worst of the slices is meant instead of all events.
        metric: Name of a metric, or ``verdict``, ``verdict.p_value``, ``outside_floor``,
            ``findings`` or ``p_value``.
        statistic: ``max``, ``min`` or ``mean`` over all observables.
        observable: Name of the one observable that is meant.
        operator: ``<``, ``<=``, ``>`` or ``>=``.
        bound: The number it is compared with.
    """

    text: str
    in_slices: bool
    metric: str
    statistic: str | None
    observable: str | None
    operator: str
    bound: float


@dataclass(frozen=True)
class Check:
    """Whether a requirement is met.

    Attributes:
        requirement: The requirement.
        value: Value of the metric; NaN where it is not defined.
        met: Whether the requirement holds; one on an undefined value never does.
    """

    requirement: Requirement
    value: float
    met: bool


def parse(text: str) -> Requirement:
    """Read a requirement: what, a comparison sign, a number.

    What is ``METRIC.max``, ``METRIC.min`` or ``METRIC.mean`` over all observables,
    ``METRIC[OBSERVABLE]``, a multivariate ``METRIC``, ``outside_floor`` (the number of observables
    outside the floor), ``findings`` (the number of known failures that were found) or ``p_value``
    (that of all observables together). After ``slices.`` the first, second and fourth of these are
    taken over all slices; where there are none, or one without a comparison, they are not met.
    ``verdict`` alone, without a number, is met when everything that was compared passes;
    ``verdict.p_value`` is the p-value of all that.

    Raises:
        ConfigError: The text cannot be read.
        MissingError: Observables have no such metric.

    Example:
        >>> parse("ks.max < 0.1").bound
        0.1
    """
    if text.strip() == "verdict":
        return Requirement(text.strip(), False, "verdict", None, None, ">=", 1.0)
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(f"cannot read the requirement '{text}'", remedy=_REMEDY, value=text)
    statistic = match["statistic"]
    if (match["metric"], statistic) == ("verdict", "p_value") and not match["slices"]:
        number, sign = float(match["bound"]), match["operator"]
        return Requirement(text.strip(), False, "verdict.p_value", None, None, sign, number)
    if statistic is not None and statistic not in _STATISTICS:
        raise ConfigError(
            f"'{statistic}' in the requirement '{text}' is not one of {', '.join(_STATISTICS)}",
            remedy=_REMEDY,
            value=statistic,
        )
    about_observables = statistic is not None or match["observable"] is not None
    if about_observables and match["metric"] not in _OF_OBSERVABLES:
        raise _unknown(match["metric"], text, _OF_OBSERVABLES)
    return Requirement(
        text=text.strip(),
        in_slices=match["slices"] is not None,
        metric=match["metric"],
        statistic=statistic,
        observable=match["observable"],
        operator=match["operator"],
        bound=float(match["bound"]),
    )


def evaluate(requirement: str | Requirement, metrics: Mapping[str, Any]) -> Check:
    """Check a requirement on the content of ``metrics.json``.

    Arguments:
        requirement: The requirement, or its text.
        metrics: ``Comparison.metrics``, or ``metrics.json`` read from a file.

    Raises:
        ConfigError: The text cannot be read.
        MissingError: The metric or the observable does not exist; the message lists those that do.
    """
    if isinstance(requirement, str):
        requirement = parse(requirement)
    values = _values(requirement, metrics)
    if not values or any(value is None for value in values):
        return Check(requirement, float("nan"), False)
    value = float(_STATISTICS[requirement.statistic or "max"](values))
    return Check(requirement, value, _OPERATORS[requirement.operator](value, requirement.bound))


def _values(requirement: Requirement, metrics: Mapping[str, Any]) -> list[Any]:
    name, observable = requirement.metric, requirement.observable
    selections: list[Mapping[str, Mapping[str, Any]]] = [metrics["observables"]]
    if requirement.in_slices:
        selections = [part["observables"] for part in metrics.get("slices", [])]
    # A requirement on all slices is not met where one has no comparison.
    complete = bool(selections) and all(selections)
    if observable is None and requirement.statistic is None:
        if name != "outside_floor":
            return [_single(requirement, metrics)]
        outside = sum(
            not all(result["within_floor"] for result in results.values())
            for part in selections
            for results in part.values()
        )
        return [outside] if complete else []
    if observable is not None and observable not in metrics["observables"]:
        raise _unknown(observable, requirement.text, list(metrics["observables"]))
    if not complete:
        return []
    if observable is None:
        return [r[name]["value"] for part in selections for r in part.values() if name in r]
    # A requirement on a metric that too few events define is not met.
    found = [part.get(observable, {}).get(name) for part in selections]
    return [] if None in found else [result["value"] for result in found if result is not None]


def _single(requirement: Requirement, metrics: Mapping[str, Any]) -> Any:
    """Return the one number that a name without observable or statistic means."""
    name = requirement.metric
    if name == "verdict" and not requirement.in_slices:
        return float(metrics["verdict"]["passed"])
    if name == "verdict.p_value":
        return metrics["verdict"]["p_value"]
    if name == "findings" and not requirement.in_slices:
        return len(metrics.get("findings", []))
    if name == "p_value" and not requirement.in_slices:
        return metrics["provenance"][name]
    multivariate = metrics.get("multivariate", {})
    if name not in multivariate or requirement.in_slices:
        raise _unknown(
            name,
            requirement.text,
            ["verdict", "outside_floor", "findings", "p_value", *multivariate],
        )
    return multivariate[name]["value"]


def _unknown(name: str, text: str, available: Sequence[str]) -> MissingError:
    return MissingError(
        f"'{name}' in the requirement '{text}' does not exist; available: {', '.join(available)}",
        remedy=_REMEDY,
        value=name,
    )
