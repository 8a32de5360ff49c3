"""The parts of a figure with two panels: both samples above, their ratio below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hist
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.validation.report.style import CANDIDATE, REFERENCE, REFERENCE_FILL
from phys_gan.validation.statistics.result import Result

__all__ = ["Bars", "draw", "head_room", "legend_with_ks", "log_where_needed", "two_panels"]


@dataclass(frozen=True)
class Bars:
    """Values per bin with errors, of both samples."""

    edges: NDArray[np.float64]
    reference: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    candidate: NDArray[np.float64]
    candidate_error: NDArray[np.float64]


def two_panels() -> tuple[Figure, Axes, Axes]:
    """Return a figure with a large panel above a small one that shares its x axis."""
    figure = Figure(figsize=(5.6, 4.7))
    # Fixed places: all figures of a page line up, and no layout has to be solved.
    main = figure.add_axes((0.155, 0.355, 0.82, 0.585))
    below = figure.add_axes((0.155, 0.12, 0.82, 0.205), sharex=main)
    main.tick_params(labelbottom=False)
    for axes in (main, below):
        axes.yaxis.set_label_coords(-0.135, 1.0 if axes is main else 0.5)
    return figure, main, below


def draw(main: Axes, below: Axes, bars: Bars, suffixes: Sequence[str] = ("", "")) -> None:
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
    head_room(main, bars)
    _draw_ratio(below, bars)


def legend_with_ks(main: Axes, bars: Bars, ks: Result | None = None) -> None:
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


def log_where_needed(main: Axes, bars: Bars, log_x: bool, log_y: bool) -> None:
    """Make axes logarithmic where asked, and y also where one bin would flatten all others."""
    filled = bars.reference[bars.reference > 0]
    if log_x:
        main.set_xscale("log")
    if len(filled) and (log_y or filled.max() > 50 * np.median(filled)):
        main.set_yscale("log")
        head_room(main, bars)


def head_room(main: Axes, bars: Bars) -> None:
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


def _draw_ratio(below: Axes, bars: Bars) -> None:
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


def _weighted(
    edges: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> hist.Hist[Any]:
    histogram = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight())
    view = histogram.view()
    view.value, view.variance = values, errors**2
    return histogram
