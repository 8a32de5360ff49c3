"""What limits the meaning of a comparison: conditions that differ, or that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.distributions import MIN_EVENTS, Distributions
from phys_gan.validation.measuring import Measured
from phys_gan.validation.statistics.metrics import ks
from phys_gan.validation.statistics.uncertainty import ALPHA
from phys_gan.validation.statistics.weighting import ks_p_value

__all__ = ["caveats", "count_shared", "differing_conditions", "empty_slices"]

_NAMED = 5


def caveats(
    reference: Measured, candidate: Measured, training: Measured | None, whole: Distributions
) -> list[str]:
    """Say in sentences what to know before any difference is blamed on a generator.

    Arguments:
        reference: The reference.
        candidate: The candidate.
        training: What the candidate was trained on, if that is given.
        whole: The observables of all events, among which the incident energy is.
    """
    detector = reference.detector
    found = [
        f"The {sample.name} has {sample.n_events:,} events, of which a random choice of "
        f"{sample.n_seen:,} is compared; averages are those of all."
        for sample in (reference, candidate)
        if sample.n_seen < sample.n_events
    ]
    found += [text for sample in (reference, candidate) for text in _weights_and_copies(sample)]
    found += _shared_events(reference, candidate, training)
    if detector.is_toy:
        return found
    if detector.is_image:
        return found + _of_images(reference, candidate)
    return found + _of_showers(reference, candidate, whole)


def empty_slices(slices: Sequence[Distributions]) -> list[str]:
    """Say in a sentence in which slices nothing is compared, for want of events."""
    named = [f"{p.cut.label} ({p.too_few})" for p in slices if p.cut is not None and p.too_few]
    if not named:
        return []
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return [
        f"Nothing is compared in {len(named)} of {len(slices)} slices, because that needs "
        f"{MIN_EVENTS} events of both samples: {', '.join(named[:_NAMED])}{more}."
    ]


def differing_conditions(reference: Measured, candidate: Measured) -> dict[str, float]:
    """Return the shared conditions whose distributions differ, with their KS distances.

    The asymptotic p-value of the KS distance is below 1 % divided by the number of conditions:
    equal ones are all left in peace in 99 % of the comparisons.
    """
    shared = [name for name in reference.conditions if name in candidate.conditions]
    found = {}
    for name in shared:
        distance = ks(
            reference.conditions[name],
            candidate.conditions[name],
            (reference.weights, candidate.weights),
        )
        p_value = ks_p_value(distance, reference.effective, candidate.effective)
        if p_value < ALPHA / len(shared):
            found[name] = distance
    return found


def count_shared(sample: Measured, other: Measured) -> int:
    """Return how many events of ``other`` are in ``sample`` too, their cells equal bit for bit."""
    mine, theirs = (_keys(s.digests[s.digests.any(axis=1)]) for s in (sample, other))
    return int(np.isin(theirs, mine).sum())


def _keys(digests: NDArray[np.uint64]) -> NDArray[np.void]:
    """Return digests (n, 2) as one thing each, (n,), so that they can be looked up."""
    return np.ascontiguousarray(digests).view(np.dtype((np.void, 16))).ravel()


def _weights_and_copies(sample: Measured) -> list[str]:
    """Say how the events of a sample are counted, where not as one each."""
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
        one_each = len(sample) == sample.n_different
        how = (
            f"its {sample.n_different:,} different events are counted, not their copies"
            if one_each
            else "all are counted, as if they were independent"
        )
        found.append(
            f"{copies:,} of {sample.n_seen:,} events of the {sample.name} are copies of others "
            f"there, bit for bit: {how}."
        )
    return found


def _shared_events(
    reference: Measured, candidate: Measured, training: Measured | None
) -> list[str]:
    """Say which samples have events in common, so that they are not independent."""
    found = []
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
