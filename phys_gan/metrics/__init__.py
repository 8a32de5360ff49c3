"""Distances between samples in many dimensions at once, on features of any kind."""

from phys_gan.metrics.features import EXTRACTORS, Extractor, ObservableFeatures, feature_matrix
from phys_gan.metrics.frechet import fpd, frechet_distance
from phys_gan.metrics.inception import inception_score
from phys_gan.metrics.judging import judge_features
from phys_gan.metrics.kernel import kpd, mmd2
from phys_gan.metrics.neighbours import collapse, memorisation, prdc
from phys_gan.metrics.nplm import density_ratio
from phys_gan.metrics.result import MULTIVARIATE, TESTS, UNWEIGHTED, JointMetric
from phys_gan.metrics.sliced import sliced_tests, sliced_tests_of_cells
from phys_gan.metrics.statistics import Estimate

__all__ = [
    "EXTRACTORS",
    "MULTIVARIATE",
    "TESTS",
    "UNWEIGHTED",
    "Estimate",
    "Extractor",
    "JointMetric",
    "ObservableFeatures",
    "collapse",
    "density_ratio",
    "feature_matrix",
    "fpd",
    "frechet_distance",
    "inception_score",
    "judge_features",
    "kpd",
    "memorisation",
    "mmd2",
    "prdc",
    "sliced_tests",
    "sliced_tests_of_cells",
]
