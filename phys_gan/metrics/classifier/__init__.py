"""Classifiers as judges: of a candidate against the reference, and of the reference's conditions.

Networks load torch when they are used first; boosted trees do without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from phys_gan.metrics.classifier.inputs import FORMS
from phys_gan.metrics.classifier.scores import Calibration, Roc, auc
from phys_gan.metrics.classifier.trees import TreesResult, two_sample_trees

_WITH_TORCH = {
    "ClassifierResult": "two_sample",
    "ConditionClassifier": "conditions",
    "PRESETS": "training",
    "Settings": "training",
    "train_condition_classifier": "conditions",
    "two_sample_test": "two_sample",
}

__all__ = [
    "FORMS",
    "PRESETS",
    "Calibration",
    "ClassifierResult",
    "ConditionClassifier",
    "Roc",
    "Settings",
    "TreesResult",
    "auc",
    "train_condition_classifier",
    "two_sample_test",
    "two_sample_trees",
]

if TYPE_CHECKING:
    from phys_gan.metrics.classifier.conditions import (
        ConditionClassifier,
        train_condition_classifier,
    )
    from phys_gan.metrics.classifier.training import PRESETS, Settings
    from phys_gan.metrics.classifier.two_sample import ClassifierResult, two_sample_test


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
    globals()[name] = value
    return value
