"""The two-sample classifier test: a network tells a candidate from the reference, or not.

What a two-sample classifier test found, as numbers, curves and plain dictionaries.

Repeated trainings of one classifier on two samples, each judged by events it never saw.

From the logits of repeated trainings to metrics with errors, floors and verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier import scores
from phys_gan.metrics.classifier.inputs import Form, find_form
from phys_gan.metrics.classifier.scores import Calibration, calibration_curve, platt
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
from phys_gan.metrics.result import Result, against_floor
from phys_gan.metrics.samples import need_same_cells
from phys_gan.metrics.statistics import relative_weights
from phys_gan.randomness import stream


@dataclass(frozen=True, eq=False)
class Roc:
    """The mean ROC curve of all trainings.

    Attributes:
        fpr: Fraction of the reference that is taken for the candidate, shape (P,).
        tpr: Fraction of the candidate that is recognised, mean of the trainings, shape (P,).
        tpr_error: Its standard deviation over the trainings, shape (P,); 0 for a single one.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    tpr_error: NDArray[np.float64]

    def as_dict(self) -> dict[str, list[float]]:
        """Return the fields for JSON."""
        return {name: values.tolist() for name, values in vars(self).items()}


@dataclass(frozen=True, eq=False)
class ClassifierResult:
    """Hold what :func:`phys_gan.metrics.classifier.two_sample_test` found.

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
        return {
            "auc": self.auc,
            "jsd": self.jsd,
            "jsd_calibrated": self.jsd_calibrated,
            "accuracy": self.accuracy,
        }

    @property
    def within_floor(self) -> bool:
        """Whether no metric tells the samples apart."""
        return all(result.within_floor for result in self.results.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "form": self.form,
            "conditions": list(self.conditions),
            "n_inputs": self.n_inputs,
            "whitened": self.whitened,
            "settings": asdict(self.settings),
            "seed": self.seed,
            **{name: result.as_dict() for name, result in self.results.items()},
            "aucs": list(self.aucs),
            "control": self.control.as_dict(),
            "roc": self.roc.as_dict(),
            "calibration": self.calibration.as_dict(),
            "recalibrated": self.recalibrated.as_dict(),
        }


Rows = NDArray[np.int64]


class Logits(NamedTuple):
    """Logits of being a candidate, of some events of both samples, and the weights of these.

    Attributes:
        reference: Shape (n,).
        candidate: Shape (m,).
        reference_weights: Shape (n,), of any sign and scale; None where neither sample has any.
        candidate_weights: Shape (m,).
    """

    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]
    reference_weights: NDArray[np.float64] | None = None
    candidate_weights: NDArray[np.float64] | None = None

    @classmethod
    def join(cls, parts: Sequence[Logits]) -> Logits:
        """Return the events of several trainings, in order."""
        return cls(
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.candidate for part in parts]),
            _joined([part.reference_weights for part in parts]),
            _joined([part.candidate_weights for part in parts]),
        )

    def mapped(self, slope: float, offset: float) -> Logits:
        """Return ``slope * logits + offset``."""
        return self._replace(
            reference=slope * self.reference + offset, candidate=slope * self.candidate + offset
        )


def _joined(parts: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    weights = [part for part in parts if part is not None]
    return np.concatenate(weights) if weights else None


@dataclass(frozen=True, eq=False)
class Trial:
    """One training.

    Attributes:
        test: Logits of the test events.
        calibrated: The same, calibrated on the validation events.
        n_inputs: Number of inputs.
        whitened: Whether they were decorrelated.
    """

    test: Logits
    calibrated: Logits
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
    reference_weights: NDArray[np.float64] | None = None,
    candidate_weights: NDArray[np.float64] | None = None,
) -> list[Trial]:
    """Train ``settings.seeds`` classifiers and return what they say of their test events.

    Event i of samples of equal length always goes into the same part. A candidate that was
    generated at the incident energies of the reference, event by event, then has no energy in the
    test that was seen in training under the other label: such energies would mislead the network,
    and pull the AUC below 1/2. They do, by about 0.01, where a candidate has these energies in
    another order.

    Arguments:
        reference: Inputs, shape (n, F).
        candidate: Inputs, shape (m, F).
        settings: Settings of the classifier.
        seed: Seed of splits, weights and order.
        device: Where to train.
        report: Is told about epochs of all trainings.
        reference_weights: Weights of any sign, shape (n,); all events count the same when None.
        candidate_weights: Weights of any sign, shape (m,).
    """
    n, m = len(reference), len(candidate)
    inputs = np.concatenate([reference, candidate])
    labels = np.repeat(np.array([0, 1], np.int64), [n, m])
    weights = None
    if reference_weights is not None or candidate_weights is not None:
        sides = (reference_weights, n), (candidate_weights, m)
        weights = np.concatenate([np.ones(size) if w is None else w for w, size in sides])

    def said(network: Network, first: Rows, second: Rows) -> Logits:
        logits = predict(network, inputs[np.concatenate([first, n + second])])[:, 0]
        both = logits[: len(first)], logits[len(first) :]
        return (
            Logits(*both) if weights is None else Logits(*both, weights[first], weights[n + second])
        )

    total = settings.seeds * settings.epochs
    trials = []
    for number in range(settings.seeds):
        firsts, seconds = split(n, number, seed), split(m, number, seed)
        pairs = zip(firsts, seconds, strict=True)

        def told(epoch: int, _: int, number: int = number) -> None:
            report(number * settings.epochs + epoch, total)

        network = train(
            inputs,
            labels,
            2,
            Parts(*(np.concatenate([first, n + second]) for first, second in pairs)),
            [settings.width] * (settings.layers + 1),
            settings,
            seed=int(stream(seed, f"classifier/training {number}").integers(2**62)),
            device=device,
            report=told,
            weights=weights,
        )
        slope, offset = platt(*said(network, firsts.validation, seconds.validation))
        test = said(network, firsts.test, seconds.test)
        trials.append(
            Trial(
                test,
                test.mapped(slope, offset),
                n_inputs=inputs.shape[1],
                whitened=network.matrix.ndim == 2,
            )
        )
    return trials


Score = Callable[..., tuple[float, float]]
"""Logits of both samples and their weights, to a value and its error."""

_SIGMAS = 3.0
"""As in :func:`against_floor`; of equal samples fewer than 1 in 740 are beyond."""

_SHARED = 1 / 3
"""Largest correlation between the scores of two trainings on equal samples.

