"""Figures of one observable: histograms with ratio, and its course along the layers.

The parts of a figure with two panels: all samples above, the ratios to the reference below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from phys_gan.metrics.result import Result
from phys_gan.report.numbers import whole
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    Look,
    asinh_axis,
    line_of,
    patch_of_reference,
)
from phys_gan.validation.distributions import why_not_compared
from phys_gan.validation.histograms import Histogram

__all__ = [
    "Bars",
    "Drawn",
    "Panels",
    "Points",
    "count_label",
    "head_room",
    "histogram_bars",
    "histogram_figure",
    "layer_figure",
    "limits",
    "log_where_needed",
    "mark_flow",
    "whiskers",
]

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


_MUCH = 0.01

Drawn = tuple[Look, Histogram, Mapping[str, Result]]
"""A candidate: how it looks, its histogram of the observable, its metrics."""


def histogram_figure(
    drawn: Sequence[Drawn], n_candidates: int, frame: SubFigure | None = None
) -> Figure:
    """Draw the histograms of one observable, normalised, and candidate / reference below.

    Bars hold the statistical errors of the candidates, bands those of the reference; of a single
    candidate the fractions of the entries outside the axis stand above it.

    Arguments:
        drawn: The candidates that have the observable, at least one.
        n_candidates: Number of candidates in the report, so that all figures have one size.
        frame: Where to draw; by default a figure of its own.
    """
    first = drawn[0][1]
    bars = histogram_bars(drawn)
    panels = Panels(n_candidates, frame)
    panels.draw(bars)
    if first.softening is not None:
        asinh_axis(panels.main, first.softening, first.edges)
    log_where_needed(panels.main, bars, first.is_log, first.per_event)
    panels.main.set_ylabel(count_label(first))
    panels.below.set_xlabel(first.label)
    panels.legend(
        [look for look, _, _ in drawn],
        on_left=bars.high_on_the_right,
        sizes=[_size(first, side) for side in (0, 1)],
        results=[found.get("ks") or _few(h) for _, h, found in drawn],
    )
    if n_candidates == 1:
        _name_flow(panels.main, first)
    else:
        mark_flow(panels.main, drawn)
    return panels.figure


def _size(histogram: Histogram, side: int) -> str:
    """Return a number of events in words, with what they are worth where they have weights."""
    words = f"{whole(histogram.n_events[side])} events"
    if histogram.n_effective is None:
        return words
    return f"{words}, worth {whole(round(histogram.n_effective[side]))}"


def count_label(histogram: Histogram) -> str:
    """Return what the height of a bin of a normalised histogram is."""
    if histogram.softening is not None:
        unit = f"({histogram.unit})" if "/" in histogram.unit else histogram.unit
        return rf"Pixels per galaxy [{unit}$^{{-1}}$]"
    return "Cells per event" if histogram.per_event else "Fraction of events"


def histogram_bars(drawn: Sequence[Drawn]) -> Bars:
    """Normalise the histograms of one observable; flow bins count, but are not drawn.

    Candidates without any event are left out: nothing is not the same as zero.
    """
    first = drawn[0][1]
    return Bars(
        first.edges,
        _normalised(first, first.reference, first.reference_error, 0),
        [
            (look, _normalised(h, h.candidate, h.candidate_error, 1))
            for look, h, _ in drawn
            if h.n_events[1]
        ],
    )


def mark_flow(axes: Axes, drawn: Sequence[Drawn]) -> int:
    """Write at the rim how much of a candidate lies beyond it, where that is over 1 %.

    Returns:
        The number of rows that this takes.
    """
    rows = 0
    for place, x, side, arrow in ((0, 0.02, "left", "◀ {}"), (-1, 0.98, "right", "{} ▶")):
        row = 0
        for look, histogram, _ in drawn:
            fraction = float(histogram.candidate[place]) / max(
                1.0, float(histogram.candidate.sum())
            )
            if fraction > _MUCH:
                axes.text(
                    x,
                    0.94 - 0.08 * row,
                    arrow.format(f"{100 * fraction:.0f} %"),
                    transform=axes.transAxes,
                    ha=side,
                    va="top",
                    fontsize=9.5,
                    color=look.colour,
                )
                row += 1
        rows = max(rows, row)
    return rows


def layer_figure(drawn: Sequence[Sequence[Drawn]], looks: Sequence[Look], label: str) -> Figure:
    """Draw the mean of a per-layer observable along the layers, and its KS distances below.

    Arguments:
        drawn: For every layer, what :func:`histogram_figure` takes.
        looks: All candidates.
        label: Label of the vertical axis.
    """
    panels = Panels(len(looks))
    main, below = panels.main, panels.below
    numbers, moments, _ = _along([layer[0] for layer in drawn])
    mean, spread = moments[:, 0].T
    main.fill_between(numbers, mean - spread, mean + spread, color=REFERENCE_FILL, lw=0)
    main.plot(numbers, mean, color=REFERENCE)
    highest = 0.0
    for i, look in enumerate(looks):
        own = [d for layer in drawn for d in layer if d[0] is look]
        if not own:
            continue
        numbers, moments, sizes = _along(own)
        mean, spread = moments[:, 1].T
        if len(looks) == 1:
            for sign in (-1, 1):
                main.plot(numbers, mean + sign * spread, color=look.colour, lw=1, ls=":")
        shift = 0.25 * (i - (len(looks) - 1) / 2) / len(looks)
        style: dict[str, Any] = {"fmt": look.marker, "ms": 3, "color": look.colour, "lw": 1}
        main.errorbar(numbers + shift, mean, spread / np.sqrt(np.maximum(1, sizes)), **style)
        found = [(h.layer, r["ks"]) for _, h, r in own if "ks" in r]
        if found:
            x = np.array([k for k, _ in found], np.float64)
            value, error, limit = np.array([(k.value, k.error, k.limit) for _, k in found]).T
            below.errorbar(x + shift, value, error, **style)
            below.step(x, limit, where="mid", color=REFERENCE, ls="--", lw=1)
            highest = max(highest, float((value + error).max()), float(limit.max()))
    main.set_ylabel(label)
    main.margins(y=0.05)
    if len(looks) == 1:
        bottom, top = main.get_ylim()
        main.set_ylim(bottom, top + 0.25 * (top - bottom))
    panels.legend(looks)
    if highest:
        below.set_ylim(0, 1.45 * highest)
        below.text(
            0.985,
            0.93,
            "dashed: limit of the floor",
            transform=below.transAxes,
            ha="right",
            va="top",
            fontsize=9,
        )
    below.set_ylabel("KS", loc="center")
    below.set_xlabel("layer")
    return panels.figure


def _along(
    drawn: Sequence[Drawn],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return layer numbers, moments (n, 2, 2) and (effective) numbers of candidate events."""
    return (
        np.array([h.layer for _, h, _ in drawn], np.float64),
        np.array([h.moments for _, h, _ in drawn]),
        np.array([(h.n_effective or h.n_events)[1] for _, h, _ in drawn], np.float64),
    )


