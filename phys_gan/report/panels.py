"""The parts of a figure with two panels: all samples above, the ratios to the reference below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from phys_gan.report.legends import line_of, patch_of_reference
from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Look
from phys_gan.validation.statistics.result import Result

__all__ = ["Bars", "Panels", "Points", "head_room", "limits", "log_where_needed", "whiskers"]

Values = NDArray[np.float64]

_ROW = 0.21
"""Height of a row of the legend [inch]."""


@dataclass(frozen=True)
class Points:
    """Values per bin with errors, of one sample."""

    values: Values
    errors: Values


@dataclass(frozen=True)
class Bars:
    """Values per bin of the reference and of all candidates that have them."""

    edges: Values
    reference: Points
    candidates: Sequence[tuple[Look, Points]]

    @property
    def heights(self) -> Values:
        """Values of all samples, shape (n_samples, n_bins)."""
        return np.stack([self.reference.values, *(p.values for _, p in self.candidates)])

    @property
    def looks(self) -> list[Look]:
        """The candidates."""
        return [look for look, _ in self.candidates]

    @property
    def high_on_the_right(self) -> bool:
        """Whether a legend has more room on the left."""
        heights = self.heights.sum(axis=0)
        middle = len(heights) // 2
        return bool(heights[middle:].max() > 1.2 * heights[:middle].max(initial=0))


class Panels:
    """A figure with a large panel above a small one that shares its x axis.

    Of several candidates the legend stands above the frame, where it hides nothing.

    Arguments:
        n_candidates: Number of candidates in the report, so that all its figures have one size.
        frame: Where to draw, of the size :meth:`size`; by default a figure of its own.

    Attributes:
        frame: Where it is drawn.
        main: The large panel.
        below: The small one.
    """

    def __init__(self, n_candidates: int, frame: SubFigure | None = None) -> None:
        self._n = n_candidates
        _, height = self.size(n_candidates)
        self.frame = frame or Figure(figsize=self.size(n_candidates))

        # Fixed places: all figures of a page line up, and no layout has to be solved.
        def box(bottom: float, tall: float) -> tuple[float, float, float, float]:
            return 0.155, bottom / height, 0.8, tall / height

        self.main = self.frame.add_axes(box(1.73, 2.69))
        self.below = self.frame.add_axes(box(0.565, 0.965), sharex=self.main)
        self.main.tick_params(labelbottom=False)
        self.main.yaxis.set_label_coords(-0.135, 1.0)
        self.below.yaxis.set_label_coords(-0.135, 0.5)

    @staticmethod
    def size(n_candidates: int) -> tuple[float, float]:
        """Return width and height [inch], with room for the legend."""
        extra = 0.0 if n_candidates == 1 else _ROW * (n_candidates // 2 + 1) - 0.12
        return 5.6, 4.7 + extra

    @property
    def figure(self) -> Figure:
        """The whole figure."""
        return self.frame if isinstance(self.frame, Figure) else self.frame.figure

    def draw(self, bars: Bars) -> None:
        """Draw all samples, their errors and the ratios."""
        main, edges = self.main, bars.edges
        main.stairs(bars.reference.values, edges, fill=True, color=REFERENCE_FILL, lw=0)
        main.stairs(bars.reference.values, edges, color=REFERENCE, lw=1)
        for (look, points), x in zip(bars.candidates, _places(bars), strict=True):
            main.stairs(points.values, edges, color=look.colour, ls=look.line, lw=1.4)
            whiskers(main, x, points.values, points.errors, look.colour)
        main.set_xlim(*limits(edges))
        head_room(main, bars)
        self.below.locator_params(axis="x", nbins=7)
        _draw_ratios(self.below, bars)

    def legend(
        self,
        looks: Sequence[Look],
        *,
        on_left: bool = False,
        sizes: Sequence[str] = (),
        results: Sequence[Result | str] = (),
    ) -> None:
        """Name the samples, with their numbers of entries and KS where given.

        Arguments:
            looks: The candidates.
            on_left: Whether the left side of the frame has room for it.
            sizes: Events of the reference and of a single candidate, in words.
            results: KS of every candidate, or why there is none.
        """
        handles = [patch_of_reference(), *map(line_of, looks)]
        names = ["reference", *(look.name for look in looks)]
        found = list(results) or [""] * len(looks)
        if self._n > 1:
            texts = [_with_ks(n, ks) for n, ks in zip(names, ["", *found], strict=True)]
            self.frame.legend(
                handles,
                texts,
                loc="upper left",
                bbox_to_anchor=(0.14, 1.0),
                ncols=2,
                fontsize=9,
                columnspacing=1.2,
                borderaxespad=0.2,
            )
            return
        numbers = [f" ({text})" for text in sizes] or [""] * len(names)
        legend = self.main.legend(
            handles,
            [name + number for name, number in zip(names, numbers, strict=True)],
            loc="upper left" if on_left else "upper right",
            title=_ks_lines(found[0]),
            alignment="left" if on_left else "right",
        )
        legend.get_title().set_fontsize(9.5)


def limits(edges: Values) -> tuple[float, float]:
    """Return the ends of an axis that shows all bins; an only one does not fill it."""
    room = 4.0 * (edges[1] - edges[0]) if len(edges) == 2 else 0.0
    return float(edges[0] - room), float(edges[-1] + room)


def whiskers(
    axes: Axes, x: Values, y: Values, errors: Values, colour: str, width: float = 1.0
) -> None:
    """Draw error bars as a single line with gaps: a tenth of the size that one line each takes."""
    gap = np.full(len(x), np.nan)
    axes.plot(
        np.stack([x, x, gap], axis=1).ravel(),
        np.stack([y - errors, y + errors, gap], axis=1).ravel(),
        "-",
        color=colour,
        lw=width,
    )


def log_where_needed(main: Axes, bars: Bars, log_x: bool, log_y: bool) -> None:
    """Make axes logarithmic where asked, and y also where one bin would flatten all others."""
    filled = bars.reference.values[bars.reference.values > 0]
    if log_x:
        main.set_xscale("log")
    if len(filled) and (log_y or filled.max() > 50 * np.median(filled)):
        main.set_yscale("log")
        head_room(main, bars)


def head_room(main: Axes, bars: Bars) -> None:
    """Leave the top third to a legend inside the frame."""
    inside = len(bars.candidates) <= 1
    heights = bars.heights
    high = float(max((bars.reference.values + bars.reference.errors).max(), heights.max()))
    if high <= 0:
        main.set_ylim(0, 1)
        main.set_yticks([])
        main.text(0.5, 0.5, "no entries", transform=main.transAxes, ha="center", va="center")
        return
    if main.get_yscale() == "log":
        low = float(heights[heights > 0].min()) / 2
        main.set_ylim(low, high * (high / low) ** (0.55 if inside else 0.08))
    else:
        main.set_ylim(0, (1.55 if inside else 1.12) * high)


def _places(bars: Bars) -> list[Values]:
    """Return where the points of every candidate stand: side by side within the bins."""
    n = len(bars.candidates)
    low, width = bars.edges[:-1], np.diff(bars.edges)
    return [low + at * width for at in ([0.5] if n == 1 else np.linspace(0.26, 0.74, n))]


def _draw_ratios(below: Axes, bars: Bars) -> None:
    reference = bars.reference
    filled = reference.values > 0
    safe = np.where(filled, reference.values, 1)
    band = np.where(filled, reference.errors / safe, 0.0)
    below.stairs(1 + band, bars.edges, baseline=1 - band, fill=True, color=REFERENCE_FILL, lw=0)
    below.axhline(1, color=REFERENCE, lw=0.8)
    ratios = [
        (np.where(filled, p.values / safe, np.nan), np.where(filled, p.errors / safe, np.nan))
        for _, p in bars.candidates
    ]
    span = _span(ratios)
    for (look, _), (ratio, error), x in zip(bars.candidates, ratios, _places(bars), strict=True):
        inside = np.isfinite(ratio) & (np.abs(ratio - 1) <= span)
        below.plot(x[inside], ratio[inside], look.marker, ms=3, color=look.colour)
        whiskers(below, x[inside], ratio[inside], error[inside], look.colour)
        for beyond, marker, y in ((ratio > 1 + span, "^", 0.93), (ratio < 1 - span, "v", 0.07)):
            # What lies beyond the panel is marked at its rim, not lost.
            below.scatter(
                x[beyond],
                np.full(int(beyond.sum()), 1 - span + 2 * span * y),
                marker=marker,
                s=16,
                facecolors="none",
                edgecolors=look.colour,
            )
    below.set_ylim(1 - span, 1 + span)
    below.set_ylabel("ratio to ref.", loc="center", fontsize=10.5)


def _span(ratios: Sequence[tuple[Values, Values]]) -> float:
    """Return a round range of ratios that holds what is known to 30 %; the widest without any."""
    known = [np.abs(r - 1)[np.isfinite(r) & (error < 0.3)] for r, error in ratios]
    largest = max((float(off.max()) for off in known if len(off)), default=1.0)
    return next((s for s in (0.05, 0.1, 0.25, 0.5) if largest < 0.8 * s), 1.0)


def _with_ks(name: str, ks: Result | str) -> str:
    if isinstance(ks, str):
        return f"{name}, {ks}" if ks else name
    return f"{name}, KS {ks.value:.3f}" + ("" if ks.within_floor else " ▲")


def _ks_lines(ks: Result | str) -> str | None:
    if isinstance(ks, str):
        return ks or None
    verdict = "within" if ks.within_floor else "outside"
    return (
        f"KS {ks.value:.4f} ± {ks.error:.4f}, {verdict}\n"
        f"floor {ks.floor:.4f} ± {ks.floor_error:.4f}"
    )
