"""Compare events of generators with a reference: :func:`compare` returns a :class:`Comparison`.

Each sample is measured once. All observables of all events are judged as one family, those of the
slices, which repeat what the whole shows, as another; what looks at whole events is judged metric
by metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from phys_gan._version import __version__
from phys_gan.detectors import Detector
from phys_gan.errors import MissingError, RangeError
from phys_gan.metrics.classifier.trees import TreesResult
from phys_gan.metrics.response import ResponseCurve, energy_edges, response_curve
from phys_gan.metrics.result import Result
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import quantile
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.observables import Wanted
from phys_gan.observables.spectrum import SPECTRA, spectrum_name
from phys_gan.validation.averages import Profiles
from phys_gan.validation.caveats import caveats, count_shared, empty_slices
from phys_gan.validation.distributions import (
    MIN_EVENTS,
    Distributions,
    Selection,
    Slices,
    assess_all,
    choose_bins,
    make_cuts,
)
from phys_gan.validation.ensemble import Ensemble
from phys_gan.validation.evidence import Evidence, Finding
from phys_gan.validation.gallery import Gallery
from phys_gan.validation.grid import ConditionMap, Judged, Maps, Planned, map_conditions, plan_maps
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.joint import (
    Clouds,
    Joint,
    Judgement,
    Reweighted,
    Tail,
    check_forms,
    check_names,
    classify,
    compare_features,
    compare_whole_events,
    where_they_differ,
)
from phys_gan.validation.pathologies import diagnose
from phys_gan.validation.reconstruction import (
    Reconstruct,
    Reconstructed,
    Reconstruction,
    check_reconstructions,
    reconstruct,
)
from phys_gan.validation.relations import Relations, compare_relations
from phys_gan.validation.requirements import Check, Requirement, evaluate
from phys_gan.validation.sample import KEPT_BYTES, MAX_EVENTS, Sample, Source, measure_sample
from phys_gan.validation.verdict import Verdict, count_families, make_verdict
from phys_gan.work import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from phys_gan.metrics.classifier.two_sample import ClassifierResult
    from phys_gan.metrics.correlations import CellCorrelations, Correlations


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
        maps: Pairs of conditions, such as ``"energy,theta"``, over which response, resolution, KS
            and AUC are mapped; names, or names with observables to show. By default the incident
            energy with each further condition that varies, at most three.
        reconstructions: What is reconstructed of the cells, and compared: names such as
            ``"photon"`` and ``"pi0"``, own ones, or plain functions.
        multivariate: Compare whole events as well: all observables at once, the correlations of
            layers and cells, and single events.
        features: Further features for the distances of whole events: ``"conditions"`` (the
            features of a classifier of the reference's conditions), ``"inception"`` (images), or
            own ones from :data:`~phys_gan.metrics.EXTRACTORS`.
        classifiers: Forms of the events that a classifier is trained on to tell the samples
            apart: ``"high"``, ``"low"``, ``"low-normalised"``, and ``"cnn"`` for convolutions. This
            takes minutes.
        trees: Judge whole events by boosted trees as well, where ``multivariate`` is wanted.
        preset: Settings of the classifier: ``"quick"``, or ``"challenge"`` for those of the
            CaloChallenge.
        device: Where classifiers are trained, such as ``"cpu"`` or ``"cuda"``.
        kept_bytes: Memory for the cells of the whole events of one sample.
        max_events: Most events of a sample that are compared; of more, a random choice is, and
            averages are those of all.
    """

    seed: int = 0
    observables: Sequence[Wanted] | None = None
    slices: Slices | Sequence[str] = ("energy", "flux")
    maps: Maps | Sequence[str] | None = None
    reconstructions: Sequence[str | Reconstruct | Reconstruction] = ()
    multivariate: bool = True
    features: Sequence[str] = ()
    classifiers: Sequence[str] = ()
    trees: bool = True
    preset: str = "quick"
    device: str = "cpu"
    kept_bytes: int = KEPT_BYTES
    max_events: int = MAX_EVENTS


