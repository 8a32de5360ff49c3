"""Figures of one observable: histograms with ratio, and its course along the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from phys_gan.report.asinh_axis import asinh_axis
from phys_gan.report.numbers import whole
from phys_gan.report.panels import Bars, Panels, Points, log_where_needed
from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Look
from phys_gan.validation.distributions import FEW_HITS, few_events
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.statistics.result import Result

__all__ = [
    "Drawn",
    "count_label",
    "histogram_bars",
    "histogram_figure",
    "layer_figure",
    "mark_flow",
]

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
    return f"not compared: {few_events(*histogram.n_events, histogram.n_effective) or FEW_HITS}"


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
