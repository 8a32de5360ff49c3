r"""What depends on conditions: the energy response, slices of one condition, maps over two.

Lines of the response are fits of :math:`\sigma/E = a / \sqrt{E / \mathrm{GeV}} \oplus b`. Blues of
a map are below the limit of a metric, oranges above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.metrics.response import ResponseCurve
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
from phys_gan.validation.exploration import meaning_of
from phys_gan.validation.grid import ConditionMap, Tile
from phys_gan.validation.grid import Entry as MapEntry

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


_PANEL = (4.1, 3.5)
_SIGNED = LinearSegmentedColormap.from_list(
    "signed",
    [(0, "#2c6fa8"), (0.25, "#a9cbe3"), (0.5, "#fbfbfb"), (0.75, "#f5b57c"), (1, "#b34b06")],
)
_RATIOS = ("response", "resolution")
_TITLES = {
    "response": "response, cand. / ref. − 1 [%]",
    "resolution": "resolution, cand. / ref. − 1 [%]",
}
_LEAST_WIDTH, _LEAST_HEIGHT = 34.0, 13.0
"""Points that a number needs."""
_MOST_EDGES = 6


def maps_section(candidates: Candidates) -> Section:
    """Show response, resolution, KS and AUC over the planes of two conditions."""
    plots = []
    for place, first in enumerate(candidates[0][1].maps):
        pair = ["incident energy" if name == "energy" else name for name in first.conditions]
        for style, comparison in candidates:
            found = comparison.maps[place]
            n_events = [tile.n_events[0] for tile in found.tiles]
            outside = [
                f"{quantity} in {found.outside(quantity)}"
                for quantity in found.quantities
                if found.outside(quantity)
            ]
            said = "Nothing is beyond chance in any cell."
            if outside:
                said = f"Beyond chance, of {len(found.tiles)} cells: {', '.join(outside)}."

            name = f"{pair[0]} and {pair[1]}"
            plots.append(
                Plot(
                    name if len(candidates) == 1 else f"{name}, {style.title}",
                    f"{said} Cells of {min(n_events)} to {max(n_events)} reference events; grey "
                    "ones have too few events. Numbers: the value; in % with its error for "
                    "response and resolution. A triangle marks what lies beyond chance (1 % over "
                    "the number of cells); colours of KS and AUC turn orange there.",
                    partial(condition_map_figure, found, style, comparison.detector),
                    wide=True,
                )
            )
    text = (
        "Where in two conditions a difference sits. Cells hold equal numbers of reference events. "
        "Maps take no part in the verdict."
    )
    return Section("maps", "Over two conditions", text if plots else "", plots)


def condition_map_figure(found: ConditionMap, style: Style, detector: Detector) -> Figure:
    """Draw every quantity of a map over the plane of its conditions, in a panel of its own."""
    n = max(1, len(found.quantities))
    across = min(n, 3)
    rows = -(-n // across)
    size = (_PANEL[0] * across, _PANEL[1] * rows + 0.1)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True).ravel()
    scales = [_scale_of(found, place) for place in (0, 1)]
    for axes, quantity in zip(panels, found.quantities, strict=False):
        _draw_tiles(figure, axes, found, quantity, detector, scales)
    for axes in panels[n:]:
        axes.set_axis_off()
    for place, axes in enumerate(panels[:n]):
        # Panels above a gap have numbers of their own.
        axes.tick_params(labelbottom=place + across >= n)
    figure.supxlabel(meaning_of(detector, found.conditions[0]).axis_label, fontsize=12.5)
    figure.supylabel(meaning_of(detector, found.conditions[1]).axis_label, fontsize=12.5)
    return figure


def _draw_tiles(
    figure: Figure,
    axes: Axes,
    found: ConditionMap,
    quantity: str,
    detector: Detector,
    scales: Sequence[str],
) -> None:
    """Draw the cells in their colours, and write the numbers into them where there is room."""
    boxes = [_box(found, tile, detector) for tile in found.tiles]
    entries = [tile.entries.get(quantity) for tile in found.tiles]
    signed = quantity in _RATIOS
    largest = max((abs(e.value) for e in entries if e is not None), default=0.0)
    norm: Normalize = Normalize(-_round_percent(largest), _round_percent(largest))
    if not signed:
        norm = LogNorm(1 / _RANGE, _RANGE)
    known = [place for place, entry in enumerate(entries) if entry is not None]
    values = [_colour_value(entries[k], signed=signed) for k in known]
    for chosen, colours in (
        (known, values),
        ([k for k in range(len(boxes)) if k not in known], None),
    ):
        patches = PatchCollection(
            [Rectangle(boxes[k][0], *boxes[k][1]) for k in chosen], edgecolor="white", linewidth=1
        )
        if colours is None:
            patches.set_facecolor("#dddddd")
        else:
            patches.set(array=np.array(colours), cmap=_SIGNED if signed else _COLOURS, norm=norm)
            shown = patches
        axes.add_collection(patches)
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([np.add(*b) for b in boxes], axis=0)
    axes.set_xscale(scales[0])
    axes.set_yscale(scales[1])
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.tick_params(which="both", direction="out", top=False, right=False, labelsize=10.5)
    for place, axis in enumerate((axes.xaxis, axes.yaxis)):
        if scales[place] == "log":
            # Powers of ten are few in a narrow range: the ends of the cells say more.
            edges = sorted({box[0][place] for box in boxes} | {float(high[place])})
            labels = [f"{edge:.2g}" for edge in edges]
            if place == 0 or len(edges) <= _MOST_EDGES:
                axis.set_ticks(edges, labels=labels)
                axis.set_minor_locator(NullLocator())
    axes.set_title(_TITLES.get(quantity, quantity), fontsize=11.5)
    bar = figure.colorbar(
        shown, ax=axes, shrink=0.9, aspect=22, extend="neither" if signed else "both"
    )
    bar.ax.tick_params(labelsize=9.5)
    if not signed:
        what = "(AUC − ½)" if quantity == "AUC" else "KS"
        bar.set_label(f"{what} / its limit", fontsize=10)
        bar.set_ticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], labels=["⅛", "¼", "½", "1", "2", "4", "8"])
    bar.ax.minorticks_off()

    # Numbers, in the sizes of the panel before the layout is solved.
    width, height = 0.70 * 72 * _PANEL[0], 0.78 * 72 * _PANEL[1]
    for (corner, extent), entry in zip(boxes, entries, strict=True):
        ends = axes.transScale.transform(np.stack([corner, np.add(corner, extent)]))
        limits = axes.transScale.transform(np.stack([low, high]))
        share = (ends[1] - ends[0]) / (limits[1] - limits[0])
        if entry is None or share[0] * width < _LEAST_WIDTH or share[1] * height < _LEAST_HEIGHT:
            continue
        x, y = axes.transScale.inverted().transform(ends.mean(axis=0))
        dark = not signed and _colour_value(entry, signed=False) > 3.5
        dark |= signed and abs(100 * entry.value) > 0.8 * float(norm.vmax or 1)
        text = _entry_text(entry, signed=signed, tall=share[1] * height > 2.1 * _LEAST_HEIGHT)
        axes.text(
            x, y, text, ha="center", va="center", fontsize=9, color="white" if dark else "black"
        )


def _entry_text(entry: MapEntry, *, signed: bool, tall: bool) -> str:
    mark = "▲ " if entry.outside else ""
    if not signed:
        return mark + f"{entry.value:.2f}".replace("0.", ".", 1)
    places = 1 if 100 * entry.error < 3 else 0
    value = f"{mark}{100 * entry.value:+.{places}f}".replace("-", "−")
    return f"{value}\n±{100 * entry.error:.{places}f}" if tall else value


def _colour_value(entry: MapEntry | None, *, signed: bool) -> float:
    assert entry is not None
    if signed:
        return 100 * entry.value
    off, reach = entry.value, entry.limit
    if entry.floor == 0.5:
        off, reach = entry.value - 0.5, entry.limit - 0.5
    return float(np.clip(off / reach, 1.001 / _RANGE, _RANGE / 1.001))


def _round_percent(largest: float) -> float:
    """Return a round number of per cent that is not below a fraction."""
    steps = (0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100)
    return next((float(step) for step in steps if 100 * largest <= step), 100 * largest)


def _box(
    found: ConditionMap, tile: Tile, detector: Detector
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return corner and extent of a cell; single values reach halfway to their neighbours."""
    corner, extent = [], []
    for place, cut in enumerate(tile.cuts):
        low, high = cut.low, cut.high
        if cut.single:
            values = sorted({other.cuts[place].low for other in found.tiles})
            k = values.index(low)
            gaps = [b - a for a, b in pairwise(values)] or [1.0]
            low = values[k] - gaps[max(0, k - 1)] / 2
            high = values[k] + gaps[min(k, len(gaps) - 1)] / 2
        factor = meaning_of(detector, found.conditions[place]).factor
        corner.append(low * factor)
        extent.append((high - low) * factor)
    return (corner[0], corner[1]), (extent[0], extent[1])


