"""A figure on its way into the page: how it is drawn, what is said about it, its files.

A part of the page before its figures are drawn.

From sections to files: figures are drawn one by one, and nothing is written before all are.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

import matplotlib as mpl
import numpy
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from phys_gan._version import __version__
from phys_gan.files import atomic_file
from phys_gan.report.numbers import Light
from phys_gan.report.style import Look, as_pdf, as_png, as_svg, embedded, figure_style
from phys_gan.validation.comparison import Comparison
from phys_gan.work import Progress

__all__ = [
    "Drawing",
    "DrawnSection",
    "Picture",
    "Section",
    "Shown",
    "draw",
    "draw_sections",
    "file_names",
    "templates",
    "versions",
    "write_files",
]

_SHOWN_DPI = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")
_LONGEST = 80


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet.

    Attributes:
        name: Its name, also for its files.
        caption: What it shows.
        figure: Draws it.
        wide: Whether it takes the whole width of the page.
        is_map: Whether it has many cells, and pixels describe it better than curves.
        light: The verdict on what it shows, where there is one.
    """

    name: str
    caption: str
    figure: Callable[[], Figure]
    wide: bool = False
    is_map: bool = False
    light: Light | None = None


@dataclass(frozen=True)
class Picture:
    """A figure that is drawn.

    Attributes:
        drawing: Its name and caption.
        source: The image as data URI.
        width: Its width on the page [CSS pixels].
        height: Its height [CSS pixels].
        stem: Name of its files, without what follows the dot.
        files: Ending to content: PDF and PNG.
    """

    drawing: Drawing
    source: str
    width: int
    height: int
    stem: str
    files: dict[str, bytes] = field(default_factory=dict, repr=False)


def draw(drawing: Drawing, stem: str, *, files: bool) -> Picture:
    """Draw a figure once, and write it in all forms.

    Arguments:
        drawing: The figure.
        stem: Name of its files.
        files: Whether PDF and PNG are wanted too.
    """
    try:
        figure, shown = _shown(drawing)
    except ValueError as error:
        if "ParseSyntaxException" not in str(error) and "ParseException" not in str(error):
            raise
        # A name of a layer or a condition is taken for mathematics, and is none: as it is written.
        with mpl.rc_context({"text.parse_math": False}):
            figure, shown = _shown(drawing)
    figure.set_layout_engine("none")
    content = {"pdf": as_pdf(figure), "png": as_png(figure)} if files else {}
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Picture(drawing, embedded(shown), width, height, stem, content)


def _shown(drawing: Drawing) -> tuple[Figure, bytes]:
    """Draw a figure; its first form solves the layout, which then holds for all others."""
    figure = drawing.figure()
    return figure, as_png(figure, _SHOWN_DPI) if drawing.is_map else as_svg(figure)


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


Shown = Sequence[tuple[Look, Comparison]]
"""Every candidate with its look."""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its address on the page.
        title: Its heading.
        text: What to know before looking.
        drawings: Its figures.
    """

    key: str
    title: str
    text: str
    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class DrawnSection:
    """A section with its figures drawn; see :class:`Section`."""

    key: str
    title: str
    text: str
    pictures: Sequence[Picture]


def draw_sections(
    sections: Sequence[Section], *, files: bool, report: Progress | None
) -> list[DrawnSection]:
    """Draw all figures.

    Arguments:
        sections: What to draw.
        files: Whether PDF and PNG are wanted too.
        report: Called to show progress.
    """
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
            shown.append(DrawnSection(section.key, section.title, section.text, pictures))
    return shown


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


def write_files(folder: Path, page: str, sections: Sequence[DrawnSection]) -> Path:
    """Write ``index.html`` and the files of all figures, in the folder ``figures`` beside it.

    Files of the same names are replaced, others stay.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    for picture in (picture for section in sections for picture in section.pictures):
        for ending, content in picture.files.items():
            with atomic_file(folder / "figures" / f"{picture.stem}.{ending}") as temporary:
                temporary.write_bytes(content)
    with atomic_file(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return folder / "index.html"
