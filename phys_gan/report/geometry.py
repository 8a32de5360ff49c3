"""The page about a new detector geometry: its drawing, full simulation, model and comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from phys_gan.detectors import Detector
from phys_gan.report.averages import averages_section
from phys_gan.report.detectors import detector_figure
from phys_gan.report.histograms import observables_section
from phys_gan.report.numbers import make_card
from phys_gan.report.sections import (
    Plot,
    Section,
    render_sections,
    templates,
    versions,
    write_files,
)
from phys_gan.report.slices import response_section
from phys_gan.report.style import make_styles
from phys_gan.report.tables import Cell, Table, requirements_table, response_table
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.requirements import Check

_SHOWN = 6
"""Observables on the page, of those in the report."""


@dataclass(frozen=True)
class Step:
    """A step of the study.

    Attributes:
        name: What it is called; empty for a further file of the step before.
        text: What was done.
        seconds: How long it took, where that is known.
        file: What it wrote, beside the page; empty for nothing.
    """

    name: str
    text: str
    seconds: float | None
    file: str


@dataclass(frozen=True)
class Speed:
    """CPU time per shower [s].

    Attributes:
        simulation: Of full simulation; NaN where it is not known.
        model: Of the model.
    """

    simulation: float
    model: float

    def __str__(self) -> str:
        """Compare both in a sentence."""
        if math.isnan(self.simulation):
            return f"A shower takes the model {_time(self.model)} of a CPU core."
        return (
            f"A shower takes full simulation {_time(self.simulation)} and the model "
            f"{_time(self.model)} of a CPU core: it is {_rounded(self.simulation / self.model)} "
            "times as fast."
        )


def save_geometry(
    out: str | Path,
    comparison: Comparison,
    checks: Sequence[Check],
    steps: Sequence[Step],
    speed: Speed,
    *,
    figures: bool = False,
) -> Path:
    """Write ``index.html``, and every figure as PDF and PNG in the folder ``figures`` beside it.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    name = comparison.candidate.name
    comparisons, named = Comparisons({name: comparison}), {name: checks}
    candidates = list(zip(make_styles([name]), comparisons.values(), strict=True))
    observables = observables_section(candidates, named)
    averages = averages_section(candidates)
    # Of what exists once per layer, the layer that differs most.
    kinds: dict[str, Plot] = {}
    for plot in observables.plots:
        kinds.setdefault(comparison.histograms[plot.name].family, plot)
    sections = [
        _detector_section(comparison.detector),
        response_section(candidates),
        Section(
            "profiles",
            "Average showers",
            "",
            [plot for plot in averages.plots if "profile" in plot.name],
        ),
        Section(
            "observables",
            "Observables",
            "Those that differ most, one of each kind; the others are in the report.",
            list(kinds.values())[:_SHOWN],
        ),
    ]
    rendered = render_sections(
        [section for section in sections if section.plots], files=figures, report=None
    )
    card = make_card("", comparison, checks)
    page = (
        templates()
        .get_template("geometry.html.j2")
        .render(
            detector=comparison.detector,
            card=card,
            speed=str(speed),
            steps=_steps_table(steps),
            files=[step.file for step in steps if step.file],
            requirements=requirements_table(named),
            responses=response_table(comparisons),
            sections=rendered,
            versions=versions(),
        )
    )
    return write_files(Path(out), page, rendered)


def _detector_section(detector: Detector) -> Section:
    plot = Plot(
        "construction",
        "Side view of the slabs, and front view of the cells. Lengths are in mm.",
        partial(detector_figure, detector),
        wide=True,
    )
    return Section("detector", "The detector", "", [plot])


def _steps_table(steps: Sequence[Step]) -> Table:
    heads = [("step", ""), ("what", ""), ("took", "Wall time of all attempts"), ("file", "")]
    rows = [
        (
            step.name,
            [
                Cell(step.text, is_text=True),
                Cell("" if step.seconds is None else _time(step.seconds)),
                Cell(step.file, is_text=True),
            ],
        )
        for step in steps
    ]
    return Table(heads, rows, sortable=False)


def _time(seconds: float) -> str:
    """Write a time in the unit that keeps the number short."""
    if seconds >= 90:
        return f"{seconds / 60:.0f} min"
    factor, unit = next(
        (step for step in ((1.0, "s"), (1e-3, "ms")) if seconds >= step[0]), (1e-6, "µs")
    )
    return f"{float(f'{seconds / factor:.2g}'):g} {unit}"


def _rounded(ratio: float) -> str:
    """Write a ratio with two digits.

    Example:
        >>> _rounded(1234.5)
        '1,200'
    """
    return f"{float(f'{ratio:.2g}'):,.0f}" if ratio >= 10 else f"{ratio:.2g}"
