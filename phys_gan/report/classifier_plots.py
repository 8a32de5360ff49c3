"""Figures of the two-sample classifier: its ROC curves, and whether its probabilities are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phys_gan.report.legends import legend_above, legend_height, line_of
from phys_gan.report.style import Look

if TYPE_CHECKING:
    from phys_gan.validation.classifier.outcome import ClassifierResult

__all__ = ["Judged", "calibration_figure", "roc_figure"]

Judged = Sequence[tuple[str, Sequence[tuple[Look, "ClassifierResult"]]]]
"""Every form of the input with the candidates that were judged by it."""


def roc_figure(judged: Judged) -> Figure:
    """Draw for every form of the input how many of each sample pass a cut on the classifier."""
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        for i, (look, result) in enumerate(reversed(candidates)):
            roc, auc = result.roc, result.auc
            low, high = roc.tpr - roc.tpr_error, roc.tpr + roc.tpr_error
            axes.fill_between(roc.fpr, low, high, color=look.colour, alpha=0.2, lw=0)
            axes.plot(roc.fpr, roc.tpr, color=look.colour, ls=look.line)
            text = f"AUC {auc.value:.3f} ± {auc.error:.3f}"
            axes.text(0.96, 0.05 + 0.07 * i, text, ha="right", fontsize=11, color=look.colour)
        _finish(axes, form, "reference taken for candidate", "candidate recognised")
    _name(figure, judged)
    return figure


def calibration_figure(judged: Judged) -> Figure:
    """Draw the observed fraction of candidates against the probability that was predicted.

    Open points are as trained, filled ones calibrated.
    """
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        for look, result in candidates:
            for curve, fill in ((result.calibration, "none"), (result.recalibrated, look.colour)):
                axes.errorbar(
                    curve.predicted,
                    curve.observed,
                    curve.error,
                    fmt=look.marker,
                    ms=5,
                    lw=1,
                    color=look.colour,
                    mfc=fill,
                )
        _finish(axes, form, "predicted probability", "fraction of candidates")
    _name(figure, judged)
    return figure


def _panels(judged: Judged) -> tuple[Figure, list[Axes]]:
    n = len(judged)
    height = 4.4 + legend_height(len(_looks(judged)))
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
    looks = _looks(judged)
    legend_above(figure, [line_of(look) for look in looks], [look.name for look in looks])


def _looks(judged: Judged) -> list[Look]:
    return list(dict.fromkeys(look for _, candidates in judged for look, _ in candidates))
