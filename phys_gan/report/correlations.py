"""Correlations: between layers as matrices, between cells against their distance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.metrics.correlations import CellCorrelation, CellCorrelations, Correlations
from phys_gan.report.maps import layer_title, length_unit
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import (
    REFERENCE,
    REFERENCE_FILL,
    Style,
    legend_above,
    legend_height,
)

_MOST_NUMBERS = 8
_ACROSS = 3
_EMPTY = "#dddddd"


def correlations_section(candidates: Candidates) -> Section:
    """Show the correlations between layers and between cells."""
    detector = candidates[0][1].detector
    image = detector.is_image
    plots = []
    matrices = [(k, c.correlations) for k, c in candidates if c.correlations is not None]
    if matrices:
        plots.append(
            Plot(
                "between bands" if image else "between layers",
                (
                    "Pearson correlations between the fluxes of the bands, and how those of the "
                    "candidates differ."
                    if image
                    else "Pearson correlations between the energies of the layers, over the "
                    "incident energy where it is known, and how those of the candidates differ."
                ),
                partial(matrix_figure, matrices, "band" if image else "layer"),
                wide=True,
            )
        )
    cells = [(k, c.cell_correlations) for k, c in candidates if c.cell_correlations is not None]
    if cells:
        plots.append(
            Plot(
                "between pixels" if image else "between cells",
                (
                    "Mean correlation between two pixels of one band against the distance of "
                    "their centres; bright pixels count more."
                    if image
                    else "Mean correlation between the energies of two cells of one layer against "
                    "the distance of their centres; bright cells count more."
                ),
                partial(cell_figure, detector, cells),
                wide=True,
            )
        )
    return Section("correlations", "Correlations", "", plots)


def matrix_figure(found: Sequence[tuple[Style, Correlations]], what: str = "layer") -> Figure:
    """Draw the correlations in the reference and how those of the candidates differ.

    Those of a single candidate are drawn as well. Grey pairs are not defined.

    Arguments:
        found: The candidates.
        what: What rows and columns are.
    """
    reference = found[0][1]
    whole = [("reference", REFERENCE, reference.reference)]
    if len(found) == 1:
        whole += [(style.name, style.colour, c.candidate) for style, c in found]
    off = [("difference" if len(found) == 1 else f"{k.name} $-$ ref.", k, c) for k, c in found]
    across = min(_ACROSS, len(whole) + len(off))
    rows = -(-(len(whole) + len(off)) // across)
    figure = Figure(figsize=(3.8 * across + 1.2, 3.9 * rows + 0.3), layout="constrained")
    panels = list(figure.subplots(rows, across, squeeze=False).ravel())
    for axes, (name, colour, matrix) in zip(panels, whole, strict=False):
        mesh = _draw_matrix(axes, matrix, reference.names, Normalize(-1, 1), "PuOr_r")
        axes.set_title(name, fontsize=13, fontweight="bold", color=colour)
    span = _span([c.difference for _, c in found])
    below = panels[len(whole) :]
    for axes, (name, style, correlations) in zip(below, off, strict=False):
        norm = Normalize(-span, span)
        second = _draw_matrix(axes, correlations.difference, reference.names, norm, "RdBu_r")
        axes.set_title(name, fontsize=12, fontweight="bold", color=style.colour)
    for axes in panels[: len(whole) + len(off)]:
        axes.set_xlabel(what, loc="center", fontsize=12)
        axes.set_ylabel(what, loc="center", fontsize=12)
    for axes in below[len(off) :]:
        axes.set_axis_off()
    for image, parts, label in (
        (mesh, panels[: len(whole)], "correlation"),
        (second, below[: len(off)], "difference"),
    ):
        bar = figure.colorbar(image, ax=parts, location="bottom", shrink=0.6, pad=0.02, aspect=30)
        bar.set_label(label, fontsize=11)
    return figure


def cell_figure(detector: Detector, found: Sequence[tuple[Style, CellCorrelations]]) -> Figure:
    """Draw the mean correlation of two cells of a layer against the distance between them.

    Every panel is a layer, or a group of neighbouring ones where there are many.
    """
    bands = found[0][1].reference
    across = min(3, len(bands))
    rows = -(-len(bands) // across)
    height = 2.9 * rows + 0.4 + legend_height(len(found) + 1)
    figure = Figure(figsize=(3.7 * across + 0.4, height), layout="constrained")
    panels = figure.subplots(rows, across, squeeze=False, sharex=True)
    for i, (axes, band) in enumerate(zip(panels.ravel(), bands, strict=False)):
        x = np.sqrt(band.edges[1:] * band.edges[:-1])
        axes.axhline(0, color="#999999", lw=0.8)
        axes.fill_between(
            x, band.mean - band.error, band.mean + band.error, color=REFERENCE_FILL, lw=0
        )
        axes.plot(x, band.mean, color=REFERENCE, lw=1.2, label="reference")
        for j, (style, cells) in enumerate(found):
            own = cells.candidate[i]
            axes.errorbar(
                x * 1.03 ** (j - (len(found) - 1) / 2),
                own.mean,
                own.error,
                fmt=style.marker,
                ms=3.5,
                lw=1,
                color=style.colour,
                label=style.name,
            )
        axes.set_xscale("log")
        axes.set_title(_band_name(detector, band), fontsize=11.5)
        axes.margins(x=0.03, y=0.08)
        if detector.is_image:
            # Between less than two powers of ten the usual labels run into each other.
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
    for axes in panels.ravel()[len(bands) :]:
        axes.set_axis_off()
    what = "pixels" if detector.is_image else "cells"
    unit = length_unit(detector.layers[0])
    figure.supxlabel(f"distance between the {what} [{unit}]", fontsize=13)
    figure.supylabel("mean correlation", fontsize=13)
    legend_above(figure, *figure.axes[0].get_legend_handles_labels())
    return figure


def _draw_matrix(
    axes: Axes, matrix: NDArray[np.float64], names: Sequence[str], norm: Normalize, colours: str
) -> QuadMesh:
    n = len(names)
    axes.set_facecolor(_EMPTY)
    edges = np.arange(n + 1) - 0.5
    mesh = axes.pcolormesh(edges, edges, matrix, norm=norm, cmap=colours, rasterized=n > 20)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(which="both", length=0, top=False, right=False, labelsize=10)
    axes.minorticks_off()
    step = -(-n // 10)
    axes.set_xticks(np.arange(0, n, step), names[::step])
    axes.set_yticks(np.arange(0, n, step), names[::step])
    if n <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                strong = abs(value) > 0.7 * (norm.vmax or 1)
                axes.text(
                    column,
                    row,
                    f"{value:+.2f}" if abs(value) >= 0.005 else "0",
                    ha="center",
                    va="center",
                    fontsize=11 if n <= 4 else 9,
                    color="white" if strong else "black",
                )
    return mesh


def _span(differences: Sequence[NDArray[np.float64]]) -> float:
    largest = max(float(np.nanmax(np.abs(d), initial=0.0)) for d in differences)
    return next((s for s in (0.05, 0.1, 0.2, 0.5) if largest <= s), 1.0)


def _band_name(detector: Detector, band: CellCorrelation) -> str:
    first, last = band.layers[0], band.layers[-1]
    if detector.is_image and first == last:
        return layer_title(detector.layers[first], first)
    return f"layer {first}" if first == last else f"layers {first} to {last}"
