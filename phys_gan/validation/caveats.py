"""What limits the meaning of a comparison: conditions that differ, or that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import ks_2samp

from phys_gan.validation.distributions import MIN_EVENTS, Distributions, few_events
from phys_gan.validation.measuring import Measured
from phys_gan.validation.statistics.uncertainty import ALPHA

__all__ = ["caveats", "differing_conditions", "empty_slices"]

_NAMED = 5


def caveats(reference: Measured, candidate: Measured, whole: Distributions) -> list[str]:
    """Say in sentences what to know before any difference is blamed on a generator.

    Arguments:
        reference: The reference.
        candidate: The candidate.
        whole: The observables of all events, among which the incident energy is.
    """
    detector = reference.detector
    found = [
        f"The {sample.name} has {sample.n_events:,} events, of which a random choice of "
        f"{len(sample):,} is compared; averages are those of all."
        for sample in (reference, candidate)
        if len(sample) < sample.n_events
    ]
    if detector.is_toy:
        return found
    if detector.is_image:
        return found + _of_images(reference, candidate)
    return found + _of_showers(reference, candidate, whole)


def empty_slices(slices: Sequence[Distributions]) -> list[str]:
    """Say in a sentence in which slices nothing is compared, for want of events."""
    few = [(part.cut, few_events(*part.n_events)) for part in slices]
    named = [f"{cut.label} ({text})" for cut, text in few if cut is not None and text]
    if not named:
        return []
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return [
        f"Nothing is compared in {len(named)} of {len(slices)} slices, because that needs "
        f"{MIN_EVENTS} events of both samples: {', '.join(named[:_NAMED])}{more}."
    ]


def differing_conditions(reference: Measured, candidate: Measured) -> dict[str, float]:
    """Return the shared conditions whose distributions differ, with their KS distances.

    The p-value of :func:`scipy.stats.ks_2samp` is below 1 % divided by the number of conditions:
    equal ones are all left in peace in 99 % of the comparisons.
    """
    shared = [name for name in reference.conditions if name in candidate.conditions]
    found = {}
    for name in shared:
        values = reference.conditions[name], candidate.conditions[name]
        test = ks_2samp(*values, method="asymp")
        if test.pvalue < ALPHA / len(shared):
            found[name] = float(test.statistic)
    return found


def _of_showers(reference: Measured, candidate: Measured, whole: Distributions) -> list[str]:
    if "energy" not in reference.conditions or "energy" not in candidate.conditions:
        return [
            "The incident energies of both samples are not known: nothing tells whether the "
            "observables may be compared."
        ]
    ks = whole.results.get("E_inc", {}).get("ks")
    if ks is None or ks.within_floor:
        return []
    return [
        f"The incident energies of both samples differ (KS {ks.value:.3f}): differences of the "
        "observables need not come from the generator. Generate the candidate with the energies "
        "of the reference."
    ]


def _of_images(reference: Measured, candidate: Measured) -> list[str]:
    first, second = set(reference.conditions), set(candidate.conditions)
    if not first & second:
        return [
            "The samples share no condition, such as a flux: nothing tells whether the galaxies "
            "may be compared."
        ]
    found = []
    differing = differing_conditions(reference, candidate)
    if differing:
        shown = ", ".join(f"{name} (KS {value:.3f})" for name, value in differing.items())
        found.append(
            f"The samples have other conditions: {shown}. Differences of the observables need not "
            "come from the generator. Generate the candidate with the conditions of the reference."
        )
    alone = sorted(first ^ second)
    if alone:
        found.append(
            f"Only one of the samples has the condition{'s' * (len(alone) > 1)} "
            f"{', '.join(alone)}: nothing tells whether these agree."
        )
    return found
