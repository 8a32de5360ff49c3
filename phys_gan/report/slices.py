"""Slices: a map of what is outside the floor where, and histograms side by side.

Blues of the map are below the limit of a metric, oranges above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from phys_gan.report.histograms import (
    Entry,
    count_label,
    histogram_bars,
    limits,
    mark_flow,
    whiskers,
)
from phys_gan.report.numbers import severity
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    Style,
    asinh_axis,
    legend_above,
    legend_height,
    line_of,
    patch_of_reference,
)
from phys_gan.validation.distributions import MIN_EVENTS, Distributions

Sliced = Sequence[tuple[Style, Sequence[Distributions]]]
"""Every candidate with its slices, in the same order for all."""

_RANGE = 8.0
_EMPTY = "#eeeeee"
_ACROSS = 4
_TALL = 15
_MOST_WITH_NUMBERS = 3
_WORST = 3
_MOST_ROWS = 40
_MAIN = ("E_tot/E_inc", "flux/flux_in")
"""What a slice shows first, of showers and of images."""
_COLOURS = LinearSegmentedColormap.from_list(
    "severity",
    [(0, "#bcd5e8"), (0.5, "#fbfbfb"), (0.5, "#fdd9b5"), (0.72, "#ec8235"), (1, "#993404")],
)


def slices_section(candidates: Candidates) -> Section:
    """Show what is outside the floor in which slice, and the histograms that matter most."""
    sliced: Sliced = [(style, c.slices) for style, c in candidates if c.slices]
    if not sliced:
        return Section("slices", "Slices", "", [])
    ranked = worst_in_slices(sliced)
    known = [name for name in ranked if _compared(sliced, name)]
    plots = []
    if known:
        which = f" The worst {_MOST_ROWS} of {len(known)} are shown." * (len(known) > _MOST_ROWS)
        unknown = f" Compared in no slice: {', '.join(ranked[len(known) :])}."
        plots = [
            Plot(
                "all observables",
                "Colour: the largest ratio of any metric to its limit. Number: KS. A triangle "
                "marks what is outside the floor; grey is not compared, because too few events "
                f"define it.{which}{unknown * (len(known) < len(ranked))}",
                partial(slice_map, sliced, known[:_MOST_ROWS]),
                wide=True,
            )
        ]
    main = [name for name in _MAIN if name in ranked]
    worst = [name for name in ranked if name not in (*main, "E_inc")][:_WORST]
    for name in (*main, *worst):
        found = [
            part.histograms[name]
            for _, parts in sliced
            for part in parts
            if name in part.histograms
        ]
        if any(h.reference.any() or h.candidate.any() for h in found):
            plots.append(
                Plot(name, found[0].description, partial(slice_figure, sliced, name), wide=True)
            )
    conditions = dict.fromkeys(part.cut.condition for part in sliced[0][1] if part.cut is not None)
    what = " and ".join("incident energy" if name == "energy" else name for name in conditions)
    text = (
        "The same comparison in slices, which are judged together as one family. Where either "
        f"sample has fewer than {MIN_EVENTS} events, nothing is compared."
    )
    return Section("slices", f"In slices of {what}", text, plots)


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


def _compared(sliced: Sliced, name: str) -> bool:
    """Return whether any metric of an observable exists in any slice of any candidate."""
    return any(name in part.results for _, parts in sliced for part in parts)


def slice_map(sliced: Sliced, names: Sequence[str]) -> Figure:
    """Draw observables x slices: the worst metric over its limit as colour, KS as number.

    A triangle marks what is outside the floor. Candidates stand side by side. What is not compared
    stays grey; where that is a whole slice, its few events are written into it, or below it where
    there is no room.
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
    for axes, (style, parts), own in zip(panels, sliced, labels, strict=True):
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
                style.name, fontsize=11.5 if numbers else 9, color=style.colour, fontweight="bold"
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
    """Draw the histograms of one observable in every slice as small multiples."""
    drawn: list[tuple[str, list[Entry]]] = []
    for place in range(len(sliced[0][1])):
        parts = [(style, slices[place]) for style, slices in sliced]
        found: list[Entry] = [
            (style, part.histograms[name], part.results.get(name, {}))
            for style, part in parts
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
    styles = [style for style, _ in sliced]
    legend_above(
        figure,
        [patch_of_reference(), *map(line_of, styles)],
        ["reference", *(style.name for style in styles)],
    )
    return figure


def _draw_slice(axes: Axes, entries: Sequence[Entry]) -> None:
    """Draw the histograms of one slice; a sample without events there is named, not drawn."""
    bars, first = histogram_bars(entries), entries[0][1]
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
    for style, points in bars.candidates:
        axes.stairs(points.values, bars.edges, color=style.colour, ls=style.line, lw=1.2)
        whiskers(axes, middles, points.values, points.errors, style.colour, 0.7)
    if first.is_log:
        axes.set_xscale("log")
    elif first.softening is not None:
        asinh_axis(axes, first.softening, first.edges)
    else:
        axes.locator_params(axis="x", nbins=4)
    notes = _few(entries)
    if first.per_event:
        axes.set_yscale("log")
        filled = bars.heights[bars.heights > 0]
        axes.set_ylim(filled.min() / 2, filled.max() * 3 * 4.0 ** len(notes))
    else:
        axes.set_ylim(0, (1.15 + 0.12 * len(notes)) * float(bars.heights.max()))
    axes.set_xlim(*limits(bars.edges))
    above = mark_flow(axes, entries)
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


def _few(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return for every sample with too few events its number in words, and its colour."""
    first = entries[0][1]
    sizes = [(REFERENCE, first.n_events[0], (first.n_effective or first.n_events)[0])]
    sizes += [(k.colour, h.n_events[1], (h.n_effective or h.n_events)[1]) for k, h, _ in entries]
    found = []
    for colour, n, effective in sizes:
        if effective < MIN_EVENTS:
            worth = "" if n < MIN_EVENTS else f" worth {effective:.2g}"
            found.append((f"not compared: {n} event{'s' * (n != 1)}{worth}", colour))
    return found


def _title(part: Distributions) -> str:
    return part.cut.label if part.cut else "all"


def _label(part: Distributions, *, short: bool) -> str:
    """Return the name of a slice, and unless it shall be short how few events are there."""
    return _title(part) if short or not part.too_few else f"{_title(part)}\n{part.too_few}"


def _severity(part: Distributions, name: str) -> float:
    return severity(part.results[name]) if name in part.results else float("nan")
