"""Figures of an observable: histograms with their ratio, and the course along the layers.

A figure has two panels (:class:`Panels`): all samples above, the ratios to the reference below.
Bars are the statistical errors of a candidate, bands those of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from phys_gan.errors import MissingError
from phys_gan.metrics.result import Result
from phys_gan.observables import MANY_LAYERS, OBSERVABLES
from phys_gan.report.numbers import Status, observable_status, whole, worst_first
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    NotebookFigure,
    Style,
    asinh_axis,
    figure_style,
    line_of,
    make_styles,
    patch_of_reference,
)
from phys_gan.report.tables import Checks
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.distributions import why_not_compared
from phys_gan.validation.ensemble import Band, Ensemble
from phys_gan.validation.histograms import Histogram

Values = NDArray[np.float64]

_ROW = 0.21
"""Height of a row of the legend [inch]."""

_MUCH = 0.01
_WORST_LAYERS = 12
ENSEMBLE, OPACITY = "#7b5ea7", 0.35
"""Colour of the band of an ensemble."""


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
    candidates: Sequence[tuple[Style, Points]]

    @property
    def heights(self) -> Values:
        """Values of all samples, shape (n_samples, n_bins)."""
        return np.stack([self.reference.values, *(p.values for _, p in self.candidates)])

    @property
    def styles(self) -> list[Style]:
        """The candidates."""
        return [style for style, _ in self.candidates]

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
        for (style, points), x in zip(bars.candidates, _places(bars), strict=True):
            main.stairs(points.values, edges, color=style.colour, ls=style.line, lw=1.4)
            whiskers(main, x, points.values, points.errors, style.colour)
        main.set_xlim(*limits(edges))
        head_room(main, bars)
        self.below.locator_params(axis="x", nbins=7)
        _draw_ratios(self.below, bars)

    def legend(
        self,
        styles: Sequence[Style],
        *,
        on_left: bool = False,
        sizes: Sequence[str] = (),
        results: Sequence[Result | str] = (),
        banded: bool = False,
    ) -> None:
        """Name the samples, with their numbers of entries and KS where given.

        Arguments:
            styles: The candidates.
            on_left: Whether the legend of a single candidate stands on the left.
            sizes: Events of the reference and of a single candidate, in words.
            results: KS of every candidate, or why there is none.
            banded: Whether the band of an ensemble is drawn.
        """
        handles = [patch_of_reference(), *map(line_of, styles)]
        names = ["reference", *(style.name for style in styles)]
        found = list(results) or [""] * len(styles)
        if self._n > 1:
            texts = [_with_ks(n, ks) for n, ks in zip(names, ["", *found], strict=True)]
            if banded:
                handles.insert(1, Patch(color=ENSEMBLE, alpha=OPACITY, lw=0))
                texts.insert(1, "band of trainings")
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


def draw_band(panels: Panels, band: Band, bars: Bars, histogram: Histogram) -> None:
    """Draw where the truth, or one more training, lies with 68 %; below over the reference."""
    widths = np.diff(band.edges) if histogram.softening is not None else 1.0
    middle, half = (values[1:-1] / widths for values in (band.mean, band.total))
    style: dict[str, Any] = {"fill": True, "color": ENSEMBLE, "alpha": OPACITY, "lw": 0}
    panels.main.stairs(
        middle + half, band.edges, baseline=np.maximum(middle - half, 0), zorder=1.5, **style
    )
    filled = bars.reference.values > 0
    safe = np.where(filled, bars.reference.values, 1)
    low, high = (np.where(filled, (middle + sign * half) / safe, 1.0) for sign in (-1, 1))
    bottom, top = panels.below.get_ylim()
    panels.below.stairs(
        np.clip(high, bottom, top), band.edges, baseline=np.clip(low, bottom, top), **style
    )


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
    for (style, _), (ratio, error), x in zip(bars.candidates, ratios, _places(bars), strict=True):
        inside = np.isfinite(ratio) & (np.abs(ratio - 1) <= span)
        below.plot(x[inside], ratio[inside], style.marker, ms=3, color=style.colour)
        whiskers(below, x[inside], ratio[inside], error[inside], style.colour)
        for beyond, marker, y in ((ratio > 1 + span, "^", 0.93), (ratio < 1 - span, "v", 0.07)):
            # What lies beyond the panel is marked at its rim, not lost.
            below.scatter(
                x[beyond],
                np.full(int(beyond.sum()), 1 - span + 2 * span * y),
                marker=marker,
                s=16,
                facecolors="none",
                edgecolors=style.colour,
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


Entry = tuple[Style, Histogram, Mapping[str, Result]]
"""A candidate: its style, its histogram of the observable, its metrics."""


def histogram_figure(
    entries: Sequence[Entry],
    n_candidates: int,
    frame: SubFigure | None = None,
    band: Band | None = None,
) -> Figure:
    """Draw the histograms of one observable, normalised, and candidate / reference below.

    Arguments:
        entries: The candidates that have the observable, at least one.
        n_candidates: Number of candidates in the report, so that all figures have one size.
        frame: Where to draw; by default a figure of its own.
        band: That of all candidates as trainings of one model.
    """
    first = entries[0][1]
    bars = histogram_bars(entries)
    # The band has a line of its own in the legend.
    panels = Panels(n_candidates + (band is not None), frame)
    panels.draw(bars)
    if band is not None:
        draw_band(panels, band, bars, first)
    if first.softening is not None:
        asinh_axis(panels.main, first.softening, first.edges)
    log_where_needed(panels.main, bars, first.is_log, first.per_event)
    panels.main.set_ylabel(count_label(first))
    panels.below.set_xlabel(first.label)
    panels.legend(
        [style for style, _, _ in entries],
        on_left=bars.high_on_the_right,
        sizes=[_size(first, side) for side in (0, 1)],
        results=[
            found.get("ks") or f"not compared: {why_not_compared(h)}" for _, h, found in entries
        ],
        banded=band is not None,
    )
    if n_candidates == 1:
        _name_flow(panels.main, first)
    else:
        mark_flow(panels.main, entries)
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


def histogram_bars(entries: Sequence[Entry]) -> Bars:
    """Normalise the histograms of one observable; flow bins count, but are not drawn.

    Candidates without any event are left out: nothing is not the same as zero.
    """
    first = entries[0][1]
    return Bars(
        first.edges,
        normalised(first, first.reference, first.reference_error, 0),
        [
            (style, normalised(h, h.candidate, h.candidate_error, 1))
            for style, h, _ in entries
            if h.n_events[1]
        ],
    )


def mark_flow(axes: Axes, entries: Sequence[Entry]) -> int:
    """Write at the rim how much of a candidate lies beyond it, where that is over 1 %.

    Return the number of rows that this takes.
    """
    rows = 0
    for place, x, side, arrow in ((0, 0.02, "left", "◀ {}"), (-1, 0.98, "right", "{} ▶")):
        row = 0
        for style, histogram, _ in entries:
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
                    color=style.colour,
                )
                row += 1
        rows = max(rows, row)
    return rows


def layer_figure(layers: Sequence[Sequence[Entry]], styles: Sequence[Style], label: str) -> Figure:
    """Draw the mean of a per-layer observable along the layers, and its KS distances below.

    Arguments:
        layers: The candidates that have the observable in each layer.
        styles: All candidates.
        label: Label of the vertical axis.
    """
    panels = Panels(len(styles))
    main, below = panels.main, panels.below
    numbers, moments, _ = _along([layer[0] for layer in layers])
    mean, deviation = moments[:, 0].T
    main.fill_between(numbers, mean - deviation, mean + deviation, color=REFERENCE_FILL, lw=0)
    main.plot(numbers, mean, color=REFERENCE)
    highest = 0.0
    for i, style in enumerate(styles):
        own = [d for layer in layers for d in layer if d[0] is style]
        if not own:
            continue
        numbers, moments, sizes = _along(own)
        mean, deviation = moments[:, 1].T
        if len(styles) == 1:
            for sign in (-1, 1):
                main.plot(numbers, mean + sign * deviation, color=style.colour, lw=1, ls=":")
        shift = 0.25 * (i - (len(styles) - 1) / 2) / len(styles)
        marks: dict[str, Any] = {"fmt": style.marker, "ms": 3, "color": style.colour, "lw": 1}
        main.errorbar(numbers + shift, mean, deviation / np.sqrt(np.maximum(1, sizes)), **marks)
        found = [(h.layer, r["ks"]) for _, h, r in own if "ks" in r]
        if found:
            x = np.array([k for k, _ in found], np.float64)
            value, error, limit = np.array([(k.value, k.error, k.limit) for _, k in found]).T
            below.errorbar(x + shift, value, error, **marks)
            below.step(x, limit, where="mid", color=REFERENCE, ls="--", lw=1)
            highest = max(highest, float((value + error).max()), float(limit.max()))
    main.set_ylabel(label)
    main.margins(y=0.05)
    if len(styles) == 1:
        bottom, top = main.get_ylim()
        main.set_ylim(bottom, top + 0.25 * (top - bottom))
    panels.legend(styles)
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
    entries: Sequence[Entry],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return layer numbers, moments (n, 2, 2) and (effective) numbers of candidate events."""
    return (
        np.array([h.layer for _, h, _ in entries], np.float64),
        np.array([h.moments for _, h, _ in entries]),
        np.array([(h.n_effective or h.n_events)[1] for _, h, _ in entries], np.float64),
    )


