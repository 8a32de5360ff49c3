"""Profiles and transforms against closed forms and direct integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammainc, j0

from phys_gan.simulation.galaxy_profiles import (
    BETA,
    FWHM,
    LARGEST_INDEX,
    SMALLEST_INDEX,
    brightness,
    flux_outside,
    psf_transform,
    steepness,
    transform_table,
)

INDICES = np.array([SMALLEST_INDEX, 0.7, 1.0, 2.37, 4.0, LARGEST_INDEX])
WAVES = np.geomspace(1e-3, 300, 400)


def transform(index: float) -> np.ndarray:
    return transform_table().at(np.array([index]), WAVES[np.newaxis] ** 2)[0]


@pytest.mark.parametrize("index", INDICES)
def test_steepness_puts_half_of_the_light_within_the_radius(index: float) -> None:
    assert gammainc(2 * index, steepness(np.array(index))) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("radius", [0.3, 1.0, 5.0])
def test_brightness_integrates_to_the_flux_inside(index: float, radius: float) -> None:
    inside, _ = quad(lambda r: 2 * np.pi * r * brightness(np.array(r), np.array(index)), 0, radius)
    assert inside == pytest.approx(1 - flux_outside(np.array(radius), np.array(index)), rel=1e-6)


def test_transforms_of_closed_form() -> None:
    gaussian = np.exp(-(WAVES**2) / (4 * np.log(2)))
    np.testing.assert_allclose(transform(0.5), gaussian, atol=2e-5)
    exponential = (1 + (WAVES / steepness(np.array(1.0))) ** 2) ** -1.5
    np.testing.assert_allclose(transform(1.0), exponential, atol=2e-5)


@pytest.mark.parametrize("index", [1.537, 3.9, 5.95])
@pytest.mark.parametrize("wave", [0.05, 0.5, 2.0])
def test_transforms_between_the_rows_of_the_table(index: float, wave: float) -> None:
    # In u = r^(1/2n) the cusp at the centre and the long wings are both smooth.
    def integrand(u: float) -> float:
        r = u ** (2 * index)
        value = 2 * np.pi * r * brightness(np.array(r), np.array(index)) * j0(wave * r)
        return float(value * 2 * index * u ** (2 * index - 1))

    expected, _ = quad(integrand, 0, 2.6, limit=2000, epsabs=1e-7)
    found = transform_table().at(np.array([index]), np.array([[wave**2]]))[0, 0]
    assert found == pytest.approx(expected, abs=3e-5)


def test_the_transform_is_one_without_a_wave_and_none_for_the_shortest() -> None:
    table = transform_table()
    ends = table.at(INDICES, np.tile([0.0, 1e12], (len(INDICES), 1)))
    np.testing.assert_allclose(ends[:, 0], 1, atol=2e-6)
    # The cusp of the steepest profile has power at the end of the table, where it is held.
    assert np.all((ends[:, 1] >= 0) & (ends[:, 1] < 1e-3))


def test_the_point_spread_function_is_the_moffat_profile_it_says() -> None:
    scale = FWHM / (2 * np.sqrt(2 ** (1 / BETA) - 1))

    def profile(r: float) -> float:
        return float((BETA - 1) / (np.pi * scale**2) * (1 + (r / scale) ** 2) ** -BETA)

    assert profile(FWHM / 2) == pytest.approx(profile(0) / 2)
    for k in (0.5, 3.0, 8.0):
        expected, _ = quad(lambda r, k=k: 2 * np.pi * r * profile(r) * j0(k * r), 0, 60, limit=1000)
        assert psf_transform(np.array(k)) == pytest.approx(expected, abs=1e-6)
