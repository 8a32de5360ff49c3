"""Classifiers as judges: of a candidate against the reference, and of the reference's conditions.

Importing this room loads torch; ``phys_gan.validation`` does not import it.
"""

from phys_gan.validation.classifier.calibration import Calibration
from phys_gan.validation.classifier.conditions import (
    ConditionClassifier,
    train_condition_classifier,
)
from phys_gan.validation.classifier.inputs import FORMS
from phys_gan.validation.classifier.outcome import ClassifierResult, Roc
from phys_gan.validation.classifier.scores import auc
from phys_gan.validation.classifier.settings import PRESETS, Settings
from phys_gan.validation.classifier.two_sample import two_sample_test

__all__ = [
    "FORMS",
    "PRESETS",
    "Calibration",
    "ClassifierResult",
    "ConditionClassifier",
    "Roc",
    "Settings",
    "auc",
    "train_condition_classifier",
    "two_sample_test",
]
