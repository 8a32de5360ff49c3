"""The section about the points of toys."""

from __future__ import annotations

from functools import partial

from phys_gan.toys import count_modes
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.points import Clouds
from phys_gan.validation.report.numbers import percent, whole
from phys_gan.validation.report.pictures import Drawing
from phys_gan.validation.report.point_plots import curve_figure, plane_figure
from phys_gan.validation.report.section import Section, Shown

__all__ = ["points_section"]


def points_section(shown: Shown) -> Section:
    """Show where the points of toys are, beside the truth."""
    drawn = [(look, c.clouds, _of_candidate(c)) for look, c in shown if c.clouds is not None]
    drawings = []
    if drawn:
        clouds = drawn[0][1]
        axes = [layer.name for layer in clouds.detector.layers]
        if len(axes) == 1:
            drawings = [
                Drawing(
                    f"distribution of {axes[0]}",
                    "Points of all samples, and the exact density where it is known.",
                    partial(curve_figure, drawn),
                    wide=True,
                )
            ]
        else:
            marks = (
                " Circles of 3 σ are the modes of the exact density; those without any point that "
                "is drawn are red and crossed out."
            )
            drawings = [
                Drawing(
                    f"plane of {axes[0]} and {axes[1]}",
                    f"Density of {whole(len(clouds.reference))} points of the reference and as "
                    "many of a candidate where it has them, in common colours. Grey is empty."
                    + marks
                    * (clouds.truth is not None),
                    partial(plane_figure, drawn, _of_reference(clouds)),
                    wide=True,
                    is_map=True,
                )
            ]
    return Section("points", "Points", "", drawings)


def _of_reference(clouds: Clouds) -> str:
    if clouds.truth is None or clouds.truth.n_modes < 2:
        return ""
    found = count_modes(clouds.reference, clouds.truth)
    return f"{found.modes_hit} of {found.n_modes} modes, {found.high_quality:.1%} within 3 σ"


def _of_candidate(comparison: Comparison) -> str:
    results, clouds = comparison.multivariate, comparison.clouds
    if clouds is None or clouds.truth is None or "modes_hit" not in results:
        return ""
    modes, good = results["modes_hit"], results["high_quality"]
    return (
        f"{modes.value:.0f} of {clouds.truth.n_modes} modes, "
        f"{percent(good.value, good.error)} within 3 σ"
    )
