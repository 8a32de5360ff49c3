"""What a comparison found: results by observable, as numbers, as a table, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phys_gan import __version__
from phys_gan.detectors import Detector
from phys_gan.files import atomic_file
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.profiles import Profiles
from phys_gan.validation.statistics.response import ResponseCurve
from phys_gan.validation.statistics.result import Result
from phys_gan.validation.statistics.uncertainty import ALPHA

__all__ = ["Comparison", "Side"]


@dataclass(frozen=True)
class Side:
    """One of the two samples.

    Attributes:
        n: Number of events.
        provenance: How the events were made.
        energy: Smallest, median and largest incident energy [MeV], where known.
        outside: Mean fraction of the energy that no cell caught, where known.
        profiles: The average shower.
        response: Response and resolution, where the incident energies are known.
    """

    n: int
    provenance: Mapping[str, str]
    energy: tuple[float, float, float] | None
    outside: float | None
    profiles: Profiles
    response: ResponseCurve | None


@dataclass(frozen=True)
class Comparison:
    """What :func:`phys_gan.validation.compare` found; :meth:`save` writes it down.

    Attributes:
        reference: The reference, such as full simulation.
        candidate: What is judged against it.
        detector: The detector of both.
        histograms: Observable name to the histograms of both.
        results: Observable name to metric name to result.
        warnings: What limits the meaning of the comparison, as sentences.
        seed: Seed of the resampling.
    """

    reference: Side
    candidate: Side
    detector: Detector
    histograms: dict[str, Histogram]
    results: dict[str, dict[str, Result]]
    warnings: list[str] = field(default_factory=list)
    seed: int = 0

    def severity(self, name: str) -> float:
        """Return the largest ratio of a metric of one observable to its limit."""
        return max(result.severity for result in self.results[name].values())

    @property
    def ranking(self) -> list[str]:
        """Names of the observables, the worst first."""
        return sorted(self.results, key=self.severity, reverse=True)

    @property
    def outside(self) -> list[str]:
        """Observables with any metric outside its floor, the worst first."""
        return [
            name
            for name in self.ranking
            if not all(result.within_floor for result in self.results[name].values())
        ]

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
            "observables": {
                name: {metric: result.as_dict() for metric, result in results.items()}
                for name, results in self.results.items()
            },
            "multivariate": {},
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
                "within_floor": self.within_floor,
                "outside_floor": self.outside,
                "warnings": list(self.warnings),
            },
        }

    def summary(self) -> str:
        """Return a short table, the worst observables first."""
        lines = [
            f"{len(self.results) - len(self.outside)} of {len(self.results)} observables within "
            f"the floor ({self.reference.n} reference, {self.candidate.n} candidate events)",
            *self.warnings,
            "",
            f"{'observable':<16} {'KS':>18} {'floor':>18}   verdict",
        ]
        outside = set(self.outside)
        for name in self.ranking:
            ks = self.results[name].get("ks")
            value = f"{ks.value:.4f} ± {ks.error:.4f}" if ks else "not enough events"
            floor = f"{ks.floor:.4f} ± {ks.floor_error:.4f}" if ks else ""
            verdict = "OUTSIDE" if name in outside else "within floor"
            lines.append(f"{name:<16} {value:>18} {floor:>18}   {verdict}")
        return "\n".join(lines)

    def save(self, directory: str | Path) -> Path:
        """Write ``index.html`` and ``metrics.json``; other files of the folder stay as they are.

        Returns:
            The path of ``index.html``.

        Raises:
            OutputError: The folder cannot be written.
        """
        # The report needs matplotlib, which a pipeline that only wants numbers does not.
        from phys_gan.validation.report import render

        folder = Path(directory)
        page = render(self)
        with atomic_file(folder / "metrics.json") as temporary:
            text = json.dumps(self.metrics, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        with atomic_file(folder / "index.html") as temporary:
            temporary.write_text(page, encoding="utf-8")
        return folder / "index.html"


def _side(side: Side) -> dict[str, Any]:
    energy = None
    if side.energy is not None:
        energy = dict(zip(("min", "median", "max"), side.energy, strict=True))
    return {
        "n": side.n,
        "energy": energy,
        "energy_outside_cells": side.outside,
        "provenance": dict(side.provenance),
    }
