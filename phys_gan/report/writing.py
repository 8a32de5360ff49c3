"""From sections to files: figures are drawn one by one, and nothing is written before all are."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined

from phys_gan._version import __version__
from phys_gan.files import atomic_file
from phys_gan.report.pictures import Picture, draw, file_names
from phys_gan.report.section import Section
from phys_gan.report.style import figure_style

__all__ = ["DrawnSection", "Report", "draw_sections", "templates", "versions", "write_files"]

Report = Callable[[str, int], None]
"""Called with what is being done, and how many parts of it are done."""


@dataclass(frozen=True)
class DrawnSection:
    """A section with its figures drawn; see :class:`Section`."""

    key: str
    title: str
    text: str
    pictures: Sequence[Picture]


def draw_sections(
    sections: Sequence[Section], *, files: bool, report: Report | None
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
