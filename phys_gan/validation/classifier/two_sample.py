"""The two-sample classifier test: can a network tell a candidate from the reference?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from phys_gan.errors import DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.validation.classifier import scores
from phys_gan.validation.classifier.calibration import Calibration, calibration_curve
from phys_gan.validation.classifier.inputs import Form, find_form
from phys_gan.validation.classifier.outcome import ClassifierResult, Roc
from phys_gan.validation.classifier.settings import QUICK, Settings
from phys_gan.validation.classifier.training import Report, silent, to_device
from phys_gan.validation.classifier.trials import Logits, Trial, run_trials
from phys_gan.validation.statistics.result import Result, against_floor

__all__ = ["MIN_EVENTS", "two_sample_test"]

MIN_EVENTS = 200
"""With fewer events of either sample nothing is left to learn from or to judge with."""

_SIGMAS = 3.0


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
      DeLong's error of one of them. The floor is known, not measured: on test events of equal
      samples the AUC of any classifier has mean 1/2 and standard deviation
      :math:`\sqrt{(2n+1)/(12 n^2)}` for n test events of each (Mann and Whitney), and the mean of
      several trainings has that or less. The limit is three of them; ``p_value`` is one-sided.
    * **control**: the same for random halves of the reference, with as many events as there are.
      It tests the test.
    * **JSD** (as trained and calibrated): the floor is that of the halves, raised to 0 where it
      is negative, as the expectation for equal samples is at any number of events.
    * **accuracy**: binomial floor at 1/2.

    A classifier only shows differences that it finds: AUC = 1/2 of a small network on few events
    is no proof. Above 1/2 it has seen what it needs.

    References:
        CaloFlow (Krause and Shih, 2021), https://arxiv.org/abs/2106.05285;
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        reference: Events of full simulation, or whatever is taken as the truth.
        candidate: Events to judge, of the same detector.
        form: Name of an input form (``"low"``, ``"low-normalised"``, ``"high"``) or a function.
        conditions: Conditions that the classifier sees, beside the incident energy, which it sees
            where both samples have it.
        settings: Settings of the classifier, such as ``PRESETS["challenge"]``.
        seed: Seed of everything: equal input and seed give equal output.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        report: Is told about epochs done and epochs in all.

    Raises:
        DetectorError: The detectors differ, or the form does not exist for them.
        RangeError: A sample has fewer than 200 events.
        MissingError: The form, or a condition in one of the samples, does not exist.
        ConfigError: There is no such device.
    """
    _check(reference, candidate, settings)
    where, tell = to_device(device), report or silent
    shown = _conditions(reference, candidate, conditions)
    make = find_form(form)
    n = min(len(reference), len(candidate), settings.max_events or len(reference))
    half = min(n, len(reference) // 2)
    epochs = settings.seeds * settings.epochs

    x_reference = make(_chosen(reference, n, seed), shown)
    trials = run_trials(
        x_reference,
        make(_chosen(candidate, n, seed), shown),
        settings,
        seed=seed,
        device=where,
        report=lambda done, _: tell(done, 2 * epochs),
    )
    order = stream(seed, "classifier/halves").permutation(len(reference))
    halves = run_trials(
        make(reference[order[:half]], shown),
        make(reference[order[half : 2 * half]], shown),
        settings,
        seed=seed,
        device=where,
        report=lambda done, _: tell(epochs + done, 2 * epochs),
    )
    areas, _ = _each(scores.auc_with_error, [trial.test for trial in trials])
    return ClassifierResult(
        form=form if isinstance(form, str) else getattr(form, "__name__", "own"),
        conditions=tuple(shown),
        n_inputs=x_reference.shape[1],
        whitened=trials[0].whitened,
        settings=settings,
        seed=seed,
        auc=_auc(trials, n),
        jsd=_jsd([t.test for t in trials], [t.test for t in halves], n),
        jsd_calibrated=_jsd([t.calibrated for t in trials], [t.calibrated for t in halves], n),
        accuracy=_accuracy(trials, n),
        aucs=tuple(areas.tolist()),
        control=_auc(halves, half),
        roc=_mean_roc(trials),
        calibration=_reliability([trial.test for trial in trials]),
        recalibrated=_reliability([trial.calibrated for trial in trials]),
    )
