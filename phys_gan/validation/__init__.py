"""Observables, metrics with errors and floors, plots and the report; for any generator's events."""

from phys_gan.validation.comparing import Options, Report, compare, compare_all
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.observables import OBSERVABLES, Observable, measure, observable, select
from phys_gan.validation.requirements import Check, Requirement, evaluate, parse
from phys_gan.validation.score import physics_score
from phys_gan.validation.statistics.result import Result

__all__ = [
    "OBSERVABLES",
    "Check",
    "Comparison",
    "Comparisons",
    "Observable",
    "Options",
    "Report",
    "Requirement",
    "Result",
    "compare",
    "compare_all",
    "evaluate",
    "measure",
    "observable",
    "parse",
    "physics_score",
    "select",
]
