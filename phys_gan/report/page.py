"""The report, one HTML page with everything inside, readable without a network: :func:`save`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from phys_gan.files import numbers_first
from phys_gan.metrics.distances import METRICS
from phys_gan.metrics.result import MODES, MULTIVARIATE, TESTS
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.report import tables
from phys_gan.report.averages import averages_section
from phys_gan.report.classifiers import classifiers_section
from phys_gan.report.correlations import correlations_section
from phys_gan.report.differences import differences_section, ensemble_section
from phys_gan.report.events import events_section
from phys_gan.report.histograms import (
    along_layers_section,
    observables_section,
    reconstructions_section,
    worst_section,
)
from phys_gan.report.numbers import make_card
from phys_gan.report.points import points_section
from phys_gan.report.sections import Section, render_sections, templates, versions, write_files
from phys_gan.report.slices import maps_section, response_section, slices_section
from phys_gan.report.style import make_styles
from phys_gan.report.tables import Checks
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.requirements import Check
from phys_gan.work import Progress


def render(
    comparisons: Comparison | Comparisons,
    checks: Checks | Sequence[Check] = (),
    *,
    report: Progress | None = None,
) -> str:
    """Return the report as one HTML page with images, style and script inside.

    Arguments:
        comparisons: One candidate, or several against one reference.
        checks: Requirements that were checked, of several candidates by name.
        report: Called to show progress.
    """
    many, by_name = _by_name(comparisons, checks)
    sections = render_sections(_sections(many, by_name), files=False, report=report)
    return _page(many, by_name, sections)


def save(
    comparisons: Comparison | Comparisons,
    directory: str | Path,
    checks: Checks | Sequence[Check] = (),
    *,
    figures: bool = False,
    report: Progress | None = None,
) -> Path:
    """Write ``metrics.json`` and ``index.html``; other files of the folder stay as they are.

    The numbers are written before any figure is drawn. The page follows when all are drawn; one of
    an earlier comparison is removed before, because it shows other numbers.

    Arguments:
        comparisons: One candidate, or several against one reference.
        directory: Folder, made where there is none.
        checks: Requirements that were checked, of several candidates by name.
        figures: Write every figure as PDF and PNG too, in the folder ``figures``.
        report: Called to show progress.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    with numbers_first(Path(directory), "metrics.json", comparisons.metrics):
        return save_page(comparisons, directory, checks, figures=figures, report=report)


def save_page(
    comparisons: Comparison | Comparisons,
    directory: str | Path,
    checks: Checks | Sequence[Check] = (),
    *,
    figures: bool = False,
    report: Progress | None = None,
) -> Path:
    """Write the page and its figures alone, as :func:`save` does after the numbers.

    Nothing is written before all is drawn.
    """
    many, by_name = _by_name(comparisons, checks)
    sections = render_sections(_sections(many, by_name), files=figures, report=report)
    return write_files(Path(directory), _page(many, by_name, sections), sections)


def _by_name(
    comparisons: Comparison | Comparisons, checks: Checks | Sequence[Check]
) -> tuple[Comparisons, Checks]:
    if isinstance(comparisons, Comparison):
        comparisons = Comparisons({comparisons.candidate.name: comparisons})
    if not isinstance(checks, Mapping):
        checks = dict.fromkeys(comparisons, tuple(checks))
    return comparisons, {name: checks.get(name, ()) for name in comparisons}


def _sections(comparisons: Comparisons, checks: Checks) -> list[Section]:
    """List the sections that have anything to show, in the order of the page."""
    candidates = list(zip(make_styles(list(comparisons)), comparisons.values(), strict=True))
    sections = [
        worst_section(candidates),
        points_section(candidates),
        along_layers_section(candidates),
        ensemble_section(comparisons.ensemble),
        observables_section(candidates, checks, comparisons.ensemble),
        response_section(candidates),
        reconstructions_section(candidates),
        slices_section(candidates),
        maps_section(candidates),
        differences_section(candidates),
        correlations_section(candidates),
        classifiers_section(candidates),
        averages_section(candidates),
        events_section(candidates),
    ]
    return [section for section in sections if section.plots or section.text]


def _page(comparisons: Comparisons, checks: Checks, sections: Sequence[Section]) -> str:
    first = next(iter(comparisons.values()))
    several = len(comparisons) > 1
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            detector=first.detector,
            cards=[make_card(name, c, checks[name]) for name, c in comparisons.items()],
            overview=tables.overview_table(comparisons, checks) if several else None,
            observables=[
                (name, tables.observables_table(c, checks[name])) for name, c in comparisons.items()
            ],
            requirements=tables.requirements_table(checks),
            joint=tables.joint_table(comparisons, checks),
            classifiers=tables.classifier_table(comparisons, checks),
            importance=tables.importance_table(comparisons),
            tails=tables.tails_table(comparisons),
            slices=tables.slices_table(comparisons),
            peaks=tables.peaks_table(comparisons),
            responses=tables.response_table(comparisons),
            worst=next((section for section in sections if section.key == "worst"), None),
            sections={s.key: s for s in sections if s.key != "worst"},
            samples=tables.samples_table(comparisons),
            provenance=tables.provenance_table(comparisons),
            versions=versions()
            | {"seed": str(first.seed), "probability of a false alarm": f"{ALPHA:g}"},
            metrics=METRICS,
            joint_metrics=[
                metric
                for name, metric in (MODES | MULTIVARIATE | TESTS).items()
                if any(name in c.multivariate for c in comparisons.values())
            ],
            alpha=ALPHA,
        )
    )
