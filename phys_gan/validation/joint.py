"""Compare whole events: all observables at once, correlations, classifiers, single events.

Whole events of toys are points: their modes are counted instead of correlations, and the points
themselves are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import MissingError
from phys_gan.events import Events
from phys_gan.metrics.classifier.scores import MIN_EVENTS as MIN_FOR_CLASSIFIERS
from phys_gan.metrics.classifier.scores import EventWeights
from phys_gan.metrics.classifier.trees import TreesResult, two_sample_trees
from phys_gan.metrics.correlations import (
    CellCorrelations,
    Correlations,
    compare_cell_correlations,
    compare_correlations,
)
from phys_gan.metrics.features import EXTRACTORS, Classifying, feature_matrix, undefined_values
from phys_gan.metrics.inception import find_weights, inception_score
from phys_gan.metrics.judging import MIN_EVENTS, judge_features
from phys_gan.metrics.nplm import Ratio, density_ratio
from phys_gan.metrics.result import (
    LIMIT_SIGMAS,
    MODES,
    MULTIVARIATE,
    UNWEIGHTED,
    Result,
    against_floor,
)
from phys_gan.metrics.sliced import MIN_EVENTS as MIN_SLICED
from phys_gan.metrics.sliced import sliced_tests, sliced_tests_of_cells
from phys_gan.metrics.statistics import Weights, effective_size, taken
from phys_gan.randomness import stream
from phys_gan.toys import Mixture, truth_of
from phys_gan.toys.mixture import summarise, tally_modes
from phys_gan.validation.gallery import Gallery, make_gallery
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.pathologies import MEMORISATION
from phys_gan.validation.sample import Sample

if TYPE_CHECKING:
    from phys_gan.metrics.classifier.two_sample import ClassifierResult


MOST_SHOWN = 20_000
"""Points of each sample that a picture holds."""

_NEIGHBOURS = 5_000
"""Events of each sample for nearest neighbours, whose cost is quadratic."""

_CELL_EVENTS = 20_000
"""Events for correlations of cells: enough to know them to a per mille."""

_SMALLEST_SPREAD = 1e-3
_FEWEST_IN_TAIL, _MOST_IN_TAIL = 10, 1000
_DRAWN_OF_TAIL = 4
_EXTREMES = 6
_REPLICAS = 100
_OF_FEATURES = {"fpd": "fid", "kpd": "kid"}


@dataclass(frozen=True)
class Clouds:
    """Points of both samples to look at.

    Attributes:
        detector: Their space.
        reference: Points of the reference, shape (n, d).
        candidate: Points of the candidate, shape (m, d).
        truth: Their exact density, where it is known.
    """

    detector: Detector
    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    truth: Mixture | None


@dataclass(frozen=True)
class Joint:
    """The comparison of whole events.

    Attributes:
        results: Metric name to result.
        correlations: Between the layers, of both samples.
        cell_correlations: Between cells against their distance.
        gallery: Single events of both samples.
        clouds: The points of both samples, of toys.
        unweighted: How metrics that cannot take the weights of the events were taken, in sentences.
        ratio: The ratio of both densities in the space of the features, where it was fitted.
    """

    results: dict[str, Result] = field(default_factory=dict)
    correlations: Correlations | None = None
    cell_correlations: CellCorrelations | None = None
    gallery: Gallery | None = None
    clouds: Clouds | None = None
    unweighted: list[str] = field(default_factory=list)
    ratio: Ratio | None = None


@dataclass(frozen=True)
class Reweighted:
    """What the fitted ratio of densities makes of the histogram of an observable.

    Attributes:
        ratio: The reference reweighted by it over the plain one, shape (n_bins,); NaN where the
            reference has nothing.
        spread: Standard deviation of the same where the ratio is fitted to equal samples.
    """

    ratio: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def chi2_ndf(self) -> float:
        """Mean squared deviation of the ratio from 1 in units of its spread, at least 1e-3."""
        known = np.isfinite(self.ratio)
        if not known.any():
            return 0.0
        spread = np.maximum(np.nan_to_num(self.spread[known]), _SMALLEST_SPREAD)
        return float(np.mean(((self.ratio[known] - 1) / spread) ** 2))

    def as_dict(self) -> dict[str, object]:
        """Return the fields for JSON, None where not defined."""
        columns = {
            name: [value if np.isfinite(value) else None for value in values.tolist()]
            for name, values in (("ratio", self.ratio), ("spread", self.spread))
        }
        return {"chi2_ndf": self.chi2_ndf, **columns}


def where_they_differ(
    ratio: Ratio | None,
    reference: Sample,
    candidate: Sample,
    histograms: Mapping[str, Histogram],
) -> dict[str, Reweighted]:
    """Return what the ratio makes of every observable, the one that it changes most first."""
    if ratio is None:
        return {}
    found = {
        name: Reweighted(
            *ratio.where(reference.values[name], candidate.values[name], histogram.edges)
        )
        for name, histogram in histograms.items()
        if name in reference.values and name in candidate.values
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].chi2_ndf))


def check_names(features: Sequence[str], classifiers: Sequence[str], preset: str) -> None:
    """Check names before hours of work, not after.

    Raises:
        MissingError: There are no such features, form of the input or settings, or the network
            behind the features is not installed.
    """
    _check_known(features, EXTRACTORS, "features")
    if "inception" in features:
        find_weights()
    if classifiers:
        # Everything else here does without torch.
        from phys_gan.metrics.classifier import FORMS, PRESETS

        _check_known(classifiers, FORMS, "form of the input of a classifier")
        _check_known([preset], PRESETS, "preset of a classifier")


def check_forms(reference: Sample, forms: Sequence[str]) -> None:
    """Check forms of the input, as soon as the detector is known.

    Raises:
        DetectorError: One of them does not exist for the detector.
    """
    if forms:
        from phys_gan.metrics.classifier import FORMS

        shown = ["energy"] if "energy" in reference.conditions else []
        for form in forms:
            FORMS[form](reference.kept[:1], shown)


def _check_known(names: Sequence[str], known: Mapping[str, object], what: str) -> None:
    for name in names:
        if name not in known:
            raise MissingError(
                f"there is no {what} '{name}'; available: {', '.join(known)}", value=name
            )


def compare_whole_events(
    reference: Sample, candidate: Sample, training: Sample | None, *, seed: int
) -> Joint:
    """Compare all observables at once, correlations and single events.

    The features of the multivariate distances are all observables that both samples have; of
    toys they are the coordinates.
    """
    samples = [s for s in (reference, candidate, training) if s is not None]
    weights = reference.weights, candidate.weights
    weighted = any(w is not None for w in weights)
    results: dict[str, Result] = {}
    ratio = None
    # A spectrum of the cells, where it alone is wanted, is not a feature of an event.
    enough = min(sample.effective for sample in samples) >= MIN_EVENTS
    if enough and (features := _features(samples)):
        judge = partial(
            judge_features,
            features[0],
            features[1],
            seed=seed,
            training=features[2] if training is not None else None,
            max_events=_NEIGHBOURS,
        )
        if weighted:
            results = judge(
                reference_weights=weights[0],
                candidate_weights=weights[1],
                training_weights=None if training is None else training.weights,
            )
        if all(sample.weights is None or not sample.weighted for sample in samples[:2]):
            # Neighbours are those of different events, however many copies each has.
            results = judge() | {n: r for n, r in results.items() if n not in UNWEIGHTED}
        tests, ratio = _judge_by_nulls(samples[:2], features[:2], seed)
        results |= tests
    unweighted = _unweighted(samples)
    if reference.detector.is_toy:
        clouds = make_clouds(reference, candidate, seed=seed)
        if not weighted:
            results = judge_modes(reference, candidate, seed=seed) | results
        return Joint(results, clouds=clouds, unweighted=unweighted, ratio=ratio)

    correlations = compare_correlations(
        _layer_fractions(reference),
        _layer_fractions(candidate),
        [layer.name or str(k) for k, layer in enumerate(reference.detector.layers)],
        seed=seed,
        weights=weights,
    )
    if correlations is not None:
        results["layer_correlations"] = correlations.rms
    # Evenly spaced events are enough.
    first, second = (
        sample.kept[:: max(1, len(sample.kept) // _CELL_EVENTS)]
        for sample in (reference, candidate)
    )
    cells = compare_cell_correlations(first, second, seed=seed)
    if cells is not None:
        results["cell_correlations"] = cells.rms
    gallery = make_gallery(reference, candidate, seed=seed)
    return Joint(results, correlations, cells, gallery, unweighted=unweighted, ratio=ratio)


def _judge_by_nulls(
    samples: Sequence[Sample], features: Sequence[NDArray[np.float64]], seed: int
) -> tuple[dict[str, Result], Ratio | None]:
    """Return the tests that have null distributions of their own, and the ratio of densities."""
    first, second = weights = [sample.weights for sample in samples]
    found = sliced_tests(*features, seed=seed, reference_weights=first, candidate_weights=second)
    kept = [sample.kept for sample in samples]
    enough = min(effective_size(len(events), events.weights) for events in kept) >= MIN_SLICED
    if enough and not samples[0].detector.is_toy:
        found |= sliced_tests_of_cells(kept[0], kept[1], seed=seed)
    if any(w is not None and w.min() < 0 for w in weights):
        return found, None
    ratio = density_ratio(*features, seed=seed, reference_weights=first, candidate_weights=second)
    return found | {"nplm": ratio.result}, ratio


def _features(samples: Sequence[Sample]) -> list[NDArray[np.float64]]:
    """Return the features of every sample, shapes (n, d); nothing where there are none."""
    reference = samples[0]
    if reference.detector.is_toy:
        return [_coordinates(sample) for sample in samples]
    names = [o.name for o in reference.observables if all(o.name in s.values for s in samples)]
    if not names:
        return []
    fills = undefined_values({name: reference.values[name] for name in names})
    return [feature_matrix(sample.values, names, fills) for sample in samples]


def _layer_fractions(sample: Sample) -> NDArray[np.float64]:
    """Return layer energies over the incident one, which alone would correlate all of them."""
    energy = sample.conditions.get("energy")
    return sample.layer_energies if energy is None else sample.layer_energies / energy[:, None]


def _unweighted(samples: Sequence[Sample]) -> list[str]:
    """Return what is done instead, where metrics of weighted events have no weights."""
    if not any(sample.weighted and sample.weights is not None for sample in samples[:2]):
        return []
    names = [name for name in UNWEIGHTED if len(samples) > 2 or name not in MEMORISATION]
    found = []
    if samples[0].detector.is_toy:
        found.append("Of weighted points, the modes that are hit are not counted.")
    for why in dict.fromkeys(UNWEIGHTED[name] for name in names):
        labels = [MULTIVARIATE[name].label for name in names if UNWEIGHTED[name] == why]
        which = labels[0] if len(labels) == 1 else f"each of {', '.join(labels)}"
        found.append(f"Of weighted events, {which} {why}.")
    if any(sample.weights is not None and sample.weights.min() < 0 for sample in samples[:2]):
        found.append(
            "NPLM is left out: it fits the logarithm of a density, which negative weights "
            "do not have."
        )
    return found


def compare_features(
    reference: Sample, candidate: Sample, extractors: Sequence[str], *, seed: int
) -> dict[str, Result]:
    """Compare features other than observables, of the whole events that are kept.

    The extractor is made from half of the reference, the other half is compared. The Fréchet and
    kernel distances are called FID and KID there, as of images, and every metric carries the name
    of its features.

    Raises:
        MissingError: What the features need is not installed.
    """
    results: dict[str, Result] = {}
    if not extractors:
        return results
    # An extractor may be trained on its events, and know them better than others.
    order = stream(seed, "validation/extractors").permutation(len(reference.kept))
    seen, unseen = (reference.kept[np.sort(part)] for part in np.array_split(order, 2))
    for name in extractors:
        extract = EXTRACTORS[name](seen)
        found = judge_features(
            extract(unseen),
            extract(candidate.kept),
            seed=seed,
            reference_weights=unseen.weights,
            candidate_weights=candidate.kept.weights,
        )
        results |= {f"{_OF_FEATURES.get(m, m)}_{name}": result for m, result in found.items()}
        if isinstance(extract, Classifying):
            results[f"inception_score_{name}"] = _inception_score(
                (extract.probabilities(unseen), unseen.weights),
                (extract.probabilities(candidate.kept), candidate.kept.weights),
                seed,
            )
    return results


def _inception_score(
    reference: tuple[NDArray[np.float64], Weights],
    candidate: tuple[NDArray[np.float64], Weights],
    seed: int,
) -> Result:
    """Judge the score of the candidate against that of as many events of the reference.

    Both are the class probabilities of a classifier, shape (N, K), and the weights of the events.
    """
    n = min(len(reference[0]), len(candidate[0]))
    own, floor = (
        inception_score(probabilities[:n], seed=seed, weights=taken(weights, np.arange(n)))
        for probabilities, weights in (candidate, reference)
    )
    limit = floor.value - LIMIT_SIGMAS * float(np.hypot(own.error, floor.error))
    within = own.value >= limit
    return Result(*own, *floor, limit, n, n, within_floor=within, worse="lower")


@dataclass(frozen=True)
class Tail:
    """Events of a sample that a classifier would weight up or down by more than a factor of 10.

    The outermost events are there even where none is beyond.

    Attributes:
        sample: ``"reference"`` or ``"candidate"``.
        above: Whether the weights are above 10, else below 0.1.
        n: Number of events.
        fraction: Their fraction of the sample.
        error: Its standard error.
        events: The outermost events.
        log_weights: log10 w of these.
        extremes: Observables they are extreme in: name, and their median percentile in the
            reference, the farthest from 50 first. Nothing of fewer than 10 events.
    """

    sample: str
    above: bool
    n: int
    fraction: float
    error: float
    events: Events
    log_weights: NDArray[np.float64]
    extremes: list[tuple[str, float]]

    @property
    def text(self) -> str:
        """What is in this tail, in words."""
        return f"{self.sample}, w {'> 10' if self.above else '< 0.1'}"

    def as_dict(self) -> dict[str, object]:
        """Return everything but the events for JSON."""
        return {
            "sample": self.sample,
            "weights": "> 10" if self.above else "< 0.1",
            "n": self.n,
            "fraction": self.fraction,
            "error": self.error,
            "extremes": [{"observable": o, "median_percentile": p} for o, p in self.extremes],
        }


@dataclass(frozen=True)
class Judgement:
    """What classifiers say of whole events.

    Attributes:
        classifiers: Form of the input to the result; boosted trees are ``"trees"``.
        tails: The same, to the events of extreme weights.
        left_out: What was not done, in sentences.
    """

    classifiers: dict[str, ClassifierResult | TreesResult] = field(default_factory=dict)
    tails: dict[str, list[Tail]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def classify(
    reference: Sample,
    candidate: Sample,
    forms: Sequence[str],
    *,
    trees: bool,
    preset: str,
    seed: int,
    device: str,
) -> Judgement:
    """Train boosted trees, and a classifier on each form of the whole events that are kept.

    Trees are left out where either sample is worth fewer than 200 events, and with a sentence where
    weights are negative.
    """
    found = Judgement()
    kept = reference.kept, candidate.kept
    observables = [
        {name: values[sample.rows] for name, values in sample.values.items()}
        for sample in (reference, candidate)
    ]
    if trees:
        negative = [e for e in kept if e.weights is not None and e.weights.min() < 0]
        if negative:
            found.left_out.append(
                "Boosted trees are left out: they cannot learn from negative weights."
            )
        elif min(events.effective_number for events in kept) >= MIN_FOR_CLASSIFIERS:
            values = observables[0], observables[1]
            judged = two_sample_trees(*kept, values=values, seed=seed)
            found.classifiers["trees"] = judged
            found.tails["trees"] = find_tails(
                judged.event_weights, kept, judged.features, judged.values
            )
    if forms:
        from phys_gan.metrics.classifier import PRESETS, two_sample_test

        names = [o for o in observables[0] if o in observables[1]]
        for form in forms:
            result = two_sample_test(
                *kept, form=form, settings=PRESETS[preset], seed=seed, device=device
            )
            found.classifiers[form] = result
            first, second = (
                np.stack([of[o][rows] for o in names], axis=1)
                if names
                else np.empty((len(rows), 0))
                for of, rows in zip(observables, result.event_weights.rows, strict=True)
            )
            found.tails[form] = find_tails(result.event_weights, kept, names, (first, second))
    return found


def find_tails(
    weights: EventWeights,
    kept: tuple[Events, Events],
    names: Sequence[str],
    values: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> list[Tail]:
    """Describe the events of both samples with weights above 10 or below 0.1.

    Arguments:
        weights: Weights of events of both samples.
        kept: Both samples.
        names: Names of observables.
        values: Observables of the weighted events of both, shapes (n, F) and (m, F).
    """
    found = []
    for i, sample in enumerate(("reference", "candidate")):
        log_weights, rows, _ = weights.sides()[sample]
        for above in (True, False):
            fraction, error, places = weights.tail(sample, above=above)
            extremes = []
            if len(places) >= _FEWEST_IN_TAIL:
                inside = values[i][places[:_MOST_IN_TAIL]]
                extremes = [
                    (name, _median_percentile(values[0][:, column], inside[:, column]))
                    for column, name in enumerate(names)
                ]
                extremes = [(name, p) for name, p in extremes if np.isfinite(p)]
                extremes.sort(key=lambda pair: -abs(pair[1] - 50))
            order = np.argsort(-log_weights if above else log_weights, kind="stable")
            shown = order[:_DRAWN_OF_TAIL]
            found.append(
                Tail(
                    sample,
                    above,
                    len(places),
                    fraction,
                    error,
                    kept[i][rows[shown]],
                    log_weights[shown],
                    extremes[:_EXTREMES],
                )
            )
    return found


def _median_percentile(reference: NDArray[np.floating], values: NDArray[np.floating]) -> float:
    """Return the median percentile of values in the reference; equal ones count half."""
    ordered = np.sort(reference[np.isfinite(reference)])
    values = values[np.isfinite(values)]
    if not len(ordered) or not len(values):
        return float("nan")
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return float(np.median(50 * (below + upto) / len(ordered)))


def _coordinates(sample: Sample) -> NDArray[np.float64]:
    """Return the points of a sample that are kept, shape (n, d)."""
    return sample.kept.cells.astype(np.float64)


def make_clouds(reference: Sample, candidate: Sample, *, seed: int) -> Clouds:
    """Choose the points to show: all, or 20,000 at random of each sample."""
    draws = stream(seed, "validation/clouds")
    first, second = (
        points[np.sort(draws.permutation(len(points))[:MOST_SHOWN])]
        for points in (_coordinates(reference), _coordinates(candidate))
    )
    return Clouds(reference.detector, first, second, truth_of(reference.detector))


def judge_modes(reference: Sample, candidate: Sample, *, seed: int) -> dict[str, Result]:
    r"""Judge the modes that the candidate hits; nothing where the density has a single one.

    Each metric compares one sample with the truth (:func:`phys_gan.toys.count_modes`). Its error
    is that of 100 bootstrap replicas of the candidate; its floor comes from random halves of the
    reference. The reverse divergence of a perfect sample falls as 1/N, and is scaled from the
    half of the reference to the size of the candidate. A sample enters by its tally by mode:
    replicas are multinomial, halves hypergeometric draws from it.
    """
    truth = truth_of(reference.detector)
    if truth is None or truth.n_modes < 2:
        return {}
    first, second = (tally_modes(_coordinates(s), truth) for s in (reference, candidate))
    n, m = int(first.sum()), int(second.sum())
    half = n // 2
    boot = stream(seed, "validation/modes").multinomial(m, second.ravel() / m, _REPLICAS)
    halves = stream(seed, "validation/mode-halves").multivariate_hypergeometric(
        first.ravel(), half, _REPLICAS
    )
    replicas, floors = (
        [summarise(tally.reshape(first.shape), truth) for tally in tallies]
        for tallies in (boot, halves)
    )
    value = summarise(second, truth)
    found = {}
    for name, metric in MODES.items():
        scale = half / m if name == "reverse_kl" else 1.0
        found[name] = against_floor(
            float(getattr(value, name)),
            float(np.std([getattr(replica, name) for replica in replicas], ddof=1)),
            [scale * getattr(part, name) for part in floors],
            n,
            m,
            worse=metric.worse,
        )
    return found
