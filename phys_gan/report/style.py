"""How figures look: ticks and type of the field, colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import mplhep

__all__ = ["REFERENCE", "REFERENCE_FILL", "Look", "figure_style", "make_looks"]

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
class Look:
    """How a candidate is drawn in all figures.

    Attributes:
        name: Its name in figures, short and safe for matplotlib.
        title: Its whole name.
        colour: Its colour.
        marker: Its marker, so that colour is not all that tells it from others.
        line: Its line style.
    """

    name: str
    title: str
    colour: str
    marker: str
    line: str


def make_looks(names: Sequence[str]) -> list[Look]:
    """Give every candidate its own colour, marker and, beyond six, line style.

    Example:
        >>> [look.colour for look in make_looks(["GAN", "VAE"])]
        ['#d55e00', '#0072b2']
    """
    n = len(_COLOURS)
    return [
        Look(_plain(name), name, _COLOURS[i % n], _MARKERS[i % n], _LINES[i // n % len(_LINES)])
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
