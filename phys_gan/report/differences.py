"""Where samples differ in the eyes of NPLM, and how sure several trainings are together."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from phys_gan.report.histograms import ENSEMBLE, OPACITY, limits, normalised, whiskers
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Style
from phys_gan.validation.ensemble import Ensemble
from phys_gan.validation.histograms import Histogram
from phys_gan.validation.joint import Reweighted

Values = NDArray[np.float64]

_SHOWN_DIFFERENCES = 6
_SHOWN_USEFUL = 40


def ensemble_section(ensemble: Ensemble | None) -> Section:
    """Show whether the trainings cover the reference, and up to how many events they are useful."""
    title = "How sure: trainings of one model"
    if ensemble is None:
        return Section("ensemble", title, "", [])
    text = (
        f"{ensemble.text} The band in the figures of observables is where the truth, or one more "
        "training, lies with a probability of 68 %: the spread between trainings beyond their "
        "statistical errors. Useful events: a sample of full simulation of this size deviates as "
        "much by chance as one training does, whatever number it generates. histfactory.json "
        "beside this page holds the bands as a HistFactory workspace."
    )
    plots = [
        Plot(
            "pulls of the reference",
            "Reference - mean of the trainings over the band and the statistical error of the "
            "reference, in all bins of all observables with at least 10 entries; the curve is a "
            "Gaussian of unit width.",
            partial(pulls_figure, ensemble),
        ),
        Plot(
            "useful events",
            "Up to how many events one training is worth using. Bars end at the lower bound at "
            "95 % confidence; arrows where the difference is not beyond chance.",
            partial(useful_figure, ensemble),
        ),
    ]
    return Section("ensemble", title, text, plots)


def pulls_figure(ensemble: Ensemble) -> Figure:
    """Draw the pulls of all bins, and a Gaussian."""
    figure = Figure(figsize=(5.6, 4.0))
    axes = figure.add_axes((0.14, 0.15, 0.81, 0.79))
    pulls = np.concatenate([band.pulls for band in ensemble.bands.values()] or [np.empty(0)])
    edges = np.linspace(-5, 5, 41)
    entries = np.histogram(np.clip(pulls, -4.999, 4.999), edges)[0]
    axes.stairs(entries, edges, fill=True, color=ENSEMBLE, alpha=OPACITY, lw=0)
    axes.stairs(entries, edges, color=ENSEMBLE, lw=1.2)
    x = np.linspace(-5, 5, 201)
    gauss = np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5
    axes.plot(x, len(pulls) * 0.25 * gauss, color=REFERENCE, lw=1)
    axes.set_xlim(-5, 5)
    axes.set_ylim(0, 1.3 * max(1.0, entries.max(), len(pulls) * 0.1))
    axes.set_xlabel("(reference - mean) / uncertainty")
    axes.set_ylabel("Bins of all observables")
    inside = f"{100 * ensemble.coverage:.0f} % of {len(pulls)} bins within 1"
    axes.text(0.04, 0.93, inside, transform=axes.transAxes, va="top")
    return figure


def useful_figure(ensemble: Ensemble) -> Figure:
    """Draw the useful number of events of each observable, the smallest at the top."""
    names = [name for name in ensemble.ranking if ensemble.bands[name].useful.at_least > 0]
    names = names[:_SHOWN_USEFUL]
    figure = Figure(figsize=(5.6, 1.1 + 0.2 * max(4, len(names))))
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.3, 0.6 / height, 0.65, 1 - 1.1 / height))
    for y, name in enumerate(names):
        useful = ensemble.bands[name].useful
        if useful.number is None:
            axes.plot(useful.at_least, y, ">", ms=5, color=ENSEMBLE)
            continue
        axes.plot([useful.at_least, useful.number], [y, y], "-", lw=1.5, color=ENSEMBLE)
        axes.plot(useful.number, y, "o", ms=4, color=ENSEMBLE)
    sizes = [band.n_reference for band in ensemble.bands.values()]
    marks = [(max(sizes, default=1.0), "reference", "--", 1.01)]
    if ensemble.n_training:
        marks.append((float(ensemble.n_training), "training", ":", 1.01 + 0.3 / height))
    for number, what, line, y_text in marks:
        axes.axvline(number, color=REFERENCE, lw=0.8, ls=line)
        axes.text(number, y_text, what, ha="center", va="bottom", fontsize=9,
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.tick_params(axis="y", which="minor", left=False, right=False)
    axes.set_xlabel("useful events of one training")
    return figure


def differences_section(candidates: Candidates) -> Section:
    """Show where the samples differ in the eyes of NPLM: the observables it reweights most."""
    plots = []
    for style, comparison in candidates:
        if not comparison.reweighted or "nplm" not in comparison.multivariate:
            continue
        if comparison.multivariate["nplm"].within_floor:
            continue
        several = len(candidates) > 1
        for name in list(comparison.reweighted)[:_SHOWN_DIFFERENCES]:
            found = comparison.reweighted[name]
            plots.append(
                Plot(
                    f"{name} {style.title}" if several else name,
                    f"{f'{style.title}: ' if several else ''}χ²/ndf of the line "
                    f"{found.chi2_ndf:.3g}.",
                    partial(difference_figure, style, comparison.histograms[name], found),
                )
            )
    text = (
        "The density ratio that NPLM fits to all observables at once, as the line: the reference "
        "reweighted by it over the plain one, for the observables that it changes most. The band "
        "is its standard deviation between equal samples. Points are candidate over reference, "
        "with the statistical errors of both. Where the line leaves the band, the samples differ; "
        "where it follows the points, the difference in this observable is understood. Candidates "
        "that NPLM cannot tell from the reference are not shown."
    )
    return Section("differences", "Where they differ", text, plots)


def difference_figure(style: Style, histogram: Histogram, found: Reweighted) -> Figure:
    """Draw the density ratio of NPLM along an observable, and candidate over reference."""
    figure = Figure(figsize=(5.6, 3.3))
    axes = figure.add_axes((0.155, 0.17, 0.8, 0.75))
    edges, known = histogram.edges, np.isfinite(found.ratio)
    band = np.where(known, np.nan_to_num(found.spread), 0.0)
    axes.stairs(1 + band, edges, baseline=1 - band, fill=True, color=REFERENCE_FILL, lw=0)
    axes.axhline(1, color=REFERENCE, lw=0.8)
    p, q = (normalised(histogram, *side) for side in _sides(histogram))
    filled = (p.values > 0) & (q.values > 0)
    ratio = np.where(filled, q.values / np.where(filled, p.values, 1), np.nan)
    relative = [x.errors / np.where(filled, x.values, 1) for x in (p, q)]
    error = ratio * np.hypot(*relative)
    x = (edges[:-1] + edges[1:]) / 2
    telling = filled & (error < 0.5)
    axes.plot(x[telling], ratio[telling], style.marker, ms=3.5, color=style.colour)
    whiskers(axes, x[telling], ratio[telling], error[telling], style.colour)
    axes.stairs(np.where(known, found.ratio, np.nan), edges, color="#000000", lw=1.5, baseline=None)
    shown = np.concatenate([(ratio + error)[telling], (ratio - error)[telling], found.ratio[known]])
    low, high = min([0.9, *shown]), max([1.1, *shown])
    axes.set_ylim(max(0.0, low - 0.08 * (high - low)), min(4.0, high + 0.3 * (high - low)))
    axes.set_xlim(*limits(edges))
    if histogram.is_log:
        axes.set_xscale("log")
    axes.set_xlabel(histogram.label)
    axes.set_ylabel("ratio to ref.")
    axes.legend(
        handles=[
            Line2D([], [], color="#000000", lw=1.5, label="NPLM"),
            Line2D([], [], color=style.colour, ls="", marker=style.marker, ms=4, label=style.name),
            Patch(color=REFERENCE_FILL, label="NPLM, equal samples"),
        ],
        loc="upper center",
        ncols=3,
        fontsize=9.5,
        columnspacing=1.2,
    )
    return figure


def _sides(histogram: Histogram) -> list[tuple[Values, Values, Literal[0, 1]]]:
    return [
        (histogram.reference, histogram.reference_error, 0),
        (histogram.candidate, histogram.candidate_error, 1),
    ]
