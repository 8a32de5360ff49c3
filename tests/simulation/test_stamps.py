"""Noise-free pixels against brute force and invariants that hold without any oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.detectors import ImageLayer
from phys_gan.simulation import galaxy_profiles as module
from phys_gan.simulation.galaxies import draw_conditions
from phys_gan.simulation.galaxy_profiles import BETA, FWHM, Stamps


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
    monkeypatch.setattr(module, "_SMALLEST_PERIOD", 130.0)
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
