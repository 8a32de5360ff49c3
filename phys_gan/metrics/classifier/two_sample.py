"""The two-sample classifier test: how well a network tells a candidate from the reference.

:func:`two_sample_test` trains the same classifier several times, scores events that it never saw
(:func:`run_trials`), and turns the scores into metrics with errors, floors and verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier.inputs import Form, find_form
from phys_gan.metrics.classifier.scores import (
    Calibration,
    Scores,
    accuracy,
    auc_sigma,
    auc_with_error,
    calibration_curve,
    jsd,
    platt,
    roc,
    weighted_accuracy_sigma,
    weighted_auc_sigma,
)
from phys_gan.metrics.classifier.training import (
    FOLDS,
    MIN_EVENTS,
    QUICK,
    Network,
    Parts,
    Report,
    Settings,
    predict,
    silent,
    split,
    to_device,
    train,
)
from phys_gan.metrics.result import LIMIT_SIGMAS, Result, against_floor
from phys_gan.metrics.samples import need_events, need_same_cells
from phys_gan.metrics.statistics import Floats, Weights, relative_weights
from phys_gan.randomness import stream

_CORRELATION = 1 / 3
"""Largest correlation between the scores of two trainings on equal samples.

Their tests share no event, but either may have learned from the other's test. For a linear
classifier on three fifths of the events this correlates their scores by 1/3, or by 0 where the
one's test is the other's validation; for networks 0 to 0.1 was found by simulation.
"""


@dataclass(frozen=True, eq=False)
class Roc:
    """The mean ROC curve of all trainings.

    Attributes:
        fpr: Fraction of the reference that is taken for the candidate, shape (P,).
        tpr: Fraction of the candidate that is recognised, mean of the trainings, shape (P,).
        tpr_error: Its standard deviation over the trainings, shape (P,); 0 for a single one.
    """

    fpr: Floats
    tpr: Floats
    tpr_error: Floats

    def as_dict(self) -> dict[str, list[float]]:
        """Return the fields for JSON."""
        return {name: values.tolist() for name, values in vars(self).items()}


@dataclass(frozen=True, eq=False)
class ClassifierResult:
    """Result of :func:`two_sample_test`.

    Attributes:
        form: Name of the input form.
        conditions: Conditions that the classifier saw.
        n_inputs: Number of inputs, conditions included.
        whitened: Whether the inputs were decorrelated.
        settings: Settings of the classifier.
        seed: Seed of everything.
        auc: Area under the ROC curve, 0.5 for equal samples.
        jsd: Jensen-Shannon divergence from the probabilities as trained, 0 for equal samples.
        jsd_calibrated: The same after calibration on the validation events.
        accuracy: Fraction of right decisions, 0.5 for equal samples.
        aucs: AUC of each training.
        control: AUC between halves of the reference: it must be within its floor.
        roc: The mean ROC curve.
        calibration: Reliability of the probabilities as trained, test events of all trainings.
        recalibrated: The same after calibration.
    """

    form: str
    conditions: tuple[str, ...]
    n_inputs: int
    whitened: bool
    settings: Settings
    seed: int
    auc: Result
    jsd: Result
    jsd_calibrated: Result
    accuracy: Result
    aucs: tuple[float, ...]
    control: Result
    roc: Roc
    calibration: Calibration
    recalibrated: Calibration

    @property
    def results(self) -> dict[str, Result]:
        """The metrics by name."""
        names = ("auc", "jsd", "jsd_calibrated", "accuracy")
        return {name: getattr(self, name) for name in names}

    @property
    def within_floor(self) -> bool:
        """Whether no metric tells the samples apart."""
        return all(result.within_floor for result in self.results.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            **vars(self),
            "conditions": list(self.conditions),
            "settings": asdict(self.settings),
            "aucs": list(self.aucs),
            **{
                name: value.as_dict()
                for name, value in vars(self).items()
                if isinstance(value, Result | Roc | Calibration)
            },
        }


def two_sample_test(
    reference: Events,
    candidate: Events,
    *,
    form: str | Form = "high",
    conditions: Sequence[str] = (),
    settings: Settings = QUICK,
    seed: int = 0,
    device: str = "cpu",
    report: Report | None = None,
) -> ClassifierResult:
    r"""Train classifiers to tell both samples apart, and judge them with events they never saw.

    Equal numbers of both samples are taken at random and divided 60/20/20 into training,
    validation (choice of the epoch, calibration) and test. Each of ``settings.seeds`` trainings
    has other weights and another fifth of the events for its test.

    * **AUC**: mean of the trainings; its error is the larger of their standard deviation and of
      DeLong's error of one of them. The floor is known, not measured: on n test events of each of
      two equal samples the AUC of any classifier has mean 1/2 and standard deviation
      :math:`\sigma = \sqrt{(2n+1)/(12 n^2)}` (Mann and Whitney), and the mean of S <= 5
      trainings at most :math:`\sigma \sqrt{(1 + (S-1)/3)/S}`, because their tests share no event.
      The limit lies three of these above 1/2; ``p_value`` is one-sided.
    * **control**: the same for random halves of the reference. It tests the test.
    * **JSD**, as trained and calibrated: the floor is that of the halves, but not below 0.
    * **accuracy**: binomial floor at 1/2.

    With weights, of any sign, equal *effective* numbers are taken. They enter the loss, in which
    both samples count the same, the choice of the epoch, the calibration, and all scores and their
    errors. :math:`\sigma` then is that of equal samples with these scores and weights. Events of
    weight 0 are left out, and weights that are all equal are none.

    A classifier shows the differences that it finds. Outside the floor there is one; within the
    floor this network saw none in these events.

    References:
        CaloFlow (Krause and Shih, 2021), https://arxiv.org/abs/2106.05285;
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        reference: Events of full simulation, or whatever is taken as the truth.
        candidate: Events to judge, of the same detector.
        form: Name of an input form (``FORMS``) or a function.
        conditions: Conditions that the classifier sees beside the incident energy, which it sees
            where both samples have it.
        settings: Settings of the classifier, such as ``PRESETS["challenge"]``.
        seed: Seed of everything: equal input and seed give equal output.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        report: Called with the epochs done and the epochs in all.

    Raises:
        DetectorError: The detectors differ, or the form does not exist for them.
        RangeError: Effectively fewer than 200 events of either sample can be used.
        MissingError: The form, or a condition in one of the samples, does not exist.
        ConfigError: There is no such device.
    """
    need_same_cells(reference.detector, candidate.detector)
    reference, candidate = (
        _counting(name, events)
        for name, events in (("reference", reference), ("candidate", candidate))
    )
    if settings.max_events is not None and settings.max_events < MIN_EVENTS:
        raise RangeError(
            f"max_events = {settings.max_events} leaves a classifier test fewer than {MIN_EVENTS} "
            f"events of each sample",
            remedy="allow more",
            value=settings.max_events,
            constraint=MIN_EVENTS,
        )
    where, make = to_device(device), find_form(form)
    shared = "energy" in reference.conditions and "energy" in candidate.conditions
    shown = tuple(dict.fromkeys([*(["energy"] if shared else []), *conditions]))
    sizes = _equal_sizes(reference, candidate, settings.max_events)
    half = min(sizes[0], len(reference) // 2)
    order = stream(seed, "classifier/halves").permutation(len(reference))
    epochs = settings.seeds * settings.epochs

    def trained(first: Events, second: Events, done_before: int) -> list[Trial]:
        # The inputs live no longer than this call: low-level ones are large.
        return run_trials(
            make(first, shown),
            make(second, shown),
            settings,
            seed=seed,
            device=where,
            report=lambda done, _: (report or silent)(done_before + done, 2 * epochs),
            weights=(first.weights, second.weights),
        )

    trials = trained(_chosen(reference, sizes[0], seed), _chosen(candidate, sizes[1], seed), 0)
    halves = trained(reference[order[:half]], reference[order[half : 2 * half]], epochs)
    tests, calibrated = [t.test for t in trials], [t.calibrated for t in trials]
    return ClassifierResult(
        form=form if isinstance(form, str) else getattr(form, "__name__", "own"),
        conditions=shown,
        n_inputs=trials[0].n_inputs,
        whitened=trials[0].whitened,
        settings=settings,
        seed=seed,
        auc=judge_auc(tests, sizes),
        jsd=_judge_jsd(tests, [t.test for t in halves], sizes),
        jsd_calibrated=_judge_jsd(calibrated, [t.calibrated for t in halves], sizes),
        accuracy=judge_accuracy(tests, sizes),
        aucs=tuple(auc_with_error(test)[0] for test in tests),
        control=judge_auc([t.test for t in halves], (half, half)),
        roc=_mean_roc(tests),
        calibration=calibration_curve(Scores.join(tests)),
        recalibrated=calibration_curve(Scores.join(calibrated)),
    )


def _counting(name: str, events: Events) -> Events:
    """Return the events that count, after a check that there are enough of them."""
    need_events(name, len(events), MIN_EVENTS, " for a classifier test")
    weights = relative_weights(name, events.weights, len(events), MIN_EVENTS)
    if events.weights is not None:
        events = replace(events, weights=weights)
    return events if weights is None else events[weights != 0]


def _equal_sizes(reference: Events, candidate: Events, most: int | None) -> tuple[int, int]:
    """Return how many events of both to take, at most so many, for equal effective numbers."""
    samples = reference, candidate
    efficiencies = [sample.effective_number / len(sample) for sample in samples]
    number = min(
        min(len(sample), most or len(sample)) * efficiency
        for sample, efficiency in zip(samples, efficiencies, strict=True)
    )
    first, second = (round(number / efficiency) for efficiency in efficiencies)
    return first, second


def _chosen(events: Events, n: int, seed: int) -> Events:
    """Return n events: the same numbers of both samples where they have the same length."""
    if len(events) == n:
        return events
    return events[np.sort(stream(seed, "classifier/events").choice(len(events), n, replace=False))]


@dataclass(frozen=True, eq=False)
class Trial:
    """One training.

    Attributes:
        test: Scores of the test events.
        calibrated: The same, calibrated on the validation events.
        n_inputs: Number of inputs.
        whitened: Whether they were decorrelated.
    """

    test: Scores
    calibrated: Scores
    n_inputs: int
    whitened: bool


def run_trials(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Report,
    weights: tuple[Weights, Weights] = (None, None),
) -> list[Trial]:
    """Train ``settings.seeds`` classifiers and return their scores of the test events.

    Event i of samples of equal length always goes into the same part. A candidate that was
    generated at the incident energies of the reference, event by event, then has no energy in the
    test that was seen in training under the other label: such energies would mislead the network,
    and pull the AUC below 1/2. They do, by about 0.01, where a candidate has these energies in
    another order.

    The inputs have shapes (n, F) and (m, F), and weights of any sign, if any.
    """
    n, m = len(reference), len(candidate)
    inputs = np.concatenate([reference, candidate])
    labels = np.repeat(np.array([0, 1], np.int64), [n, m])
    counting = None
    if weights[0] is not None or weights[1] is not None:
        sides = zip(weights, (n, m), strict=True)
        counting = np.concatenate([np.ones(size) if w is None else w for w, size in sides])

    def scored(network: Network, first: NDArray[np.int64], second: NDArray[np.int64]) -> Scores:
        rows = np.concatenate([first, n + second])
        columns = [predict(network, inputs[rows])[:, 0]]
        if counting is not None:
            columns.append(counting[rows])
        return Scores(*(part for c in columns for part in np.split(c, [len(first)])))

    def tell(number: int, epoch: int, _: int) -> None:
        report(number * settings.epochs + epoch, settings.seeds * settings.epochs)

    trials = []
    for number in range(settings.seeds):
        firsts, seconds = split(n, number, seed), split(m, number, seed)
        pairs = zip(firsts, seconds, strict=True)
        network = train(
            inputs,
            labels,
            2,
            Parts(*(np.concatenate([first, n + second]) for first, second in pairs)),
            [settings.width] * (settings.layers + 1),
            settings,
            seed=int(stream(seed, f"classifier/training {number}").integers(2**62)),
            device=device,
            report=partial(tell, number),
            weights=counting,
        )
        slope, offset = platt(scored(network, firsts.validation, seconds.validation))
        test = scored(network, firsts.test, seconds.test)
        whitened = network.matrix.ndim == 2
        trials.append(Trial(test, test.mapped(slope, offset), inputs.shape[1], whitened))
    return trials


def judge_auc(trials: Sequence[Scores], sizes: tuple[int, int]) -> Result:
    """Judge the mean AUC of trainings, from the scores of their test events, by its known floor.

    ``sizes`` are the events of reference and candidate that the trainings had in all.
    """
    weighted = trials[0].weighted
    sigma = _rms(weighted_auc_sigma, trials) if weighted else auc_sigma(*_fewest(trials))
    return _against_half(auc_with_error, trials, sigma, sizes)


def judge_accuracy(trials: Sequence[Scores], sizes: tuple[int, int]) -> Result:
    """Judge the mean accuracy; between equal samples it is at most a binomial one of 1/2."""
    if trials[0].weighted:
        sigma = _rms(weighted_accuracy_sigma, trials)
    else:
        sigma = 0.5 / float(np.sqrt(sum(_fewest(trials))))
    return _against_half(accuracy, trials, sigma, sizes)


def _judge_jsd(
    trials: Sequence[Scores], halves: Sequence[Scores], sizes: tuple[int, int]
) -> Result:
    """Judge the mean divergence against that of reference halves, where it is positive.

    Fewer events make a classifier more wrong than ignorance, and its divergence negative. Between
    equal samples the expectation is not above 0 for any number of events, so 0 is the lowest
    floor that is fair to a candidate with more events than the halves.
    """
    floors = [max(0.0, jsd(half)[0]) for half in halves]
    return against_floor(*_mean(jsd, trials), floors, *sizes)


def _against_half(
    score: Callable[[Scores], tuple[float, float]],
    trials: Sequence[Scores],
    sigma: float,
    sizes: tuple[int, int],
) -> Result:
    """Judge a mean of trainings against 1/2, where one has the standard deviation ``sigma``."""
    value, error = _mean(score, trials)
    # Beyond five trainings the same events are tested again.
    independent = min(len(trials), FOLDS)
    sigma *= ((1 + (independent - 1) * _CORRELATION) / independent) ** 0.5
    limit = 0.5 + LIMIT_SIGMAS * sigma
    p_value = float(norm.sf((value - 0.5) / sigma))
    return Result(value, error, 0.5, sigma, limit, *sizes, value <= limit, p_value)


def _mean(
    score: Callable[[Scores], tuple[float, float]], trials: Sequence[Scores]
) -> tuple[float, float]:
    """Return the mean of a score and its error.

    The error is the larger of the standard deviation over trainings, which is known within a factor
    of two from three of them, and of the statistical error on the test events of one of them.
    """
    values, errors = np.array([score(trial) for trial in trials]).T
    return float(values.mean()), max(float(_sigma(values)), float(errors.mean()))


def _mean_roc(trials: Sequence[Scores]) -> Roc:
    """Return the mean ROC curve, averaged at fixed false positive rates."""
    curves = [roc(trial) for trial in trials]
    heights = np.stack([true for _, true in curves])
    return Roc(curves[0][0], heights.mean(axis=0), _sigma(heights))


def _sigma(values: Floats) -> Floats:
    """Return the standard deviation over the first axis; 0 for a single entry."""
    return np.asarray(values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0], np.float64)


def _rms(sigma: Callable[[Scores], float], trials: Sequence[Scores]) -> float:
    return float(np.sqrt(np.mean(np.square([sigma(trial) for trial in trials]))))


def _fewest(trials: Sequence[Scores]) -> tuple[int, int]:
    """Return the smallest numbers of test events of both samples."""
    return min(len(t.reference) for t in trials), min(len(t.candidate) for t in trials)