def _scale_of(found: ConditionMap, place: int) -> str:
    """Return the scale on which the ranges of a condition are of more even width."""
    # The ranges of the second condition belong to one of the first.
    first = found.tiles[0].cuts[0]
    own = [tile.cuts[place] for tile in found.tiles if place == 0 or tile.cuts[0] == first]
    if any(cut.single for cut in own):  # values, not ranges: without widths
        return "linear"
    edges = np.array([*sorted({cut.low for cut in own}), max(cut.high for cut in own)])
    if edges[0] <= 0 or len(edges) < 3:
        return "linear"

    def unevenness(values: NDArray[np.float64]) -> float:
        widths = np.diff(values)
        return float(widths.max() / widths.min())

    return "log" if unevenness(np.log(edges)) < unevenness(edges) else "linear"


# The energy response

_RESPONSE = (
    ("mean", 1, r"$\langle E_\mathrm{tot}/E_\mathrm{inc}\rangle$"),
    ("resolution", 100, r"$\sigma(E_\mathrm{tot}/E_\mathrm{inc})\,/\,$mean [%]"),
)


def response_section(candidates: Candidates) -> Section:
    """Show response and resolution against the incident energy, where it is known."""
    reference = next((c.reference.response for _, c in candidates if c.reference.response), None)
    curves = [(style, c.candidate.response) for style, c in candidates]
    known = [(style, curve) for style, curve in curves if curve is not None]
    plots = []
    if reference is not None and known:
        plots = [
            Plot(
                "mean and resolution",
                "Mean and resolution (standard deviation over mean) of E_tot/E_inc in bins of "
                "incident energy, with statistical errors. Lines are fits of "
                "σ/E = a/√(E/GeV) ⊕ b.",
                partial(response_figure, reference, known),
                wide=True,
            )
        ]
    return Section("response", "Energy response", "", plots)