def _normalised(
    histogram: Histogram,
    entries: NDArray[np.float64],
    errors: NDArray[np.float64],
    side: Literal[0, 1],
) -> Points:
    total: float | NDArray[np.float64] = max(1.0, float(entries.sum()))
    if histogram.per_event:
        total = max(1.0, float(histogram.n_events[side]))
    if histogram.softening is not None:
        # The bins of an asinh axis are no multiples of each other.
        total = total * np.diff(histogram.edges)
    return Points(entries[1:-1] / total, errors[1:-1] / total)


def _few(histogram: Histogram) -> str:
    return f"not compared: {why_not_compared(histogram)}"


def _name_flow(main: Axes, histogram: Histogram) -> None:
    """Write the fractions of reference | candidate outside the axis above it."""
    sides: tuple[tuple[int, Literal["left", "right"], str], ...] = (
        (0, "left", "below"),
        (-1, "right", "above"),
    )
    for place, side, word in sides:
        fractions = [
            100 * float(h[place]) / max(1.0, float(h.sum()))
            for h in (histogram.reference, histogram.candidate)
        ]
        if max(fractions) > 0:
            first, second = (f"{f:.2g}" if f < 10 else f"{f:.0f}" for f in fractions)
            text = f"{word}: {first} % | {second} %"
            main.set_title(text, loc=side, fontsize=9, color="#555555", pad=4)
