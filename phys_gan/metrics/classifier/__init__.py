"""Classifiers as judges: of a candidate against the reference, and of the reference's conditions.

Importing this room loads torch; ``phys_gan.validation`` does not import it.
"""

from phys_gan.metrics.classifier.conditions import ConditionClassifier, train_condition_classifier
from phys_gan.metrics.classifier.inputs import FORMS
from phys_gan.metrics.classifier.scores import Calibration, auc
from phys_gan.metrics.classifier.training import PRESETS, Settings
from phys_gan.metrics.classifier.two_sample import ClassifierResult, Roc, two_sample_test

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
