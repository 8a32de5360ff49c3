"""Sheets of events and figures of ramps: what is drawn, where, in which colours."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import AsinhNorm, LogNorm

from phys_gan.detectors import Detector, ImageLayer, load_detector
from phys_gan.events import Events
from phys_gan.report.exploration import ramp_figure
from phys_gan.report.maps import Sheet, make_palette, n_panels, sheet_figure
from phys_gan.simulation.galaxies import simulate_galaxies
from phys_gan.validation.exploration import Range, measure_ramp

GALAXIES = load_detector("galaxies-32")
STAMPS = simulate_galaxies(GALAXIES, 12, conditions={"noise": 0.05}, seed=1, threads=1)


def bands(n: int) -> Events:
    """Join images into images of n bands."""
    (layer,) = GALAXIES.layers
    assert isinstance(layer, ImageLayer)
    layers = [layer.model_copy(update={"name": f"b{k}"}) for k in range(n)]
    detector = Detector(name="bands", cell_unit="count", layers=layers)
    return Events(STAMPS.cells.reshape(-1, n * layer.n_cells), {}, detector)


def showers(name: str) -> Events:
    detector = load_detector(name)
    cells = np.random.default_rng(0).gamma(0.3, 1.0, (6, detector.n_cells))
    return Events(cells, {"energy": np.full(6, 1e4)}, detector)


def test_images_are_grey_on_one_asinh_scale() -> None:
    palette = make_palette([STAMPS[:6], STAMPS[6:]])
    assert isinstance(palette.norm, AsinhNorm)
    assert palette.colours == "gray"
    assert palette.label == "pixel [count]"
    # A few of 12,288 pixels are brighter.
    assert 3 <= np.sum(STAMPS.cells > palette.norm.vmax) <= 5
    assert palette.norm.vmin == pytest.approx(-0.15, rel=0.1)
    assert palette.norm.linear_width == pytest.approx(0.1, rel=0.1)
    figure = sheet_figure(Sheet(GALAXIES, [list(STAMPS.cells[:6]), list(STAMPS.cells[6:])]))
    drawn = [mesh for axes in figure.axes[:-1] for mesh in axes.collections]
    assert len(drawn) == 12
    assert len({mesh.norm(0.3) for mesh in drawn}) == 1
    for mesh, cells in zip(drawn, STAMPS.cells, strict=True):
        np.testing.assert_allclose(np.ravel(mesh.get_array()), cells, rtol=1e-6)


def test_an_empty_sky_has_colours() -> None:
    empty = Events(np.zeros((2, 1024)), {}, GALAXIES)
    norm = make_palette([empty]).norm
    assert norm.vmin < 0 < norm.vmax


@pytest.mark.parametrize(("name", "panels"), [("calogan", 3), ("calochallenge-2", 1)])
def test_showers_by_layers_or_from_the_side(name: str, panels: int) -> None:
    events = showers(name)
    assert n_panels(events.detector) == panels
    assert isinstance(make_palette([events]).norm, LogNorm)
    rows = [[None, *events.cells[:2]], [*events.cells[2:5]]]
    titles = [["", "a", "b"], ["", "", ""]]
    figure = sheet_figure(Sheet(events.detector, rows, titles, ["", "row"], margin=True))
    assert len(figure.axes) == 5 * panels + 1
    assert [axes.get_title() for axes in figure.axes[: 2 * panels : panels]] == ["a", "b"]


def test_every_band_has_its_row() -> None:
    events = bands(3)
    figure = sheet_figure(Sheet(events.detector, [list(events.cells)]))
    assert len(figure.axes) == 4 * 3 + 1
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == ["band b0", "band b1", "band b2"]
    tops = [axes.get_position().y1 for axes in figure.axes[:3]]
    assert tops == sorted(tops, reverse=True)


def test_pictures_lie_inside_and_apart() -> None:
    rows = [[None, *STAMPS.cells[:6]], [*STAMPS.cells[6:]], [*STAMPS.cells[:6]]]
    figure = sheet_figure(Sheet(GALAXIES, rows, [["x"] * 7, *[[""] * 7] * 2], margin=True))
    boxes = [axes.get_position() for axes in figure.axes]
    for k, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.y0 >= 0
        assert one.x1 <= 1
        assert one.y1 <= 1
        assert not any(one.overlaps(other) for other in boxes[:k])


def test_every_picture_of_a_ramp_stands_above_its_value() -> None:
    ranges = [Range("flux", 20.0, 200.0), Range("noise", 0.02, 0.1)]
    ramp = measure_ramp(
        lambda told: simulate_galaxies(GALAXIES, 5, conditions=told, threads=1), ranges, "flux", 5
    )
    figure = ramp_figure(ramp)
    *pictures, _, plot = figure.axes
    assert len(pictures) == 9
    assert [axes.get_title() for axes in pictures] == [t.get_text() for t in plot.get_xticklabels()]
    assert pictures[0].get_title() == "20"
    assert pictures[-1].get_title() == "200"
    for k, axes in enumerate(pictures):
        point = plot.transData.transform((k, 50))[0]
        box = axes.get_window_extent()
        assert point == pytest.approx((box.x0 + box.x1) / 2, abs=0.5)
        (mesh,) = (one for one in axes.collections if isinstance(one, QuadMesh))
        np.testing.assert_allclose(np.ravel(mesh.get_array()), ramp.events.cells[k], rtol=1e-6)
    assert plot.get_yscale() == "log"
    assert plot.get_ylabel() == "$F_{r}$ [count]"
