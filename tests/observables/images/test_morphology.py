from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from phys_gan.observables.morphology import Turned, boxcar, connected, gini, m20, minimise
from phys_gan.observables.morphology import gaussian as smoothed
from phys_gan.observables.photometry import (
    band_power,
    corner_boxes,
    coverage,
    distances,
    sky_level_noise,
)
from phys_gan.observables.stamps import Stamps

Make = Callable[..., NDArray[np.float64]]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("axis_ratio", [1.0, 0.7])
def test_the_area_of_an_aperture(exact: bool, axis_ratio: float) -> None:
    centres = np.random.default_rng(1).uniform(30, 33, (50, 2))
    shape = np.tile([1.0, 0.0, axis_ratio**2], (50, 1))
    around = distances(np.zeros((50, 64, 64)), centres, shape, exact=exact)
    for radius in (3.0, 7.7, 20.3):
        area = coverage(around, np.full(50, radius)).sum(axis=(1, 2))
        expected = np.pi * radius**2 * axis_ratio
        assert area == pytest.approx(expected, rel=2e-2 if radius < 5 else 1e-2)
        assert area.mean() == pytest.approx(expected, rel=8e-3 if radius < 5 else 2e-3)


def test_an_exact_aperture_is_the_overlap_of_circle_and_squares() -> None:
    centre = np.array([[10.3, 9.6]])
    part = coverage(distances(np.zeros((1, 20, 20)), centre, exact=True), np.array([6.2]))[0]
    fine = (np.arange(20 * 50) + 0.5) / 50 - 0.5
    inside = np.hypot(fine - 10.3, fine[:, None] - 9.6) < 6.2
    expected = inside.reshape(20, 50, 20, 50).mean(axis=(1, 3))
    assert np.abs(part - expected).max() < 1e-2


@pytest.mark.parametrize("exact", [True, False])
def test_radii_of_a_gaussian(gaussian: Make, exact: bool) -> None:
    sigma = 5.0
    stamps = Stamps(gaussian(sigma, shift=(0.3, -1.4), side=100), exact=exact)
    # eta(r) = (x exp(-x) / (1 - exp(-x))) with x = r^2 / (2 sigma^2), and is 0.2 here.
    x = 2.660399
    assert x * np.exp(-x) / (1 - np.exp(-x)) == pytest.approx(0.2, abs=1e-6)
    assert stamps.petrosian[0] == pytest.approx(sigma * np.sqrt(2 * x), rel=3e-3)
    inside = 1 - np.exp(-(1.5**2) * x)
    for part in (0.2, 0.5, 0.8):
        expected = sigma * np.sqrt(-2 * np.log(1 - part * inside))
        # A pixel adds 1/12 to the variance.
        assert stamps.radius_of(part)[0] == pytest.approx(expected, rel=5e-3)
    ratio = np.log(1 - 0.8 * inside) / np.log(1 - 0.2 * inside)
    assert stamps.concentration[0] == pytest.approx(2.5 * np.log10(ratio), rel=1e-2)


def test_a_symmetric_image_has_no_asymmetry(gaussian: Make) -> None:
    even = Stamps(gaussian(4.0, axis_ratio=0.6, angle=0.4, shift=(0.5, -1.0)))
    assert abs(even.asymmetry.values[0]) < 2e-3
    assert even.asymmetry.centres[0] == pytest.approx([32.0, 30.5], abs=0.05)
    odd = gaussian(4.0) + 0.3 * gaussian(1.5, shift=(6.0, 2.0))
    assert Stamps(odd).asymmetry.values[0] > 0.2


def test_clumps_are_not_smooth(gaussian: Make) -> None:
    clumps = sum(gaussian(1.2, shift=(6 * np.cos(t), 6 * np.sin(t))) for t in range(6))
    smooth, rough = Stamps(gaussian(5.0)), Stamps(gaussian(5.0) + 0.05 * clumps)
    assert rough.smoothness[0] > smooth.smoothness[0] + 0.015


