r"""The energy response: mean and resolution of E_tot/E_inc against the incident energy.

Lines are fits of :math:`\sigma/E = a / \sqrt{E / \mathrm{GeV}} \oplus b`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from numpy.typing import NDArray

from phys_gan.metrics.response import ResponseCurve
from phys_gan.report.sections import Candidates, Plot, Section
from phys_gan.report.style import REFERENCE, REFERENCE_FILL, Style, legend_above, legend_height

_PANELS = (
    ("mean", 1, r"$\langle E_\mathrm{tot}/E_\mathrm{inc}\rangle$"),
    ("resolution", 100, r"$\sigma(E_\mathrm{tot}/E_\mathrm{inc})\,/\,$mean [%]"),
)


def response_section(candidates: Candidates) -> Section:
    """Show response and resolution against the incident energy, where it is known."""
    reference = next((c.reference.response for _, c in candidates if c.reference.response), None)
    curves = [(style, c.candidate.response) for style, c in candidates]
    known = [(style, curve) for style, curve in curves if curve is not None]
    plots = []
    if reference is not None and known:
        plots = [
            Plot(
                "mean and resolution",
                "Mean and resolution (standard deviation over mean) of E_tot/E_inc in bins of "
                "incident energy, with statistical errors. Lines are fits of "
                "σ/E = a/√(E/GeV) ⊕ b.",
                partial(response_figure, reference, known),
                wide=True,
            )
        ]
    return Section("response", "Energy response", "", plots)


def response_figure(
    reference: ResponseCurve, candidates: Sequence[tuple[Style, ResponseCurve]]
) -> Figure:
    """Draw mean response and resolution against the incident energy, with ratios and fits."""
    n = len(candidates)
    figure = Figure(figsize=(11, 4.7 + legend_height(n + 1)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.15), hspace=0.03)
    edges = np.array(reference.edges) / 1000
    truth = Style("reference", "reference", REFERENCE, "s", "-")
    for column, (name, unit, label) in enumerate(_PANELS):
        main = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=main)
        main.tick_params(labelbottom=False)
        for i, (style, curve) in enumerate([(truth, reference), *candidates]):
            _draw_curve(main, style, curve, name, unit, edges, _shift(i, n + 1), n == 1)
        below.axhline(1, color=REFERENCE, lw=0.8)
        for i, (style, curve) in enumerate(candidates):
            ratio, up, _ = _ratio(reference, curve, name)
            x = curve.array("energy") / 1000
            marks: dict[str, Any] = {"fmt": style.marker, "color": style.colour, "ms": 4.5}
            below.errorbar(x * _shift(i + 1, n + 1), ratio, up, **marks)
        x = reference.array("energy") / 1000
        down = _ratio(reference, reference, name)[2]
        below.fill_between(x, 1 - down, 1 + down, color=REFERENCE_FILL, lw=0)
        if edges[-1] > 5 * edges[0]:
            main.set_xscale("log")
        main.margins(y=0.12)
        main.set_ylim(bottom=max(0.0, main.get_ylim()[0]))
        main.set_ylabel(label)
        below.set_ylabel("ratio to ref.", loc="center", fontsize=10.5)
        below.set_xlabel(r"$E_\mathrm{inc}$ [GeV]")
        # "1.0002" says more to a reader than "2" with "1e-4 + 1" at the end of the axis.
        for axes in (main, below):
            axes.ticklabel_format(axis="y", useOffset=False)
        _plain_ticks(below, edges)
    legend_above(figure, *figure.axes[0].get_legend_handles_labels())
    return figure


def _draw_curve(
    axes: Axes,
    style: Style,
    curve: ResponseCurve,
    name: str,
    unit: float,
    edges: NDArray[np.float64],
    shift: float,
    fits: bool,
) -> None:
    x = curve.array("energy") / 1000
    spans = np.abs(np.stack([x - edges[:-1], edges[1:] - x]))
    y, error = unit * curve.array(name), unit * curve.array(f"{name}_error")
    text = style.name + (_fit_text(curve) if fits else "")
    marks: dict[str, Any] = {"fmt": style.marker, "color": style.colour, "ms": 4.5}
    # Only the reference shows how wide the bins are; more would be a thicket.
    widths = spans if style.colour == REFERENCE else None
    axes.errorbar(x * shift, y, error, xerr=widths, label=text, **marks)
    if name == "resolution" and np.isfinite(curve.fit.a):
        known = x[np.isfinite(y)]
        fine = np.geomspace(known[0], known[-1], 200)
        fitted = unit * curve.fit.at(fine * 1000)
        axes.plot(fine, fitted, color=style.colour, ls=style.line, lw=1)


def _shift(i: int, n: int) -> float:
    """Return a factor that sets the points of several samples apart."""
    return 1.0 if n == 2 else float(1.012 ** (i - (n - 1) / 2))


def _plain_ticks(axes: Axes, edges: NDArray[np.float64]) -> None:
    """Write 1, 2, 5, 10 instead of powers on a logarithmic axis."""
    if axes.get_xscale() != "log":
        return
    powers = 10.0 ** np.arange(np.floor(np.log10(edges[0])), np.ceil(np.log10(edges[-1])) + 1)
    ticks = (powers[:, None] * (np.array([1, 2, 5]) if len(powers) < 5 else [1])).ravel()
    ticks = ticks[(ticks >= 0.999 * edges[0]) & (ticks <= 1.001 * edges[-1])]
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _fit_text(curve: ResponseCurve) -> str:
    fit = curve.fit
    if not np.isfinite(fit.a):
        return ""
    return rf": ${100 * fit.a:.2f}\,\%/\sqrt{{E/\mathrm{{GeV}}}}\,\oplus\,{100 * fit.b:.3f}\,\%$"


def _ratio(
    reference: ResponseCurve, candidate: ResponseCurve, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return candidate / reference, its error from the candidate, and that of the reference."""
    p, q = reference.array(name), candidate.array(name)
    p_error, q_error = reference.array(f"{name}_error"), candidate.array(f"{name}_error")
    safe = np.where(p > 0, p, np.nan)
    return q / safe, q_error / safe, p_error / safe
