"""Numbers with their errors, and the :class:`Status` of what is within its floor, in words.

Numbers have as many digits as their error allows. The :class:`Card` of a candidate is the headline:
what to remember when nothing else is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from phys_gan.metrics.result import Result
from phys_gan.validation.comparison import Comparison, Side
from phys_gan.validation.exploration import meaning_of
from phys_gan.validation.requirements import Check, evaluate

_SMALL = 1e-3
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float, error: float) -> str:
    """Write a number and its error with two figures of the error, small ones by powers of ten.

    Example:
        >>> with_error(0.12345, 0.0067), with_error(0.000079, 0.000021)
        ('0.1235 ± 0.0067', '(7.9 ± 2.1)·10⁻⁵')
    """
    if not np.isfinite(value):
        return "∞" if value > 0 else "not defined"
    largest = max(abs(value), abs(error))
    if 0 < largest < _SMALL:
        power = int(np.floor(np.log10(largest)))
        exponent = str(-power).translate(_SUPERSCRIPT)
        return f"({with_error(value / 10.0**power, error / 10.0**power)})·10⁻{exponent}"
    places = _decimals(error or value)
    return f"{value:.{places}f} ± {error:.{places}f}".replace("-", "−")


def value_text(result: Result) -> str:
    """Write value ± error."""
    return with_error(result.value, result.error)


def floor_text(result: Result) -> str:
    """Write the floor and its standard deviation."""
    return with_error(result.floor, result.floor_error)


def percent(value: float, error: float) -> str:
    """Write a fraction and its error in percent.

    Example:
        >>> percent(0.0123, 0.0004)
        '1.23 ± 0.04 %'
    """
    if not np.isfinite(value):
        return "not defined"
    return f"{100 * value:.2f} ± {100 * error:.2f} %"


def p_value_text(p_value: float) -> str:
    """Write a probability, or a bound where it is smaller than can be known.

    Example:
        >>> p_value_text(0.0312), p_value_text(1e-12)
        ('= 0.031', '< 0.0001')
    """
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"


def compact(number: float | None) -> str:
    r"""Write a number of showers, of which the order of magnitude counts.

    Example:
        >>> compact(0.3), compact(3.2), compact(2741.0), compact(1.2e7), compact(None)
        ('below 1', '3', '2\xa0700', '12 million', 'any')
    """
    if number is None:
        return "any"
    if number < 1:
        return "below 1"
    if number >= 1e6:
        return f"{number / 1e6:.2g} million" if number < 1e8 else "over 100 million"
    rounded = round(number, 1 - int(np.floor(np.log10(number)))) if number >= 10 else round(number)
    return whole(int(rounded))


def whole(number: int) -> str:
    r"""Write a whole number with groups of three digits that stay on one line.

    Example:
        >>> whole(12345)
        '12\xa0345'
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _decimals(scale: float) -> int:
    """Return the decimals at which an error keeps two figures."""
    if not np.isfinite(scale) or scale <= 0:
        return 3
    return int(np.clip(1 - np.floor(np.log10(scale)), 0, 8))


class Status(Enum):
    """A verdict, which has a shape and words as well as a colour; a worse one has a higher rank."""

    GREEN = ("green", "●", "within floor", 0)
    AMBER = ("amber", "▲", "outside floor", 1)
    RED = ("red", "■", "requirement failed", 2)

    def __init__(self, key: str, symbol: str, word: str, rank: int) -> None:
        self.key, self.symbol, self.word, self.rank = key, symbol, word, rank


def observable_status(
    name: str, results: Mapping[str, Result], checks: Sequence[Check] = ()
) -> Status:
    """Judge an observable by all its metrics and by the requirements that fail on it."""
    if any(_failed_on(check, name, results) for check in checks):
        return Status.RED
    return Status.GREEN if all(r.within_floor for r in results.values()) else Status.AMBER