def normalised(
    histogram: Histogram,
    entries: NDArray[np.float64],
    errors: NDArray[np.float64],
    side: Literal[0, 1],
) -> Points:
    """Return entries and errors per event or per entry, without flow; side 1 is the candidate."""
    total: float | NDArray[np.float64] = max(1.0, float(entries.sum()))
    if histogram.per_event:
        total = max(1.0, float(histogram.n_events[side]))
    if histogram.softening is not None:
        # The bins of an asinh axis are no multiples of each other.
        total = total * np.diff(histogram.edges)
    return Points(entries[1:-1] / total, errors[1:-1] / total)


def _name_flow(main: Axes, histogram: Histogram) -> None:
    """Write the fractions of reference | candidate outside the axis above it."""
    sides: list[tuple[int, Literal["left", "right"], str]]
    sides = [(0, "left", "below"), (-1, "right", "above")]
    for place, side, word in sides:
        fractions = [
            100 * float(h[place]) / max(1.0, float(h.sum()))
            for h in (histogram.reference, histogram.candidate)
        ]
        if max(fractions) > 0:
            first, second = (f"{f:.2g}" if f < 10 else f"{f:.0f}" for f in fractions)
            text = f"{word}: {first} % | {second} %"
            main.set_title(text, loc=side, fontsize=9, color="#555555", pad=4)


