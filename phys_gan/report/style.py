"""The style of figures and of the candidates in them (:class:`Style`), legends, and image files.

Ticks and type are those of the field, colours can be told apart by the colour-blind. Axes for
numbers of either sign that span decades are linear around zero and logarithmic beyond.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, NullFormatter, NullLocator
from numpy.typing import NDArray

REFERENCE = "#333333"
REFERENCE_FILL = "#c9ccd1"

_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of Okabe and Ito: apart from each other and from grey for every kind of colour vision."""
_MARKERS = ("o", "s", "D", "v", "^", "P")
_LINES = ("-", "--", ":")
_LONGEST = 19

_ATLAS: dict[str, Any] = mplhep.style.ATLAS
_STYLE: Any = {
    **{key: value for key, value in _ATLAS.items() if key.startswith(("xtick", "ytick", "axes"))},
    # TeX Gyre Heros comes with mplhep; DejaVu fills in the glyphs that it lacks.
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "mathtext.fontset": "stixsans",
    "font.size": 11,
    "axes.labelsize": 13,
    "axes.labelpad": 4,
    "axes.titlesize": 11,
    # Ticks point inwards: titles need not evade them, which takes a quarter of the time.
    "axes.titley": 1.0,
    "axes.autolimit_mode": "data",
    "axes.linewidth": 0.8,
    "axes.formatter.limits": [-3, 5],
    # Plain numbers need no mathematical typesetting, which takes a third of the time.
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.major.size": 6,
    "ytick.minor.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "legend.handlelength": 1.6,
    "savefig.facecolor": "white",
    # Equal input gives equal files.
    "svg.hashsalt": "phys_gan",
}


@dataclass(frozen=True)
class Style:
    """The style of a candidate in all figures.

    Attributes:
        name: Its name in figures, short and safe for matplotlib.
        title: Its whole name.
        colour: Its colour.
        marker: Its marker.
        line: Its line style.
    """

    name: str
    title: str
    colour: str
    marker: str
    line: str


