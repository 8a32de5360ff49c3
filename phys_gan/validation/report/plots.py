"""Figures of curves: histograms with ratio, profiles, observables along the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from phys_gan.detectors import Detector, ImageLayer, PolarLayer
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.profiles import Profile, Profiles
from phys_gan.validation.report.panels import (
    Bars,
    draw,
    head_room,
    legend_with_ks,
    log_where_needed,
    two_panels,
)
from phys_gan.validation.report.style import CANDIDATE, REFERENCE, REFERENCE_FILL
from phys_gan.validation.statistics.result import Result

__all__ = ["histogram_figure", "layer_figure", "longitudinal_figure", "radial_figure"]


def histogram_figure(histogram: Histogram, results: Mapping[str, Result]) -> Figure:
    """Draw the histograms of one observable, normalised, and candidate / reference below.

    Bars hold the statistical errors of the candidate, bands those of the reference; fractions of
    the entries outside the axis stand above it.
    """
    totals = [max(1.0, float(h.sum())) for h in (histogram.reference, histogram.candidate)]
    if histogram.per_event:
        totals = [float(n) for n in histogram.n_events]
    bars = Bars(
        histogram.edges,
        histogram.reference[1:-1] / totals[0],
        histogram.reference_error[1:-1] / totals[0],
        histogram.candidate[1:-1] / totals[1],
        histogram.candidate_error[1:-1] / totals[1],
    )
    figure, main, below = two_panels()
    what = "Cells per event" if histogram.per_event else "Fraction of events"
    draw(main, below, bars, [f" ({n:,} events)".replace(",", " ") for n in histogram.n_events])
    log_where_needed(main, bars, histogram.is_log, histogram.per_event)
    main.set_ylabel(what)
    below.set_xlabel(histogram.label)
    legend_with_ks(main, bars, results.get("ks"))
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
            text = f"{word}: {fractions[0]:.2g} % | {fractions[1]:.2g} %"
            main.set_title(text, loc=side, fontsize=9, color="#555555", pad=4)
    return figure


def longitudinal_figure(detector: Detector, reference: Profiles, candidate: Profiles) -> Figure:
    """Draw the mean energy per depth of every layer along the shower axis."""
    layers = [layer for layer in detector.layers if not isinstance(layer, ImageLayer)]
    edges, place = [layers[0].z[0]], []
    for layer in layers:
        if layer.z[0] > edges[-1] + 1e-9:
            edges.append(layer.z[0])
        place.append(len(edges) - 1)
        edges.append(layer.z[1])
    thickness = np.array([layer.thickness for layer in layers])
    columns = []
    for profile in (reference.depth, candidate.depth):
        for values in (profile.mean, profile.error):
            # Gaps between layers stay empty.
            column = np.zeros(len(edges) - 1)
            column[place] = values / thickness
            columns.append(column)
    bars = Bars(np.array(edges), *columns)
    figure, main, below = two_panels()
    draw(main, below, bars)
    log_where_needed(main, bars, False, False)
    legend_with_ks(main, bars)
    main.set_ylabel(rf"$\langle dE/dz\rangle$ [{detector.cell_unit}/mm]")
    below.set_xlabel(r"depth $z$ [mm]")
    return figure


def radial_figure(
    detector: Detector, reference: Profiles, candidate: Profiles, layers: Sequence[int]
) -> Figure:
    """Draw the mean energy per area of the rings, summed over layers that share their rings."""
    layer = detector.layers[layers[0]]
    if not isinstance(layer, PolarLayer):
        raise TypeError("radial profiles exist for polar layers only")
    edges = np.array(layer.r)
    area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
    columns = []
    for profiles in (reference, candidate):
        joined = _add([profiles.radius[k] for k in layers])
        columns += [joined.mean / area, joined.error / area]
    bars = Bars(edges, *columns)
    figure, main, below = two_panels()
    draw(main, below, bars)
    if np.any(bars.reference > 0):
        main.set_yscale("log")
        head_room(main, bars)
    legend_with_ks(main, bars)
    main.set_ylabel(rf"$\langle dE/dA\rangle$ [{detector.cell_unit}/mm$^2$]")
    below.set_xlabel(r"radius $r$ [mm]")
    return figure


def layer_figure(
    histograms: Sequence[Histogram], results: Sequence[Mapping[str, Result]], label: str
) -> Figure:
    """Draw the mean of a per-layer observable along the layers, and its KS distances below."""
    numbers = np.array([h.layer for h in histograms], np.float64)
    moments = np.array([h.moments for h in histograms])
    sizes = np.array([h.n_events for h in histograms], np.float64)
    figure, main, below = two_panels()
    low, high = (moments[:, 0, 0] + sign * moments[:, 0, 1] for sign in (-1, 1))
    main.fill_between(
        numbers, low, high, color=REFERENCE_FILL, lw=0, label="reference, mean ± std. deviation"
    )
    main.plot(numbers, moments[:, 0, 0], color=REFERENCE)
    for sign in (-1, 1):
        edge = moments[:, 1, 0] + sign * moments[:, 1, 1]
        main.plot(numbers, edge, color=CANDIDATE, lw=1, ls=":")
    error = moments[:, 1, 1] / np.sqrt(np.maximum(1, sizes[:, 1]))
    main.errorbar(
        numbers,
        moments[:, 1, 0],
        error,
        fmt="o",
        ms=3,
        color=CANDIDATE,
        label="candidate, mean and std. deviation (dotted)",
    )
    main.set_ylabel(label)
    main.margins(y=0.05)
    bottom, top = main.get_ylim()
    main.set_ylim(bottom, top + 0.25 * (top - bottom))
    main.legend(loc="upper right")
    judged = [(n, r["ks"]) for n, r in zip(numbers, results, strict=True) if "ks" in r]
    if judged:
        x = np.array([n for n, _ in judged])
        value, err, limit = np.array([(k.value, k.error, k.limit) for _, k in judged]).T
        below.errorbar(x, value, err, fmt="o", ms=3, color=CANDIDATE)
        below.step(x, limit, where="mid", color=REFERENCE, ls="--", lw=1, label="limit of floor")
        below.set_ylim(0, 1.45 * max(float((value + err).max()), float(limit.max())))
        below.legend(loc="upper right", fontsize=9)
    below.set_ylabel("KS", loc="center")
    below.set_xlabel("layer")
    return figure


def _add(profiles: Sequence[Profile]) -> Profile:
    mean = np.sum([p.mean for p in profiles], axis=0)
    # Layers of a shower are correlated: the sum of the errors bounds the error of the sum.
    return Profile(mean, np.sum([p.error for p in profiles], axis=0))
