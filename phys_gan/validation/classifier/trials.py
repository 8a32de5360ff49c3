"""Repeated trainings of one classifier on two samples, each judged by events it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from phys_gan.randomness import stream
from phys_gan.validation.classifier.calibration import platt
from phys_gan.validation.classifier.network import Network
from phys_gan.validation.classifier.settings import Settings
from phys_gan.validation.classifier.training import Parts, Report, predict, split, train

__all__ = ["Logits", "Trial", "run_trials"]

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
