"""Two-sample classifiers: ROC curves, calibration, what gives a sample away, and weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phys_gan.report.events import rows_figure
from phys_gan.report.maps import stamps_figure
from phys_gan.report.numbers import percent
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    Style,
    legend_above,
    legend_height,
    line_of,
    patch_of_reference,
)
from phys_gan.validation.joint import Tail

if TYPE_CHECKING:
    from phys_gan.metrics.classifier.trees import TreesResult
    from phys_gan.metrics.classifier.two_sample import ClassifierResult

Judged = Sequence[tuple[str, Sequence[tuple[Style, "ClassifierResult | TreesResult"]]]]
"""Every form of the input with the candidates that were judged by it."""

_TITLES = {"trees": "boosted trees", "cnn": "convolutions"}
_MOST_GROUPS = 10


def title_of(form: str) -> str:
    """Return what a classifier is called in figures and tables.

    Example:
        >>> title_of("trees"), title_of("high")
        ('boosted trees', 'input: high')
    """
    return _TITLES.get(form, f"input: {form}")


def classifiers_section(candidates: Candidates) -> Section:
    """Show how well classifiers tell the samples apart, and by what."""
    forms = dict.fromkeys(form for _, c in candidates for form in c.classifiers)
    judged: Judged = [
        (form, [(style, c.classifiers[form]) for style, c in candidates if form in c.classifiers])
        for form in forms
    ]
    if not judged:
        return Section("classifiers", "Two-sample classifiers", "", [])
    told = [
        (style, c.trees)
        for style, c in candidates
        if c.trees is not None and not c.trees.within_floor
    ]
    plots = []
    for style, result in told:
        suffix = f" {style.title}" if len(candidates) > 1 else ""
        plots.append(
            Plot(
                f"what gives it away{suffix}",
                "Groups of features by which boosted trees tell the samples apart. Left: by how "
                "much the AUC falls when the features of a group are shuffled among the events "
                "that are judged. Right: the AUC of trees on the group alone. Groups that say the "
                "same replace each other: on the left each is small then.",
                partial(importance_figure, style, result),
                wide=True,
            )
        )
    if any(result.thresholds for _, result in told):
        plots.append(
            Plot(
                "AUC above a threshold",
                "AUC of boosted trees when cells of both samples up to a threshold are set to "
                "zero. The band is that of equal samples, up to the limit: from where the curve is "
                "within it, the trees see no difference any more.",
                partial(threshold_figure, told),
            )
        )
    plots += [
        Plot(
            "ROC curves",
            "ROC curves, mean and spread of all trainings (of boosted trees, of all folds). On the "
            "diagonal the classifier only guesses: it cannot tell the samples apart.",
            partial(roc_figure, judged),
            wide=True,
        ),
        Plot(
            "weights",
            "Classifier weights w = D/(1 − D) of the events of both samples, D the calibrated "
            "probability of being an event of the reference. Reference events far on the right are "
            "of a kind that the candidate hardly makes, candidate events far on the left of a kind "
            "that it should not make. What is outside is in the last bin.",
            partial(weights_figure, judged),
            wide=True,
        ),
        Plot(
            "calibration",
            "Observed fraction of candidates against the predicted probability: open as "
            "trained, filled after calibration on other events. On the diagonal the classifier "
            "can be used to reweight the candidate.",
            partial(calibration_figure, judged),
            wide=True,
        ),
    ]
    for style, comparison in candidates:
        if comparison.detector.is_toy:
            continue
        for form, tails in comparison.tails.items():
            suffix = f" {style.title}" if len(candidates) > 1 else ""
            suffix += "" if len(comparison.tails) == 1 else f" {title_of(form)}"
            plots.append(
                Plot(
                    f"extreme weights{suffix}",
                    "The events of the reference with the largest weights, which the candidate "
                    "lacks most, and those of the candidate with the smallest, which are least "
                    f"like the reference ({title_of(form)}).",
                    partial(tails_figure, style, tails),
                    wide=True,
                    is_map=True,
                )
            )
    return Section("classifiers", "Two-sample classifiers", "", plots)


def importance_figure(style: Style, result: TreesResult) -> Figure:
    """Draw by how much the AUC falls without each group, and the AUC of each alone."""
    groups = result.importance[:_MOST_GROUPS]
    figure = Figure(figsize=(10.5, 0.36 * len(groups) + 1.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
    places = np.arange(len(groups))[::-1]
    drops = [max(one.drop, 0.0) for one in groups]
    left.barh(places, drops, height=0.62, color=style.colour, alpha=0.85)
    left.errorbar(
        drops, places, xerr=[one.error for one in groups], fmt="none", ecolor="black", lw=1.1
    )
    left.set_yticks(places, [one.group for one in groups], fontsize=11.5)
    left.tick_params(axis="y", which="both", length=0)
    left.minorticks_off()
    left.set_xlim(left=0)
    left.set_xlabel("loss of AUC when shuffled", loc="center", fontsize=12)
    alone = [0.5 if one.alone is None else one.alone for one in groups]
    right.hlines(places, 0.5, alone, color=style.colour, lw=1.5, alpha=0.6)
    right.plot(alone, places, style.marker, ms=7, color=style.colour)
    right.axvline(result.auc.value, color="#555555", ls="--", lw=1)
    right.text(
        result.auc.value - 0.01,
        -0.65,
        f"all features: {result.auc.value:.3f}",
        ha="right" if result.auc.value > 0.75 else "left",
        va="center",
        fontsize=10.5,
        color="#555555",
    )
    right.set_xlim(0.47, 1.02)
    right.set_ylim(-1.1, len(groups) - 0.4)
    right.tick_params(axis="y", which="both", length=0)
    right.set_xlabel("AUC of the group alone", loc="center", fontsize=12)
    return figure


def threshold_figure(told: Sequence[tuple[Style, TreesResult]]) -> Figure:
    """Draw the AUC of boosted trees above a read-out threshold of both samples."""
    figure = Figure(figsize=(5.6, 4.3 + legend_height(len(told))), layout="constrained")
    axes = figure.subplots()
    longest = max((result.thresholds for _, result in told), key=len)
    points = list(range(len(longest)))
    limits = [result.limit for _, result in longest]
    axes.fill_between(points, 0.5, limits, color=REFERENCE_FILL, lw=0)
    axes.axhline(0.5, color="#777777", lw=1)
    for style, result in told:
        n = len(result.thresholds)
        axes.errorbar(
            range(n),
            [auc.value for _, auc in result.thresholds],
            [auc.error for _, auc in result.thresholds],
            fmt=style.marker + style.line,
            ms=6,
            color=style.colour,
        )
    axes.set_xticks(points, ["none", *(f"{threshold:g}" for threshold, _ in longest[1:])])
    axes.minorticks_off()
    axes.set_xlim(-0.3, len(longest) - 0.7)
    axes.set_ylim(0.47, 1.02)
    axes.set_xlabel("read-out threshold of both samples [MeV]", loc="right", fontsize=12)
    axes.set_ylabel("AUC of boosted trees", loc="top", fontsize=12)
    legend_above(figure, [line_of(style) for style, _ in told], [style.name for style, _ in told])
    return figure


def weights_figure(judged: Judged) -> Figure:
    """Draw the weights of the events of both samples, for every classifier."""
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        weights = candidates[0][1].event_weights
        edges, fractions, _ = weights.histogram("reference")
        lowest = 0.3 / max(len(weights.reference), len(weights.candidate))
        axes.stairs(fractions, edges, fill=True, color=REFERENCE_FILL)
        axes.stairs(fractions, edges, color=REFERENCE)
        top = fractions.max()
        for style, result in candidates:
            edges, fractions, errors = result.event_weights.histogram("candidate")
            axes.stairs(fractions, edges, color=style.colour, ls=style.line, lw=1.5)
            middle, filled = (edges[1:] + edges[:-1]) / 2, fractions > 0
            axes.errorbar(
                middle[filled],
                fractions[filled],
                errors[filled],
                fmt="none",
                ecolor=style.colour,
                lw=0.9,
            )
            top = max(top, fractions.max())
        for place in (-1, 1):
            axes.axvline(place, color="#999999", lw=1, ls="--", zorder=0)
        axes.set_yscale("log")
        axes.set_ylim(lowest, 15 * top)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_title(title_of(form), fontsize=12)
        axes.set_xlabel(r"$\log_{10} w$", loc="right", fontsize=12)
        axes.set_ylabel("fraction of the sample", loc="top", fontsize=12)
        if len(candidates) == 1:
            style = candidates[0][0]
            for x, side, above in ((0.03, "left", False), (0.97, "right", True)):
                for y, name, colour in (
                    (0.94, "reference", REFERENCE),
                    (0.875, "candidate", style.colour),
                ):
                    fraction, error, _ = weights.tail(name, above=above)
                    axes.text(
                        x,
                        y,
                        percent(fraction, error),
                        transform=axes.transAxes,
                        ha=side,
                        fontsize=10,
                        color=colour,
                    )
    styles = _styles(judged)
    handles = [patch_of_reference(), *(line_of(style) for style in styles)]
    legend_above(figure, handles, ["reference", *(style.name for style in styles)])
    return figure


def weight_text(log_weight: float) -> str:
    """Write a weight of which the order of magnitude counts.

    Example:
        >>> weight_text(3.54), weight_text(0.3), weight_text(-3.7)
        ('3,500', '2', '1/5,000')
    """
    size = 10.0 ** abs(log_weight)
    text = f"{float(f'{size:.2g}'):,.0f}" if size >= 10 else f"{size:.2g}"
    return text if log_weight >= 0 else f"1/{text}"


def tails_figure(style: Style, tails: Sequence[Tail]) -> Figure:
    """Draw the reference events of the largest and the candidate events of the smallest weights."""
    first = next(tail for tail in tails if tail.sample == "reference" and tail.above)
    second = next(tail for tail in tails if tail.sample == "candidate" and not tail.above)
    notes = [[f"w = {weight_text(w)}" for w in tail.log_weights] for tail in (first, second)]
    if first.events.detector.is_image:
        titles = [f"{a}, {b}" for a, b in zip(*notes, strict=False)]
        return stamps_figure(("reference", first.events), (style.name, second.events), titles)
    return rows_figure(
        ("reference", REFERENCE, first.events, notes[0]),
        (style.name, style.colour, second.events, notes[1]),
    )


def roc_figure(judged: Judged) -> Figure:
    """Draw for every form of the input how many of each sample pass a cut on the classifier."""
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        for i, (style, result) in enumerate(reversed(candidates)):
            roc, auc = result.roc, result.auc
            low, high = roc.tpr - roc.tpr_error, roc.tpr + roc.tpr_error
            axes.fill_between(roc.fpr, low, high, color=style.colour, alpha=0.2, lw=0)
            axes.plot(roc.fpr, roc.tpr, color=style.colour, ls=style.line)
            text = f"AUC {auc.value:.3f} ± {auc.error:.3f}"
            axes.text(0.96, 0.05 + 0.07 * i, text, ha="right", fontsize=11, color=style.colour)
        _finish(axes, form, "reference taken for candidate", "candidate recognised")
    _name(figure, judged)
    return figure


def calibration_figure(judged: Judged) -> Figure:
    """Draw the observed fraction of candidates against the probability that was predicted.

    Open points are as trained, filled ones calibrated.
    """
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        for style, result in candidates:
            for curve, fill in ((result.calibration, "none"), (result.recalibrated, style.colour)):
                axes.errorbar(
                    curve.predicted,
                    curve.observed,
                    curve.error,
                    fmt=style.marker,
                    ms=5,
                    lw=1,
                    color=style.colour,
                    mfc=fill,
                )
        _finish(axes, form, "predicted probability", "fraction of candidates")
    _name(figure, judged)
    return figure


def _panels(judged: Judged) -> tuple[Figure, list[Axes]]:
    n = len(judged)
    height = 4.4 + legend_height(len(_styles(judged)))
    figure = Figure(figsize=(max(4.3 * n, 6.5), height), layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def _finish(axes: Axes, form: str, x: str, y: str) -> None:
    axes.plot([0, 1], [0, 1], color="#999999", lw=1, ls="--", zorder=0)
    axes.set_title(title_of(form), fontsize=12)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel(x, loc="center", fontsize=12)
    axes.set_ylabel(y, loc="center", fontsize=12)


def _name(figure: Figure, judged: Judged) -> None:
    styles = _styles(judged)
    legend_above(figure, [line_of(style) for style in styles], [style.name for style in styles])


def _styles(judged: Judged) -> list[Style]:
    return list(dict.fromkeys(style for _, candidates in judged for style, _ in candidates))