Their tests share no event, but either may have learned from the other's test. For a linear
classifier on three fifths of the events this correlates their scores by 1/3, or by 0 where the
one's test is the other's validation; for networks 0 to 0.1 was found by simulation.
"""


def judge_auc(trials: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean AUC of trainings against its known floor.

    Arguments:
        trials: Logits of the test events of each training.
        sizes: Events of the reference and of the candidate that the trainings had in all.
    """
    single = (
        _rms([scores.auc_spread_of(*trial) for trial in trials])
        if trials[0].reference_weights is not None
        else scores.auc_spread(*_smallest(trials))
    )
    return _against_known(*_mean(scores.auc_with_error, trials), single, len(trials), sizes)


def judge_accuracy(trials: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean accuracy; between equal samples it is at most a binomial one of 1/2."""
    single = (
        _rms([scores.accuracy_spread(*trial) for trial in trials])
        if trials[0].reference_weights is not None
        else 0.5 / float(np.sqrt(sum(_smallest(trials))))
    )
    return _against_known(*_mean(scores.accuracy, trials), single, len(trials), sizes)


def judge_jsd(trials: Sequence[Logits], halves: Sequence[Logits], sizes: tuple[int, int]) -> Result:
    """Return the mean divergence against that of reference halves, where it is positive.

    Fewer events make a classifier more wrong than ignorance, and its divergence negative. Between
    equal samples the expectation is not above 0 for any number of events, so 0 is the lowest
    floor that is fair to a candidate with more events than the halves.
    """
    floors = [max(0.0, scores.jsd(*trial)[0]) for trial in halves]
    return against_floor(*_mean(scores.jsd, trials), floors, *sizes)


def mean_roc(trials: Sequence[Logits]) -> Roc:
    """Return the mean ROC curve, averaged at fixed false positive rates."""
    curves = [scores.roc(*trial) for trial in trials]
    heights = np.stack([true for _, true in curves])
    return Roc(curves[0][0], heights.mean(axis=0), _spread(heights))


def reliability(trials: Sequence[Logits]) -> Calibration:
    """Return the calibration curve of the test events of all trainings."""
    return calibration_curve(*Logits.join(trials))


def _against_known(
    value: float, error: float, single: float, n_trials: int, sizes: tuple[int, int]
) -> Result:
    """Judge a mean of trainings against a floor of 1/2 that spreads by ``single`` for one."""
    # Beyond five trainings the same events are tested again.
    independent = min(n_trials, FOLDS)
    spread = single * ((1 + (independent - 1) * _SHARED) / independent) ** 0.5
    limit = 0.5 + _SIGMAS * spread
    p_value = float(norm.sf((value - 0.5) / spread))
    return Result(value, error, 0.5, spread, limit, *sizes, value <= limit, p_value)


def _mean(score: Score, trials: Sequence[Logits]) -> tuple[float, float]:
    """Return the mean of a score and its error.

    The error is the larger of the standard deviation over trainings, which three of them know
    within a factor of two, and of the statistical error on the test events of one of them.
    """
    values, errors = np.array([score(*trial) for trial in trials]).T
    return float(values.mean()), max(float(_spread(values)), float(errors.mean()))


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation over the first axis; 0 for a single entry."""
    return np.asarray(values.std(axis=0, ddof=1) if len(values) > 1 else 0 * values[0], np.float64)


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _smallest(trials: Sequence[Logits]) -> tuple[int, int]:
    """Return the numbers of test events of both samples."""
    return min(len(t.reference) for t in trials), min(len(t.candidate) for t in trials)


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
        form: Name of an input form (``"low"``, ``"low-normalised"``, ``"high"``) or a function.
        conditions: Conditions that the classifier sees beside the incident energy, which it sees
            where both samples have it.
        settings: Settings of the classifier, such as ``PRESETS["challenge"]``.
        seed: Seed of everything: equal input and seed give equal output.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        report: Is told about epochs done and epochs in all.

    Raises:
        DetectorError: The detectors differ, or the form does not exist for them.
        RangeError: Effectively fewer than 200 events of either sample can be used.
        MissingError: The form, or a condition in one of the samples, does not exist.
        ConfigError: There is no such device.
    """
    reference, candidate = _counting(reference, candidate, settings)
    where, tell = to_device(device), report or silent
    make, shown = find_form(form), _shown(reference, candidate, conditions)
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
            report=lambda done, _: tell(done_before + done, 2 * epochs),
            reference_weights=first.weights,
            candidate_weights=second.weights,
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
        jsd=judge_jsd(tests, [t.test for t in halves], sizes),
        jsd_calibrated=judge_jsd(calibrated, [t.calibrated for t in halves], sizes),
        accuracy=judge_accuracy(tests, sizes),
        aucs=tuple(scores.auc(*test) for test in tests),
        control=judge_auc([t.test for t in halves], (half, half)),
        roc=mean_roc(tests),
        calibration=reliability(tests),
        recalibrated=reliability(calibrated),
    )


def _counting(reference: Events, candidate: Events, settings: Settings) -> tuple[Events, Events]:
    """Return the events that count, after a check that there are enough of them."""
    need_same_cells(reference.detector, candidate.detector)
    counting = []
    for what, events in (("reference", reference), ("candidate", candidate)):
        if len(events) < MIN_EVENTS:
            raise RangeError(
                f"the {what} has {len(events)} events, but a classifier test needs at least "
                f"{MIN_EVENTS}",
                remedy="give more events",
                value=len(events),
                constraint=MIN_EVENTS,
            )
        weights = relative_weights(what, events.weights, len(events), MIN_EVENTS)
        if events.weights is not None:
            events = replace(events, weights=weights)
        counting.append(events if weights is None else events[weights != 0])
    if settings.max_events is not None and settings.max_events < MIN_EVENTS:
        raise RangeError(
            f"max_events = {settings.max_events} leaves a classifier test fewer than {MIN_EVENTS} "
            f"events of each sample",
            remedy="allow more",
            value=settings.max_events,
            constraint=MIN_EVENTS,
        )

    return counting[0], counting[1]


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


def _shown(reference: Events, candidate: Events, further: Sequence[str]) -> tuple[str, ...]:
    """Return the conditions that the classifier sees, the incident energy first."""
    energy = "energy" in reference.conditions and "energy" in candidate.conditions
    return tuple(dict.fromkeys([*(["energy"] if energy else []), *further]))


def _chosen(events: Events, n: int, seed: int) -> Events:
    """Return n events: the same numbers of both samples where they have the same length."""
    if len(events) == n:
        return events
    return events[np.sort(stream(seed, "classifier/events").choice(len(events), n, replace=False))]