def along_layers_section(candidates: Candidates) -> Section:
    """Show observables of many layers in one figure, where 45 histograms tell less."""
    plots = []
    histograms = _histograms(candidates)
    families = OBSERVABLES if candidates[0][1].detector.n_layers > MANY_LAYERS else {}
    for family, definition in families.items():
        names = [name for name, h in histograms.items() if h.family == family]
        if len(names) < 2:
            continue
        layers = [_entries(candidates, name) for name in names]
        label = definition.axis_label.replace("{k}", "k")
        what = definition.description.replace("layer {k}", "each layer")
        plots.append(
            Plot(
                family.replace("{k}", "k"),
                f"{what} Band and dotted lines: standard deviation. Below: KS in every layer.",
                partial(layer_figure, layers, [style for style, _ in candidates], label),
            )
        )
    return Section("layers", "Observables along the layers", "", plots)


def observables_section(
    candidates: Candidates, checks: Checks, ensemble: Ensemble | None = None
) -> Section:
    """Show every observable; of many layers only the worst of those that exist per layer."""
    bands = {} if ensemble is None else ensemble.bands
    histograms = _histograms(candidates)
    ranks = {name: rank for rank, name in enumerate(worst_first(c for _, c in candidates))}
    names = list(histograms)
    if candidates[0][1].detector.n_layers > MANY_LAYERS:
        per_layer = [n for n in ranks if histograms[n].layer is not None]
        worst = set(per_layer[:_WORST_LAYERS])
        names = [n for n in names if n in worst or histograms[n].layer is None]
    plots = []
    for name in sorted(names, key=lambda name: ranks.get(name, len(ranks))):
        entries = _entries(candidates, name)
        caption = entries[0][1].description + _undefined_text(entries)
        statuses = [
            observable_status(name, comparison.results[name], checks.get(style.title, ()))
            for style, comparison in candidates
            if name in comparison.results
        ]
        plots.append(
            Plot(
                name,
                caption,
                partial(histogram_figure, entries, len(candidates), band=bands.get(name)),
                status=max(statuses, key=lambda status: status.rank, default=Status.GREEN),
            )
        )
    text = (
        "Bars are the statistical errors of a candidate, bands those of the reference. Triangles "
        "at the rim mark ratios beyond the panel. What lies outside the axis is written above the "
        "frame or at its rim; it counts in every metric. The worst observables come first."
    )
    return Section("observables", "Observables", text, plots)


_SMALL = (3.7, 2.55)
_N_WORST = 3


def worst_section(candidates: Candidates) -> Section:
    """Show the three observables with the largest differences, small."""
    names = [n for n in worst_first(c for _, c in candidates) if n != "E_inc"][:_N_WORST]
    plots = []
    for name in names:
        entries = _entries(candidates, name)
        statuses = [observable_status(name, found) for _, _, found in entries if found]
        known = [(style, found["ks"]) for style, _, found in entries if "ks" in found]
        told = [
            f"{f'{style.title}: ' if len(candidates) > 1 else ''}KS {ks.value:.3f}, floor "
            f"{ks.floor:.3f}"
            for style, ks in known[:_N_WORST]
        ]
        plots.append(
            Plot(
                name,
                f"{'; '.join(told)}." if told else "Not compared.",
                partial(small_figure, entries),
                status=max(statuses, key=lambda status: status.rank, default=Status.GREEN),
            )
        )
    beyond = any(plot.status is not Status.GREEN for plot in plots)
    title = "The worst three" if beyond else "The three nearest to their limits"
    return Section("worst", title if len(plots) == _N_WORST else "The worst", "", plots)


