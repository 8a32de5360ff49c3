"""From a :class:`Plot`, a figure with its caption, and its :class:`Section` to the files of a page.

Many figures are drawn by several processes. Nothing is written before all are drawn.
"""

from __future__ import annotations

import os
import pickle
import platform
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from threading import Thread

import matplotlib as mpl
import numpy
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from phys_gan._version import __version__
from phys_gan.files import atomic_file
from phys_gan.report.numbers import Status
from phys_gan.report.style import Style, as_pdf, as_png, as_svg, embedded, figure_style, settle
from phys_gan.validation.comparison import Comparison
from phys_gan.work import MOST_THREADS, Progress

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
    """Draw all figures, also as PDF and PNG where ``files`` are wanted.

    The figures do not depend on the number of processes that draw them.
    """
    plots = [plot for section in sections for plot in section.plots]
    stems = file_names(
        [f"{section.key} {plot.name}" for section in sections for plot in section.plots]
    )
    waiting = deque(range(len(plots)))
    drawn: dict[int, Rendered] = {}
    shown = 0

    def show_progress() -> None:
        nonlocal shown
        if report is not None and len(drawn) > shown:
            shown = len(drawn)
            report("drawing figures", shown)

    with figure_style(), _helpers(plots, stems, files, waiting, drawn) as helpers:
        # In this order: what a helper leaves behind is there once it has ended.
        while any(helper.is_alive() for helper in helpers) or waiting:
            try:
                # Helpers take the figures from the end.
                place = waiting.popleft()
            except IndexError:
                for helper in helpers:
                    helper.join()
                continue
            drawn[place] = render_plot(plots[place], stems[place], files=files)
            show_progress()
    show_progress()
    in_order = iter(drawn[place] for place in range(len(plots)))
    return [
        replace(section, rendered=[next(in_order) for _ in section.plots]) for section in sections
    ]


_FIGURES_EACH = 16
"""Figures that are worth the start of a process, which takes a second or two."""

_SERVE = "import sys; sys.path[:] = {}; from phys_gan.report.sections import serve; serve()"


@contextmanager
def _helpers(
    plots: Sequence[Plot],
    stems: Sequence[str],
    files: bool,
    waiting: deque[int],
    drawn: dict[int, Rendered],
) -> Iterator[list[Thread]]:
    """Let other processes draw what is waiting, the last figures first; one thread waits for each.

    They run a command of their own, so that no script of a user is imported again. What one of
    them cannot draw stays waiting, for this process to draw or to say why.
    """

    def follow(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        while waiting:
            try:
                place = waiting.pop()
            except IndexError:
                return
            try:
                pickle.dump((plots[place], stems[place], files), process.stdin)
                process.stdin.flush()
                result = pickle.load(process.stdout)
            except Exception:
                result = None
            if result is None:
                waiting.append(place)
                return
            drawn[place] = result

    n = min(_cores(), MOST_THREADS, len(plots) // _FIGURES_EACH) - 1
    command = [sys.executable or "python", "-c", _SERVE.format(list(sys.path))]
    processes = []
    try:
        for _ in range(n):
            processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
    except OSError:
        # Without them it takes longer.
        pass
    threads = [Thread(target=follow, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        yield threads
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve() -> None:
    """Draw the figures that come through the standard input; the life of a helper."""
    # Ctrl-C is for the process of the user, which ends its helpers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    # What anything prints must not come between the answers.
    os.dup2(2, 1)
    with figure_style():
        while True:
            try:
                plot, stem, files = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            try:
                result = render_plot(plot, stem, files=files)
            except Exception:
                result = None
            pickle.dump(result, answers)
            answers.flush()


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
    content = {"pdf": as_pdf(figure), "png": as_png(figure)} if files else {}
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Rendered(plot, embedded(shown), width, height, stem, content)


def _drawn(plot: Plot) -> tuple[Figure, bytes]:
    """Draw a figure in the form that the page shows."""
    figure = plot.draw()
    settle(figure)
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
