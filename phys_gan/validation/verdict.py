"""One verdict on everything that was compared: :class:`Verdict`, from :func:`make_verdict`.

What is compared falls into families: the observables, their slices, the metrics of whole events,
the known failures. Each family has a p-value that allows for its members, and all families share
one nominal false-alarm rate of 1 %, in equal parts (Bonferroni), whatever is looked at. What the
rate is in truth, and where it is higher, docs/validation.md says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from phys_gan.metrics.result import MODES, MULTIVARIATE, TESTS, Result, p_value_of
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.validation.distributions import Distributions
from phys_gan.validation.evidence import Finding

FAMILIES = ("observables", "slices", "joint", "findings")
"""Names of the parts of a verdict; those are left out that a comparison does not have."""


@dataclass(frozen=True)
class Part:
    """The verdict on one family.

    Attributes:
        name: One of :data:`FAMILIES`.
        p_value: Probability that equal samples differ this much in any member.
        level: It passes from this p-value on: 1 % over the number of families.
        n_members: Number of observables, slices, metrics or known failures.
        n_outside: Number of those that are beyond chance by their own limits.
        worst: The member with the smallest p-value, in words; empty where all are perfect.
    """

    name: str
    p_value: float
    level: float
    n_members: int
    n_outside: int
    worst: str

    @property
    def passed(self) -> bool:
        """Whether nothing in this family is beyond chance."""
        return self.p_value >= self.level

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self) | {"passed": self.passed}


@dataclass(frozen=True)
class Verdict:
    """Whether two samples agree in everything that was looked at.

    Attributes:
        passed: Whether no family is beyond chance.
        p_value: Probability that equal samples differ this much in anything.
        text: The verdict in one sentence, which names the worst.
        parts: That on each family that was looked at, by its name.
    """

    passed: bool
    p_value: float
    text: str
    parts: Mapping[str, Part]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "passed": self.passed,
            "p_value": self.p_value,
            "text": self.text,
            "parts": {name: part.as_dict() for name, part in self.parts.items()},
        }


def count_families(slices: Sequence[Distributions], multivariate: Mapping[str, Result]) -> int:
    """Return the number of families of a comparison: 2, or more with slices and whole events."""
    return 2 + any(part.results for part in slices) + bool(multivariate)


def make_verdict(
    whole: Distributions,
    slices: Sequence[Distributions],
    multivariate: Mapping[str, Result],
    asked: Sequence[Finding],
) -> Verdict:
    """Judge all that was compared at one rate of false alarms, 1 %.

    Arguments:
        whole: All observables, of all events.
        slices: The same in slices, judged as one family.
        multivariate: Metrics of whole events.
        asked: All known failures that were looked for, found or not.
    """
    level = ALPHA / count_families(slices, multivariate)
    parts = [_observables(whole, level)]
    if any(part.results for part in slices):
        parts.append(_slices(slices, level))
    if multivariate:
        parts.append(_joint(multivariate, level))
    parts.append(_findings(asked, level))
    p_value = min(1.0, len(parts) * min(part.p_value for part in parts))
    failed = [part for part in parts if not part.passed]
    if not failed:
        looked = _listed([_members(part) for part in parts])
        text = f"The samples agree: nothing is beyond chance in {looked} ({p_text(p_value)})."
        return Verdict(True, p_value, text, {part.name: part for part in parts})
    # A failure with a name says more than any distance.
    first = next((part for part in failed if part.name == "findings"), None)
    first = first or min(failed, key=lambda part: part.p_value)
    others = [f"{part.n_outside} of {_members(part)}" for part in failed if part.n_outside]
    text = f"The samples differ ({p_text(p_value)}), worst in {first.worst}"
    if others:
        text += f"; beyond chance are {_listed(others)}"
    return Verdict(False, p_value, f"{text}.", {part.name: part for part in parts})


def p_text(p_value: float) -> str:
    """Write a p-value, or a bound where it is smaller than can be known.

    Example:
        >>> p_text(0.0312), p_text(1e-12)
        ('p = 0.031', 'p < 0.0001')
    """
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"


def _observables(whole: Distributions, level: float) -> Part:
    outside = whole.outside
    worst = ""
    if whole.results:
        name = min(whole.ranking, key=lambda name: _smallest(whole.results[name]))
        worst = _observable(name, whole.results[name])
    return Part("observables", whole.p_value, level, len(whole.results), len(outside), worst)


def _slices(slices: Sequence[Distributions], level: float) -> Part:
    # Every slice has the p-value of the smallest one of all slices, if it were its own.
    compared = [part for part in slices if part.results and part.cut is not None]
    last = min(compared, key=lambda part: part.p_value)
    name = min(last.ranking, key=lambda name: _smallest(last.results[name]))
    worst = f"{_observable(name, last.results[name])} at {last.cut.label if last.cut else ''}"
    outside = sum(bool(part.outside) for part in compared)
    return Part("slices", last.p_value, level, len(compared), outside, worst)


def _joint(multivariate: Mapping[str, Result], level: float) -> Part:
    p_values = {name: p_value_of(result) for name, result in multivariate.items()}
    name = min(p_values, key=p_values.__getitem__)
    result, metric = multivariate[name], (MULTIVARIATE | MODES | TESTS).get(name)
    label = metric.label if metric else name.replace("_", " ")
    worst = f"{label} ({result.value:.3g} ± {result.error:.2g}, floor {result.floor:.3g})"
    p_value = min(1.0, len(p_values) * p_values[name])
    outside = sum(p < level / len(p_values) for p in p_values.values())
    return Part("joint", p_value, level, len(p_values), outside, worst)


def _findings(asked: Sequence[Finding], level: float) -> Part:
    """Judge the known failures, each by its share of the level of their family."""
    found = [f for f in asked if f.found]
    if not asked:
        return Part("findings", 1.0, level, 0, 0, "")
    # p / share, by which p_value >= level means that nothing is found.
    p_value = min(1.0, min(f.p_value * level / f.level for f in asked))
    worst = min(asked, key=lambda f: f.p_value / f.level)
    text = f"{worst.name} ({worst.text.rstrip('.')})" if worst.text else ""
    return Part("findings", p_value, level, len(asked), len(found), text)


def _smallest(results: Mapping[str, Result]) -> float:
    return min((p_value_of(result) for result in results.values()), default=1.0)


def _observable(name: str, results: Mapping[str, Result]) -> str:
    ks = results.get("ks")
    return name if ks is None else f"{name} (KS {ks.value:.3f}, floor {ks.floor:.3f})"


def _members(part: Part) -> str:
    one, many = {
        "observables": ("observable", "observables"),
        "slices": ("slice", "slices"),
        "joint": ("metric of whole events", "metrics of whole events"),
        "findings": ("known failure", "known failures"),
    }[part.name]
    return f"{part.n_members} {one if part.n_members == 1 else many}"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