def test_gini_of_known_distributions() -> None:
    segment = np.zeros((3, 8, 8), bool)
    segment[:, 2:6, 2:6] = True
    images = np.random.default_rng(0).normal(5, 1, (3, 8, 8))
    images[0][segment[0]] = 1.0
    images[1][segment[1]] = 0.0
    images[1, 3, 3] = 7.0
    values = np.abs(images[2][segment[2]])
    mean_difference = np.abs(np.subtract.outer(values, values)).sum() / (16 * 15)
    expected = [0.0, 1.0, mean_difference / (2 * values.mean())]
    assert gini(images, segment) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(gini(images, np.zeros_like(segment))).all()


def test_m20_of_two_disks() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    r = np.hypot(x, y)
    # A core with exactly 20 % of the light in a disk.
    core, ring = r < 5, (r >= 5) & (r < 20)
    image = np.where(core, 4.0, 0.0)
    image[ring] = 4 * image.sum() / ring.sum()
    bright = np.where(core, image, 0)
    expected = np.log10((bright * r**2).sum() / (image * r**2).sum())
    assert m20(image[None], np.ones((1, 64, 64), bool))[0] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(m20(-image[None], np.ones((1, 64, 64), bool))[0])


def test_smoothing_is_that_of_scipy() -> None:
    images = np.random.default_rng(3).normal(size=(4, 20, 26))
    sigma, size = np.array([0.7, 1.6, 4.0, 9.0]), np.array([1, 2, 5, 30])
    blurred, means = smoothed(images, sigma), boxcar(images, size)
    for i in range(4):
        expected = ndimage.gaussian_filter(images[i], sigma[i], mode="constant")
        np.testing.assert_allclose(blurred[i], expected, atol=1e-12)
        np.testing.assert_allclose(means[i], ndimage.uniform_filter(images[i], size[i]), atol=1e-12)


def test_turned_images_are_interpolated() -> None:
    images = np.random.default_rng(4).normal(size=(2, 9, 12))
    centres = np.array([[5.5, 4.0], [5.2, 4.4]])
    turned = Turned(images, centres, 2.0)
    middle = turned.around(np.arange(2), np.array([[5.5, 4.0], [5.5, 4.0]]))
    np.testing.assert_allclose(middle, images[:, ::-1, ::-1])
    points = np.array([[6.1, 3.2]])
    y, x = np.mgrid[:9, :12]
    at = [2 * points[0, 1] - y, 2 * points[0, 0] - x]
    expected = ndimage.map_coordinates(images[1], at, order=1, mode="grid-constant")
    np.testing.assert_allclose(turned.around(np.array([1]), points)[0], expected, atol=1e-12)


def test_the_simplex_finds_minima() -> None:
    minima = np.random.default_rng(5).uniform(-3, 3, (40, 2))

    def bowls(which: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.float64]:
        d = points - minima[which]
        return np.asarray(d[:, 0] ** 2 + 3 * d[:, 1] ** 2 + d[:, 0] * d[:, 1])

    found, values = minimise(bowls, np.zeros((40, 2)), np.full(40, 0.5), 1e-7)
    np.testing.assert_allclose(found, minima, atol=1e-6)
    assert values.max() < 1e-12


def test_only_the_region_of_the_brightest_pixel_counts() -> None:
    image = np.zeros((1, 6, 6))
    image[0, 1, 1], image[0, 2, 2], image[0, 5, 0] = 3.0, 1.0, 2.0
    assert np.argwhere(connected(image > 0, image)[0]).tolist() == [[1, 1], [2, 2]]
    assert not connected(image > 5, image).any()


def test_noise_and_power_of_white_noise() -> None:
    images = np.random.default_rng(6).normal(0.5, 2.0, (400, 64, 64))
    level, noise = sky_level_noise(corner_boxes(images))
    assert level.mean() == pytest.approx(0.5, abs=0.02)
    assert noise.mean() == pytest.approx(2.0, rel=0.02)
    power = 10 ** band_power(images)
    assert power.mean(axis=0) == pytest.approx(np.full(4, 4.0), rel=0.03)
