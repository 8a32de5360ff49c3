"""The section about the points of toys."""

from __future__ import annotations

from functools import partial

from phys_gan.report.numbers import percent, whole
from phys_gan.report.pictures import Drawing
from phys_gan.report.point_plots import Drawn, curve_figure, plane_figure
from phys_gan.report.section import Section, Shown
from phys_gan.toys import count_modes
from phys_gan.validation.comparison import Comparison
from phys_gan.validation.points import MOST_SHOWN, Clouds

__all__ = ["points_section"]

_MARKS = (
    " Circles of 3 σ are the modes of the exact density; those without any point that is drawn are "
    "red and crossed out."
)


def points_section(shown: Shown) -> Section:
    """Show where the points of toys are, beside the truth."""
    drawn = [(look, c.clouds, _of_candidate(c)) for look, c in shown if c.clouds is not None]
    drawings = []
    if drawn:
        on_a_line = drawn[0][1].detector.n_cells == 1
        drawings = [_line(drawn) if on_a_line else _plane(drawn)]
    return Section("points", "Points", "", drawings)


def _line(drawn: Drawn) -> Drawing:
    (axis,) = drawn[0][1].detector.layers
    return Drawing(
        f"distribution of {axis.name}",
        "Points of all samples, and the exact density where it is known.",
        partial(curve_figure, drawn),
        wide=True,
    )


def _plane(drawn: Drawn) -> Drawing:
    clouds = drawn[0][1]
    first, second, *_ = clouds.detector.layers
    marks = "" if clouds.truth is None else _MARKS
    return Drawing(
        f"plane of {first.name} and {second.name}",
        f"Density of the points, of at most {whole(MOST_SHOWN)} per sample, in common colours. "
        f"Grey is empty.{marks}",
        partial(plane_figure, drawn, _of_reference(clouds)),
        wide=True,
        is_map=True,
    )


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
