"""Figures of curves: histograms with ratio, profiles, observables along the layers, response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import hist
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer, PolarLayer
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.profiles import Profile, Profiles
from phys_gan.validation.response import ResponseCurve
from phys_gan.validation.style import CANDIDATE, REFERENCE, REFERENCE_FILL
from phys_gan.validation.uncertainty import Result

__all__ = [
    "histogram_figure",
    "layer_figure",
    "longitudinal_figure",
    "radial_figure",
    "response_figure",
]


@dataclass(frozen=True)
class _Bars:
    """Values per bin with errors, of both samples."""

    edges: NDArray[np.float64]
    reference: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    candidate: NDArray[np.float64]
    candidate_error: NDArray[np.float64]


def histogram_figure(histogram: Histogram, results: Mapping[str, Result]) -> Figure:
    """Draw the histograms of one observable, normalised, and candidate / reference below.

    Bars hold the statistical errors of the candidate, bands those of the reference; fractions of
    the entries outside the axis stand above it.
    """
    totals = [max(1.0, float(h.sum())) for h in (histogram.reference, histogram.candidate)]
    if histogram.per_event:
        totals = [float(n) for n in histogram.n_events]
    bars = _Bars(
        histogram.edges,
        histogram.reference[1:-1] / totals[0],
        histogram.reference_error[1:-1] / totals[0],
        histogram.candidate[1:-1] / totals[1],
        histogram.candidate_error[1:-1] / totals[1],
    )
    figure, main, below = _two_panels()
    what = "Cells per event" if histogram.per_event else "Fraction of events"
    _draw(main, below, bars, [f" ({n:,} events)".replace(",", " ") for n in histogram.n_events])
    _log_where_needed(main, bars, histogram.is_log, histogram.per_event)
    main.set_ylabel(what)
    below.set_xlabel(histogram.label)
    _legend(main, bars, results.get("ks"))
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
    bars = _Bars(np.array(edges), *columns)
    figure, main, below = _two_panels()
    _draw(main, below, bars)
    _log_where_needed(main, bars, False, False)
    _legend(main, bars)
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
    bars = _Bars(edges, *columns)
    figure, main, below = _two_panels()
    _draw(main, below, bars)
    if np.any(bars.reference > 0):
        main.set_yscale("log")
        _head_room(main, bars)
    _legend(main, bars)
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
    figure, main, below = _two_panels()
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


def response_figure(reference: ResponseCurve, candidate: ResponseCurve) -> Figure:
    """Draw mean response and resolution against the incident energy, with ratios and fits."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.15), hspace=0.03)
    edges = np.array(reference.edges) / 1000
    panels = (
        ("mean", r"$\langle E_\mathrm{tot}/E_\mathrm{inc}\rangle$"),
        ("resolution", r"$\sigma(E_\mathrm{tot}/E_\mathrm{inc})\,/\,$mean"),
    )
    for column, (name, label) in enumerate(panels):
        main = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=main)
        main.tick_params(labelbottom=False)
        for curve, colour, marker, word in (
            (reference, REFERENCE, "s", "reference"),
            (candidate, CANDIDATE, "o", "candidate"),
        ):
            x = curve.array("energy") / 1000
            spans = np.abs(np.stack([x - edges[:-1], edges[1:] - x]))
            if name == "resolution":
                word += _fit_text(curve)
            y, error = curve.array(name), curve.array(f"{name}_error")
            main.errorbar(x, y, error, xerr=spans, label=word, fmt=marker, color=colour, ms=4.5)
            if name == "resolution" and np.isfinite(curve.fit.a):
                fine = np.geomspace(x[0], x[-1], 200)
                main.plot(fine, curve.fit.at(fine * 1000), color=colour, lw=1)
        ratio, up, down = _ratio(reference, candidate, name)
        x = candidate.array("energy") / 1000
        below.axhline(1, color=REFERENCE, lw=0.8)
        below.errorbar(x, ratio, up, fmt="o", color=CANDIDATE, ms=4.5)
        below.fill_between(x, 1 - down, 1 + down, color=REFERENCE_FILL, lw=0)
        if edges[-1] > 5 * edges[0]:
            main.set_xscale("log")
        bottom, top = main.get_ylim()
        main.set_ylim(bottom, top + 0.35 * (top - bottom))
        main.set_ylabel(label)
        main.legend(loc="upper right")
        below.set_ylabel("cand. / ref.", loc="center", fontsize=10.5)
        below.set_xlabel(r"$E_\mathrm{inc}$ [GeV]")
        _plain_ticks(below, edges)
    return figure


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


def _two_panels() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(5.6, 4.7))
    # Fixed places: all figures of a page line up, and no layout has to be solved.
    main = figure.add_axes((0.155, 0.355, 0.82, 0.585))
    below = figure.add_axes((0.155, 0.12, 0.82, 0.205), sharex=main)
    main.tick_params(labelbottom=False)
    for axes in (main, below):
        axes.yaxis.set_label_coords(-0.135, 1.0 if axes is main else 0.5)
    return figure, main, below


