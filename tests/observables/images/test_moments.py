from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from phys_gan.data import read
from phys_gan.observables.moments import adaptive_moments, plain_moments

COSMOS = (
    Path(__file__).parents[4] / "shared/data/cosmos/real_galaxy_catalog_26_extension_example.fits"
)
Make = Callable[..., NDArray[np.float64]]


@settings(max_examples=25)
@given(
    sigma=st.floats(2.5, 6),
    axis_ratio=st.floats(0.4, 1),
    angle=st.floats(0, 3.1),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_a_gaussian_matches_itself(
    gaussian: Make, sigma: float, axis_ratio: float, angle: float, shift: tuple[float, float]
) -> None:
    moments = adaptive_moments(
        gaussian(sigma, axis_ratio=axis_ratio, angle=angle, shift=shift, side=80)
    )
    ellipticity = (1 - axis_ratio) / (1 + axis_ratio)
    g1, g2 = moments.shear
    assert moments.sigma[0] == pytest.approx(sigma, rel=1e-4)
    assert moments.rho4[0] == pytest.approx(2, abs=1e-3)
    assert moments.centres[0] == pytest.approx(np.add(shift, 39.5), abs=1e-4)
    assert g1[0] == pytest.approx(ellipticity * np.cos(2 * angle), abs=1e-3)
    assert g2[0] == pytest.approx(ellipticity * np.sin(2 * angle), abs=1e-3)
    # Sum of the Gaussian times itself, and of its square without the factor.
    assert moments.amplitude[0] == pytest.approx(0.5, rel=1e-3)
    assert moments.weight_square[0] == pytest.approx(np.pi * sigma**2, rel=1e-3)


def test_plain_moments_of_a_gaussian(gaussian: Make) -> None:
    images = gaussian(3.0, axis_ratio=0.5, shift=(1.25, -2.5))
    centroid, second = plain_moments(images)
    assert centroid[0] == pytest.approx([32.75, 29.0], abs=1e-6)
    assert second[0] == pytest.approx([18.0, 0.0, 4.5], abs=1e-3)
    about = centroid + np.array([1.0, 2.0])
    assert plain_moments(images, about)[1][0] == pytest.approx([19.0, 2.0, 8.5], abs=1e-3)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_nothing_to_match_is_not_a_number(value: float) -> None:
    moments = adaptive_moments(np.full((3, 32, 32), value, np.float32))
    for array in (moments.sigma, moments.rho4, *moments.shear, moments.amplitude):
        assert np.isnan(array).all()


def test_the_neighbours_in_a_batch_do_not_matter(
    sersic: Callable[..., NDArray[np.float32]],
) -> None:
    images = np.concatenate([sersic(12), np.zeros((1, 64, 64), np.float32)])
    together, alone = adaptive_moments(images), adaptive_moments(images[5:6])
    assert together.sigma[5] == pytest.approx(alone.sigma[0], rel=1e-4)
    assert np.isnan(together.sigma[-1])


def assert_as_galsim(images: NDArray[np.floating]) -> None:
    galsim = pytest.importorskip("galsim")
    ours = adaptive_moments(images)
    g1, g2 = ours.shear
    n_compared = 0
    for i, image in enumerate(images):
        theirs = galsim.hsm.FindAdaptiveMom(galsim.Image(image.astype(float)), strict=False)
        if theirs.error_message:
            continue
        n_compared += 1
        assert ours.sigma[i] == pytest.approx(theirs.moments_sigma, rel=1e-3)
        assert ours.rho4[i] == pytest.approx(theirs.moments_rho4, rel=1e-3)
        shape = theirs.observed_shape
        assert [g1[i], g2[i]] == pytest.approx([shape.g1, shape.g2], abs=1e-3 * max(0.1, shape.g))
        centre = theirs.moments_centroid
        assert ours.centres[i] == pytest.approx([centre.x - 1, centre.y - 1], abs=1e-3)
    assert n_compared > 0.95 * len(images)


def test_sersic_profiles_as_galsim(sersic: Callable[..., NDArray[np.float32]]) -> None:
    assert_as_galsim(sersic(100))


@pytest.mark.skipif(not COSMOS.exists(), reason="the COSMOS stamps are not here")
def test_cosmos_as_galsim() -> None:
    pytest.importorskip("galsim")
    events = read(COSMOS)
    images = events.cells.reshape(-1, *events.detector.layers[0].shape)
    assert_as_galsim(images)
    moments = adaptive_moments(images)
    assert np.hypot(*moments.shear).mean() == pytest.approx(0.271, abs=5e-4)
    assert moments.sigma.mean() * 0.03 == pytest.approx(0.1526, abs=5e-5)
    assert moments.rho4.mean() == pytest.approx(2.191, abs=5e-4)
