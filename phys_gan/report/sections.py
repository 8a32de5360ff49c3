"""From a :class:`Plot`, a figure with its caption, and its :class:`Section` to the files of a page.

Figures are drawn one by one, and nothing is written before all are.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

import matplotlib as mpl
import numpy
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from phys_gan._version import __version__
from phys_gan.files import atomic_file
from phys_gan.report.numbers import Status
from phys_gan.report.style import Style, as_pdf, as_png, as_svg, embedded, figure_style
from phys_gan.validation.comparison import Comparison
from phys_gan.work import Progress

_SHOWN_DPI = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")
_LONGEST = 80


@dataclass(frozen=True)
class Plot:
    """A figure that is not drawn yet.

    Attributes:
        name: Its name, also for its files.
        caption: What it shows.
        draw: Draws it.
        wide: Whether it takes the whole width of the page.
        is_map: Whether it has many cells, and pixels describe it better than curves.
        status: The verdict on what it shows, where there is one.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]
    wide: bool = False
    is_map: bool = False
    status: Status | None = None


@dataclass(frozen=True)
class Rendered:
    """A figure as the page shows it.

    Attributes:
        plot: Its name and caption.
        source: The image as data URI.
        width: Its width on the page [CSS pixels].
        height: Its height [CSS pixels].
        stem: Name of its files, without what follows the dot.
        files: Ending to content: PDF and PNG.
    """

    plot: Plot
    source: str
    width: int
    height: int
    stem: str
    files: dict[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its address on the page.
        title: Its heading.
        text: What to know before looking.
        plots: Its figures.
        rendered: The same, once drawn.
    """

    key: str
    title: str
    text: str
    plots: Sequence[Plot]
    rendered: Sequence[Rendered] = ()


Candidates = Sequence[tuple[Style, Comparison]]
"""Every candidate with its style."""


def render_sections(
    sections: Sequence[Section], *, files: bool, report: Progress | None
) -> list[Section]:
    """Draw all figures, also as PDF and PNG where ``files`` are wanted."""
    stems = iter(file_names([f"{s.key} {plot.name}" for s in sections for plot in s.plots]))
    done = 0
    result = []
    with figure_style():
        for section in sections:
            rendered = []
            for plot in section.plots:
                rendered.append(render_plot(plot, next(stems), files=files))
                done += 1
                if report is not None:
                    report("drawing figures", done)
            result.append(replace(section, rendered=rendered))
    return result


def render_plot(plot: Plot, stem: str, *, files: bool) -> Rendered:
    """Draw a figure, and write it in all forms."""
    try:
        figure, shown = _drawn(plot)
    except ValueError as error:
        if "ParseSyntaxException" not in str(error) and "ParseException" not in str(error):
            raise
        # The name of a layer or a condition was taken for mathematics.
        with mpl.rc_context({"text.parse_math": False}):
            figure, shown = _drawn(plot)
    figure.set_layout_engine("none")
    content = {"pdf": as_pdf(figure), "png": as_png(figure)} if files else {}
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Rendered(plot, embedded(shown), width, height, stem, content)


def _drawn(plot: Plot) -> tuple[Figure, bytes]:
    """Draw a figure; its first form solves the layout, which then holds for all others."""
    figure = plot.draw()
    return figure, as_png(figure, _SHOWN_DPI) if plot.is_map else as_svg(figure)


def file_names(names: Sequence[str]) -> list[str]:
    """Turn names of figures into different names of files that every file system can hold.

    Example:
        >>> file_names(["observable E_tot/E_inc", "Response", "response"])
        ['observable-E_tot-over-E_inc', 'Response', 'response-2']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        stem = _UNSAFE.sub("-", name.replace("/", "-over-")).strip("-.")[:_LONGEST] or "figure"
        choices = chain([stem], (f"{stem}-{number}" for number in count(2)))
        # Some file systems do not tell capitals from small letters.
        chosen = next(choice for choice in choices if choice.casefold() not in taken)
        taken.add(chosen.casefold())
        result.append(chosen)
    return result


def templates() -> Environment:
    """Return the templates of pages, in which a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("phys_gan.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def versions() -> dict[str, str]:
    """Return the versions of what makes a page, by name."""
    return {
        "phys_gan": __version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "Python": platform.python_version(),
    }


def write_files(folder: Path, page: str, sections: Sequence[Section]) -> Path:
    """Write ``index.html`` and the files of all figures, in the folder ``figures`` beside it.

    Files of the same names are replaced, others stay.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    for rendered in (one for section in sections for one in section.rendered):
        for ending, content in rendered.files.items():
            with atomic_file(folder / "figures" / f"{rendered.stem}.{ending}") as temporary:
                temporary.write_bytes(content)
    with atomic_file(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return folder / "index.html"