@dataclass(frozen=True)
class Side:
    """One of the samples.

    Attributes:
        name: What it is called in tables and legends.
        n: Number of different events that were compared.
        n_copies: Number of further events that are copies of these, bit for bit.
        n_effective: Effective number of events.
        weighted: Whether the events have weights.
        provenance: How the events were made.
        conditions: Name of a condition to its smallest, median and largest value.
        outside: Mean fraction of the energy that no cell caught, where known.
        profiles: The average shower.
        response: Response and resolution, where the incident energies are known.
    """

    name: str
    n: int
    n_copies: int
    n_effective: float
    weighted: bool
    provenance: Mapping[str, str]
    conditions: Mapping[str, tuple[float, float, float]]
    outside: float | None
    profiles: Profiles
    response: ResponseCurve | None

    @property
    def worth(self) -> str:
        """The effective number of events in words; empty without weights."""
        return f" worth {self.n_effective:,.0f}" if self.weighted else ""

    @property
    def energy(self) -> tuple[float, float, float] | None:
        """Smallest, median and largest incident energy [MeV], where known."""
        return self.conditions.get("energy")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, without the profiles and the response."""
        ranges = {
            name: dict(zip(("min", "median", "max"), values, strict=True))
            for name, values in self.conditions.items()
        }
        return {
            "name": self.name,
            "n": self.n,
            "n_copies": self.n_copies,
            "n_effective": self.n_effective,
            "weighted": self.weighted,
            "energy": ranges.get("energy"),
            "conditions": ranges,
            "energy_outside_cells": self.outside,
            "provenance": dict(self.provenance),
        }


@dataclass(frozen=True)
class Comparison:
    """What :func:`phys_gan.validation.compare` found; :meth:`save` writes it down.

    Attributes:
        reference: The reference, such as full simulation.
        candidate: The sample that is judged against it.
        detector: The detector of both.
        whole: All observables, of all events.
        slices: The same in slices of conditions.
        maps: Response, resolution, KS and AUC over two conditions.
        reconstructions: Name of a reconstruction to what was found.
        multivariate: Metric name to result, of metrics of whole events.
        asked: Known failures of generators that were looked for, found or not.
        n_shared: Number of events of the candidate that are in the reference too, bit for bit.
        correlations: Between the layers of both samples.
        cell_correlations: Between cells against their distance, of both samples.
        cross_layer: Between centres, widths and energies of layers, and of the response with the
            shape, at fixed energy.
        classifiers: Form of the input to the result of a classifier; boosted trees are ``trees``.
        tails: The same, to the events that it would weight up or down by more than a factor of 10.
        gallery: Single events to look at.
        clouds: Points of toys to look at.
        reweighted: Observable to what the density ratio of NPLM makes of it, the most changed
            first.
        warnings: What limits the meaning of the comparison, as sentences.
        seed: Seed of the resampling.
    """

    reference: Side
    candidate: Side
    detector: Detector
    whole: Distributions
    slices: list[Distributions] = field(default_factory=list)
    maps: list[ConditionMap] = field(default_factory=list)
    reconstructions: dict[str, Reconstructed] = field(default_factory=dict)
    multivariate: dict[str, Result] = field(default_factory=dict)
    asked: list[Finding] = field(default_factory=list)
    n_shared: int = 0
    correlations: Correlations | None = None
    cell_correlations: CellCorrelations | None = None
    cross_layer: Relations | None = None
    classifiers: dict[str, ClassifierResult | TreesResult] = field(default_factory=dict)
    tails: dict[str, list[Tail]] = field(default_factory=dict)
    gallery: Gallery | None = None
    clouds: Clouds | None = None
    reweighted: dict[str, Reweighted] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def histograms(self) -> dict[str, Histogram]:
        """Observable name to the histograms of both samples."""
        return self.whole.histograms

    @property
    def results(self) -> dict[str, dict[str, Result]]:
        """Observable name to metric name to result."""
        return self.whole.results

    @property
    def ranking(self) -> list[str]:
        """Names of the observables, the worst first."""
        return self.whole.ranking

    @property
    def outside(self) -> list[str]:
        """Observables with any metric outside its floor, the worst first."""
        return self.whole.outside

    @property
    def findings(self) -> list[Finding]:
        """Known failures of generators that the candidate shows, the least probable first."""
        found = [finding for finding in self.asked if finding.found]
        return sorted(found, key=lambda finding: finding.p_value)

    @property
    def verdict(self) -> Verdict:
        """The verdict on observables, slices, whole events and known failures together."""
        return make_verdict(self.whole, self.slices, self.multivariate, self.asked)

    @property
    def within_floor(self) -> bool:
        """Whether every metric of every observable is within its floor."""
        return not self.outside

    @property
    def trees(self) -> TreesResult | None:
        """What boosted trees found, where they were asked."""
        found = self.classifiers.get("trees")
        return found if isinstance(found, TreesResult) else None

    @property
    def gives_away(self) -> list[str]:
        """What boosted trees tell the candidate by, in sentences; nothing within the floor."""
        if self.trees is None or self.trees.within_floor:
            return []
        auc = self.trees.auc
        text = f"boosted trees: AUC {auc.value:.3f} ± {auc.error:.3f}, by"
        return [text, *(f"  {line}" for line in self.trees.gives_away)]

    @property
    def metrics(self) -> dict[str, Any]:
        """Everything of metrics.json, as plain dictionaries and numbers."""
        return {
            "verdict": self.verdict.as_dict(),
            "reference": self.reference.as_dict(),
            "candidate": self.candidate.as_dict(),
            "observables": _results(self.results),
            "multivariate": {name: r.as_dict() for name, r in self.multivariate.items()},
            "findings": [finding.as_dict() for finding in self.findings],
            "nplm_where": {name: found.as_dict() for name, found in self.reweighted.items()},
            "cross_layer": None if self.cross_layer is None else self.cross_layer.as_dict(),
            "shared_events": self.n_shared,
            "classifiers": {
                form: found.as_dict()
                | {"tails": [tail.as_dict() for tail in self.tails.get(form, [])]}
                for form, found in self.classifiers.items()
            },
            "slices": [
                {
                    "condition": part.cut.condition,
                    "low": part.cut.low,
                    "high": part.cut.high,
                    "n_reference": part.n_events[0],
                    "n_candidate": part.n_events[1],
                    "observables": _results(part.results),
                    "outside_floor": part.outside,
                    "not_compared": part.not_compared,
                }
                for part in self.slices
                if part.cut is not None
            ],
            "maps": [found.as_dict() for found in self.maps],
            "reconstructions": {n: found.as_dict() for n, found in self.reconstructions.items()},
            "response": {
                side: None if curve is None else curve.as_dict()
                for side, curve in (
                    ("reference", self.reference.response),
                    ("candidate", self.candidate.response),
                )
            },
            "histograms": {name: h.as_dict() for name, h in self.histograms.items()},
            "provenance": {
                "phys_gan": __version__,
                "detector": self.detector.name,
                "seed": self.seed,
                "alpha": ALPHA,
                "n_comparisons": self.whole.n_comparisons,
                "p_value": self.whole.p_value,
                "within_floor": self.within_floor,
                "outside_floor": self.outside,
                "warnings": list(self.warnings),
            },
        }

    def summary(self) -> str:
        """Return a short table, the worst observables first."""
        width = max([16, *map(len, self.results)])
        lines = [
            f"{self.candidate.name}: {self.verdict.text}",
            f"{len(self.results) - len(self.outside)} of {len(self.results)} observables within "
            f"the floor ({self.reference.n} reference{self.reference.worth}, {self.candidate.n} "
            f"candidate events{self.candidate.worth})",
            *self.warnings,
            *(f"{finding.name}: {finding.text}" for finding in self.findings),
            *self.gives_away,
            "",
            f"{'observable':<{width}} {'KS':>18} {'floor':>18}   verdict",
        ]
        outside, few = set(self.outside), self.whole.not_compared
        for name in self.ranking:
            ks = self.results[name].get("ks")
            both = f"not compared: {few.get(name)}"
            if ks:
                value, floor = f"{ks.value:.4f} ± {ks.error:.4f}", f"{ks.floor:.4f} ± "
                both = f"{value:>18} {f'{floor}{ks.floor_error:.4f}':>18}"
            verdict = "OUTSIDE" if name in outside else "within floor"
            lines.append(f"{name:<{width}} {both:>37}   {verdict}")
        return "\n".join(lines)

    def check(self, requirements: Sequence[str | Requirement]) -> list[Check]:
        """Check requirements, such as ``["outside_floor<=0", "ks.max<0.1"]``.

        Raises:
            ConfigError: A text cannot be read.
            MissingError: A metric or an observable does not exist; the message lists those that do.
        """
        metrics = self.metrics
        return [evaluate(text, metrics) for text in requirements]

    def figure(self, *observables: str) -> Figure:
        """Draw observables side by side as in the report: both histograms, and their ratio below.

        Raises:
            MissingError: One was not compared, or none is named.
        """
        return Comparisons({self.candidate.name: self}).figure(*observables)

    def save(
        self, directory: str | Path, checks: Sequence[Check] = (), *, figures: bool = False
    ) -> Path:
        """Write ``metrics.json`` and ``index.html``; see :func:`phys_gan.report.save`."""
        checked = {self.candidate.name: checks}
        return Comparisons({self.candidate.name: self}).save(directory, checked, figures=figures)


@dataclass(frozen=True)
class Comparisons(Mapping[str, Comparison]):
    """Several candidates against one reference, by name.

    Attributes:
        by_name: Name of the candidate to what was found; at least one.
        ensemble: What they say together, where they are trainings of one model.
    """

    by_name: dict[str, Comparison]
    ensemble: Ensemble | None = None

    def __getitem__(self, name: str) -> Comparison:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def metrics(self) -> dict[str, Any]:
        """Content of metrics.json: of several candidates, ``candidates`` holds that of each."""
        each = {name: comparison.metrics for name, comparison in self.items()}
        first = next(iter(each.values()))
        if len(each) == 1:
            return first
        together = {} if self.ensemble is None else {"ensemble": self.ensemble.as_dict()}
        return {"reference": first["reference"], "candidates": each, **together}

    def as_ensemble(self, n_training: int | None = None) -> Comparisons:
        """Return the same as trainings of one model.

        Arguments:
            n_training: Events that each was trained on, where known.

        Raises:
            ConfigError: There are fewer than two candidates.
        """
        members = {name: comparison.histograms for name, comparison in self.items()}
        return replace(self, ensemble=Ensemble.of(members, n_training))

    def summary(self) -> str:
        """Return the tables of all candidates, and what they say together as an ensemble."""
        texts = [comparison.summary() for comparison in self.values()]
        return "\n\n".join(texts if self.ensemble is None else [*texts, self.ensemble.summary()])

    def figure(self, *observables: str) -> Figure:
        """Draw observables of all candidates, as :meth:`Comparison.figure` does.

        Raises:
            MissingError: One was not compared, or none is named.
        """
        # The report needs matplotlib, which a pipeline that only wants numbers does not.
        from phys_gan.report import observables_figure

        return observables_figure(self, observables)

    def save(
        self,
        directory: str | Path,
        checks: Mapping[str, Sequence[Check]] | None = None,
        *,
        figures: bool = False,
        report: Progress | None = None,
    ) -> Path:
        """Write ``metrics.json`` and ``index.html``; see :func:`phys_gan.report.save`."""
        from phys_gan.report import save

        return save(self, directory, checks or {}, figures=figures, report=report)


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
        reference: Events of full simulation, or what else is taken as the truth; in memory, or
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
    options = options or Options()
    options = replace(
        options, seed=seed or options.seed, observables=observables or options.observables
    )
    found = compare_all(reference, {"candidate": candidate}, training=training, options=options)
    return found["candidate"]


def compare_all(
    reference: Source,
    candidates: Mapping[str, Source],
    *,
    training: Source | None = None,
    options: Options | None = None,
    report: Progress | None = None,
    measure: Callable[..., Sample] = measure_sample,
) -> Comparisons:
    """Compare several candidates with one reference, which is measured once.

    Arguments:
        reference: As in :func:`compare`.
        candidates: Name to events.
        training: As in :func:`compare`.
        options: What is compared, and how.
        report: Called to show progress.
        measure: Measures a sample, with the arguments of
            :func:`~phys_gan.validation.sample.measure_sample`; of sources it understands.

    Raises:
        PhysGanError: As in :func:`compare`.
    """
    options = options or Options()
    check_names(options.features, options.classifiers, options.preset)
    check_reconstructions(options.reconstructions)
    scalars = options.observables
    if scalars is not None:
        scalars = [o for o in scalars if o not in SPECTRA]

    def measured(source: Source, name: str) -> Sample:
        return measure(
            source,
            name,
            observables=scalars,
            seed=options.seed,
            kept_bytes=options.kept_bytes,
            max_events=options.max_events,
            report=None if report is None else partial(report, f"measuring {name}"),
        )

    # Thousands of small matrices: threads of BLAS would wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        truth = measured(reference, "reference")
        check_forms(truth, options.classifiers)
        wanted = check_reconstructions(options.reconstructions, truth)
        spectrum = _with_spectrum(truth.detector, options.observables)
        others = [measured(source, name) for name, source in candidates.items()]
        known = None if training is None else measured(training, "training")
        for other in [*others, *([] if known is None else [known])]:
            _check(truth, other)
        cuts = make_cuts(truth, _known_slices(options.slices, truth, others))
        selections = [
            (cut, choose_bins(truth, others, cut, spectrum=spectrum)) for cut in (None, *cuts)
        ]
        planned = plan_maps(options.maps, truth, others)
        found = {}
        for done, other in enumerate(others):
            if report is not None:
                report(f"comparing {other.name}", done)
            found[other.name] = _compare(truth, other, known, selections, planned, wanted, options)
    return Comparisons(found)


def _compare(
    reference: Sample,
    candidate: Sample,
    training: Sample | None,
    selections: Sequence[Selection],
    planned: Sequence[Planned],
    wanted: Sequence[Reconstruction],
    options: Options,
) -> Comparison:
    shared = [o for o in reference.observables if o.name in candidate.values]
    (whole,) = assess_all(shared, reference, candidate, selections[:1], options.seed)
    slices = assess_all(shared, reference, candidate, selections[1:], options.seed)
    curves = _curves(reference, candidate)
    joint = Joint()
    if options.multivariate:
        joint = compare_whole_events(reference, candidate, training, seed=options.seed)
    judged = classify(
        reference,
        candidate,
        options.classifiers,
        trees=options.trees and options.multivariate,
        preset=options.preset,
        seed=options.seed,
        device=options.device,
    )
    scored = _scored(judged, reference, candidate)
    extracted = compare_features(reference, candidate, options.features, seed=options.seed)
    multivariate = joint.results | extracted
    for form, found in judged.classifiers.items():
        multivariate |= {f"{name}_{form}": result for name, result in found.results.items()}
    reconstructed = {
        one.name: reconstruct(one, reference, candidate, seed=options.seed) for one in wanted
    }
    for name, one in reconstructed.items():
        if one.result is not None:
            multivariate[f"reconstruction_{name}"] = one.result
    evidence = Evidence(reference, candidate, curves, multivariate, options.seed)
    relations = compare_relations(evidence) if options.multivariate else None
    if relations is not None:
        multivariate["cross_layer"] = relations.result
    return Comparison(
        reference=_make_side(reference, curves and curves[0]),
        candidate=_make_side(candidate, curves and curves[1]),
        detector=reference.detector,
        whole=whole,
        slices=slices,
        reconstructions=reconstructed,
        maps=[
            map_conditions(reference, candidate, plan, scored, seed=options.seed)
            for plan in planned
        ],
        multivariate=multivariate,
        asked=diagnose(evidence, ALPHA / count_families(slices, multivariate)),
        n_shared=count_shared(reference, candidate),
        correlations=joint.correlations,
        cell_correlations=joint.cell_correlations,
        cross_layer=relations,
        classifiers=judged.classifiers,
        tails=judged.tails,
        gallery=joint.gallery,
        clouds=joint.clouds,
        reweighted=where_they_differ(joint.ratio, reference, candidate, whole.histograms),
        warnings=[
            *caveats(reference, candidate, training, whole),
            *empty_slices(slices),
            *joint.unweighted,
            *judged.left_out,
        ],
        seed=options.seed,
    )


def _scored(judgement: Judgement, reference: Sample, candidate: Sample) -> Judged | None:
    """Return the scores of boosted trees, or of the first network, by the rows of both samples."""
    for found in judgement.classifiers.values():
        weights = found.event_weights
        first, second = weights.rows
        rows = reference.rows[first], candidate.rows[second]
        return Judged((-weights.reference, -weights.candidate), rows)
    return None


def _known_slices(
    slices: Slices | Sequence[str], reference: Sample, others: Sequence[Sample]
) -> Slices:
    """Return the slices of known conditions; without edges they are only a suggestion."""
    wanted = slices if isinstance(slices, Mapping) else dict.fromkeys(slices)
    for name, edges in wanted.items():
        for sample in others:
            if edges is not None and name not in sample.conditions:
                raise MissingError(
                    f"{sample.name} has no condition '{name}' to slice; available: "
                    f"{', '.join(sample.conditions) or 'none'}",
                    remedy="leave this slice out",
                    value=name,
                )
    known = set(reference.conditions).intersection(*(other.conditions for other in others))
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


def _check(reference: Sample, candidate: Sample) -> None:
    need_same_cells(reference.detector, candidate.detector)

    def too_few(what: str, value: float, remedy: str = "give more events") -> RangeError:
        text = f"{what}, but a comparison needs at least {MIN_EVENTS}"
        return RangeError(text, remedy=remedy, value=value, constraint=MIN_EVENTS)

    different = reference.n_different
    if different < MIN_EVENTS <= len(reference):
        raise too_few(
            f"only {different} of the {reference.n_seen} events of the reference are different",
            different,
        )
    for sample in (reference, candidate):
        if len(sample) < MIN_EVENTS:
            raise too_few(f"the {sample.name} has {len(sample)} events", len(sample))
        if sample.effective < MIN_EVENTS:
            raise too_few(
                f"the {len(sample)} events of the {sample.name} are worth {sample.effective:.3g} "
                "of equal weight",
                sample.effective,
                "give more events, or leave the weights out (phys-gan convert --drop weights)",
            )


def _curves(reference: Sample, candidate: Sample) -> tuple[ResponseCurve, ResponseCurve] | None:
    if reference.detector.kind != "calorimeter":
        return None
    if "energy" not in reference.conditions or "energy" not in candidate.conditions:
        return None
    edges = energy_edges(reference.conditions["energy"])

    def curve(sample: Sample) -> ResponseCurve:
        energy = sample.conditions["energy"]
        response = sample.layer_energies.sum(axis=1) / energy
        return response_curve(energy, response, edges, sample.weights)

    return curve(reference), curve(candidate)


def _make_side(sample: Sample, curve: ResponseCurve | None) -> Side:
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


def _results(results: Mapping[str, Mapping[str, Result]]) -> dict[str, Any]:
    return {
        name: {metric: result.as_dict() for metric, result in by_metric.items()}
        for name, by_metric in results.items()
    }
