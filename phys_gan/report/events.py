"""Single events: random ones of both samples, and pairs of nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.events import Events
from phys_gan.report.maps import (
    draw_map,
    draw_projection,
    flux_titles,
    layer_title,
    log_norm,
    name_row,
    projected,
    stamps_figure,
)
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import REFERENCE, Style
from phys_gan.validation.gallery import Gallery

_MOST_MAPS = 7
"""Of detectors with more layers the events are drawn as projections along the depth."""

_BESIDE = 3
_DECADES = 5

Group = tuple[str, str, Events, Sequence[str]]
"""Name and colour of a row of events, the events, and a note on each."""


def events_section(candidates: Candidates) -> Section:
    """Show random events, and pairs of nearest ones."""
    image = candidates[0][1].detector.is_image
    plots = []
    for style, comparison in candidates:
        gallery = comparison.gallery
        if gallery is None:
            continue
        suffix = f" {style.title}" if len(candidates) > 1 else ""
        random, nearest = (
            _galaxy_captions(gallery) if image else _shower_captions(comparison.detector)
        )
        for name, caption, figure in (
            ("random", random, random_figure),
            ("nearest pairs", nearest, nearest_figure),
        ):
            draw = partial(figure, gallery, style)
            plots.append(Plot(f"{name}{suffix}", caption, draw, wide=True, is_map=True))
    return Section("events", "Single galaxies" if image else "Single events", "", plots)


def _shower_captions(detector: Detector) -> tuple[str, str]:
    """Return the captions of random events and of nearest pairs."""
    projected = detector.n_layers > _MOST_MAPS
    what = "energies summed around the axis (or along y)" if projected else "all layers"
    return (
        "Random events of the reference, and events of the candidate at nearly the same "
        f"incident energies: {what}, in common colours. Grey is empty.",
        "Random events of the candidate, each with the event of the reference that is "
        "nearest to it: the distance between the square roots of their cells, over that "
        "of the incident energy. In brackets, how far that event is from its own nearest "
        "neighbour in the reference; a much smaller distance would be a copy.",
    )


def _galaxy_captions(gallery: Gallery) -> tuple[str, str]:
    """Return the captions of random galaxies and of nearest pairs."""
    known = set(gallery.reference.conditions) & set(gallery.candidate.conditions)
    other = (
        f"the galaxy of the candidate whose conditions ({', '.join(sorted(known))}) are nearest"
        if known
        else "a random one of the candidate"
    )
    return (
        f"Random galaxies of the reference by rising flux; below each, {other}. All stamps "
        "have one asinh scale, linear up to about the noise of the sky.",
        "Random galaxies of the candidate; below each, the galaxy of the reference whose "
        "pixels are nearest. The number is their distance, over the length of the "
        "candidate's pixels; in brackets, how far that galaxy is from its own nearest "
        "neighbour in the reference. A much smaller distance would be a copy; noise alone "
        "keeps different stamps apart.",
    )


def random_figure(gallery: Gallery, style: Style) -> Figure:
    """Draw random events of the reference, and events of the candidate at the same energies."""
    first, second = gallery.reference, gallery.candidate
    if first.detector.is_image:
        return stamps_figure(("reference", first), (style.name, second), flux_titles(first))
    return rows_figure(
        ("reference", REFERENCE, first, [""] * len(first)),
        (style.name, style.colour, second, [""] * len(second)),
    )


def nearest_figure(gallery: Gallery, style: Style) -> Figure:
    """Draw random events of the candidate, each with its nearest event of the reference."""
    if gallery.drawn.detector.is_image:
        titles = [
            f"{d:.2f} ({t:.2f})" for d, t in zip(gallery.distances, gallery.typical, strict=True)
        ]
        return stamps_figure((style.name, gallery.drawn), ("nearest", gallery.nearest), titles)
    notes = [
        f"distance {d:.3f}\n(typical {t:.3f})"
        for d, t in zip(gallery.distances, gallery.typical, strict=True)
    ]
    return rows_figure(
        (style.name, style.colour, gallery.drawn, [""] * len(notes)),
        ("nearest in reference", REFERENCE, gallery.nearest, notes),
    )


def rows_figure(first: Group, second: Group) -> Figure:
    """Draw two groups of events of a calorimeter beside or below each other."""
    detector = first[2].detector
    cells = np.concatenate([first[2].cells.ravel(), second[2].cells.ravel()])
    norm = log_norm(cells.astype(np.float64), _DECADES)
    if detector.n_layers > _MOST_MAPS:
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
    colours = ScalarMappable(norm, "viridis")
    bar = figure.colorbar(colours, ax=figure.axes, location="right", shrink=0.5, pad=0.015)
    _label_bar(bar, detector)


def _label_bar(bar: Colorbar, detector: Detector) -> None:
    what = "E" if detector.n_layers <= _MOST_MAPS else r"\sum E"
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
