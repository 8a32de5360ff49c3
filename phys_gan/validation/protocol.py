"""Compare events of one or several generators with a reference.

What limits the meaning of a comparison: conditions that differ, or that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from phys_gan.detectors import Detector
from phys_gan.errors import MissingError, RangeError
from phys_gan.metrics.distances import ks, ks_p_value
from phys_gan.metrics.response import ResponseCurve, energy_edges, response_curve
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import quantile
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.observables import Wanted
from phys_gan.observables.spectrum import SPECTRA, spectrum_name
from phys_gan.validation.comparison import Comparison, Comparisons, Side
from phys_gan.validation.distributions import (
    MIN_EVENTS,
    Distributions,
    Selection,
    Slices,
    assess_all,
    choose_bins,
    make_cuts,
)
from phys_gan.validation.joint import (
    Together,
    check_forms,
    check_names,
    classify,
    compare_extracted,
    compare_together,
)
from phys_gan.validation.pathologies import Evidence, diagnose
from phys_gan.validation.sample import KEPT_BYTES, MAX_EVENTS, Measured, Source, measure_sample
from phys_gan.work import Progress

__all__ = [
    "Options",
    "caveats",
    "compare",
    "compare_all",
    "count_shared",
    "differing_conditions",
    "empty_slices",
]

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


@dataclass(frozen=True)
class Options:
    """What is compared, and how.

    Attributes:
        seed: Seed of bootstrap, floors and classifiers: equal input and seed give equal output.
        observables: Names of registered observables, own ones, or plain functions of
            :class:`~phys_gan.observables.Showers`; all that apply when None.
            ``"cell_energy"`` is the spectrum of the cells, ``"pixels"`` that of images.
        slices: Conditions in slices of which everything is compared again: names, or names with
            edges. Conditions that are not known are left out when no edges are given: by default
            showers are cut by their incident energy, images by their flux.
        multivariate: Compare all observables together as well, the correlations of layers and
            cells, and single events.
        features: Further features for the joint distances: ``"conditions"`` (what a classifier of
            the reference's conditions sees in an event), ``"inception"`` (images), or what was
            added to :data:`~phys_gan.metrics.EXTRACTORS`.
        classifiers: Forms of the events that a classifier is trained on to tell the samples
            apart: ``"high"``, ``"low"`` and ``"low-normalised"``. This takes minutes.
        preset: Settings of the classifier: ``"quick"``, or ``"challenge"`` for those of the
            CaloChallenge.
        device: Where classifiers are trained, such as ``"cpu"`` or ``"cuda"``.
        kept_bytes: What the cells of the events of one sample may take that stay in memory for
            everything that looks at whole events.
        max_events: Of how many events of a sample single numbers stay in memory; of more, a random
            choice is compared, and averages are those of all.
    """

    seed: int = 0
    observables: Sequence[Wanted] | None = None
    slices: Slices | Sequence[str] = ("energy", "flux")
    multivariate: bool = True
    features: Sequence[str] = ()
    classifiers: Sequence[str] = ()
    preset: str = "quick"
    device: str = "cpu"
    kept_bytes: int = KEPT_BYTES
    max_events: int = MAX_EVENTS


def compare(
    reference: Source,
    candidate: Source,
    *,
    seed: int = 0,
    observables: Sequence[Wanted] | None = None,
    training: Source | None = None,
    options: Options | None = None,
) -> Comparison:
    """Compare a candidate with a reference in all observables of their detector.

    Arguments:
        reference: Events of full simulation, or whatever is taken as the truth; in memory, or
            block by block, such as ``phys_gan.blocks(files)``.
        candidate: Events to judge, of the same detector.
        seed: Seed of bootstrap and floors.
        observables: What to compare, as in :class:`Options`.
        training: Events that the candidate was trained on, to look for copies of them.
        options: All further options; ``seed`` and ``observables`` above come first.

    Raises:
        DetectorError: The detectors differ, or no observable exists for them.
        RangeError: A sample has fewer than 20 events.
        MissingError: An observable, or a condition to slice, is not known.
    """
    chosen = replace(
        options or Options(),
        seed=seed or (options.seed if options else 0),
        observables=observables or (options.observables if options else None),
    )
    found = compare_all(reference, {"candidate": candidate}, training=training, options=chosen)
    return found["candidate"]


def compare_all(
    reference: Source,
    candidates: Mapping[str, Source],
    *,
    training: Source | None = None,
    options: Options | None = None,
    report: Progress | None = None,
    measure: Callable[..., Measured] = measure_sample,
) -> Comparisons:
    """Compare several candidates with one reference, which is measured once.

    Arguments:
        reference: As in :func:`compare`.
        candidates: Name to events.
        training: As in :func:`compare`.
        options: What is compared, and how.
        report: Called to show progress.
        measure: What measures a sample, with the arguments of
            :func:`~phys_gan.validation.sample.measure_sample`; of sources it understands.

    Raises:
        PhysGanError: As in :func:`compare`.
    """
    options = options or Options()
    check_names(options.features, options.classifiers, options.preset)
    # Thousands of small matrices: threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        return _compare_all(reference, candidates, training, options, report, measure)


def _compare_all(
    reference: Source,
    candidates: Mapping[str, Source],
    training: Source | None,
    options: Options,
    report: Progress | None,
    measure: Callable[..., Measured],
) -> Comparisons:
    wanted = options.observables
    names = None if wanted is None else [o for o in wanted if o not in SPECTRA]

    def measured(source: Source, name: str) -> Measured:
        shown = None if report is None else partial(report, f"measuring {name}")
        return measure(
            source,
            name,
            observables=names,
            seed=options.seed,
            kept_bytes=options.kept_bytes,
            max_events=options.max_events,
            report=shown,
        )

    truth = measured(reference, "reference")
    check_forms(truth, options.classifiers)
    with_spectrum = _with_spectrum(truth.detector, wanted)
    others = [measured(source, name) for name, source in candidates.items()]
    known = None if training is None else measured(training, "training")
    for other in [*others, *([] if known is None else [known])]:
        _check(truth, other)
    cuts = make_cuts(truth, _wanted(options.slices, truth, others))
    selections = [
        (cut, choose_bins(truth, others, cut, spectrum=with_spectrum)) for cut in (None, *cuts)
    ]
    found = {}
    for done, other in enumerate(others):
        if report is not None:
            report(f"comparing {other.name}", done)
        found[other.name] = _compare(truth, other, known, selections, options)
    return Comparisons(found)


def _compare(
    reference: Measured,
    candidate: Measured,
    training: Measured | None,
    selections: Sequence[Selection],
    options: Options,
) -> Comparison:
    shared = [o for o in reference.observables if o.name in candidate.values]
    # Slices repeat what the whole shows: they are a family of their own.
    (whole,) = assess_all(shared, reference, candidate, selections[:1], options.seed)
    slices = assess_all(shared, reference, candidate, selections[1:], options.seed)
    curves = _curves(reference, candidate)
    together = Together()
    if options.multivariate:
        together = compare_together(reference, candidate, training, seed=options.seed)
    classifiers = classify(
        reference,
        candidate,
        options.classifiers,
        preset=options.preset,
        seed=options.seed,
        device=options.device,
    )
    extracted = compare_extracted(reference, candidate, options.features, seed=options.seed)
    multivariate = together.results | extracted
    for form, found in classifiers.items():
        multivariate |= {f"{name}_{form}": result for name, result in found.results.items()}
    return Comparison(
        reference=_make_side(reference, curves and curves[0]),
        candidate=_make_side(candidate, curves and curves[1]),
        detector=reference.detector,
        whole=whole,
        slices=slices,
        multivariate=multivariate,
        findings=diagnose(Evidence(reference, candidate, curves, multivariate)),
        n_shared=count_shared(reference, candidate),
        correlations=together.correlations,
        cell_correlations=together.cell_correlations,
        classifiers=classifiers,
        gallery=together.gallery,
        clouds=together.clouds,
        warnings=[
            *caveats(reference, candidate, training, whole),
            *empty_slices(slices),
            *together.unweighted,
        ],
        seed=options.seed,
    )


def _wanted(
    slices: Slices | Sequence[str], reference: Measured, others: Sequence[Measured]
) -> Slices:
    wanted = slices if isinstance(slices, Mapping) else dict.fromkeys(slices)
    for name, sample in ((name, other) for name in wanted for other in others):
        if wanted[name] is not None and name not in sample.conditions:
            raise MissingError(
                f"{sample.name} has no condition '{name}' to slice; available: "
                f"{', '.join(sample.conditions) or 'none'}",
                remedy="leave this slice out",
                value=name,
            )
    known = set(reference.conditions).intersection(*(other.conditions for other in others))
    # What nobody asked for by edges is a suggestion only.
    return {name: edges for name, edges in wanted.items() if name in known or edges is not None}


def _with_spectrum(detector: Detector, wanted: Sequence[Wanted] | None) -> bool:
    """Return whether the spectrum of the cells is compared; coordinates have none."""
    own = spectrum_name(detector)
    if wanted is None:
        return own is not None
    other = next((name for name in SPECTRA if name != own and name in wanted), None)
    if other is not None:
        cells = "coordinates" if detector.is_toy else "pixels" if detector.is_image else "energies"
        raise MissingError(
            f"'{other}' is not an observable of '{detector.name}', whose cells are {cells}",
            remedy="leave it out" if own is None else f"ask for '{own}'",
            value=other,
        )
    return own in wanted


def _check(reference: Measured, candidate: Measured) -> None:
    need_same_cells(reference.detector, candidate.detector)
    if reference.n_different < MIN_EVENTS <= len(reference):
        raise RangeError(
            f"only {reference.n_different} of the {reference.n_seen} events of the reference are "
            f"different, but a comparison needs at least {MIN_EVENTS}",
            remedy="give more events",
            value=reference.n_different,
            constraint=MIN_EVENTS,
        )
    for sample in (reference, candidate):
        if len(sample) < MIN_EVENTS:
            raise RangeError(
                f"the {sample.name} has {len(sample)} events, but a comparison needs at least "
                f"{MIN_EVENTS}",
                remedy="give more events",
                value=len(sample),
                constraint=MIN_EVENTS,
            )
        if sample.effective < MIN_EVENTS:
            raise RangeError(
                f"the {len(sample)} events of the {sample.name} are worth {sample.effective:.3g} "
                f"of equal weight, but a comparison needs at least {MIN_EVENTS}",
                remedy="give more events, or leave the weights out (phys-gan convert --drop "
                "weights)",
                value=sample.effective,
                constraint=MIN_EVENTS,
            )


def _curves(reference: Measured, candidate: Measured) -> tuple[ResponseCurve, ResponseCurve] | None:
    if reference.detector.kind != "calorimeter":
        return None
    if "energy" not in reference.conditions or "energy" not in candidate.conditions:
        return None
    edges = energy_edges(reference.conditions["energy"])
    first, second = (
        response_curve(energy, sample.layer_energies.sum(axis=1) / energy, edges, sample.weights)
        for sample in (reference, candidate)
        for energy in [sample.conditions["energy"]]
    )
    return first, second


def _make_side(sample: Measured, curve: ResponseCurve | None) -> Side:
    ranges = {}
    for name, values in sample.conditions.items():
        middle = float(quantile(values, [0.5], sample.weights)[0])
        ranges[name] = (float(values.min()), middle, float(values.max()))
    return Side(
        name=sample.name,
        n=len(sample),
        n_copies=sample.n_seen - sample.n_different,
        n_effective=sample.effective,
        weighted=sample.weighted,
        provenance=dict(sample.provenance),
        conditions=ranges,
        outside=sample.outside,
        profiles=sample.profiles,
        response=curve,
    )
