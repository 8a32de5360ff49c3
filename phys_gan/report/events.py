"""Figures of single events: random ones of both samples, and pairs of nearest neighbours.

The figure of a ramp: an event at each value of a condition, and the response below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.events import Events
from phys_gan.report.maps import (
    colour_bar,
    draw_event,
    draw_map,
    draw_projection,
    flux_titles,
    layer_title,
    log_norm,
    make_palette,
    n_panels,
    name_panels,
    name_row,
    place,
    projected,
    stamps_figure,
)
from phys_gan.report.style import REFERENCE, Look, make_looks
from phys_gan.validation.exploration import Ramp, Response
from phys_gan.validation.gallery import Gallery

__all__ = ["MOST_MAPS", "nearest_figure", "ramp_figure", "random_figure"]

MOST_MAPS = 7
"""Of detectors with more layers the events are drawn as projections along the depth."""

_BESIDE = 3
_DECADES = 5

Group = tuple[str, str, Events, Sequence[str]]
"""Name and colour of a row of events, the events, and a note on each."""


def random_figure(gallery: Gallery, look: Look) -> Figure:
    """Draw random events of the reference, and events of the candidate at the same energies."""
    first, second = gallery.reference, gallery.candidate
    if first.detector.is_image:
        return stamps_figure(("reference", first), (look.name, second), flux_titles(first))
    return _figure(
        ("reference", REFERENCE, first, [""] * len(first)),
        (look.name, look.colour, second, [""] * len(second)),
    )


def nearest_figure(gallery: Gallery, look: Look) -> Figure:
    """Draw random events of the candidate, each with its nearest event of the reference."""
    if gallery.drawn.detector.is_image:
        titles = [
            f"{d:.2f} ({t:.2f})" for d, t in zip(gallery.distances, gallery.typical, strict=True)
        ]
        return stamps_figure((look.name, gallery.drawn), ("nearest", gallery.nearest), titles)
    notes = [
        f"distance {d:.3f}\n(typical {t:.3f})"
        for d, t in zip(gallery.distances, gallery.typical, strict=True)
    ]
    return _figure(
        (look.name, look.colour, gallery.drawn, [""] * len(notes)),
        ("nearest in reference", REFERENCE, gallery.nearest, notes),
    )


def _figure(first: Group, second: Group) -> Figure:
    detector = first[2].detector
    cells = np.concatenate([first[2].cells.ravel(), second[2].cells.ravel()])
    norm = log_norm(cells.astype(np.float64), _DECADES)
    if detector.n_layers > MOST_MAPS:
        return _projections(detector, (first, second))
    if detector.n_layers <= _BESIDE:
        return _beside(detector, (first, second), norm)
    return _stacked(detector, (first, second), norm)


def _beside(detector: Detector, groups: tuple[Group, Group], norm: LogNorm) -> Figure:
    """Draw an event per row, the layers of both groups beside each other."""
    n, rows = detector.n_layers, max(len(group[2]) for group in groups)
    side = 1.5 if n > 1 else 2.3
    figure = Figure(figsize=(side * 2 * n + 2.4, side * rows + 0.7), layout="constrained")
    # Nothing can be shared between subfigures: the bar of the colours gets its own.
    *halves, rim = figure.subfigures(1, 3, squeeze=False, wspace=0.02, width_ratios=(1, 1, 0.17))[0]
    for half, (name, colour, events, notes) in zip(halves, groups, strict=True):
        half.suptitle(name, fontsize=13, fontweight="bold", color=colour)
        panels = half.subplots(rows, n, squeeze=False)
        for i, note in enumerate(notes):
            _event_row(panels[i], detector, events, i, norm, title=i == 0)
            _name_event(panels[i, 0], events, i, note)
    axes = rim.add_axes((0.08, 0.25, 0.16, 0.5))
    _label_bar(rim.colorbar(ScalarMappable(norm, "viridis"), cax=axes), detector)
    return figure


def _stacked(detector: Detector, groups: tuple[Group, Group], norm: LogNorm) -> Figure:
    """Draw a row of layers per event, the two of a pair below each other."""
    pairs = min(len(group[2]) for group in groups)
    n = detector.n_layers
    figure = Figure(figsize=(1.45 * n + 2.6, 1.4 * 2 * pairs + 0.6), layout="constrained")
    panels = figure.subplots(2 * pairs, n, squeeze=False)
    for i in range(pairs):
        for which, (name, colour, events, notes) in enumerate(groups):
            row = panels[2 * i + which]
            _event_row(row, detector, events, i, norm, title=i == which == 0)
            note = f"{name}\n{notes[i]}" if notes[i] else name
            _name_event(row[0], events, i, note, colour)
    _add_bar(figure, detector, norm)
    return figure


def _projections(detector: Detector, groups: tuple[Group, Group]) -> Figure:
    """Draw every event as one map of depth and radius (x where cells are Cartesian)."""
    norm = log_norm(
        np.concatenate(
            [
                projected(detector, k, cells.astype(np.float64)).ravel()
                for _, _, events, _ in groups
                for cells in events.cells
                for k in range(detector.n_layers)
            ]
        ),
        _DECADES,
    )
    columns = max(len(group[2]) for group in groups)
    figure = Figure(figsize=(2.75 * columns + 1.3, 5.6), layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
    polar = isinstance(detector.layers[0], PolarLayer)
    for row, (name, colour, events, notes) in zip(panels, groups, strict=True):
        for i, note in enumerate(notes):
            draw_projection(row[i], detector, events.cells[i].astype(np.float64), norm)
            text = _energy_text(events, i)
            row[i].set_title(f"{text}\n{note}".strip().replace("\n(", " ("), fontsize=10.5)
        row[0].set_ylabel(("$r$" if polar else "$x$") + " [mm]", loc="center", fontsize=12)
        name_row(row[0], name, colour, 12)
    for axes in panels[-1]:
        axes.set_xlabel("layer", loc="center", fontsize=12)
    _add_bar(figure, detector, norm)
    return figure


def _add_bar(figure: Figure, detector: Detector, norm: LogNorm) -> None:
    _label_bar(
        figure.colorbar(
            ScalarMappable(norm, "viridis"), ax=figure.axes, location="right", shrink=0.5, pad=0.015
        ),
        detector,
    )


def _label_bar(bar: Colorbar, detector: Detector) -> None:
    what = "E" if detector.n_layers <= MOST_MAPS else r"\sum E"
    bar.set_label(rf"${what}$ [{detector.cell_unit}]", fontsize=12)


def _event_row(
    panels: Sequence[Axes], detector: Detector, events: Events, i: int, norm: LogNorm, title: bool
) -> None:
    for k, axes in enumerate(panels):
        values = events.cells[i, detector.slice(k)].astype(np.float64)
        draw_map(axes, detector.layers[k], np.where(values > 0, values, np.nan), norm)
        axes.set_xticks([])
        axes.set_yticks([])
        if title:
            axes.set_title(layer_title(detector.layers[k], k), fontsize=10.5)


def _name_event(axes: Axes, events: Events, i: int, note: str, colour: str = "black") -> None:
    text = "\n".join(part for part in (_energy_text(events, i), note) if part)
    axes.set_ylabel(text, loc="center", fontsize=10.5, color=colour)


def _energy_text(events: Events, i: int) -> str:
    if "energy" not in events.conditions:
        return ""
    return rf"$E_\mathrm{{inc}}$ = {events.energy[i] / 1000:.3g} GeV"


_WIDTH, _LEFT, _RIGHT = 12.4, 1.2, 1.1
_GAP = 0.06
_TOP, _BETWEEN, _PLOT, _BOTTOM = 0.5, 0.25, 2.5, 0.72
_WIDE = 5.0
_FALL = "#d62728"
_EQUAL = "#777777"


def ramp_figure(ramp: Ramp) -> Figure:
    """Draw the events of one and the same latents along a ramp, and what was measured of many.

    Every picture stands above its value of the condition.
    """
    detector, n, steps = ramp.events.detector, n_panels(ramp.events.detector), len(ramp.values)
    pitch = (_WIDTH - _LEFT - _RIGHT + _GAP) / steps
    side = pitch - _GAP
    plot = (_BETWEEN + _PLOT + _BOTTOM) if ramp.responses else 0.12
    height = _TOP + n * pitch + plot
    figure = Figure(figsize=(_WIDTH, height))
    palette = make_palette([ramp.events])
    for i, value in enumerate(ramp.values):
        panels = [
            place(figure, _LEFT + i * pitch, height - _TOP - (k + 1) * pitch, side, side)
            for k in range(n)
        ]
        draw_event(panels, detector, ramp.events.cells[i], palette)
        if i == 0:
            name_panels(panels, detector)
        panels[0].set_title(ramp.number(value), fontsize=12, pad=4)
    head = (_LEFT - 0.15) / _WIDTH, (height - _TOP - _GAP + 4 / 72) / height
    figure.text(*head, ramp.meaning.axis_label, ha="right", va="baseline", fontsize=12)
    x = _WIDTH - _RIGHT + 0.14
    colour_bar(figure, palette, x, height - _TOP - n * pitch, n * pitch - _GAP)
    if ramp.responses:
        axes = place(figure, _LEFT, _BOTTOM, _WIDTH - _LEFT - _RIGHT, _PLOT)
        edge = side / 2 / pitch
        axes.set_xlim(-edge, steps - 1 + edge)
        _draw_responses(axes, ramp)
    return figure


def _draw_responses(axes: Axes, ramp: Ramp) -> None:
    steps = np.arange(len(ramp.values))
    if ramp.meaning.equal:
        told = ramp.values * ramp.meaning.factor
        axes.plot(steps, told, "--", color=_EQUAL, lw=1.2, label="equal to the condition")
    looks = make_looks([response.observable.name for response in ramp.responses])
    for look, response in zip(looks, ramp.responses, strict=True):
        _draw_response(axes, response, look, several=len(looks) > 1)
    if any(len(response.followed.falls) for response in ramp.responses):
        axes.plot([], [], "-", color=_FALL, lw=3, label="falls by more than 2 errors")
    if _logarithmic(ramp):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.autoscale_view(scalex=False)
    axes.set_xticks(steps, [ramp.number(value) for value in ramp.values])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlabel(ramp.meaning.axis_label, loc="center")
    axes.set_ylabel(ramp.responses[0].observable.axis_label, loc="center")
    axes.legend(loc="best", fontsize=10.5)


def _draw_response(axes: Axes, response: Response, look: Look, *, several: bool) -> None:
    f = response.followed
    steps = np.arange(len(f.mean))
    name = f"{look.name}: " if several else ""
    axes.fill_between(
        steps, f.mean - f.spread, f.mean + f.spread, color=look.colour, alpha=0.2, lw=0
    )
    axes.plot(steps, f.mean, look.line, color=look.colour, lw=1.6)
    axes.errorbar(
        steps,
        f.mean,
        f.error,
        fmt=look.marker,
        ms=5,
        color=look.colour,
        label=f"{name}mean with its error, and spread of the latents",
    )
    for k in f.falls:
        axes.plot(steps[k : k + 2], f.mean[k : k + 2], "-", color=_FALL, lw=3, zorder=3)


def _logarithmic(ramp: Ramp) -> bool:
    """Whether the response spans as much as its condition does, and is always above zero."""
    if not ramp.range.geometric:
        return False
    low = np.concatenate([r.followed.mean - r.followed.spread for r in ramp.responses])
    mean = np.concatenate([r.followed.mean for r in ramp.responses])
    return bool(np.nanmin(low) > 0 and np.nanmax(mean) > _WIDE * np.nanmin(mean))
