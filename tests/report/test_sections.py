"""Figures are settled once, and drawn by several processes with the same result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from phys_gan.report import sections
from phys_gan.report.sections import Plot, Section, render_sections
from phys_gan.report.style import as_png, figure_style, settle


def many(extra: Callable[[], Figure]) -> list[Section]:
    """Make 48 figures of different width and one more, which is enough for two helpers."""
    draws = [partial(Figure, figsize=(1 + 0.1 * k, 1)) for k in range(48)]
    plots = [Plot(f"figure {k}", "", draw) for k, draw in enumerate([*draws, extra])]
    return [Section("one", "One", "", plots[:20]), Section("two", "Two", "", plots[20:])]


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_processes_draw_what_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    # What cannot be sent to a helper is drawn here.
    asked = many(lambda: Figure(figsize=(9, 1)))
    done: list[int] = []
    helped = render_sections(asked, files=True, report=lambda _, n: done.append(n))
    monkeypatch.setattr(sections, "_cores", lambda: 1)
    alone = render_sections(asked, files=True, report=None)
    assert [s.rendered for s in helped] == [s.rendered for s in alone]
    assert [r.width for s in helped for r in s.rendered][-3:] == [538, 547, 864]
    assert done[-1] == 49
    assert done == sorted(done)


@pytest.mark.usefixtures("two_cores")
def test_the_reason_of_a_failure_is_told() -> None:
    with pytest.raises(ValueError, match="figure size"):
        render_sections(many(partial(Figure, figsize=(-1, 1))), files=False, report=None)


def test_helpers_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    own: list[str] = []

    def slowly(plot: Plot, stem: str, *, files: bool) -> sections.Rendered:
        own.append(plot.name)
        while len(own) == 1 and len(drawn_by_helpers()) < 3:
            pass
        return sections.Rendered(plot, "", 1, 1, stem)

    stored: dict[int, sections.Rendered] = {}

    def drawn_by_helpers() -> list[int]:
        return list(stored)

    helpers = sections._helpers

    def watched(plots, stems, files, waiting, drawn):  # type: ignore[no-untyped-def]
        nonlocal stored
        stored = drawn
        return helpers(plots, stems, files, waiting, drawn)

    monkeypatch.setattr(sections, "_helpers", watched)
    monkeypatch.setattr(sections, "_cores", lambda: 2)
    monkeypatch.setattr(sections, "render_plot", slowly)
    found = render_sections(many(partial(Figure, figsize=(9, 1))), files=False, report=None)
    assert own[0] == "figure 0"
    assert found[1].rendered[-1].source.startswith("data:image/svg+xml")
    assert found[1].rendered[-1].width == 864


def axes_of_all_kinds() -> Figure:
    figure = Figure(figsize=(9, 5), layout="constrained")
    panels = figure.subplots(2, 3, sharex="col")
    for axes, x in zip(panels[0], ([0.0, 7.3], [1.0, 1e4], [2.0, 5.0]), strict=True):
        axes.plot(x, x)
        axes.set_ylabel("a label")
    for axes in (*panels[:, 1], *panels[:, 2]):
        axes.set_xscale("log")
    panels[0, 1].set_yscale("log")
    panels[1, 0].invert_yaxis()
    panels[1, 1].minorticks_off()
    panels[1, 2].set_axis_off()
    figure.colorbar(panels[1, 0].pcolormesh(np.arange(12.0).reshape(3, 4)), ax=panels[1, 0])
    return figure


def pixels(figure: Figure) -> NDArray[np.float64]:
    return np.asarray(imread(BytesIO(as_png(figure, 80))), np.float64)


def test_settling_changes_no_pixel() -> None:
    with figure_style():
        plain, settled = axes_of_all_kinds(), axes_of_all_kinds()
        # The layout alone, which a figure of fewer ticks may solve a fraction of a pixel apart.
        for figure in (plain, settled):
            engine = figure.get_layout_engine()
            assert engine is not None
            engine.execute(figure)
            figure.set_layout_engine("none")
        settle(settled)
        # Marks that lie over others in another order are rounded apart.
        assert np.abs(pixels(settled) - pixels(plain)).max() < 1.5 / 255

        def minor(axis: Axis) -> int:
            return len(axis.get_minorticklocs())

        # A logarithmic axis of less than a decade has numbers at its minor ticks, and keeps them.
        assert minor(plain.axes[2].xaxis) == minor(settled.axes[2].xaxis) > 0
        assert minor(plain.axes[0].xaxis) > 0
        assert minor(settled.axes[0].xaxis) == 0
