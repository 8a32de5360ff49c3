"""Figures of slices: a map of what is outside the floor where, and histograms side by side.

The figure of response and resolution against the incident energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from numpy.typing import NDArray

from phys_gan.metrics.response import ResponseCurve
from phys_gan.report.histograms import (
    Drawn,
    count_label,
    histogram_bars,
    limits,
    mark_flow,
    whiskers,
)
from phys_gan.report.numbers import severity
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    Look,
    asinh_axis,
    legend_above,
    legend_height,
    line_of,
    patch_of_reference,
)
from phys_gan.validation.distributions import MIN_EVENTS, Distributions

__all__ = ["Sliced", "compared", "response_figure", "slice_figure", "slice_map", "worst_in_slices"]

Sliced = Sequence[tuple[Look, Sequence[Distributions]]]
"""Every candidate with its slices, in the same order for all."""

_RANGE = 8.0
_EMPTY = "#eeeeee"
_ACROSS = 4
_TALL = 15
_MOST_WITH_NUMBERS = 3
_COLOURS = LinearSegmentedColormap.from_list(
    "severity",
    [(0, "#bcd5e8"), (0.5, "#fbfbfb"), (0.5, "#fdd9b5"), (0.72, "#ec8235"), (1, "#993404")],
)
"""Blues below the limit, oranges above it, with a step in between."""


def worst_in_slices(sliced: Sliced) -> list[str]:
    """Sort all observables by their largest severity in any slice of any candidate, worst first.

    Those that are compared nowhere come last.
    """
    worst: dict[str, float] = {}
    for _, parts in sliced:
        for part in parts:
            for name in part.histograms:
                found = severity(part.results[name]) if name in part.results else -1.0
                worst[name] = max(found, worst.get(name, -1.0))
    return sorted(worst, key=lambda name: -worst[name])


def compared(sliced: Sliced, name: str) -> bool:
    """Whether any metric of an observable exists in any slice of any candidate."""
    return any(name in part.results for _, parts in sliced for part in parts)


def slice_map(sliced: Sliced, names: Sequence[str]) -> Figure:
    """Draw observables x slices: the worst metric over its limit as colour, KS as number.

    A triangle marks what is outside the floor. Candidates stand side by side. What is not compared
    stays grey; where that is a whole slice, its few events are written into it, or below it where
    there is no room.

    Arguments:
        sliced: The candidates.
        names: The observables to show, from top to bottom; at least one.
    """
    columns = len(sliced[0][1])
    n = len(sliced)
    # Numbers of many candidates would be too small to read.
    numbers = n <= _MOST_WITH_NUMBERS
    wide = (0.74 if numbers else 0.36) * columns + 0.25
    tall = len(names) >= _TALL
    labels = [[_label(part, short=tall) for part in parts] for _, parts in sliced]
    longest = max(len(line) for label in chain(*labels) for line in label.split("\n"))
    height = 0.255 * len(names) + 0.09 * longest + (0.6 if tall else 1.2) + 0.3 * (n > 1)
    figure = Figure(figsize=(2.4 + n * wide + 0.9, height), layout="constrained")
    panels = figure.subplots(1, n, sharey=True, squeeze=False)[0]
    norm = LogNorm(1 / _RANGE, _RANGE)
    for axes, (look, parts), own in zip(panels, sliced, labels, strict=True):
        values = np.array([[_severity(part, name) for part in parts] for name in names])
        axes.set_facecolor(_EMPTY)
        mesh = axes.pcolormesh(
            np.clip(values, 1.001 / _RANGE, _RANGE / 1.001),
            norm=norm,
            cmap=_COLOURS,
            edgecolors="white",
            linewidth=1,
        )
        for column, part in enumerate(parts):
            if part.too_few and tall:
                place, text = (column + 0.5, len(names) / 2), f"not compared: {part.too_few}"
                axes.text(*place, text, rotation=90, ha="center", va="center", color="#555555")
                continue
            outside = set(part.outside)
            for row, name in enumerate(names):
                ks = part.results.get(name, {}).get("ks")
                text = "▲" if name in outside else ""
                text += f" {ks.value:.3f}".replace(" 0.", " .") if ks and numbers else ""
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    text.strip(),
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if values[row, column] > 3.5 else "black",
                )
        axes.set_xticks(np.arange(columns) + 0.5, own, rotation=90, ma="right")
        axes.set_yticks(np.arange(len(names)) + 0.5, names)
        axes.tick_params(which="both", length=0, labelsize=10.5)
        axes.minorticks_off()
        if n > 1:
            axes.set_title(
                look.name, fontsize=11.5 if numbers else 9, color=look.colour, fontweight="bold"
            )
    panels[0].invert_yaxis()
    # Beside few rows a bar would be too short for its numbers.
    where: dict[str, Any] = {"location": "top", "shrink": 0.5, "aspect": 25}
    if tall:
        where = {"location": "right", "shrink": 0.6}
    bar = figure.colorbar(mesh, ax=list(panels), extend="both", **where)
    bar.set_label("worst metric / its limit", fontsize=11)
    bar.set_ticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], labels=["⅛", "¼", "½", "1", "2", "4", "8"])
    bar.ax.minorticks_off()
    return figure


def slice_figure(sliced: Sliced, name: str) -> Figure:
    """Draw the histograms of one observable in every slice as small multiples.

    Arguments:
        sliced: The candidates.
        name: The observable.
    """
    drawn: list[tuple[str, list[Drawn]]] = []
    for place in range(len(sliced[0][1])):
        parts = [(look, slices[place]) for look, slices in sliced]
        found: list[Drawn] = [
            (look, part.histograms[name], part.results.get(name, {}))
            for look, part in parts
            if name in part.histograms
        ]
        if found:
            drawn.append((_title(parts[0][1]), found))
    across = min(_ACROSS, len(drawn))
    rows = -(-len(drawn) // across)
    height = 2.45 * rows + 0.3 + legend_height(len(sliced) + 1)
    figure = Figure(figsize=(2.75 * across + 0.3, height), layout="constrained")
    panels = figure.subplots(rows, across, squeeze=False)
    for axes, (title, candidates) in zip(panels.ravel(), drawn, strict=False):
        axes.set_title(title, fontsize=11)
        _draw_slice(axes, candidates)
    for axes in panels.ravel()[len(drawn) :]:
        axes.set_axis_off()
    figure.supxlabel(drawn[0][1][0][1].label, fontsize=12.5)
    figure.supylabel(count_label(drawn[0][1][0][1]), fontsize=12.5)
    looks = [look for look, _ in sliced]
    legend_above(
        figure,
        [patch_of_reference(), *map(line_of, looks)],
        ["reference", *(look.name for look in looks)],
    )
    return figure


def _draw_slice(axes: Axes, candidates: Sequence[Drawn]) -> None:
    """Draw the histograms of one slice; a sample without events there is named, not drawn."""
    bars, first = histogram_bars(candidates), candidates[0][1]
    axes.tick_params(labelsize=9.5)
    if not bars.heights.any():
        axes.set_facecolor(_EMPTY)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no entries", transform=axes.transAxes, ha="center", va="center")
        return
    if first.n_events[0]:
        axes.stairs(bars.reference.values, bars.edges, fill=True, color=REFERENCE_FILL, lw=0)
        axes.stairs(bars.reference.values, bars.edges, color=REFERENCE, lw=0.8)
    middles = (bars.edges[1:] + bars.edges[:-1]) / 2
    for look, points in bars.candidates:
        axes.stairs(points.values, bars.edges, color=look.colour, ls=look.line, lw=1.2)
        whiskers(axes, middles, points.values, points.errors, look.colour, 0.7)
    if first.is_log:
        axes.set_xscale("log")
    elif first.softening is not None:
        asinh_axis(axes, first.softening, first.edges)
    else:
        axes.locator_params(axis="x", nbins=4)
    notes = _few(candidates)
    if first.per_event:
        axes.set_yscale("log")
        filled = bars.heights[bars.heights > 0]
        axes.set_ylim(filled.min() / 2, filled.max() * 3 * 4.0 ** len(notes))
    else:
        axes.set_ylim(0, (1.15 + 0.12 * len(notes)) * float(bars.heights.max()))
    axes.set_xlim(*limits(bars.edges))
    above = mark_flow(axes, candidates)
    for row, (text, colour) in enumerate(notes, above):
        axes.text(
            0.5,
            0.95 - 0.085 * row,
            text,
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=9,
            color=colour,
        )


def _few(candidates: Sequence[Drawn]) -> list[tuple[str, str]]:
    """Say in the colour of every sample with too few events for a comparison how many it has."""
    first = candidates[0][1]
    sizes = [(REFERENCE, first.n_events[0], (first.n_effective or first.n_events)[0])]
    sizes += [(k.colour, h.n_events[1], (h.n_effective or h.n_events)[1]) for k, h, _ in candidates]
    return [
        (f"not compared: {_worth(n, effective)}", colour)
        for colour, n, effective in sizes
        if effective < MIN_EVENTS
    ]


def _worth(n: int, effective: float) -> str:
    events = f"{n} event{'s' * (n != 1)}"
    return events if n < MIN_EVENTS else f"{events} worth {effective:.2g}"


def _title(part: Distributions) -> str:
    return part.cut.label if part.cut else "all"


def _label(part: Distributions, *, short: bool) -> str:
    """Return the name of a slice, and unless it shall be short how few events are there."""
    return _title(part) if short or not part.too_few else f"{_title(part)}\n{part.too_few}"


def _severity(part: Distributions, name: str) -> float:
    return severity(part.results[name]) if name in part.results else float("nan")


_PANELS = (
    ("mean", 1, r"$\langle E_\mathrm{tot}/E_\mathrm{inc}\rangle$"),
    ("resolution", 100, r"$\sigma(E_\mathrm{tot}/E_\mathrm{inc})\,/\,$mean [%]"),
)


def response_figure(
    reference: ResponseCurve, candidates: Sequence[tuple[Look, ResponseCurve]]
) -> Figure:
    """Draw mean response and resolution against the incident energy, with ratios and fits."""
    n = len(candidates)
    figure = Figure(figsize=(11, 4.7 + legend_height(n + 1)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.15), hspace=0.03)
    edges = np.array(reference.edges) / 1000
    truth = Look("reference", "reference", REFERENCE, "s", "-")
    for column, (name, unit, label) in enumerate(_PANELS):
        main = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=main)
        main.tick_params(labelbottom=False)
        for i, (look, curve) in enumerate([(truth, reference), *candidates]):
            _draw_curve(main, look, curve, name, unit, edges, _shift(i, n + 1), n == 1)
        below.axhline(1, color=REFERENCE, lw=0.8)
        for i, (look, curve) in enumerate(candidates):
            ratio, up, _ = _ratio(reference, curve, name)
            x = curve.array("energy") / 1000
            style: dict[str, Any] = {"fmt": look.marker, "color": look.colour, "ms": 4.5}
            below.errorbar(x * _shift(i + 1, n + 1), ratio, up, **style)
        x = reference.array("energy") / 1000
        down = _ratio(reference, reference, name)[2]
        below.fill_between(x, 1 - down, 1 + down, color=REFERENCE_FILL, lw=0)
        if edges[-1] > 5 * edges[0]:
            main.set_xscale("log")
        main.margins(y=0.12)
        main.set_ylim(bottom=max(0.0, main.get_ylim()[0]))
        main.set_ylabel(label)
        below.set_ylabel("ratio to ref.", loc="center", fontsize=10.5)
        below.set_xlabel(r"$E_\mathrm{inc}$ [GeV]")
        # "1.0002" says more to a reader than "2" with "1e-4 + 1" at the end of the axis.
        for axes in (main, below):
            axes.ticklabel_format(axis="y", useOffset=False)
        _plain_ticks(below, edges)
    legend_above(figure, *figure.axes[0].get_legend_handles_labels())
    return figure


def _draw_curve(
    axes: Axes,
    look: Look,
    curve: ResponseCurve,
    name: str,
    unit: float,
    edges: NDArray[np.float64],
    shift: float,
    fits: bool,
) -> None:
    x = curve.array("energy") / 1000
    spans = np.abs(np.stack([x - edges[:-1], edges[1:] - x]))
    y, error = unit * curve.array(name), unit * curve.array(f"{name}_error")
    text = look.name + (_fit_text(curve) if fits else "")
    style: dict[str, Any] = {"fmt": look.marker, "color": look.colour, "ms": 4.5}
    # Only the reference shows how wide the bins are; more would be a thicket.
    widths = spans if look.colour == REFERENCE else None
    axes.errorbar(x * shift, y, error, xerr=widths, label=text, **style)
    if name == "resolution" and np.isfinite(curve.fit.a):
        known = x[np.isfinite(y)]
        fine = np.geomspace(known[0], known[-1], 200)
        fitted = unit * curve.fit.at(fine * 1000)
        axes.plot(fine, fitted, color=look.colour, ls=look.line, lw=1)


def _shift(i: int, n: int) -> float:
    """Return a factor that sets the points of several samples apart."""
    return 1.0 if n == 2 else float(1.012 ** (i - (n - 1) / 2))


def _plain_ticks(axes: Axes, edges: NDArray[np.float64]) -> None:
    """Write 1, 2, 5, 10 instead of powers on a logarithmic axis."""
    if axes.get_xscale() != "log":
        return
    powers = 10.0 ** np.arange(np.floor(np.log10(edges[0])), np.ceil(np.log10(edges[-1])) + 1)
    ticks = (powers[:, None] * (np.array([1, 2, 5]) if len(powers) < 5 else [1])).ravel()
    ticks = ticks[(ticks >= 0.999 * edges[0]) & (ticks <= 1.001 * edges[-1])]
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _fit_text(curve: ResponseCurve) -> str:
    fit = curve.fit
    if not np.isfinite(fit.a):
        return ""
    return rf": ${100 * fit.a:.2f}\,\%/\sqrt{{E/\mathrm{{GeV}}}}\,\oplus\,{100 * fit.b:.3f}\,\%$"


def _ratio(
    reference: ResponseCurve, candidate: ResponseCurve, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return candidate / reference, its error from the candidate, and that of the reference."""
    p, q = reference.array(name), candidate.array(name)
    p_error, q_error = reference.array(f"{name}_error"), candidate.array(f"{name}_error")
    safe = np.where(p > 0, p, np.nan)
    return q / safe, q_error / safe, p_error / safe
