"""The figure of a ramp: an event at each value of a condition, and the response below."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from phys_gan.report.sheets import (
    colour_bar,
    draw_event,
    make_palette,
    n_panels,
    name_panels,
    place,
)
from phys_gan.report.style import Look, make_looks
from phys_gan.validation.ramping import Ramp, Response

__all__ = ["ramp_figure"]

_WIDTH, _LEFT, _RIGHT = 12.4, 1.2, 1.1
_GAP = 0.06
_TOP, _BETWEEN, _PLOT, _BOTTOM = 0.5, 0.25, 2.5, 0.72
_WIDE = 5.0
_FALL = "#d62728"
_EQUAL = "#777777"


def ramp_figure(ramp: Ramp) -> Figure:
    """Draw the events of one and the same latents along a ramp, and what was measured of many.

    Every picture stands above its value of the condition.
    """
    detector, n, steps = ramp.events.detector, n_panels(ramp.events.detector), len(ramp.values)
    pitch = (_WIDTH - _LEFT - _RIGHT + _GAP) / steps
    side = pitch - _GAP
    plot = (_BETWEEN + _PLOT + _BOTTOM) if ramp.responses else 0.12
    height = _TOP + n * pitch + plot
    figure = Figure(figsize=(_WIDTH, height))
    palette = make_palette([ramp.events])
    for i, value in enumerate(ramp.values):
        panels = [
            place(figure, _LEFT + i * pitch, height - _TOP - (k + 1) * pitch, side, side)
            for k in range(n)
        ]
        draw_event(panels, detector, ramp.events.cells[i], palette)
        if i == 0:
            name_panels(panels, detector)
        panels[0].set_title(ramp.number(value), fontsize=12, pad=4)
    head = (_LEFT - 0.15) / _WIDTH, (height - _TOP - _GAP + 4 / 72) / height
    figure.text(*head, ramp.meaning.axis_label, ha="right", va="baseline", fontsize=12)
    x = _WIDTH - _RIGHT + 0.14
    colour_bar(figure, palette, x, height - _TOP - n * pitch, n * pitch - _GAP)
    if ramp.responses:
        axes = place(figure, _LEFT, _BOTTOM, _WIDTH - _LEFT - _RIGHT, _PLOT)
        edge = side / 2 / pitch
        axes.set_xlim(-edge, steps - 1 + edge)
        _draw_responses(axes, ramp)
    return figure


def _draw_responses(axes: Axes, ramp: Ramp) -> None:
    steps = np.arange(len(ramp.values))
    if ramp.meaning.equal:
        told = ramp.values * ramp.meaning.factor
        axes.plot(steps, told, "--", color=_EQUAL, lw=1.2, label="equal to the condition")
    looks = make_looks([response.observable.name for response in ramp.responses])
    for look, response in zip(looks, ramp.responses, strict=True):
        _draw_response(axes, response, look, several=len(looks) > 1)
    if any(len(response.followed.falls) for response in ramp.responses):
        axes.plot([], [], "-", color=_FALL, lw=3, label="falls by more than 2 errors")
    if _logarithmic(ramp):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.autoscale_view(scalex=False)
    axes.set_xticks(steps, [ramp.number(value) for value in ramp.values])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlabel(ramp.meaning.axis_label, loc="center")
    axes.set_ylabel(ramp.responses[0].observable.axis_label, loc="center")
    axes.legend(loc="best", fontsize=10.5)


def _draw_response(axes: Axes, response: Response, look: Look, *, several: bool) -> None:
    f = response.followed
    steps = np.arange(len(f.mean))
    name = f"{look.name}: " if several else ""
    axes.fill_between(
        steps, f.mean - f.spread, f.mean + f.spread, color=look.colour, alpha=0.2, lw=0
    )
    axes.plot(steps, f.mean, look.line, color=look.colour, lw=1.6)
    axes.errorbar(
        steps,
        f.mean,
        f.error,
        fmt=look.marker,
        ms=5,
        color=look.colour,
        label=f"{name}mean with its error, and spread of the latents",
    )
    for k in f.falls:
        axes.plot(steps[k : k + 2], f.mean[k : k + 2], "-", color=_FALL, lw=3, zorder=3)


def _logarithmic(ramp: Ramp) -> bool:
    """Whether the response spans as much as its condition does, and is always above zero."""
    if not ramp.range.geometric:
        return False
    low = np.concatenate([r.followed.mean - r.followed.spread for r in ramp.responses])
    mean = np.concatenate([r.followed.mean for r in ramp.responses])
    return bool(np.nanmin(low) > 0 and np.nanmax(mean) > _WIDE * np.nanmin(mean))
