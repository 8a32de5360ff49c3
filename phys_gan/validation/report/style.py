"""How figures look: ticks and type of the field, colours that the colour-blind can tell apart."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import mplhep
from matplotlib.figure import Figure

__all__ = ["CANDIDATE", "REFERENCE", "REFERENCE_FILL", "as_png", "as_svg", "figure_style"]

REFERENCE = "#333333"
REFERENCE_FILL = "#c9ccd1"
CANDIDATE = "#d55e00"
"""Vermilion of Okabe and Ito, apart from grey for every kind of colour vision."""

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

_PATHS = re.compile(r' (?:d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and write figures in the style of this package, and leave the user's as it is."""
    with mpl.rc_context(_STYLE):
        yield


def as_svg(figure: Figure) -> str:
    """Return the figure as a data URI; text becomes outlines and needs no fonts."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # Coordinates are points: two decimals are finer than any screen, and halve the page.
    text = _PATHS.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), buffer.getvalue().decode())
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def as_png(figure: Figure, dpi: int = 150) -> str:
    """Return the figure as a data URI, for maps of thousands of cells."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
