"""The two-sample classifier test: a network tells a candidate from the reference, or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from phys_gan.errors import RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.validation.classifier import scores
from phys_gan.validation.classifier.inputs import Form, find_form
from phys_gan.validation.classifier.judging import (
    judge_accuracy,
    judge_auc,
    judge_jsd,
    mean_roc,
    reliability,
)
from phys_gan.validation.classifier.outcome import ClassifierResult
from phys_gan.validation.classifier.settings import MIN_EVENTS, QUICK, Settings
from phys_gan.validation.classifier.training import Report, silent, to_device
from phys_gan.validation.classifier.trials import Trial, run_trials
from phys_gan.validation.comparable import need_same_cells
from phys_gan.validation.multivariate.weighting import as_weights

__all__ = ["two_sample_test"]


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
        weights = as_weights(what, events.weights, len(events), MIN_EVENTS)
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
