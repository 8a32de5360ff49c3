"""What limits a comparison, in sentences (:func:`caveats`): conditions that differ or are unknown.

Before a difference is blamed on a generator, both samples must be events under the same
conditions, independent of each other, and all of them must have been looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phys_gan.metrics.distances import ks, ks_p_value
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.validation.distributions import MIN_EVENTS, Distributions
from phys_gan.validation.sample import Sample

_NAMED = 5


def caveats(
    reference: Sample, candidate: Sample, training: Sample | None, whole: Distributions
) -> list[str]:
    """Return what to know before any difference is blamed on a generator.

    Arguments:
        reference: The reference.
        candidate: The candidate.
        training: The training events of the candidate, where given.
        whole: The observables of all events, among which the incident energy is.
    """
    samples = reference, candidate
    found = [
        f"The {sample.name} has {sample.n_events:,} events, of which a random choice of "
        f"{sample.n_seen:,} is compared; averages are those of all."
        for sample in samples
        if sample.n_seen < sample.n_events
    ]
    found += [text for sample in samples for text in _weights_and_copies(sample)]
    shared = count_shared(reference, candidate)
    if shared:
        found.append(
            f"{shared:,} of {len(candidate):,} events of the {candidate.name} are in the reference "
            "too, bit for bit: the samples are not independent, and their agreement proves nothing."
        )
    seen = 0 if training is None else count_shared(training, reference)
    if seen:
        found.append(
            f"{seen:,} of {len(reference):,} events of the reference are training events, bit for "
            "bit: give a reference that the candidate was not trained on."
        )
    if reference.detector.is_toy:
        return found
    if reference.detector.is_image:
        return found + _of_images(reference, candidate)
    return found + _of_showers(reference, candidate, whole)


def empty_slices(slices: Sequence[Distributions]) -> list[str]:
    """Name in one sentence the slices in which nothing is compared, for want of events."""
    named = [f"{p.cut.label} ({p.too_few})" for p in slices if p.cut is not None and p.too_few]
    if not named:
        return []
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return [
        f"Nothing is compared in {len(named)} of {len(slices)} slices, because that needs "
        f"{MIN_EVENTS} events of both samples: {', '.join(named[:_NAMED])}{more}."
    ]


def count_shared(sample: Sample, other: Sample) -> int:
    """Return how many events of ``other`` are in ``sample`` too, their cells equal bit for bit."""
    # Two numbers per event become one, which can be looked up.
    mine, theirs = (
        np.ascontiguousarray(digests[digests.any(axis=1)]).view(np.dtype((np.void, 16))).ravel()
        for digests in (sample.digests, other.digests)
    )
    return int(np.isin(theirs, mine).sum())


def _weights_and_copies(sample: Sample) -> list[str]:
    found = []
    if sample.weighted:
        negative = 0 if sample.weights is None else int((sample.weights < 0).sum())
        how = f", {negative:,} of them negative" if negative else ""
        found.append(
            f"The {len(sample):,} events of the {sample.name} have weights{how}: they are worth "
            f"{sample.effective:,.0f} events of equal weight, which rules all errors and floors."
        )
    copies = sample.n_seen - sample.n_different
    if copies:
        how = "all are counted, as if they were independent"
        if len(sample) == sample.n_different:
            how = f"its {sample.n_different:,} different events are counted, not their copies"
        found.append(
            f"{copies:,} of {sample.n_seen:,} events of the {sample.name} are copies of others "
            f"there, bit for bit: {how}."
        )
    return found


def _of_showers(reference: Sample, candidate: Sample, whole: Distributions) -> list[str]:
    if "energy" not in reference.conditions or "energy" not in candidate.conditions:
        return [
            "The incident energies of both samples are not known: nothing tells whether the "
            "observables may be compared."
        ]
    found = whole.results.get("E_inc", {}).get("ks")
    if found is None or found.within_floor:
        return []
    return [
        f"The incident energies of both samples differ (KS {found.value:.3f}): differences of the "
        "observables need not come from the generator. Generate the candidate with the energies "
        "of the reference."
    ]


def _of_images(reference: Sample, candidate: Sample) -> list[str]:
    first, second = set(reference.conditions), set(candidate.conditions)
    if not first & second:
        return [
            "The samples share no condition, such as a flux: nothing tells whether the galaxies "
            "may be compared."
        ]
    found = []
    differing = _differing_conditions(reference, candidate)
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


def _differing_conditions(reference: Sample, candidate: Sample) -> dict[str, float]:
    """Return the shared conditions whose distributions differ, with their KS distances.

    The asymptotic p-value is below 1 % divided by the number of conditions: none of equal
    conditions is named in 99 % of the comparisons.
    """
    shared = [name for name in reference.conditions if name in candidate.conditions]
    found = {}
    weights = reference.weights, candidate.weights
    for name in shared:
        distance = ks(reference.conditions[name], candidate.conditions[name], weights)
        p_value = ks_p_value(distance, reference.effective, candidate.effective)
        if p_value < ALPHA / len(shared):
            found[name] = distance
    return found
