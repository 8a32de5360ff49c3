"""Comparisons of events with a reference: metrics with errors and floors, for any generator."""

from phys_gan.metrics.result import Result
from phys_gan.observables import OBSERVABLES, Observable, measure, observable, select
from phys_gan.validation.comparison import Comparison, Comparisons, Options, compare, compare_all
from phys_gan.validation.distributions import physics_score
from phys_gan.validation.reconstruction import RECONSTRUCTIONS, Shown, reconstruction
from phys_gan.validation.requirements import Check, Requirement, evaluate, parse
from phys_gan.work import Progress

__all__ = [
    "OBSERVABLES",
    "RECONSTRUCTIONS",
    "Check",
    "Comparison",
    "Comparisons",
    "Observable",
    "Options",
    "Progress",
    "Requirement",
    "Result",
    "Shown",
    "compare",
    "compare_all",
    "evaluate",
    "measure",
    "observable",
    "parse",
    "physics_score",
    "reconstruction",
    "select",
]
