"""Legends that stand above a figure, where they hide nothing."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Look

__all__ = ["legend_above", "legend_height", "line_of", "patch_of_reference"]

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


def line_of(look: Look) -> Line2D:
    """Return the mark of a candidate."""
    return Line2D([], [], color=look.colour, ls=look.line, marker=look.marker, ms=4)
