"""The average shower: maps of its cells, its depth and its radius; of images the mean image.

Of several candidates only the differences to the reference are drawn as maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer, Layer, PolarLayer, ShowerLayer
from phys_gan.events import Events
from phys_gan.observables import MANY_LAYERS
from phys_gan.report.histograms import Bars, Panels, Points, head_room, log_where_needed
from phys_gan.report.maps import (
    Palette,
    colour_bar,
    draw_map,
    layer_title,
    length_unit,
    log_norm,
    make_palette,
    name_row,
)
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import REFERENCE, Style
from phys_gan.validation.averages import Profiles

_MAX_LAYERS = 6
_NARROW = 50.0


Averages = Sequence[tuple[Style, Profiles]]
"""The average shower of every candidate."""


def averages_section(candidates: Candidates) -> Section:
    """Show the average shower: its cells, its depth, its radius."""
    detector, reference = candidates[0][1].detector, candidates[0][1].reference.profiles
    if detector.is_toy:
        return Section("averages", "Average showers", "", [])
    profiles = [(style, c.candidate.profiles) for style, c in candidates]
    if detector.is_image:
        plot = Plot(
            "mean image",
            "Mean of every pixel on an asinh scale, and the difference over its statistical error: "
            "of equal samples that is noise of unit width, in the sky as in the galaxy.",
            partial(mean_image_figure, detector, reference, profiles),
            wide=True,
            is_map=True,
        )
        return Section("averages", "Mean images", "", [plot])
    n_drawn = len(chosen_layers(detector, reference))
    which = f" {n_drawn} of {detector.n_layers} layers, spread over the energy of the shower."
    plots = [
        Plot(
            "maps of cells",
            "Mean energy of every cell, and the relative difference. Grey cells are empty; in "
            "the difference also those whose statistical error exceeds the range of colours."
            + which
            * (n_drawn < detector.n_layers),
            partial(average_figure, detector, reference, profiles),
            wide=True,
            is_map=True,
        )
    ]
    if detector.n_layers > 1:
        plots.append(
            Plot(
                "longitudinal profile",
                "Mean energy per depth of every layer.",
                partial(longitudinal_figure, detector, reference, profiles),
            )
        )
    for name, layers, text in _radial_groups(detector):
        figure = partial(radial_figure, detector, reference, profiles, layers)
        plots.append(Plot(f"radial profile {name}".strip(), text, figure))
    return Section("averages", "Average showers", "", plots)


def _radial_groups(detector: Detector) -> list[tuple[str, list[int], str]]:
    """Return the polar layers that share their rings, or one by one when there are few of them."""
    polar = {k: layer for k, layer in enumerate(detector.layers) if isinstance(layer, PolarLayer)}
    polar = {k: layer for k, layer in polar.items() if layer.shape[1] > 1}
    if polar and len({layer.r for layer in polar.values()}) == 1:
        return [("", list(polar), "Mean energy per area of the rings, summed over all layers.")]
    return [
        (layer.name, [k], f"Mean energy per area of the rings in layer {layer.name or k}.")
        for k, layer in polar.items()
        if len(polar) <= MANY_LAYERS
    ]


def chosen_layers(detector: Detector, reference: Profiles) -> list[int]:
    """Choose the layers to draw: all of up to 6, else 6 spread over the energy of the shower.

    Those are the layers in which the cumulated mean energy passes 2, 20, 40, 60, 80 and 98 %.
    """
    if detector.n_layers <= _MAX_LAYERS:
        return list(range(detector.n_layers))
    cumulated = np.cumsum(reference.depth.mean)
    if cumulated[-1] <= 0:
        return list(range(_MAX_LAYERS))
    passed = np.searchsorted(cumulated / cumulated[-1], [0.02, 0.2, 0.4, 0.6, 0.8, 0.98])
    return sorted(set(np.minimum(passed, detector.n_layers - 1).tolist()))


def average_figure(detector: Detector, reference: Profiles, candidates: Averages) -> Figure:
    """Draw the mean energy of every cell: one column per layer; below, the relative differences.

    Colours of the energies are logarithmic over at most six decades and shared by the samples
    of a layer; grey cells are empty. A difference is left grey where its statistical error is
    larger than the range of the colours. Of several candidates only the differences are drawn.
    """
    layers = chosen_layers(detector, reference)
    means = candidates if len(candidates) == 1 else []
    span = max(_span(reference.cells.mean, p.cells.mean) for _, p in candidates)
    mean_label = rf"$\langle E_\mathrm{{cell}}\rangle$ [{detector.cell_unit}]"
    n_means, n_rows = 1 + len(means), 1 + len(means) + len(candidates)
    side = 3.05 if len(layers) < 4 else 2.2
    figure = Figure(
        figsize=(side * len(layers) + 1.2, side * (0.93 * n_rows + 0.1)), layout="constrained"
    )
    axes = figure.subplots(n_rows, len(layers), squeeze=False)
    for column, k in enumerate(layers):
        layer, cells = detector.layers[k], detector.slice(k)
        shown = [reference.cells.mean[cells], *(p.cells.mean[cells] for _, p in means)]
        norm = log_norm(np.concatenate(shown))
        for one, values in zip(axes[:, column], shown, strict=False):
            mesh = draw_map(one, layer, np.where(values > 0, values, np.nan), norm)
        _bar(figure, mesh, axes[:n_means, column], mean_label, 0.02)
        for one, (_, profiles) in zip(axes[n_means:, column], candidates, strict=True):
            difference = _difference(reference, profiles, cells, span)
            mesh = draw_map(one, layer, difference, Normalize(-span, span), "RdBu_r")
        label = "candidate / reference $-$ 1"
        _bar(figure, mesh, axes[n_means:, column], label, 0.04, extend="both")
        axes[0, column].set_title(layer_title(layer, k))
        _label_axes(axes[:, column], layer, column)
    names = [("reference", "black"), *((style.name, style.colour) for style, _ in means)]
    differences = [(style.name, style.colour) for style, _ in candidates]
    names += differences if len(candidates) > 1 else [("difference", "black")]
    for one, (text, colour) in zip(axes[:, 0], names, strict=True):
        name_row(one, text, colour, 13 if len(text) < 16 else 10)
    return figure


def _bar(
    figure: Figure,
    mesh: QuadMesh,
    axes: NDArray[np.object_],
    label: str,
    pad: float,
    extend: str = "neither",
) -> None:
    bar = figure.colorbar(
        mesh, ax=list(axes), location="bottom", shrink=0.9, pad=pad, extend=extend
    )
    bar.set_label(label, fontsize=11)
    low, high = (float(v) for v in mesh.get_clim())
    if 0 < low < high < _NARROW * low:
        # Within little more than a decade the usual labels run into each other.
        bar.set_ticks([low, high], labels=[f"{low:.2g}", f"{high:.2g}"])
        bar.minorticks_off()


def _difference(
    reference: Profiles, candidate: Profiles, cells: slice, span: float
) -> NDArray[np.float64]:
    first, second = reference.cells.mean[cells], candidate.cells.mean[cells]
    difference = np.full(first.shape, np.nan)
    error = np.hypot(reference.cells.error[cells], candidate.cells.error[cells])
    known = (first > 0) & (error < span * first)
    np.divide(second - first, first, out=difference, where=known)
    return difference


def _span(reference: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    """Return the range of relative differences that covers the cells with 95 % of the energy."""
    filled = reference > 0
    if not filled.any():
        return 1.0
    off = np.abs(candidate[filled] / reference[filled] - 1)
    order = np.argsort(off)
    covered = np.cumsum(reference[filled][order]) / reference[filled].sum()
    typical = off[order[min(int(np.searchsorted(covered, 0.95)), len(order) - 1)]]
    return next((span for span in (0.1, 0.2, 0.5) if typical < span / 2), 1.0)


def _label_axes(axes: NDArray[np.object_], layer: Layer, column: int) -> None:
    unit = length_unit(layer)
    for one in axes:
        one.tick_params(labelsize=9)
    for one in axes[:-1]:
        one.tick_params(labelbottom=False)
    axes[-1].set_xlabel(f"$x$ [{unit}]", loc="center", fontsize=11, labelpad=1)
    if column == 0:
        for one in axes:
            one.set_ylabel(f"$y$ [{unit}]", loc="center", fontsize=11, labelpad=0)


_SIDE = 2.5
_LEFT, _BAR, _GAP, _TOP, _BOTTOM = 0.75, 1.05, 0.1, 0.4, 0.6
_SPANS = (5.0, 10.0, 20.0, 50.0, 100.0)
_INSIDE = 0.99


def mean_image_figure(detector: Detector, reference: Profiles, candidates: Averages) -> Figure:
    r"""Draw the mean of every pixel, one row per band, and the differences beside it.

    The means are grey on an asinh scale. A difference is :math:`(b - a) / \sqrt{\sigma_a^2 +
    \sigma_b^2}` with the standard errors of both means: of equal samples it is noise of unit
    width everywhere, in the sky as in the galaxy. Of several candidates only the differences are
    drawn.
    """
    means = [("reference", REFERENCE, reference)]
    if len(candidates) == 1:
        means += [(style.name, style.colour, profiles) for style, profiles in candidates]
    pulls = [_pull(reference, profiles) for _, profiles in candidates]
    average = Events(np.stack([p.cells.mean for _, _, p in means]), {}, detector)
    grey = make_palette([average])
    grey = Palette(grey.norm, grey.colours, f"mean pixel [{detector.cell_unit}]")
    span = _span_of_pulls(pulls)
    diverging = Palette(Normalize(-span, span), "RdBu_r", "difference / its error")
    rows, columns = detector.layers[0].shape
    tall = _SIDE * rows / columns
    names = [(name, colour) for name, colour, _ in means]
    names += (
        [("difference", REFERENCE)]
        if len(candidates) == 1
        else [(style.name, style.colour) for style, _ in candidates]
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


def _span_of_pulls(pulls: Sequence[NDArray[np.float64]]) -> float:
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


def longitudinal_figure(detector: Detector, reference: Profiles, candidates: Averages) -> Figure:
    """Draw the mean energy per depth of every layer along the shower axis."""
    layers = [layer for layer in detector.layers if isinstance(layer, ShowerLayer)]
    edges, place = [layers[0].z[0]], []
    for layer in layers:
        if layer.z[0] > edges[-1] + 1e-9:
            edges.append(layer.z[0])
        place.append(len(edges) - 1)
        edges.append(layer.z[1])
    thickness = np.array([layer.thickness for layer in layers])

    def column(values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Gaps between layers stay empty.
        result = np.zeros(len(edges) - 1)
        result[place] = values / thickness
        return result

    def points(profiles: Profiles) -> Points:
        return Points(column(profiles.depth.mean), column(profiles.depth.error))

    bars = Bars(np.array(edges), points(reference), [(k, points(p)) for k, p in candidates])
    panels = Panels(len(candidates))
    panels.draw(bars)
    log_where_needed(panels.main, bars, False, False)
    panels.legend(bars.styles, on_left=bars.high_on_the_right)
    panels.main.set_ylabel(rf"$\langle dE/dz\rangle$ [{detector.cell_unit}/mm]")
    panels.below.set_xlabel(r"depth $z$ [mm]")
    return panels.figure


def radial_figure(
    detector: Detector, reference: Profiles, candidates: Averages, layers: Sequence[int]
) -> Figure:
    """Draw the mean energy per area of the rings, summed over layers that share their rings."""
    layer = detector.layers[layers[0]]
    if not isinstance(layer, PolarLayer):
        raise TypeError("radial profiles exist for polar layers only")
    edges = np.array(layer.r)
    area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)

    def points(profiles: Profiles) -> Points:
        rings = [profiles.radius[k] for k in layers]
        mean = np.sum([ring.mean for ring in rings], axis=0)
        # Layers of a shower are correlated: the sum of the errors bounds the error of the sum.
        return Points(mean / area, np.sum([ring.error for ring in rings], axis=0) / area)

    bars = Bars(edges, points(reference), [(style, points(p)) for style, p in candidates])
    panels = Panels(len(candidates))
    panels.draw(bars)
    if np.any(bars.reference.values > 0):
        panels.main.set_yscale("log")
        head_room(panels.main, bars)
    panels.legend(bars.styles, on_left=bars.high_on_the_right)
    panels.main.set_ylabel(rf"$\langle dE/dA\rangle$ [{detector.cell_unit}/mm$^2$]")
    panels.below.set_xlabel(r"radius $r$ [mm]")
    return panels.figure
