"""Distances between samples in many dimensions at once, on features of any kind."""

from phys_gan.validation.multivariate.collapse import (
    collapse,
)
from phys_gan.validation.multivariate.estimate import Estimate
from phys_gan.validation.multivariate.features import (
    EXTRACTORS,
    Extractor,
    ObservableFeatures,
    feature_matrix,
)
from phys_gan.validation.multivariate.frechet import fpd, frechet_distance
from phys_gan.validation.multivariate.glossary import MULTIVARIATE, UNWEIGHTED, JointMetric
from phys_gan.validation.multivariate.judging import judge_features
from phys_gan.validation.multivariate.kernel import kpd, mmd2
from phys_gan.validation.multivariate.memorisation import memorisation
from phys_gan.validation.multivariate.prdc import prdc
from phys_gan.validation.multivariate.score import inception_score

__all__ = [
    "EXTRACTORS",
    "MULTIVARIATE",
    "UNWEIGHTED",
    "Estimate",
    "Extractor",
    "JointMetric",
    "ObservableFeatures",
    "collapse",
    "feature_matrix",
    "fpd",
    "frechet_distance",
    "inception_score",
    "judge_features",
    "kpd",
    "memorisation",
    "mmd2",
    "prdc",
]
