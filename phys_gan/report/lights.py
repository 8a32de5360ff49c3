"""Traffic lights: what is within its floor, outside of it, or fails a requirement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import Enum

from phys_gan.validation.requirements import Check, Requirement, evaluate
from phys_gan.validation.statistics.result import Result

__all__ = ["Light", "failed_on", "observable_light", "result_light", "severity"]


class Light(Enum):
    """A verdict that is told by shape and word as well as by colour.

    Attributes:
        key: Name of the style.
        symbol: Its shape.
        word: What it says.
        rank: Worse is higher, for sorting.
    """

    GREEN = ("green", "●", "within floor", 0)
    AMBER = ("amber", "▲", "outside floor", 1)
    RED = ("red", "■", "requirement failed", 2)

    def __init__(self, key: str, symbol: str, word: str, rank: int) -> None:
        self.key, self.symbol, self.word, self.rank = key, symbol, word, rank


def observable_light(
    name: str, results: Mapping[str, Result], checks: Sequence[Check] = ()
) -> Light:
    """Judge an observable by all its metrics and by the requirements that fail on it."""
    if any(failed_on(check, name, results) for check in checks):
        return Light.RED
    return Light.GREEN if all(r.within_floor for r in results.values()) else Light.AMBER


def result_light(name: str, result: Result, checks: Sequence[Check] = ()) -> Light:
    """Judge a metric that looks at all observables together."""
    for check in checks:
        wanted = check.requirement
        alone = wanted.observable is None and wanted.statistic is None
        if not check.met and alone and wanted.metric == name:
            return Light.RED
    return Light.GREEN if result.within_floor else Light.AMBER


def severity(results: Mapping[str, Result]) -> float:
    """Return the largest ratio of a metric of one observable to its limit."""
    return max(result.severity for result in results.values())


def failed_on(check: Check, name: str, results: Mapping[str, Result]) -> bool:
    """Return whether a requirement is not met because of this observable.

    Of ``METRIC.max`` and ``METRIC.min`` those observables are to blame that break the bound
    themselves; of ``METRIC.mean``, of ``outside_floor`` and of what looks at all observables
    together, none alone. Nor are the results of all events to blame for what fails in a slice.
    """
    wanted = check.requirement
    if check.met or wanted.statistic == "mean":
        return False
    if wanted.in_slices and wanted.observable is None:
        return False
    if wanted.observable is not None:
        return wanted.observable == name
    if wanted.statistic is None:
        return False
    return wanted.metric in results and not _met_alone(wanted, name, results)


def _met_alone(wanted: Requirement, name: str, results: Mapping[str, Result]) -> bool:
    alone = dataclasses.replace(wanted, statistic=None, observable=name)
    found = {metric: result.as_dict() for metric, result in results.items()}
    return evaluate(alone, {"observables": {name: found}}).met
