"""Figures of the mean image: of all samples, and the differences in units of their error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer
from phys_gan.events import Events
from phys_gan.report.maps import draw_map, layer_title
from phys_gan.report.sheets import Palette, colour_bar, make_palette
from phys_gan.report.style import REFERENCE, Look
from phys_gan.validation.profiles import Profiles

__all__ = ["mean_image_figure"]

_SIDE = 2.5
_LEFT, _BAR, _GAP, _TOP, _BOTTOM = 0.75, 1.05, 0.1, 0.4, 0.6
_SPANS = (5.0, 10.0, 20.0, 50.0, 100.0)
_INSIDE = 0.99


def mean_image_figure(
    detector: Detector, reference: Profiles, candidates: Sequence[tuple[Look, Profiles]]
) -> Figure:
    r"""Draw the mean of every pixel, one row per band, and the differences beside it.

    The means are grey on an asinh scale. A difference is :math:`(b - a) / \sqrt{\sigma_a^2 +
    \sigma_b^2}` with the standard errors of both means: of equal samples it is noise of unit
    width everywhere, in the sky as in the galaxy. Of several candidates only the differences are
    drawn.
    """
    means = [("reference", REFERENCE, reference)]
    if len(candidates) == 1:
        means += [(look.name, look.colour, profiles) for look, profiles in candidates]
    pulls = [_pull(reference, profiles) for _, profiles in candidates]
    average = Events(np.stack([p.cells.mean for _, _, p in means]), {}, detector)
    grey = make_palette([average])
    grey = Palette(grey.norm, grey.colours, f"mean pixel [{detector.cell_unit}]")
    span = _span(pulls)
    diverging = Palette(Normalize(-span, span), "RdBu_r", "difference / its error")
    rows, columns = detector.layers[0].shape
    tall = _SIDE * rows / columns
    names = [(name, colour) for name, colour, _ in means]
    names += (
        [("difference", REFERENCE)]
        if len(candidates) == 1
        else [(look.name, look.colour) for look, _ in candidates]
    )
    n = len(names)
    width = _LEFT + n * (_SIDE + _GAP) + 2 * _BAR
    height = _TOP + detector.n_layers * (tall + _GAP) + _BOTTOM
    figure = Figure(figsize=(width, height))
    for column, (name, colour) in enumerate(names):
        is_mean = column < len(means)
        x = _LEFT + column * (_SIDE + _GAP) + (0 if is_mean else _BAR)
        palette = grey if is_mean else diverging
        values = means[column][2].cells.mean if is_mean else pulls[column - len(means)]
        for k, layer in enumerate(detector.layers):
            y = height - _TOP - (k + 1) * tall - k * _GAP
            axes = figure.add_axes((x / width, y / height, _SIDE / width, tall / height))
            draw_map(axes, layer, values[detector.slice(k)], palette.norm, palette.colours)
            _label(axes, detector, k, column)
            if k == 0:
                axes.set_title(name, fontsize=12, fontweight="bold", color=colour)
    first = _LEFT + len(means) * (_SIDE + _GAP)
    last = _LEFT + n * (_SIDE + _GAP) + _BAR
    for palette, x in ((grey, first), (diverging, last)):
        colour_bar(figure, palette, x, height - _TOP - tall, tall)
    return figure


def _pull(reference: Profiles, candidate: Profiles) -> NDArray[np.float64]:
    """Return the difference over its error; NaN where neither sample varies."""
    difference = candidate.cells.mean - reference.cells.mean
    error = np.hypot(candidate.cells.error, reference.cells.error)
    undefined = np.full(error.shape, np.nan)
    return np.asarray(np.divide(difference, error, out=undefined, where=error > 0))


def _span(pulls: Sequence[NDArray[np.float64]]) -> float:
    """Return a round range that holds 99 % of the pixels of each."""
    found = [np.abs(pull[np.isfinite(pull)]) for pull in pulls]
    typical = max((float(np.quantile(off, _INSIDE)) for off in found if len(off)), default=0.0)
    return next((span for span in _SPANS if typical <= span), _SPANS[-1])


def _label(axes: Axes, detector: Detector, k: int, column: int) -> None:
    layer = detector.layers[k]
    assert isinstance(layer, ImageLayer)
    axes.tick_params(labelsize=9, labelbottom=k == detector.n_layers - 1, labelleft=column == 0)
    if k == detector.n_layers - 1:
        axes.set_xlabel("$x$ [arcsec]", loc="center", fontsize=11, labelpad=1)
    if column == 0:
        band = f"{layer_title(layer, k)}\n" if detector.n_layers > 1 else ""
        axes.set_ylabel(f"{band}$y$ [arcsec]", loc="center", fontsize=11, labelpad=0)
