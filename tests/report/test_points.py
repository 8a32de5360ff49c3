from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.report.points import curve_figure, plane_figure
from phys_gan.report.style import make_styles
from phys_gan.toys import TOYS, simulate_toy
from phys_gan.validation.comparison import Options, compare_all
from phys_gan.validation.joint import Clouds

RING = simulate_toy("toy-ring", 400, seed=1)
AXIS = '[[layers]]\nkind = "axis"\n'


def clouds(candidate: np.ndarray, name: str = "toy-ring") -> Clouds:
    truth = simulate_toy(name, 400, seed=1)
    return Clouds(truth.detector, truth.cells.astype(float), candidate, TOYS[name])


def test_the_page_of_a_toy(tmp_path: Path) -> None:
    found = compare_all(RING, {"GAN": simulate_toy("toy-ring", 200)})
    page = found.save(tmp_path, figures=True)
    text = page.read_text("utf-8")
    for words in ("modes hit", "reverse KL", "high quality", "Points", "nearest mode"):
        assert words in text
    for words in ("Average showers", "Single events", "Energy response", "incident energy"):
        assert words not in text
    assert "Warning" not in text
    assert (tmp_path / "figures" / "points-plane-of-x-and-y.pdf").stat().st_size > 0


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_the_page_of_points_without_density(n_axes: int, tmp_path: Path) -> None:
    detector = Detector.from_toml('name = "own"\ncell_unit = ""\n' + n_axes * AXIS)
    draws = np.random.default_rng(0).normal(size=(2, 150, n_axes))
    first, second = (Events(points, {}, detector) for points in draws)
    found = compare_all(first, {"GAN": second}, options=Options(observables=["0"]))
    assert "modes hit" not in found.save(tmp_path, figures=False).read_text("utf-8")


def test_modes_without_points_are_crossed_out() -> None:
    (style,) = make_styles(["GAN"])
    ring = TOYS["toy-ring"]
    found = plane_figure([(style, clouds(ring.centres[:6]), "6 of 8 modes")], "")
    axes = found.axes[1]
    hit, missed = (
        len(entry.get_offsets())
        for entry in axes.collections
        if isinstance(entry, EllipseCollection)
    )
    assert (hit, missed) == (6, 2)
    np.testing.assert_allclose(np.transpose(axes.lines[0].get_data()), ring.centres[6:])
    assert axes.get_title() == "6 of 8 modes"


def test_the_frame_holds_the_reference_whatever_the_candidate_does() -> None:
    (style,) = make_styles(["GAN"])
    for candidate in (np.full((50, 2), 1e6), np.zeros((50, 2)), 3 * TOYS["toy-ring"].centres):
        drawn = clouds(candidate)
        axes = plane_figure([(style, drawn, "")], "").axes[0]
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert low < -2 < 2 < high
        assert bottom < -2 < 2 < top
        assert high - low < 15


def test_shares_add_up_to_one_in_the_frame() -> None:
    (style,) = make_styles(["GAN"])
    figure = plane_figure([(style, clouds(TOYS["toy-ring"].sample(300, 3)), "")], "")
    for axes in figure.axes[:2]:
        assert np.nansum(axes.collections[0].get_array().filled(0)) == pytest.approx(1, abs=0.01)


def test_the_curve_is_the_exact_density() -> None:
    (style,) = make_styles(["GAN"])
    figure = curve_figure([(style, clouds(np.zeros((50, 1)), "toy-gaussian"), "")])
    x, y = figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(y, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
