"""Two-sample classifiers: their ROC curves, and whether their probabilities are true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import Style, legend_above, legend_height, line_of

if TYPE_CHECKING:
    from phys_gan.metrics.classifier.two_sample import ClassifierResult

Judged = Sequence[tuple[str, Sequence[tuple[Style, "ClassifierResult"]]]]
"""Every form of the input with the candidates that were judged by it."""


def classifiers_section(candidates: Candidates) -> Section:
    """Show how well classifiers tell the samples apart."""
    forms = dict.fromkeys(form for _, c in candidates for form in c.classifiers)
    judged: Judged = [
        (form, [(style, c.classifiers[form]) for style, c in candidates if form in c.classifiers])
        for form in forms
    ]
    plots = []
    if judged:
        plots = [
            Plot(
                "ROC curves",
                "ROC curves, mean and spread of all trainings. On the diagonal the classifier "
                "only guesses: it cannot tell the samples apart.",
                partial(roc_figure, judged),
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
    return Section("classifiers", "Two-sample classifiers", "", plots)


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
    axes.set_title(f"input: {form}", fontsize=12)
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
