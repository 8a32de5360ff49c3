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

from phys_gan.detectors import Detector
from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier.convolutions import ConvolutionalNetwork, softest
from phys_gan.metrics.classifier.inputs import Form, find_form
from phys_gan.metrics.classifier.scores import (
    FOLDS,
    MIN_EVENTS,
    Calibration,
    EventWeights,
    Roc,
    Scores,
    auc_with_error,
    calibration_curve,
    jsd,
    judge_accuracy,
    judge_auc,
    mean_of,
    mean_roc,
    platt,
)
from phys_gan.metrics.classifier.training import (
    QUICK,
    QUICK_CNN,
    Network,
    Parts,
    Report,
    Settings,
    predict,
    silent,
    split,
    to_device,
    train,
    train_network,
)
from phys_gan.metrics.result import Result, against_floor
from phys_gan.metrics.samples import need_events, need_same_cells
from phys_gan.metrics.statistics import Weights, relative_weights
from phys_gan.randomness import stream


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
        event_weights: Calibrated weights of the test events of the first five trainings.
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
    event_weights: EventWeights

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
                if isinstance(value, Result | Roc | Calibration | EventWeights)
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

    The form ``cnn`` trains a convolutional network on the grids of the layers
    (:class:`~phys_gan.metrics.classifier.convolutions.ConvolutionalNetwork`). It takes all events
    of both samples, also where one has many more: both count the same in the loss and in scores.

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
    (reference, first), (candidate, second) = (
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
    network = None
    if form == "cnn":
        # Events of a candidate cost little, and each teaches something.
        most = settings.max_events
        sizes = (
            min(len(reference), most or len(reference)),
            min(len(candidate), most or len(candidate)),
        )
        settings = QUICK_CNN if settings == QUICK else settings
        network = partial(_convolutions, reference.detector, len(shown), settings)
    else:
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
            network=network,
        )

    chosen = _chosen(len(reference), sizes[0], seed), _chosen(len(candidate), sizes[1], seed)
    trials = trained(reference[chosen[0]], candidate[chosen[1]], 0)
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
        roc=mean_roc(tests),
        calibration=calibration_curve(Scores.join(tests)),
        recalibrated=calibration_curve(Scores.join(calibrated)),
        event_weights=EventWeights.join(
            calibrated[:FOLDS],
            [
                (first[chosen[0][a]], second[chosen[1][b]])
                for a, b in (t.rows for t in trials[:FOLDS])
            ],
        ),
    )


def _counting(name: str, events: Events) -> tuple[Events, NDArray[np.intp]]:
    """Return the events that count and their numbers, after a check that they are enough."""
    need_events(name, len(events), MIN_EVENTS, " for a classifier test")
    weights = relative_weights(name, events.weights, len(events), MIN_EVENTS)
    if events.weights is not None:
        events = replace(events, weights=weights)
    rows = np.flatnonzero(np.ones(len(events)) if weights is None else weights)
    return (events if len(rows) == len(events) else events[rows]), rows


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


def _chosen(n: int, wanted: int, seed: int) -> NDArray[np.intp]:
    """Return which of n events are taken: the same of both samples of equal numbers."""
    if n == wanted:
        return np.arange(n)
    return np.sort(stream(seed, "classifier/events").choice(n, wanted, replace=False))


@dataclass(frozen=True, eq=False)
class Trial:
    """One training.

    Attributes:
        test: Scores of the test events.
        calibrated: The same, calibrated on the validation events.
        n_inputs: Number of inputs.
        whitened: Whether they were decorrelated.
        rows: Numbers of the test events in both samples.
    """

    test: Scores
    calibrated: Scores
    n_inputs: int
    whitened: bool
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]


def run_trials(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Report,
    weights: tuple[Weights, Weights] = (None, None),
    network: Callable[[NDArray[np.float32]], ConvolutionalNetwork] | None = None,
) -> list[Trial]:
    """Train ``settings.seeds`` classifiers and return their scores of the test events.

    Event i of samples of equal length always goes into the same part. A candidate that was
    generated at the incident energies of the reference, event by event, then has no energy in the
    test that was seen in training under the other label: such energies would mislead the network,
    and pull the AUC below 1/2. They do, by about 0.01, where a candidate has these energies in
    another order.

    The inputs have shapes (n, F) and (m, F), and weights of any sign, if any. ``network`` makes a
    network for all inputs; without it hidden layers are trained.
    """
    n, m = len(reference), len(candidate)
    inputs = np.concatenate([reference, candidate])
    labels = np.repeat(np.array([0, 1], np.int64), [n, m])
    counting = None
    if weights[0] is not None or weights[1] is not None or n != m:
        sides = zip(weights, (n, m), strict=True)
        counting = np.concatenate([np.ones(size) if w is None else w for w, size in sides])

    def scored(
        judge: Network | ConvolutionalNetwork,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
    ) -> Scores:
        rows = np.concatenate([first, n + second])
        columns = [predict(judge, inputs[rows])[:, 0]]
        if counting is not None:
            columns.append(counting[rows])
        return Scores(*(part for c in columns for part in np.split(c, [len(first)])))

    def tell(number: int, epoch: int, _: int) -> None:
        report(number * settings.epochs + epoch, settings.seeds * settings.epochs)

    trials = []
    for number in range(settings.seeds):
        firsts, seconds = split(n, number, seed), split(m, number, seed)
        pairs = zip(firsts, seconds, strict=True)
        parts = Parts(*(np.concatenate([first, n + second]) for first, second in pairs))
        drawn = int(stream(seed, f"classifier/training {number}").integers(2**62))
        trained: Network | ConvolutionalNetwork
        if network is None:
            hidden = [settings.width] * (settings.layers + 1)
            trained = train(
                inputs,
                labels,
                2,
                parts,
                hidden,
                settings,
                seed=drawn,
                device=device,
                report=partial(tell, number),
                weights=counting,
            )
        else:
            trained = train_network(
                partial(network, inputs),
                inputs,
                labels,
                parts,
                settings,
                seed=drawn,
                device=device,
                report=partial(tell, number),
                weights=counting,
            )
        slope, offset = platt(scored(trained, firsts.validation, seconds.validation))
        test = scored(trained, firsts.test, seconds.test)
        rows = firsts.test, seconds.test
        trials.append(
            Trial(test, test.mapped(slope, offset), inputs.shape[1], trained.whitens, rows)
        )
    return trials


def _convolutions(
    detector: Detector, n_conditions: int, settings: Settings, inputs: NDArray[np.float32]
) -> ConvolutionalNetwork:
    """Make a convolutional network for these inputs."""
    scale = softest(inputs, n_conditions, detector)
    planes, blocks = settings.planes, settings.blocks
    return ConvolutionalNetwork(detector, n_conditions, scale, planes, blocks, mean=settings.mean)


def _judge_jsd(
    trials: Sequence[Scores], halves: Sequence[Scores], sizes: tuple[int, int]
) -> Result:
    """Judge the mean divergence against that of reference halves, where it is positive.

    Fewer events make a classifier more wrong than ignorance, and its divergence negative. Between
    equal samples the expectation is not above 0 for any number of events, so 0 is the lowest
    floor that is fair to a candidate with more events than the halves.
    """
    floors = [max(0.0, jsd(half)[0]) for half in halves]
    return against_floor(*mean_of(jsd, trials), floors, *sizes)
