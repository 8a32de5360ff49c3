"""A figure on its way into the page: how it is drawn, what is said about it, its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

import matplotlib as mpl
from matplotlib.figure import Figure

from phys_gan.report.encode import as_pdf, as_png, as_svg, embedded
from phys_gan.report.lights import Light

__all__ = ["Drawing", "Picture", "draw", "file_names"]

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