def result_status(name: str, result: Result, checks: Sequence[Check] = ()) -> Status:
    """Judge a metric of whole events."""
    for check in checks:
        wanted = check.requirement
        alone = wanted.observable is None and wanted.statistic is None
        if not check.met and alone and wanted.metric == name:
            return Status.RED
    return Status.GREEN if result.within_floor else Status.AMBER


def severity(results: Mapping[str, Result]) -> float:
    """Return the largest ratio of a metric of one observable to its limit."""
    return max(result.severity for result in results.values())


def worst_first(comparisons: Iterable[Comparison]) -> list[str]:
    """Sort the observables of all candidates by their largest severity."""
    worst: dict[str, float] = {}
    for comparison in comparisons:
        for name, results in comparison.results.items():
            worst[name] = max(severity(results), worst.get(name, 0.0))
    return sorted(worst, key=lambda name: -worst[name])


def _failed_on(check: Check, name: str, results: Mapping[str, Result]) -> bool:
    """Return whether a requirement is not met because of this observable.

    Of ``METRIC.max`` and ``METRIC.min`` those observables are to blame that break the bound
    themselves; of ``METRIC.mean``, ``outside_floor`` and metrics of whole events, none alone. Nor
    are the results of all events to blame for a failure in a slice.
    """
    wanted = check.requirement
    if check.met or wanted.statistic == "mean":
        return False
    if wanted.observable is not None:
        return wanted.observable == name
    if wanted.in_slices or wanted.statistic is None:
        return False
    if wanted.metric not in results:
        return False
    alone = dataclasses.replace(wanted, statistic=None, observable=name)
    found = {metric: result.as_dict() for metric, result in results.items()}
    return not evaluate(alone, {"observables": {name: found}}).met


_NAMED = 8


@dataclass(frozen=True)
class Card:
    """The headline of a candidate.

    Attributes:
        name: The candidate.
        status: The overall verdict.
        verdict: The same in one sentence.
        lines: Further sentences.
        findings: Known failures by name, with their sentences.
        warnings: What limits the meaning of the comparison.
        facts: What tells it apart, speed and validity: a title, and lines of a text and what
            belongs to it.
    """

    name: str
    status: Status
    verdict: str
    lines: Sequence[str]
    findings: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    facts: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()


def make_card(name: str, comparison: Comparison, checks: Sequence[Check]) -> Card:
    """Sum up a comparison."""
    outside, total = comparison.outside, len(comparison.results)
    verdict = f"{total - len(outside)} of {total} observables are within the floor."
    if not outside:
        verdict = f"All {total} observables are within the floor."
    first, second = whole(comparison.reference.n), whole(comparison.candidate.n)
    lines = [
        verdict,
        "Probability that two samples of one source differ this much in any of them: "
        f"p {p_value_text(comparison.whole.p_value)}, from {first} reference and {second} "
        "candidate events.",
    ]
    if outside:
        more = f", and {len(outside) - _NAMED} more" if len(outside) > _NAMED else ""
        lines.append(f"Outside, the worst first: {', '.join(outside[:_NAMED])}{more}.")
    overall = comparison.verdict
    joint = [r.within_floor for r in comparison.multivariate.values()]
    if joint:
        lines.append(f"{sum(joint)} of {len(joint)} metrics of whole events are within the floor.")
    if checks:
        met = sum(check.met for check in checks)
        lines.append(f"{met} of {len(checks)} requirements are met.")
    status = Status.GREEN if overall.passed else Status.AMBER
    if not all(check.met for check in checks):
        status = Status.RED
    findings = [(finding.name, finding.text) for finding in comparison.findings]
    facts = [
        ("Told apart by", _judges(comparison)),
        ("Speed", _speed(comparison)),
        ("Validity", _validity(comparison)),
    ]
    warnings = list(comparison.warnings)
    return Card(name, status, overall.text, lines, findings, warnings, facts)


_SEEN = {
    "trees": "boosted trees, which see observables and features of cells",
    "cnn": "a convolutional network, which sees the cells and their neighbours",
    "low": "a network that sees every cell",
    "low-normalised": "a network that sees the shape of every layer",
    "high": "a network that sees energies, centres and widths of layers",
}
"""What classifiers see, by the name of their input."""


