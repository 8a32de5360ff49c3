"""Figures of images: mean maps, pairs of stamps, axes of either sign, bands by name."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

from helpers import make_profiles
from phys_gan.detectors import Detector, load_detector
from phys_gan.events import Events
from phys_gan.metrics.correlations import compare_cell_correlations
from phys_gan.report.averages import mean_image_figure
from phys_gan.report.correlations import cell_figure
from phys_gan.report.events import nearest_figure, random_figure
from phys_gan.report.style import asinh_axis, asinh_ticks, figure_style, make_styles
from phys_gan.validation.gallery import Gallery, make_gallery
from phys_gan.validation.sample import measure_sample

DETECTOR = load_detector("galaxies-32")
LAYER = DETECTOR.layers[0].model_dump() | {"rows": 16, "columns": 16}
TWO = Detector.model_validate(
    {"name": "two", "cell_unit": "count", "layers": [{**LAYER, "name": name} for name in "gr"]}
)


def stamps(seed: int, n: int = 40, detector: Detector = DETECTOR) -> Events:
    """Return round Gaussians of many fluxes in noise around zero."""
    random = np.random.default_rng(seed)
    flux = random.uniform(20, 200, n)
    x, y = detector.positions.T
    shape = np.exp(-(x**2 + y**2) / 0.5)
    cells = flux[:, None] * shape / shape.sum() * detector.n_layers
    return Events(cells + random.normal(0, 0.05, cells.shape), {"flux": flux}, detector)


def maps(figure: Figure) -> list[np.ndarray]:
    meshes = [axes.collections[0] for axes in figure.axes if axes.get_aspect() == 1.0]
    return [np.ma.getdata(mesh.get_array()) for mesh in meshes]


def test_equal_samples_differ_by_noise_of_unit_width_in_every_pixel() -> None:
    pair = [make_profiles(stamps(seed, 400)) for seed in (1, 2)]
    with figure_style():
        figure = mean_image_figure(DETECTOR, pair[0], [(make_styles(["c"])[0], pair[1])])
    reference, candidate, pull = maps(figure)
    np.testing.assert_allclose(reference.ravel(), pair[0].cells.mean, atol=1e-9)
    # The sky is negative in about half of the pixels, and is shown all the same.
    assert (reference < 0).sum() > 200
    assert np.isfinite(candidate).all()
    assert 0.9 < pull.std() < 1.1
    assert isinstance(figure.axes[0].collections[0].norm, AsinhNorm)
    assert figure.axes[-1].get_ylabel() == "difference / its error"
    assert figure.axes[-2].get_ylabel() == "mean pixel [count]"


def test_bands_stand_below_each_other_and_candidates_beside() -> None:
    profiles = [make_profiles(stamps(seed, 30, TWO)) for seed in (1, 2, 3)]
    styles = make_styles(["a", "b"])
    with figure_style():
        figure = mean_image_figure(TWO, profiles[0], list(zip(styles, profiles[1:], strict=True)))
    # The reference and two differences in two bands, and two bars.
    assert len(maps(figure)) == 6
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["reference", "a", "b"]
    assert [axes.get_ylabel() for axes in figure.axes[:2]] == [
        "band g\n$y$ [arcsec]",
        "band r\n$y$ [arcsec]",
    ]


def test_pixels_that_never_vary_have_no_difference() -> None:
    known = np.arange(DETECTOR.n_cells) >= 5
    pair = [make_profiles(Events(e.cells * known, {}, DETECTOR)) for e in (stamps(1), stamps(2))]
    with figure_style():
        figure = mean_image_figure(DETECTOR, pair[0], [(make_styles(["c"])[0], pair[1])])
    pull = maps(figure)[2].ravel()
    assert np.isnan(pull[:5]).all()
    assert np.isfinite(pull[5:]).all()


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    pair = [measure_sample(stamps(seed), "x", observables=["flux_r"]) for seed in (1, 2)]
    return make_gallery(pair[0], pair[1], seed=0)


def test_galaxies_are_paired_by_their_conditions(gallery: Gallery) -> None:
    assert len(gallery.reference) == len(gallery.candidate) == 16
    first, second = gallery.reference.condition("flux"), gallery.candidate.condition("flux")
    assert np.all(np.diff(first) >= 0)
    assert np.corrcoef(first, second)[0, 1] > 0.98
    assert len(set(second)) == len(second)


def test_the_same_galaxies_are_paired_with_themselves() -> None:
    events = stamps(1)
    pair = [measure_sample(part, "x", observables=["flux_r"]) for part in (events, events[::-1])]
    found = make_gallery(pair[0], pair[1], seed=3)
    assert np.array_equal(found.reference.cells, found.candidate.cells)
    assert np.all(found.distances == 0)


def test_stamps_stand_in_pairs_in_one_grey(gallery: Gallery) -> None:
    (style,) = make_styles(["mine"])
    with figure_style():
        random, nearest = random_figure(gallery, style), nearest_figure(gallery, style)
    for figure, names in ((random, ["reference", "mine"]), (nearest, ["mine", "nearest"])):
        panels = [axes for axes in figure.axes if axes.collections and axes.get_xlim()[0] < 0]
        assert len(panels) == 32
        assert [axes.get_ylabel() for axes in panels if axes.get_ylabel()] == names * 2
        norms = {(axes.collections[0].norm.vmin, axes.collections[0].norm.vmax) for axes in panels}
        assert len(norms) == 1
        assert next(iter(norms))[0] < 0
    flux = gallery.reference.condition("flux")[0]
    assert random.axes[0].get_title() == rf"$F_\mathrm{{in}}$ = {flux:.3g} count"
    assert nearest.axes[0].get_title().endswith(f"({gallery.typical[0]:.2f})")


def test_pixels_are_told_by_band_and_angle() -> None:
    pairs = compare_cell_correlations(stamps(1, 40, TWO), stamps(2, 40, TWO))
    assert pairs is not None
    with figure_style():
        figure = cell_figure(TWO, [(make_styles(["c"])[0], pairs)])
        figure.canvas.draw()
    assert [axes.get_title() for axes in figure.axes] == ["band g", "band r"]
    assert figure.get_supxlabel() == "distance between the pixels [arcsec]"
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels(minor=True)]
    assert not any(labels)


@pytest.mark.parametrize(
    ("softening", "low", "high", "ticks"),
    [
        (0.05, -0.5, 20.0, [-0.1, 0.0, 0.1, 1.0, 10.0]),
        (0.05, -0.09, 20.0, [0.0, 0.1, 1.0, 10.0]),
        (1.0, -1e6, 1e6, [-1e6, -1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4, 1e6]),
        (0.05, -0.01, 0.01, [0.0]),
    ],
)
def test_ticks_of_either_sign(
    softening: float, low: float, high: float, ticks: list[float]
) -> None:
    assert asinh_ticks(softening, low, high) == ticks


def test_an_asinh_axis_names_its_ticks() -> None:
    axes = Figure().add_subplot()
    axes.set_xlim(-0.5, 20)
    asinh_axis(axes, 0.05, np.array([-0.5, 20.0]))
    axes.figure.canvas.draw()
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−0.1", "0", "0.1", "1", "10"]
