"""Points of toys: where they are, and where the exact density has its modes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from phys_gan.report.maps import log_norm
from phys_gan.report.numbers import percent, whole
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Style
from phys_gan.toys import Mixture, count_modes
from phys_gan.toys.mixture import RADIUS, tally_modes
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.joint import MOST_SHOWN, Clouds

CandidateClouds = Sequence[tuple[Style, Clouds, str]]
"""Every candidate: its style, its points, and a title for them."""

_BINS = 160
_COLUMNS = 3
_SIDE = 3.9
_EMPTY = "#f2f2f2"
_CENTRE = "#333333"
_MISSED = "#d62728"
_MARGIN = 0.06
_CURVE = 400


def plane_figure(drawn: CandidateClouds, note: str) -> Figure:
    """Draw the density of the points in the plane of the first two coordinates, side by side.

    Colours are logarithmic and shared. Circles of 3 sigma are the modes; where no point that is
    drawn lies within, they are red and crossed out.

    Arguments:
        drawn: The candidates.
        note: Title of the reference.
    """
    first = drawn[0][1]
    panels = [("reference", REFERENCE, first.reference, note)]
    panels += [(style.name, style.colour, clouds.candidate, text) for style, clouds, text in drawn]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(_SIDE * columns + 1.0, (_SIDE + 0.9) * rows), layout="compressed")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    edges = _frame(first.reference, [clouds.candidate for _, clouds, _ in drawn])
    densities = [_density(points, edges) for _, _, points, _ in panels]
    norm = log_norm(np.concatenate([density.ravel() for density in densities]))
    for one, (name, colour, points, text), density in zip(axes, panels, densities, strict=False):
        mesh = _draw_density(one, density, edges, norm)
        if first.truth is not None:
            _mark_modes(one, points, first.truth)
        one.set_title(text, fontsize=10.5, pad=4)
        _name(one, name, colour, 20 if text else 6)
    for spare in axes[len(panels) :]:
        spare.set_visible(False)
    _label(list(axes[: len(panels)]), columns, [layer.name for layer in first.detector.layers])
    bar = figure.colorbar(mesh, ax=list(axes), location="right", shrink=0.8, pad=0.015)
    bar.set_label("share of the points per pixel", fontsize=11)
    return figure


def curve_figure(drawn: CandidateClouds) -> Figure:
    """Draw the histogram of the only coordinate of all samples, with the exact density."""
    first = drawn[0][1]
    (edges,) = _frame(first.reference, [clouds.candidate for _, clouds, _ in drawn])
    edges = edges[:: _BINS // 40]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.stairs(
        _per_unit(first.reference, edges),
        edges,
        fill=True,
        color=REFERENCE_FILL,
        label="reference",
    )
    for style, clouds, _ in drawn:
        heights = _per_unit(clouds.candidate, edges)
        axes.stairs(heights, edges, color=style.colour, ls=style.line, lw=1.4, label=style.name)
    if first.truth is not None:
        x = np.linspace(edges[0], edges[-1], _CURVE)
        density = first.truth.density(x[:, np.newaxis])
        axes.plot(x, density, color=REFERENCE, lw=1.6, ls="--", label="exact density")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.3 * axes.dataLim.ymax)
    axes.set_xlabel(f"${first.detector.layers[0].name}$")
    axes.set_ylabel("density")
    axes.legend(loc="upper right")
    return figure


def _frame(
    reference: NDArray[np.float64], candidates: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Return the edges of the bins of the first two coordinates.

    They hold the reference, and what candidates have within as much again on either side.
    """
    frames = []
    for k in range(min(2, reference.shape[1])):
        low, high = float(reference[:, k].min()), float(reference[:, k].max())
        reach = (high - low) or 1.0
        ends = np.array([np.quantile(points[:, k], [0.001, 0.999]) for points in candidates])
        low = min(low, max(low - reach, float(ends[:, 0].min())))
        high = max(high, min(high + reach, float(ends[:, 1].max())))
        margin = _MARGIN * ((high - low) or 1.0)
        frames.append(np.linspace(low - margin, high + margin, _BINS + 1))
    return frames