def _judges(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the AUC of every classifier, and what it sees; the best judge first."""
    found = []
    for form, judged in comparison.classifiers.items():
        auc = judged.results["auc"]
        away = [text.split(":")[0] for text in getattr(judged, "gives_away", ())]
        said = f"; what gives it away: {', '.join(away[:2])}" if away else ""
        where = "within the floor" if auc.within_floor else "0.5 would be chance"
        seen = _SEEN.get(form, f"a classifier of {form}")
        found.append((auc.value, f"AUC {value_text(auc)} ({where})", f"by {seen}{said}."))
    if not found:
        return [("Not asked", "No classifier was trained (--classifier).")]
    return [(text, small) for _, text, small in sorted(found, reverse=True)]


_SECONDS = "seconds_per_event"


def _speed(comparison: Comparison) -> list[tuple[str, str]]:
    """Return how long an event of both samples took, where their files say so."""
    sides = comparison.reference, comparison.candidate
    names = "reference", "candidate"
    seconds = [_number(side.provenance.get(_SECONDS)) for side in sides]
    found = [
        (f"{_duration(s)} per event", f"{name}{_made_by(side)}")
        for name, side, s in zip(names, sides, seconds, strict=True)
        if s is not None
    ]
    full, fast = seconds
    if full is not None and fast is not None:
        found.insert(0, (f"{float(f'{full / fast:.2g}'):,.12g} times as fast", "as recorded"))
    return found or [("Not recorded", "phys-gan benchmark MODEL measures it.")]


def _made_by(side: Side) -> str:
    maker = next((k for k in ("simulator", "simulation", "recipe") if k in side.provenance), None)
    return f", {side.provenance[maker][:60]}" if maker else ""


def _duration(seconds: float) -> str:
    """Write a time with two figures.

    Example:
        >>> _duration(0.00123), _duration(2.5)
        ('1.2 ms', '2.5 s')
    """
    steps = (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")
    factor, unit = next((step for step in steps if seconds >= step[0]), steps[-1])
    return f"{float(f'{seconds / factor:.2g}'):g} {unit}"


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None


def _validity(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the ranges of the conditions of both samples, and what the model is valid for.

    The provenance of a sample may hold ``valid_NAME``, such as ``"1000:100000"``, for a condition
    in the unit of the file.
    """
    first, second = comparison.reference, comparison.candidate
    found = []
    for name in dict.fromkeys([*first.conditions, *second.conditions]):
        meaning = meaning_of(comparison.detector, name)
        label = "incident energy" if name == "energy" else name.replace("_", " ")
        factor, unit = meaning.factor, f" {meaning.unit}" if meaning.unit else ""
        ranges = [
            f"{side.conditions[name][0] * factor:.3g} to {side.conditions[name][2] * factor:.3g}"
            if name in side.conditions
            else "not known"
            for side in (first, second)
        ]
        text = f"{ranges[0]}{unit}" if ranges[0] == ranges[1] else f"{ranges[1]}{unit}"
        small = label if ranges[0] == ranges[1] else f"{label}; reference {ranges[0]}"
        low, _, high = second.provenance.get(f"valid_{name}", "").partition(":")
        bounds = _number(low), _number(high)
        if bounds[0] is not None and bounds[1] is not None and name in second.conditions:
            inside = bounds[0] <= second.conditions[name][0] * (1 + 1e-5)
            inside &= second.conditions[name][2] <= bounds[1] * (1 + 1e-5)
            known = f"{bounds[0] * factor:.3g} to {bounds[1] * factor:.3g}{unit}"
            small += f"; {'within' if inside else 'OUTSIDE'} what the model is made for ({known})"
        if first.conditions.get(name, (0, 0, 1))[0] != first.conditions.get(name, (0, 0, 1))[2]:
            found.append((text, small))
    return found[:_NAMED] or [("No conditions", "Nothing says what the samples are valid for.")]