def small_figure(entries: Sequence[Entry]) -> Figure:
    """Draw the histograms of one observable without their ratio, as large type allows."""
    first, bars = entries[0][1], histogram_bars(entries)
    figure = Figure(figsize=_SMALL)
    axes = figure.add_axes((0.165, 0.21, 0.805, 0.745))
    axes.stairs(bars.reference.values, bars.edges, fill=True, color=REFERENCE_FILL, lw=0)
    axes.stairs(bars.reference.values, bars.edges, color=REFERENCE, lw=1)
    for (style, points), x in zip(bars.candidates, _places(bars), strict=True):
        axes.stairs(points.values, bars.edges, color=style.colour, ls=style.line, lw=1.5)
        whiskers(axes, x, points.values, points.errors, style.colour)
    axes.set_xlim(*limits(bars.edges))
    head_room(axes, bars)
    if first.softening is not None:
        asinh_axis(axes, first.softening, first.edges)
    else:
        axes.locator_params(axis="x", nbins=5)
    log_where_needed(axes, bars, first.is_log, first.per_event)
    axes.set_xlabel(first.label, fontsize=12.5)
    axes.tick_params(labelsize=10)
    if len(entries) == 1:
        # The colours are explained once, where there is room for it.
        axes.legend(
            [patch_of_reference(), line_of(entries[0][0])],
            ["reference", entries[0][0].name],
            loc="upper left" if bars.high_on_the_right else "upper right",
            fontsize=9.5,
            borderaxespad=0.3,
        )
    return figure


def reconstructions_section(candidates: Candidates) -> Section:
    """Show what reconstructions make of both samples, quantity by quantity."""
    plots, texts = [], []
    for name in dict.fromkeys(name for _, c in candidates for name in c.reconstructions):
        found = [(k, c.reconstructions[name]) for k, c in candidates if name in c.reconstructions]
        texts.append(f"{name}: {found[0][1].description}")
        for quantity, first in found[0][1].whole.histograms.items():
            entries = [
                (style, one.whole.histograms[quantity], one.whole.results.get(quantity, {}))
                for style, one in found
                if quantity in one.whole.histograms
            ]
            statuses = [observable_status(quantity, r) for _, _, r in entries if r]
            plots.append(
                Plot(
                    f"{name}, {quantity}",
                    first.description + _undefined_text(entries),
                    partial(histogram_figure, entries, len(candidates)),
                    status=max(statuses, key=lambda status: status.rank, default=Status.GREEN),
                )
            )
    return Section("reconstruction", "After reconstruction", " ".join(texts), plots)


def _histograms(candidates: Candidates) -> dict[str, Histogram]:
    """Return a histogram of every observable that any candidate has."""
    found: dict[str, Histogram] = {}
    for _, comparison in candidates:
        for name, histogram in comparison.histograms.items():
            found.setdefault(name, histogram)
    return found


def _entries(candidates: Candidates, name: str) -> list[Entry]:
    return [
        (style, c.histograms[name], c.results.get(name, {}))
        for style, c in candidates
        if name in c.histograms
    ]


def _undefined_text(entries: Sequence[Entry]) -> str:
    first = entries[0][1].undefined[0]
    others = [f"{h.undefined[1]} of {style.title}" for style, h, _ in entries]
    if not first and not any(h.undefined[1] for _, h, _ in entries):
        return ""
    return f" Not defined in {first} events of the reference, {', '.join(others)}."


def observables_figure(comparisons: Mapping[str, Comparison], names: Sequence[str]) -> Figure:
    """Draw histograms of observables side by side, their ratios to the reference below.

    Arguments:
        comparisons: Name of a candidate to its comparison with the reference that all share.
        names: The observables.

    Raises:
        MissingError: No candidate has one of the observables, or none is named.
    """
    candidates = list(zip(make_styles(list(comparisons)), comparisons.values(), strict=True))
    every = [_entries(candidates, name) for name in names or [""]]
    if not all(every):
        name = next(name for name, entries in zip(names or [""], every, strict=True) if not entries)
        known = list(_histograms(candidates))
        nearest = get_close_matches(name, known, 3, 0.4) or known[:8]
        raise MissingError(
            f"'{name}' is not one of the observables that were compared",
            remedy=f"nearest: {', '.join(nearest)}",
            value=name,
        )
    width, height = Panels.size(len(comparisons))
    with figure_style():
        figure = NotebookFigure(figsize=(len(every) * width, height))
        frames = figure.subfigures(1, len(every), squeeze=False)[0]
        for frame, entries in zip(frames, every, strict=True):
            histogram_figure(entries, len(comparisons), frame)
    return figure