def make_styles(names: Sequence[str]) -> list[Style]:
    """Give every candidate its own colour, marker and, beyond six, line style.

    Example:
        >>> [style.colour for style in make_styles(["GAN", "VAE"])]
        ['#d55e00', '#0072b2']
    """
    n = len(_COLOURS)
    return [
        Style(_plain(name), name, _COLOURS[i % n], _MARKERS[i % n], _LINES[i // n % len(_LINES)])
        for i, name in enumerate(names)
    ]


def _plain(name: str) -> str:
    """Shorten a name in its middle, and keep matplotlib from reading dollars as mathematics."""
    words = " ".join(name.split())
    half = _LONGEST // 2
    short = words if len(words) <= _LONGEST else f"{words[:half]}…{words[-half:]}"
    return short.replace("$", r"\$")


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and write figures in the style of this package, and leave the user's as it is."""
    with mpl.rc_context(_STYLE):
        yield


_MOST_POWERS = 4


def asinh_axis(axes: Axes, softening: float, edges: NDArray[np.float64]) -> None:
    """Make the x axis linear up to the softening, with ticks at zero and at powers of ten."""
    axes.set_xscale("asinh", linear_width=softening)
    ticks = asinh_ticks(softening, float(edges[0]), float(edges[-1]))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    powers = [tick for tick in ticks if tick]
    minor = {factor * power for power in powers for factor in range(2, 10)}
    axes.xaxis.set_minor_locator(FixedLocator(sorted(minor)))


def asinh_ticks(softening: float, low: float, high: float) -> list[float]:
    """Return zero and the powers of ten beyond the softening, in steps that leave room for labels.

    Example:
        >>> asinh_ticks(0.05, -0.5, 20.0)
        [-0.1, 0.0, 0.1, 1.0, 10.0]
    """
    first = int(np.ceil(np.log10(softening)))
    largest = max(abs(low), abs(high), 10.0**first)
    last = int(np.floor(np.log10(largest)))
    step = -(-(last - first + 1) // _MOST_POWERS)
    powers = [float(f"1e{exponent}") for exponent in range(first, last + 1, step)]
    ticks = [*(-power for power in reversed(powers)), 0.0, *powers]
    return [tick for tick in ticks if low <= tick <= high]


_ROW = 0.25
_ACROSS = 3


def legend_height(n: int) -> float:
    """Return the height [inch] to add to a figure for a legend of n samples."""
    return _ROW * -(-n // _ACROSS) + 0.1


def legend_above(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Name the samples above all panels of a figure in constrained layout."""
    room = legend_height(len(names)) / float(figure.get_size_inches()[1])
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, 0, 1, 1 - room))  # type: ignore[call-arg]
    figure.legend(
        handles, names, loc="upper center", ncols=_ACROSS, bbox_to_anchor=(0.5, 1.0), fontsize=11
    )


def patch_of_reference() -> Patch:
    """Return the mark of the reference."""
    return Patch(facecolor=REFERENCE_FILL, edgecolor=REFERENCE)


def line_of(style: Style) -> Line2D:
    """Return the mark of a candidate."""
    return Line2D([], [], color=style.colour, ls=style.line, marker=style.marker, ms=4)


def settle(figure: Figure) -> None:
    """Solve the layout of a figure once for all its files, and make its ticks cheap to draw.

    A minor tick of matplotlib is five artists, and most figures have a hundred of them. Where they
    carry no numbers, those of an axis become one line of markers, which looks the same.
    """
    # The layout does not depend on minor ticks without numbers, which point inwards.
    waiting: list[tuple[Axes, Axis, Locator]] = [
        (axes, axis, axis.get_minor_locator())
        for axes in figure.axes
        if axes.name == "rectilinear"
        for axis in (axes.xaxis, axes.yaxis)
        if not _numbered(axis)
    ]
    for _, axis, _ in waiting:
        axis.set_minor_locator(NullLocator())
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")

    for axes, axis, locator in waiting:
        axis.set_minor_locator(locator)
        low, high = sorted(axis.get_view_interval())
        places = np.asarray(axis.get_minorticklocs(), np.float64)
        places = places[(places >= low) & (places <= high)]
        if len(places):
            tick = axis.get_minor_ticks(1)[0]
            for line in (tick.tick1line, tick.tick2line):
                if line.get_visible() and axes.axison and axis.get_visible():
                    _mark_ticks(axes, axis, line, places)
        axis.set_minor_locator(NullLocator())


def _numbered(axis: Axis) -> bool:
    """Return whether minor ticks carry numbers, as on logarithmic axes of less than a decade."""
    formatter = axis.get_minor_formatter()
    if isinstance(formatter, NullFormatter):
        return False
    return any(formatter.format_ticks(list(axis.get_minorticklocs())))


def _mark_ticks(axes: Axes, axis: Axis, line: Line2D, places: NDArray[np.float64]) -> None:
    """Draw a line of markers at places along an axis, like the mark of one of its ticks."""
    marks = Line2D([], [])
    marks.update_from(line)
    rim = np.broadcast_to(
        line.get_ydata() if axis is axes.xaxis else line.get_xdata(), places.shape
    )
    marks.set_data(*((places, rim) if axis is axes.xaxis else (rim, places)))
    marks.set_transform(line.get_transform())
    marks.set(clip_on=False, in_layout=False, zorder=axis.get_zorder())
    axes.add_artist(marks)
    marks.set_clip_path(None)


_PATHS = re.compile(r' (?:d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_SHORTER = (
    (re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<\?xml.*?\?>|<!DOCTYPE.*?>", re.DOTALL), ""),
    # Nothing refers to groups by name.
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r" ?\n([LMQCz])"), r"\1"),
    (re.compile(r"([LMQC]) "), r"\1"),
    (re.compile(r"\s*\n\s*"), " "),
    (re.compile(r"> <"), "><"),
)
# What an address may not hold; apostrophes do for quotation marks.
_ESCAPED = str.maketrans({"%": "%25", "#": "%23", "<": "%3C", ">": "%3E", '"': "'"})


def as_svg(figure: Figure) -> bytes:
    """Return the figure as SVG; text becomes outlines and needs no fonts."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # Coordinates are points: two decimals are finer than any screen, and halve the page.
    text = _PATHS.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), buffer.getvalue().decode())
    for pattern, shorter in _SHORTER:
        text = pattern.sub(shorter, text)
    return text.strip().encode()


def as_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return the figure as pixels, for slides and for maps of thousands of cells."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


class NotebookFigure(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        with figure_style():
            return as_png(self, dpi=80)


def as_pdf(figure: Figure) -> bytes:
    """Return the figure for papers; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}
    )
    return buffer.getvalue()


def embedded(content: bytes) -> str:
    """Return an image as a data URI, which a page shows without any other file."""
    if content.startswith(b"\x89PNG"):
        return "data:image/png;base64," + base64.b64encode(content).decode()
    # Shorter than base64, and it compresses well.
    return "data:image/svg+xml," + content.decode().translate(_ESCAPED)
