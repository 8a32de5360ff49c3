"""Profiles and transforms against closed forms; pixels against brute force and invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammainc, j0

from phys_gan.detectors import ImageLayer
from phys_gan.simulation import stamps
from phys_gan.simulation.galaxies import draw_conditions
from phys_gan.simulation.stamps import (
    BETA,
    FWHM,
    LARGEST_INDEX,
    SMALLEST_INDEX,
    Stamps,
    brightness,
    flux_outside,
    psf_transform,
    sersic_transform,
    steepness,
)

INDICES = np.array([SMALLEST_INDEX, 0.7, 1.0, 2.37, 4.0, LARGEST_INDEX])
WAVES = np.geomspace(1e-3, 300, 400)


def transform(index: float) -> np.ndarray:
    return sersic_transform(np.array([index]), WAVES[np.newaxis] ** 2)[0]


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
    found = sersic_transform(np.array([index]), np.array([[wave**2]]))[0, 0]
    assert found == pytest.approx(expected, abs=3e-5)


def test_the_transform_is_one_without_a_wave_and_none_for_the_shortest() -> None:
    ends = sersic_transform(INDICES, np.tile([0.0, 1e12], (len(INDICES), 1)))
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


def layer(rows: int, columns: int, pixel_scale: float) -> ImageLayer:
    return ImageLayer(rows=rows, columns=columns, pixel_scale=pixel_scale)


SMALL = layer(32, 32, 0.2)
STAMPS = Stamps(SMALL)


def galaxy(**values: float) -> dict[str, np.ndarray]:
    usual = {
        "flux": 1.0,
        "half_light_radius": 0.6,
        "sersic_index": 1.5,
        "axis_ratio": 0.5,
        "position_angle": 0.4,
    }
    return {name: np.array([value]) for name, value in (usual | values).items()}


def errors(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return the largest error of a pixel over the peak, and that of the flux in the stamp."""
    pixel = np.abs(found - true).max(axis=(1, 2)) / true.max(axis=(1, 2))
    flux = found.sum(axis=(1, 2)) / true.sum(axis=(1, 2)) - 1
    return pixel.max(), np.abs(flux).max()


@pytest.mark.parametrize(
    ("where", "index", "q", "pixel", "flux"),
    [
        (SMALL, (0.7, 4.0), (0.3, 1.0), 2e-4, 2e-3),
        (SMALL, (0.5, 6.0), (0.3, 1.0), 3e-4, 4e-3),
        (SMALL, (0.5, 6.0), (0.13, 0.3), 5e-3, 1e-2),
        (layer(16, 20, 0.45), (0.5, 6.0), (0.3, 1.0), 3e-4, 4e-3),
    ],
)
def test_a_short_period_with_tails_is_a_long_one(
    monkeypatch: pytest.MonkeyPatch, where: ImageLayer, index: tuple, q: tuple, pixel, flux
) -> None:
    galaxies = draw_conditions(where, 12, {"sersic_index": index, "axis_ratio": q}, seed=2)
    found = Stamps(where).render(galaxies)
    monkeypatch.setattr(stamps, "_SMALLEST_PERIOD", 130.0)
    worst_pixel, worst_flux = errors(found, Stamps(where).render(galaxies))
    assert worst_pixel < pixel
    assert worst_flux < flux


def test_the_flux_is_that_of_the_galaxy_also_beside_the_stamp() -> None:
    wide = Stamps(layer(512, 512, 0.2))
    total = wide.render(galaxy(flux=70.0, sersic_index=1.0)).sum()
    # What is missing is the wings of the point spread function.
    assert total == pytest.approx(70, rel=1e-5)
    inside = STAMPS.render(galaxy(flux=70.0, sersic_index=4.0, half_light_radius=1.2)).sum()
    assert 0.7 * 70 < inside < 0.9 * 70


def test_a_point_is_the_point_spread_function_integrated_over_pixels() -> None:
    found = STAMPS.render(galaxy(half_light_radius=1e-4, axis_ratio=1.0))[0]
    scale = FWHM / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    fine = (np.arange(32 * 8) - (32 * 8 - 1) / 2) * 0.2 / 8
    squares = fine**2 + fine[:, np.newaxis] ** 2
    profile = (BETA - 1) / (np.pi * scale**2) * (1 + squares / scale**2) ** -BETA
    true = profile.reshape(32, 8, 32, 8).mean(axis=(1, 3)) * 0.2**2
    assert errors(found[np.newaxis], true[np.newaxis])[0] < 5e-4


@pytest.mark.parametrize("shape", [(32, 32), (33, 33)])
def test_galaxies_lie_in_the_middle(shape: tuple[int, int]) -> None:
    pixels = Stamps(layer(*shape, 0.2)).render(galaxy())[0]
    np.testing.assert_allclose(pixels, pixels[::-1, ::-1], atol=1e-4 * pixels.max())


def test_the_major_axis_turns_from_x_towards_y() -> None:
    along_x = STAMPS.render(galaxy(position_angle=0.0))[0]
    along_y = STAMPS.render(galaxy(position_angle=np.pi / 2))[0]
    between = STAMPS.render(galaxy(position_angle=np.pi / 4))[0]
    assert along_x[16, 24] > 2 * along_x[24, 16]
    np.testing.assert_allclose(along_y, along_x.T, atol=1e-6)
    # Row and column rise together along y = x.
    assert between[22, 22] > 2 * between[22, 9]


@settings(max_examples=25)
@given(
    radius=st.floats(0.3, 1.2),
    index=st.floats(0.5, 6.0),
    q=st.floats(0.3, 1.0),
    angle=st.floats(0.0, np.pi),
)
def test_pixels_are_proportional_to_the_flux_and_mirrored_with_the_angle(
    radius: float, index: float, q: float, angle: float
) -> None:
    one = {"half_light_radius": radius, "sersic_index": index, "axis_ratio": q}
    first = STAMPS.render(galaxy(**one, position_angle=angle))
    doubled = STAMPS.render(galaxy(**one, position_angle=angle, flux=2.0))
    mirrored = STAMPS.render(galaxy(**one, position_angle=np.pi - angle))
    np.testing.assert_allclose(doubled, 2 * first, rtol=1e-12)
    np.testing.assert_allclose(mirrored[:, ::-1], first, atol=2e-4 * first.max())
    assert first.min() > -1e-3 * first.max()


@pytest.mark.parametrize("n_pixels", [32, 64, 128])
def test_larger_stamps_show_the_same_galaxy(n_pixels: int) -> None:
    galaxies = galaxy(sersic_index=3.0, half_light_radius=0.9)
    wide = Stamps(layer(n_pixels, n_pixels, 0.2)).render(galaxies)
    rim = (n_pixels - 32) // 2
    middle = wide[:, rim : rim + 32, rim : rim + 32]
    assert errors(STAMPS.render(galaxies), middle)[0] < 1e-4
