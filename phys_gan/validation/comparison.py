"""What a comparison found: results by observable, as numbers, as a table, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phys_gan._version import __version__
from phys_gan.detectors import Detector
from phys_gan.files import numbers_first
from phys_gan.metrics.response import ResponseCurve
from phys_gan.metrics.result import Result
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.validation.distributions import Distributions, Histogram
from phys_gan.validation.pathologies import Finding
from phys_gan.validation.requirements import Check, Requirement, evaluate
from phys_gan.validation.sample import Profiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from phys_gan.metrics.classifier.two_sample import ClassifierResult
    from phys_gan.metrics.correlations import CellCorrelations, Correlations
    from phys_gan.validation.gallery import Gallery
    from phys_gan.validation.joint import Clouds

__all__ = ["Comparison", "Comparisons", "Side"]


@dataclass(frozen=True)
class Side:
    """One of the samples.

    Attributes:
        name: What it is called in tables and legends.
        n: Number of different events that were compared.
        n_copies: How many more there were that are copies of these, bit for bit.
        n_effective: How many events of weight 1 say as much.
        weighted: Whether the events have weights.
        provenance: How the events were made.
        conditions: Name of a condition to its smallest, median and largest value.
        outside: Mean fraction of the energy that no cell caught, where known.
        profiles: The average shower.
        response: Response and resolution, where the incident energies are known.
    """

    name: str
    n: int
    n_copies: int
    n_effective: float
    weighted: bool
    provenance: Mapping[str, str]
    conditions: Mapping[str, tuple[float, float, float]]
    outside: float | None
    profiles: Profiles
    response: ResponseCurve | None

    @property
    def worth(self) -> str:
        """How many events of equal weight say as much, in words; empty without weights."""
        return f" worth {self.n_effective:,.0f}" if self.weighted else ""

    @property
    def energy(self) -> tuple[float, float, float] | None:
        """Smallest, median and largest incident energy [MeV], where known."""
        return self.conditions.get("energy")


@dataclass(frozen=True)
class Comparison:
    """What :func:`phys_gan.validation.compare` found; :meth:`save` writes it down.

    Attributes:
        reference: The reference, such as full simulation.
        candidate: What is judged against it.
        detector: The detector of both.
        whole: All observables, of all events.
        slices: The same in slices of conditions.
        multivariate: Metric name to result, for what looks at all observables together.
        findings: Known failures of generators that the candidate shows.
        n_shared: How many events of the candidate are in the reference too, bit for bit.
        correlations: Between the layers of both samples.
        cell_correlations: Between cells against their distance, of both samples.
        classifiers: Form of the input to what a classifier made of it.
        gallery: Single events to look at.
        clouds: The points of toys to look at.
        warnings: What limits the meaning of the comparison, as sentences.
        seed: Seed of the resampling.
    """

    reference: Side
    candidate: Side
    detector: Detector
    whole: Distributions
    slices: list[Distributions] = field(default_factory=list)
    multivariate: dict[str, Result] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    n_shared: int = 0
    correlations: Correlations | None = None
    cell_correlations: CellCorrelations | None = None
    classifiers: dict[str, ClassifierResult] = field(default_factory=dict)
    gallery: Gallery | None = None
    clouds: Clouds | None = None
    warnings: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def histograms(self) -> dict[str, Histogram]:
        """Observable name to the histograms of both samples."""
        return self.whole.histograms

    @property
    def results(self) -> dict[str, dict[str, Result]]:
        """Observable name to metric name to result."""
        return self.whole.results

    @property
    def ranking(self) -> list[str]:
        """Names of the observables, the worst first."""
        return self.whole.ranking

    @property
    def outside(self) -> list[str]:
        """Observables with any metric outside its floor, the worst first."""
        return self.whole.outside

    @property
    def within_floor(self) -> bool:
        """Whether every metric of every observable is within its floor."""
        return not self.outside

    @property
    def metrics(self) -> dict[str, Any]:
        """Everything of metrics.json, as plain dictionaries and numbers."""
        return {
            "reference": _side(self.reference),
            "candidate": _side(self.candidate),
            "observables": _results(self.results),
            "multivariate": {name: r.as_dict() for name, r in self.multivariate.items()},
            "findings": [finding.as_dict() for finding in self.findings],
            "shared_events": self.n_shared,
            "classifiers": {form: found.as_dict() for form, found in self.classifiers.items()},
            "slices": [
                {
                    "condition": part.cut.condition,
                    "low": part.cut.low,
                    "high": part.cut.high,
                    "n_reference": part.n_events[0],
                    "n_candidate": part.n_events[1],
                    "observables": _results(part.results),
                    "outside_floor": part.outside,
                    "not_compared": part.not_compared,
                }
                for part in self.slices
                if part.cut is not None
            ],
            "response": {
                side: None if curve is None else curve.as_dict()
                for side, curve in (
                    ("reference", self.reference.response),
                    ("candidate", self.candidate.response),
                )
            },
            "histograms": {name: h.as_dict() for name, h in self.histograms.items()},
            "provenance": {
                "phys_gan": __version__,
                "detector": self.detector.name,
                "seed": self.seed,
                "alpha": ALPHA,
                "n_comparisons": self.whole.n_comparisons,
                "p_value": self.whole.p_value,
                "within_floor": self.within_floor,
                "outside_floor": self.outside,
                "warnings": list(self.warnings),
            },
        }

    def summary(self) -> str:
        """Return a short table, the worst observables first."""
        width = max([16, *map(len, self.results)])
        lines = [
            f"{self.candidate.name}: {len(self.results) - len(self.outside)} of "
            f"{len(self.results)} observables within the floor ({self.reference.n} reference"
            f"{self.reference.worth}, {self.candidate.n} candidate events{self.candidate.worth})",
            *self.warnings,
            *(f"{finding.name}: {finding.text}" for finding in self.findings),
            "",
            f"{'observable':<{width}} {'KS':>18} {'floor':>18}   verdict",
        ]
        outside, few = set(self.outside), self.whole.not_compared
        for name in self.ranking:
            ks = self.results[name].get("ks")
            both = f"not compared: {few.get(name)}"
            if ks:
                value, floor = f"{ks.value:.4f} ± {ks.error:.4f}", f"{ks.floor:.4f} ± "
                both = f"{value:>18} {f'{floor}{ks.floor_error:.4f}':>18}"
            verdict = "OUTSIDE" if name in outside else "within floor"
            lines.append(f"{name:<{width}} {both:>37}   {verdict}")
        return "\n".join(lines)

    def check(self, requirements: Sequence[str | Requirement]) -> list[Check]:
        """Check requirements, such as ``["outside_floor<=0", "ks.max<0.1"]``.

        Raises:
            ConfigError: A text cannot be read.
            MissingError: A metric or an observable does not exist; the message lists those that do.
        """
        metrics = self.metrics
        return [evaluate(text, metrics) for text in requirements]

    def figure(self, *observables: str) -> Figure:
        """Draw observables side by side as in the report: both histograms, and their ratio below.

        Raises:
            MissingError: One was not compared, or none is named.
        """
        return Comparisons({self.candidate.name: self}).figure(*observables)

    def save(
        self, directory: str | Path, checks: Sequence[Check] = (), *, figures: bool = True
    ) -> Path:
        """Write ``metrics.json`` and ``index.html``; other files of the folder stay as they are.

        The numbers are written before any figure is drawn. The page follows when all are drawn;
        one of an earlier comparison is removed before, because it shows other numbers.

        Arguments:
            directory: Folder, made where there is none.
            checks: Requirements that were checked, for the traffic lights of the table.
            figures: Write every figure as PDF and PNG too, in the folder ``figures``.

        Returns:
            The path of ``index.html``.

        Raises:
            OutputError: The folder cannot be written.
        """
        return Comparisons({self.candidate.name: self}).save(
            directory, {self.candidate.name: checks}, figures=figures
        )


@dataclass(frozen=True)
class Comparisons(Mapping[str, Comparison]):
    """Several candidates against one reference, by name.

    Attributes:
        by_name: Name of the candidate to what was found; at least one.
    """

    by_name: dict[str, Comparison]

    def __getitem__(self, name: str) -> Comparison:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    @property
    def metrics(self) -> dict[str, Any]:
        """Content of metrics.json.

        Of one candidate that is ``Comparison.metrics``; of several, ``candidates`` holds it for
        each of them by name.
        """
        each = {name: comparison.metrics for name, comparison in self.items()}
        if len(each) == 1:
            return next(iter(each.values()))
        first = next(iter(each.values()))
        return {"reference": first["reference"], "candidates": each}

    def summary(self) -> str:
        """Return the tables of all candidates."""
        return "\n\n".join(comparison.summary() for comparison in self.values())

    def figure(self, *observables: str) -> Figure:
        """Draw observables of all candidates, as :meth:`Comparison.figure` does.

        Raises:
            MissingError: One was not compared, or none is named.
        """
        # The report needs matplotlib, which a pipeline that only wants numbers does not.
        from phys_gan.report import observables_figure

        return observables_figure(self, observables)

    def save(
        self,
        directory: str | Path,
        checks: Mapping[str, Sequence[Check]] | None = None,
        *,
        figures: bool = True,
        report: Callable[[str, int], None] | None = None,
    ) -> Path:
        """Write ``metrics.json`` and ``index.html``, as :meth:`Comparison.save` does.

        Arguments:
            directory: Folder, made where there is none.
            checks: Candidate name to the requirements that were checked on it.
            figures: Write every figure as PDF and PNG too, in the folder ``figures``.
            report: Called to show progress.
        """
        with numbers_first(Path(directory), "metrics.json", self.metrics):
            from phys_gan.report import save_page

            return save_page(self, directory, checks or {}, figures=figures, report=report)


def _results(results: Mapping[str, Mapping[str, Result]]) -> dict[str, Any]:
    return {
        name: {metric: result.as_dict() for metric, result in by_metric.items()}
        for name, by_metric in results.items()
    }


def _side(side: Side) -> dict[str, Any]:
    ranges = {
        name: dict(zip(("min", "median", "max"), values, strict=True))
        for name, values in side.conditions.items()
    }
    return {
        "name": side.name,
        "n": side.n,
        "n_copies": side.n_copies,
        "n_effective": side.n_effective,
        "weighted": side.weighted,
        "energy": ranges.get("energy"),
        "conditions": ranges,
        "energy_outside_cells": side.outside,
        "provenance": dict(side.provenance),
    }
