"""The published values of statmorph for its own test image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from phys_gan.observables.stamps import Stamps

IMAGE = Path(__file__).parents[4] / "shared/data/statmorph/slice.fits"
pytestmark = pytest.mark.skipif(not IMAGE.exists(), reason="statmorph's test image is not here")


def outliers(image: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels beyond 10 standard deviations of their eight neighbours."""
    around = np.full((3, 3), 1 / 8)
    around[1, 1] = 0
    mean, square = (ndimage.convolve(x, around, mode="nearest") for x in (image, image**2))
    return np.asarray(np.abs(image - mean) > 10 * np.sqrt(square - mean**2))


@pytest.fixture(scope="module", params=[True, False], ids=["exact", "fast"])
def stamps(request: pytest.FixtureRequest) -> tuple[Stamps, bool]:
    fits = pytest.importorskip("astropy.io.fits")
    with fits.open(IMAGE) as file:
        image = file[0].data.astype(np.float64)
        segment, masked = file[1].data == 1, file[2].data != 0
    valid = ~(masked | outliers(image))
    # The first box of sky in its order of search lies in the corner.
    assert not segment[:32, :32].any()
    measured = Stamps(
        image[None],
        segment=(segment & valid)[None],
        valid=valid[None],
        sky=image[None, None, :32, :32],
        tolerance=1e-6 if request.param else 0.05,
        exact=request.param,
    )
    return measured, request.param


def test_morphology(stamps: tuple[Stamps, bool]) -> None:
    measured, exact = stamps
    tolerance, small = (1e-3, 0.0) if exact else (5e-3, 3e-4)
    assert measured.gini[0] == pytest.approx(0.38993180, rel=tolerance)
    assert measured.m20[0] == pytest.approx(-1.54448931, rel=tolerance)
    assert measured.concentration[0] == pytest.approx(2.19100141, rel=tolerance)
    assert measured.asymmetry.values[0] == pytest.approx(0.00377346, rel=tolerance, abs=small)
    assert measured.smoothness[0] == pytest.approx(0.00430881, rel=tolerance, abs=small)


def test_radii(stamps: tuple[Stamps, bool]) -> None:
    measured, _ = stamps
    assert measured.petrosian[0] == pytest.approx(40.93755531944313, rel=1e-3)
    assert measured.radius_of(0.2)[0] == pytest.approx(11.69548630967248, rel=1e-3)
    assert measured.radius_of(0.5)[0] == pytest.approx(21.62164455681452, rel=1e-3)
    assert measured.radius_of(0.8)[0] == pytest.approx(32.07883340820674, rel=1e-3)
    # Its half-light radius counts the light as far as its segment reaches instead.
    assert measured.radius_of(0.5)[0] == pytest.approx(21.608032, rel=1e-3)


def test_position_and_shape(stamps: tuple[Stamps, bool]) -> None:
    measured, _ = stamps
    assert measured.centres[0] == pytest.approx([81.66578971349672, 80.53461797343211], abs=1e-6)
    best = measured.asymmetry.centres[0]
    assert best == pytest.approx([82.23985214801982, 80.76076242700849], abs=0.05)
    assert 1 / measured.axis_ratio[0] == pytest.approx(1.05049682522881, rel=1e-3)
