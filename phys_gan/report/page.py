"""The report: one HTML page with everything inside, readable without a network.

A figure of some observables alone, for notebooks and talks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from matplotlib.figure import Figure

from phys_gan.errors import MissingError
from phys_gan.files import numbers_first
from phys_gan.metrics.distances import METRICS
from phys_gan.metrics.result import MODES, MULTIVARIATE
from phys_gan.metrics.uncertainty import ALPHA
from phys_gan.report import tables
from phys_gan.report.histograms import Drawn, Panels, histogram_figure
from phys_gan.report.numbers import make_card
from phys_gan.report.pictures import (
    DrawnSection,
    draw_sections,
    templates,
    versions,
    write_files,
)
from phys_gan.report.sections import make_sections
from phys_gan.report.style import as_png, figure_style, make_looks
from phys_gan.report.tables import Checks
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.requirements import Check
from phys_gan.work import Progress

__all__ = ["observables_figure", "render", "save_page"]


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
    sections = draw_sections(make_sections(many, by_name), files=False, report=report)
    return _page(many, by_name, sections)


def save(
    comparisons: Comparison | Comparisons,
    directory: str | Path,
    checks: Checks | Sequence[Check] = (),
    *,
    figures: bool = True,
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
    figures: bool = True,
    report: Progress | None = None,
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
            together=tables.together_table(comparisons, checks),
            classifiers=tables.classifier_table(comparisons, checks),
            slices=tables.slices_table(comparisons),
            responses=tables.response_table(comparisons),
            sections={section.key: section for section in sections},
            samples=tables.samples_table(comparisons),
            provenance=tables.provenance_table(comparisons),
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


class _Shown(Figure):
    """A figure that notebooks show, also where nobody has used pyplot."""

    def _repr_png_(self) -> bytes:
        return as_png(self, dpi=80)


def observables_figure(comparisons: Mapping[str, Comparison], names: Sequence[str]) -> Figure:
    """Draw histograms of observables side by side, their ratios to the reference below.

    Arguments:
        comparisons: Name of a candidate to its comparison with the reference that all share.
        names: The observables.

    Raises:
        MissingError: No candidate has one of the observables, or none is named.
    """
    every = [_drawn(comparisons, name) for name in names or [""]]
    width, height = Panels.size(len(comparisons))
    with figure_style():
        figure = _Shown(figsize=(len(every) * width, height))
        frames = figure.subfigures(1, len(every), squeeze=False)[0]
        for frame, drawn in zip(frames, every, strict=True):
            histogram_figure(drawn, len(comparisons), frame)
    return figure


def _drawn(comparisons: Mapping[str, Comparison], name: str) -> list[Drawn]:
    drawn: list[Drawn] = [
        (look, found.histograms[name], found.results.get(name, {}))
        for look, found in zip(make_looks(list(comparisons)), comparisons.values(), strict=True)
        if name in found.histograms
    ]
    if not drawn:
        known = {name: None for found in comparisons.values() for name in found.histograms}
        nearest = get_close_matches(name, known, 3, 0.4) or list(known)[:8]
        raise MissingError(
            f"'{name}' is none of the observables that were compared",
            remedy=f"nearest: {', '.join(nearest)}",
            value=name,
        )
    return drawn