def _density(
    points: NDArray[np.float64], edges: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the fraction of the points in each pixel, rows along the second coordinate."""
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=(edges[1], edges[0]))
    return np.asarray(counts / len(points), np.float64)


def _draw_density(
    axes: Axes, density: NDArray[np.float64], edges: Sequence[NDArray[np.float64]], norm: LogNorm
) -> QuadMesh:
    axes.set_facecolor(_EMPTY)
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.minorticks_off()
    axes.set_aspect("equal")
    filled = np.where(density > 0, density, np.nan)
    return axes.pcolormesh(edges[0], edges[1], filled, norm=norm, cmap="viridis", rasterized=True)


def _mark_modes(axes: Axes, points: NDArray[np.float64], truth: Mixture) -> None:
    hit = tally_modes(points, truth)[0] > 0
    for chosen, colour, width in ((hit, _CENTRE, 0.6), (~hit, _MISSED, 1.4)):
        centres = truth.centres[chosen, :2]
        size = np.full(len(centres), 2 * RADIUS * truth.sigma)
        axes.add_collection(
            EllipseCollection(
                size,
                size,
                np.zeros(len(centres)),
                units="xy",
                offsets=centres,
                offset_transform=axes.transData,
                facecolors="none",
                edgecolors=colour,
                linewidths=width,
            )
        )
    axes.plot(*truth.centres[~hit, :2].T, "x", color=_MISSED, ms=9, mew=1.6)


def _name(axes: Axes, name: str, colour: str, above: float) -> None:
    axes.annotate(
        name,
        (0.5, 1),
        xytext=(0, above),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=13,
        fontweight="bold",
        color=colour,
    )


def _label(axes: Sequence[Axes], columns: int, names: Sequence[str]) -> None:
    for k, one in enumerate(axes):
        if k + columns >= len(axes):
            one.set_xlabel(f"${names[0]}$", loc="center")
            one.tick_params(labelbottom=True)
        if k % columns == 0:
            one.set_ylabel(f"${names[1]}$", loc="center")


def _per_unit(points: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts, _ = np.histogram(points[:, 0], edges)
    return np.asarray(counts / (len(points) * np.diff(edges)), np.float64)


_MARKS = (
    " Circles of 3 σ are the modes of the exact density; those without any point that is drawn are "
    "red and crossed out."
)


def points_section(candidates: Candidates) -> Section:
    """Show where the points of toys are, beside the truth."""
    drawn = [(style, c.clouds, _of_candidate(c)) for style, c in candidates if c.clouds is not None]
    if not drawn:
        return Section("points", "Points", "", [])
    clouds = drawn[0][1]
    names = [layer.name for layer in clouds.detector.layers]
    if len(names) == 1:
        plot = Plot(
            f"distribution of {names[0]}",
            "Points of all samples, and the exact density where it is known.",
            partial(curve_figure, drawn),
            wide=True,
        )
        return Section("points", "Points", "", [plot])
    plot = Plot(
        f"plane of {names[0]} and {names[1]}",
        f"Density of the points, of at most {whole(MOST_SHOWN)} per sample, in common colours. "
        f"Grey is empty.{'' if clouds.truth is None else _MARKS}",
        partial(plane_figure, drawn, _of_reference(clouds)),
        wide=True,
        is_map=True,
    )
    return Section("points", "Points", "", [plot])


def _of_reference(clouds: Clouds) -> str:
    if clouds.truth is None or clouds.truth.n_modes < 2:
        return ""
    found = count_modes(clouds.reference, clouds.truth)
    return (
        f"{found.modes_hit} of {found.n_modes} modes, {100 * found.high_quality:.1f} % within 3 σ"
    )


def _of_candidate(comparison: Comparison) -> str:
    results, clouds = comparison.multivariate, comparison.clouds
    if clouds is None or clouds.truth is None or "modes_hit" not in results:
        return ""
    modes, good = results["modes_hit"], results["high_quality"]
    return (
        f"{modes.value:.0f} of {clouds.truth.n_modes} modes, "
        f"{percent(good.value, good.error)} within 3 σ"
    )
