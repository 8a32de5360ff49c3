"""Figures of the two-sample classifier: its ROC curves, and whether its probabilities are true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phys_gan.validation.report.style import Look

if TYPE_CHECKING:
    # Importing that room loads torch.
    from phys_gan.validation.classifier.outcome import ClassifierResult

__all__ = ["Judged", "calibration_figure", "roc_figure"]

Judged = Sequence[tuple[str, Sequence[tuple[Look, "ClassifierResult"]]]]
"""Every form of the input with the candidates that were judged by it."""


def roc_figure(judged: Judged) -> Figure:
    """Draw for every form of the input how many of each sample pass a cut on the classifier."""
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", lw=1, ls="--")
        for look, result in candidates:
            roc, auc = result.roc, result.auc
            low, high = roc.tpr - roc.tpr_error, roc.tpr + roc.tpr_error
            axes.fill_between(roc.fpr, low, high, color=look.colour, alpha=0.2, lw=0)
            label = f"{look.name}\nAUC {auc.value:.3f} ± {auc.error:.3f}"
            axes.plot(roc.fpr, roc.tpr, color=look.colour, ls=look.line, label=label)
        axes.set_xlabel("reference taken for candidate", loc="center", fontsize=12)
        axes.set_ylabel("candidate recognised", loc="center", fontsize=12)
        _finish(axes, form, "lower right")
    return figure


def calibration_figure(judged: Judged) -> Figure:
    """Draw the observed fraction of candidates against the probability that was predicted."""
    figure, panels = _panels(judged)
    for axes, (form, candidates) in zip(panels, judged, strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", lw=1, ls="--")
        for look, result in candidates:
            for curve, word, fill in (
                (result.calibration, "", "none"),
                (result.recalibrated, ", calibrated", look.colour),
            ):
                axes.errorbar(
                    curve.predicted,
                    curve.observed,
                    curve.error,
                    fmt=look.marker,
                    ms=5,
                    lw=1,
                    color=look.colour,
                    mfc=fill,
                    label=f"{look.name}{word}",
                )
        axes.set_xlabel("predicted probability", loc="center", fontsize=12)
        axes.set_ylabel("fraction of candidates", loc="center", fontsize=12)
        _finish(axes, form, "upper left")
    return figure


def _panels(judged: Judged) -> tuple[Figure, list[Axes]]:
    n = len(judged)
    # A legend of many candidates needs its own room below the frame.
    most = max(len(candidates) for _, candidates in judged)
    figure = Figure(figsize=(4.3 * n, 4.5 + 0.42 * (most - 1)), layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def _finish(axes: Axes, form: str, place: Literal["lower right", "upper left"]) -> None:
    axes.set_title(f"input: {form}", fontsize=12)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    _, names = axes.get_legend_handles_labels()
    if len(names) <= 2:
        axes.legend(loc=place, fontsize=10)
    else:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9.5)
