"""The report: one HTML page with everything inside, readable without a network."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined

from phys_gan import __version__
from phys_gan.files import atomic_file
from phys_gan.validation.comparison import Comparison, Comparisons
from phys_gan.validation.multivariate.glossary import MODES, MULTIVARIATE
from phys_gan.validation.report import joint_tables, sample_tables, tables
from phys_gan.validation.report.cards import make_card
from phys_gan.validation.report.pictures import Picture, draw, file_names
from phys_gan.validation.report.sections import make_sections
from phys_gan.validation.report.style import figure_style
from phys_gan.validation.report.tables import Checks
from phys_gan.validation.requirements import Check
from phys_gan.validation.statistics.metrics import METRICS
from phys_gan.validation.statistics.uncertainty import ALPHA

__all__ = ["Report", "render", "save_page"]

Report = Callable[[str, int], None]
"""Called with what is being done, and how many parts of it are done."""


@dataclass(frozen=True)
class _Shown:
    """A section with its figures drawn."""

    key: str
    title: str
    text: str
    pictures: Sequence[Picture]


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
    return _page(many, by_name, _draw_all(many, by_name, files=False, report=report))


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
    sections = _draw_all(many, by_name, files=figures, report=report)
    for picture in (picture for section in sections for picture in section.pictures):
        for ending, content in picture.files.items():
            with atomic_file(folder / "figures" / f"{picture.stem}.{ending}") as temporary:
                temporary.write_bytes(content)
    with atomic_file(folder / "index.html") as temporary:
        temporary.write_text(_page(many, by_name, sections), encoding="utf-8")
    return folder / "index.html"


def _by_name(
    comparisons: Comparison | Comparisons, checks: Checks | Sequence[Check]
) -> tuple[Comparisons, Checks]:
    if isinstance(comparisons, Comparison):
        comparisons = Comparisons({comparisons.candidate.name: comparisons})
    if not isinstance(checks, Mapping):
        checks = dict.fromkeys(comparisons, tuple(checks))
    return comparisons, {name: checks.get(name, ()) for name in comparisons}


def _draw_all(
    comparisons: Comparisons, checks: Checks, *, files: bool, report: Report | None
) -> list[_Shown]:
    sections = make_sections(comparisons, checks)
    names = [f"{s.key} {d.name}" for s in sections for d in s.drawings]
    stems = iter(file_names(names))
    done = 0
    shown = []
    with figure_style():
        for section in sections:
            pictures = []
            for drawing in section.drawings:
                pictures.append(draw(drawing, next(stems), files=files))
                done += 1
                if report is not None:
                    report("drawing figures", done)
            shown.append(_Shown(section.key, section.title, section.text, pictures))
    return shown


def _page(comparisons: Comparisons, checks: Checks, sections: Sequence[_Shown]) -> str:
    environment = Environment(
        loader=PackageLoader("phys_gan.validation.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    first = next(iter(comparisons.values()))
    several = len(comparisons) > 1
    return environment.get_template("page.html.j2").render(
        detector=first.detector,
        cards=[make_card(name, c, checks[name]) for name, c in comparisons.items()],
        overview=tables.overview_table(comparisons, checks) if several else None,
        observables=[
            (name, tables.observables_table(c, checks[name])) for name, c in comparisons.items()
        ],
        requirements=tables.requirements_table(checks),
        together=joint_tables.together_table(comparisons, checks),
        classifiers=joint_tables.classifier_table(comparisons, checks),
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


def _versions(comparison: Comparison) -> dict[str, str]:
    return {
        "phys_gan": __version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "Python": platform.python_version(),
        "seed": str(comparison.seed),
        "probability of a false alarm": f"{ALPHA:g}",
    }
