"""What a two-sample classifier test found, as numbers, curves and plain dictionaries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.validation.classifier.calibration import Calibration
from phys_gan.validation.classifier.settings import Settings
from phys_gan.validation.statistics.result import Result

__all__ = ["ClassifierResult", "Roc"]


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
    """Hold what :func:`phys_gan.validation.classifier.two_sample_test` found.

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
