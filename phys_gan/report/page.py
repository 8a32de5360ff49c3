"""The report: one HTML page with everything inside, readable without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from phys_gan.report import joint_tables, sample_tables, tables
from phys_gan.report.cards import make_card
from phys_gan.report.sections import make_sections
from phys_gan.report.tables import Checks
from phys_gan.report.writing import (
    DrawnSection,
    Report,
    draw_sections,
    templates,
    versions,
    write_files,
)
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.multivariate.glossary import MODES, MULTIVARIATE
from phys_gan.validation.requirements import Check
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.uncertainty import ALPHA

__all__ = ["render", "save_page"]


def render(
    comparisons: Comparison | Comparisons,
    checks: Checks | Sequence[Check] = (),
    *,
    report: Report | None = None,
) -> str:
    """Return the report as one HTML page with images, style and script inside.

    Arguments:
        comparisons: One candidate, or several against one reference.
        checks: Requirements that were checked, of several candidates by name.
        report: Called to show progress.
    """
    many, by_name = _by_name(comparisons, checks)
    sections = draw_sections(make_sections(many, by_name), files=False, report=report)
    return _page(many, by_name, sections)


def save_page(
    comparisons: Comparison | Comparisons,
    directory: str | Path,
    checks: Checks | Sequence[Check] = (),
    *,
    figures: bool = True,
    report: Report | None = None,
) -> Path:
    """Write ``index.html``, and every figure as PDF and PNG in the folder ``figures`` beside it.

    Files of the same names are replaced, others stay. Nothing is written before all is drawn.

    Arguments:
        comparisons: As for :func:`render`.
        directory: Folder, made where there is none.
        checks: As for :func:`render`.
        figures: Whether to write the folder ``figures``.
        report: Called to show progress.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    folder = Path(directory)
    many, by_name = _by_name(comparisons, checks)
    sections = draw_sections(make_sections(many, by_name), files=figures, report=report)
    return write_files(folder, _page(many, by_name, sections), sections)


def _by_name(
    comparisons: Comparison | Comparisons, checks: Checks | Sequence[Check]
) -> tuple[Comparisons, Checks]:
    if isinstance(comparisons, Comparison):
        comparisons = Comparisons({comparisons.candidate.name: comparisons})
    if not isinstance(checks, Mapping):
        checks = dict.fromkeys(comparisons, tuple(checks))
    return comparisons, {name: checks.get(name, ()) for name in comparisons}


def _page(comparisons: Comparisons, checks: Checks, sections: Sequence[DrawnSection]) -> str:
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
            together=joint_tables.together_table(comparisons, checks),
            classifiers=joint_tables.classifier_table(comparisons, checks),
            slices=tables.slices_table(comparisons),
            responses=sample_tables.response_table(comparisons),
            sections={section.key: section for section in sections},
            samples=sample_tables.samples_table(comparisons),
            provenance=sample_tables.provenance_table(comparisons),
            versions=_versions(first),
            metrics=METRICS,
            joint_metrics=[
                metric
                for name, metric in (MODES | MULTIVARIATE).items()
                if any(name in c.multivariate for c in comparisons.values())
            ],
            alpha=ALPHA,
        )
    )


def _versions(comparison: Comparison) -> dict[str, str]:
    return versions() | {
        "seed": str(comparison.seed),
        "probability of a false alarm": f"{ALPHA:g}",
    }