def _draw(main: Axes, below: Axes, bars: _Bars, suffixes: Sequence[str] = ("", "")) -> None:
    """Draw both samples, their errors and the ratio."""
    reference = _weighted(bars.edges, bars.reference, bars.reference_error)
    candidate = _weighted(bars.edges, bars.candidate, bars.candidate_error)
    common = {"ax": main, "flow": "none"}
    mplhep.histplot(
        reference,
        histtype="fill",
        color=REFERENCE_FILL,
        edges=True,
        label=f"reference{suffixes[0]}",
        **common,
    )
    mplhep.histplot(reference, histtype="step", color=REFERENCE, lw=1, yerr=False, **common)
    mplhep.histplot(
        candidate,
        histtype="step",
        color=CANDIDATE,
        yerr=bars.candidate_error,
        label=f"candidate{suffixes[1]}",
        **common,
    )
    main.set_xlim(bars.edges[0], bars.edges[-1])
    main.set_xlabel("")
    below.locator_params(axis="x", nbins=7)
    _head_room(main, bars)
    _draw_ratio(below, bars)


def _legend(main: Axes, bars: _Bars, ks: Result | None = None) -> None:
    """Put the legend where the histogram is low, with KS and its floor below."""
    heights = bars.reference + bars.candidate
    middle = len(heights) // 2
    on_left = bool(heights[middle:].max() > 1.2 * heights[:middle].max(initial=0))
    lines = ""
    if ks is not None:
        verdict = "within" if ks.within_floor else "outside"
        lines = (
            f"KS {ks.value:.4f} ± {ks.error:.4f}, {verdict}\n"
            f"floor {ks.floor:.4f} ± {ks.floor_error:.4f}"
        )
    legend = main.legend(
        loc="upper left" if on_left else "upper right",
        title=lines or None,
        alignment="left" if on_left else "right",
    )
    legend.get_title().set_fontsize(9.5)


def _draw_ratio(below: Axes, bars: _Bars) -> None:
    filled = bars.reference > 0
    safe = np.where(filled, bars.reference, 1)
    ratio = np.where(filled, bars.candidate / safe, np.nan)
    error = np.where(filled, bars.candidate_error / safe, np.nan)
    band = np.where(filled, bars.reference_error / safe, 0.0)
    centres = (bars.edges[:-1] + bars.edges[1:]) / 2
    below.stairs(1 + band, bars.edges, baseline=1 - band, fill=True, color=REFERENCE_FILL, lw=0)
    below.axhline(1, color=REFERENCE, lw=0.8)
    off = np.abs(ratio - 1)[np.isfinite(ratio) & (error < 0.3)]
    span = next((s for s in (0.05, 0.1, 0.25, 0.5) if not len(off) or off.max() < 0.8 * s), 1.0)
    inside = np.isfinite(ratio) & (np.abs(ratio - 1) <= span)
    below.errorbar(
        centres[inside], ratio[inside], error[inside], fmt="o", ms=3, lw=1, color=CANDIDATE
    )
    for beyond, marker, y in ((ratio > 1 + span, "^", 0.93), (ratio < 1 - span, "v", 0.07)):
        # What lies beyond the panel is marked at its rim, not lost.
        below.scatter(
            centres[beyond],
            np.full(int(beyond.sum()), 1 - span + 2 * span * y),
            marker=marker,
            s=16,
            facecolors="none",
            edgecolors=CANDIDATE,
        )
    below.set_ylim(1 - span, 1 + span)
    below.set_ylabel("cand. / ref.", loc="center", fontsize=10.5)


def _log_where_needed(main: Axes, bars: _Bars, log_x: bool, log_y: bool) -> None:
    filled = bars.reference[bars.reference > 0]
    if log_x:
        main.set_xscale("log")
    if len(filled) and (log_y or filled.max() > 50 * np.median(filled)):
        main.set_yscale("log")
        _head_room(main, bars)


def _head_room(main: Axes, bars: _Bars) -> None:
    """Leave the top third to the legend."""
    high = float(max((bars.reference + bars.reference_error).max(), bars.candidate.max()))
    if high <= 0:
        return
    if main.get_yscale() == "log":
        positive = np.concatenate([bars.reference, bars.candidate])
        low = float(positive[positive > 0].min()) / 2
        main.set_ylim(low, high * (high / low) ** 0.55)
    else:
        main.set_ylim(0, 1.55 * high)


def _weighted(
    edges: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> hist.Hist[Any]:
    histogram = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
    view = histogram.view()
    view.value, view.variance = values, errors**2
    return histogram


def _add(profiles: Sequence[Profile]) -> Profile:
    mean = np.sum([p.mean for p in profiles], axis=0)
    # Layers of a shower are correlated: the sum of the errors bounds the error of the sum.
    return Profile(mean, np.sum([p.error for p in profiles], axis=0))
