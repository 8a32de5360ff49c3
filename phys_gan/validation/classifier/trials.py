"""Repeated trainings of one classifier on two samples, each judged by events it never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from phys_gan.randomness import stream
from phys_gan.validation.classifier.calibration import platt
from phys_gan.validation.classifier.settings import Settings
from phys_gan.validation.classifier.training import Parts, Report, predict, split, train

__all__ = ["Logits", "Trial", "run_trials"]


@dataclass(frozen=True, eq=False)
class Logits:
    """Logits of being a candidate, of the test events of both samples, shape (n_test,) each."""

    reference: NDArray[np.float64]
    candidate: NDArray[np.float64]

    def mapped(self, slope: float, offset: float) -> Logits:
        """Return ``slope * logits + offset``."""
        return Logits(slope * self.reference + offset, slope * self.candidate + offset)


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
) -> list[Trial]:
    """Train ``settings.seeds`` classifiers and return what they say of their test events.

    Event i of both samples always goes into the same part. A candidate that was generated at the
    incident energies of the reference, event by event, then has no energy in the test that was
    seen in training under the other label: such energies would mislead the network, and pull the
    AUC below 1/2. They do, by about 0.01, where a candidate has these energies in another order.

    Arguments:
        reference: Inputs, shape (n, F).
        candidate: Inputs, shape (n, F).
        settings: Settings of the classifier.
        seed: Seed of splits, weights and order.
        device: Where to train.
        report: Is told about epochs of all trainings.
    """
    n = len(reference)
    inputs = np.concatenate([reference, candidate])
    labels = np.repeat(np.array([0, 1], np.int64), n)
    total = settings.seeds * settings.epochs
    trials = []
    for number in range(settings.seeds):
        parts = split(n, number, seed)

        def told(epoch: int, _: int, number: int = number) -> None:
            report(number * settings.epochs + epoch, total)

        network = train(
            inputs,
            labels,
            2,
            Parts(*(np.concatenate([part, part + n]) for part in parts)),
            [settings.width] * (settings.layers + 1),
            settings,
            seed=int(stream(seed, f"classifier/training {number}").integers(2**62)),
            device=device,
            report=told,
        )
        logits = predict(network, inputs[np.concatenate([parts.test, parts.test + n])])[:, 0]
        validation = predict(
            network, inputs[np.concatenate([parts.validation, parts.validation + n])]
        )[:, 0]
        test = Logits(*np.split(logits, 2))
        slope, offset = platt(*np.split(validation, 2))
        trials.append(
            Trial(
                test,
                test.mapped(slope, offset),
                n_inputs=inputs.shape[1],
                whitened=network.matrix.ndim == 2,
            )
        )
    return trials
