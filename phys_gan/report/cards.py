"""The headline of a candidate: what to remember when nothing else is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phys_gan.report.lights import Light
from phys_gan.report.numbers import p_value_text, whole
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.requirements import Check

__all__ = ["Card", "make_card"]

_NAMED = 8


@dataclass(frozen=True)
class Card:
    """The headline of a candidate.

    Attributes:
        name: The candidate.
        light: The overall verdict.
        verdict: One sentence.
        lines: What else to know, as sentences.
        findings: Known failures by name, with what was seen.
        warnings: What limits the meaning of the comparison.
    """

    name: str
    light: Light
    verdict: str
    lines: Sequence[str]
    findings: Sequence[tuple[str, str]]
    warnings: Sequence[str]


def make_card(name: str, comparison: Comparison, checks: Sequence[Check]) -> Card:
    """Sum up a comparison."""
    outside, total = comparison.outside, len(comparison.results)
    n_within = total - len(outside)
    verdict = f"{n_within} of {total} observables are within the floor."
    if not outside:
        verdict = f"All {total} observables are within the floor."
    first, second = whole(comparison.reference.n), whole(comparison.candidate.n)
    lines = [
        "Probability that two samples of one source differ this much in any of them: "
        f"p {p_value_text(comparison.whole.p_value)}, from {first} reference and {second} "
        "candidate events."
    ]
    if outside:
        more = f", and {len(outside) - _NAMED} more" if len(outside) > _NAMED else ""
        lines.append(f"Outside, the worst first: {', '.join(outside[:_NAMED])}{more}.")
    together = [r.within_floor for r in comparison.multivariate.values()]
    if together:
        lines.append(
            f"{sum(together)} of {len(together)} metrics of whole events are within the floor."
        )
    if checks:
        met = sum(check.met for check in checks)
        lines.append(f"{met} of {len(checks)} requirements are met.")
    if not all(check.met for check in checks):
        light = Light.RED
    else:
        light = Light.GREEN if not outside and all(together) else Light.AMBER
    findings = [(finding.name, finding.text) for finding in comparison.findings]
    return Card(name, light, verdict, lines, findings, list(comparison.warnings))