def response_figure(
    reference: ResponseCurve, candidates: Sequence[tuple[Style, ResponseCurve]]
) -> Figure:
    """Draw mean response and resolution against the incident energy, with ratios and fits."""
    n = len(candidates)
    figure = Figure(figsize=(11, 4.7 + legend_height(n + 1)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.15), hspace=0.03)
    edges = np.array(reference.edges) / 1000
    truth = Style("reference", "reference", REFERENCE, "s", "-")
    for column, (name, unit, label) in enumerate(_RESPONSE):
        main = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=main)
        main.tick_params(labelbottom=False)
        for i, (style, curve) in enumerate([(truth, reference), *candidates]):
            _draw_curve(main, style, curve, name, unit, edges, _shift(i, n + 1), n == 1)
        below.axhline(1, color=REFERENCE, lw=0.8)
        for i, (style, curve) in enumerate(candidates):
            ratio, up, _ = _ratio(reference, curve, name)
            x = curve.array("energy") / 1000
            marks: dict[str, Any] = {"fmt": style.marker, "color": style.colour, "ms": 4.5}
            below.errorbar(x * _shift(i + 1, n + 1), ratio, up, **marks)
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
    style: Style,
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
    text = style.name + (_fit_text(curve) if fits else "")
    marks: dict[str, Any] = {"fmt": style.marker, "color": style.colour, "ms": 4.5}
    # Only the reference shows how wide the bins are; more would be a thicket.
    widths = spans if style.colour == REFERENCE else None
    axes.errorbar(x * shift, y, error, xerr=widths, label=text, **marks)
    if name == "resolution" and np.isfinite(curve.fit.a):
        known = x[np.isfinite(y)]
        fine = np.geomspace(known[0], known[-1], 200)
        fitted = unit * curve.fit.at(fine * 1000)
        axes.plot(fine, fitted, color=style.colour, ls=style.line, lw=1)


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
