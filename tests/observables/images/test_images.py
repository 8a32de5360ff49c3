from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from phys_gan.detectors import Detector, ImageLayer, load_detector
from phys_gan.events import Events
from phys_gan.observables import measure, select
from phys_gan.validation import physics_score

Make = Callable[..., NDArray[np.floating]]


def detector(*bands: str, side: int = 64) -> Detector:
    layers = tuple(ImageLayer(name=b, rows=side, columns=side, pixel_scale=0.2) for b in bands)
    return Detector(name="test", cell_unit="electron", layers=layers)


def stamps(images: NDArray[np.floating], *bands: str) -> Events:
    n = len(images)
    return Events(images.reshape(n, -1), {}, detector(*(bands or ("r",)), side=images.shape[-1]))


def measured(events: Events) -> dict[str, NDArray[np.float64]]:
    return measure(events, select(events.detector, list(events.conditions)))


def test_units_and_names_are_those_of_the_detector() -> None:
    found = {o.name: o for o in select(detector("g", "r"), [])}
    assert found["flux_g"].axis_label == r"$F_{g}$ [electron]"
    assert found["brightness_0_r"].unit == "electron/arcsec²"
    assert found["sigma_r"].unit == "arcsec"
    assert "flux/flux_in" not in found
    assert "flux/flux_in" in {o.name for o in select(detector("r"), ["flux"])}


def test_showers_have_none_of_them() -> None:
    names = {o.name for o in select(load_detector("calogan"))}
    assert not names & {"gini_0", "flux_0", "sigma_0"}


def test_a_gaussian_in_arcsec(gaussian: Make) -> None:
    values = measured(stamps(100 * gaussian(4.0, axis_ratio=0.5, shift=(2.0, -3.0))))
    one = {name: v[0] for name, v in values.items()}
    assert one["flux_r"] == pytest.approx(100, rel=1e-5)
    assert one["sigma_r"] == pytest.approx(0.8, rel=1e-3)
    assert [one["centroid_x_r"], one["centroid_y_r"]] == pytest.approx([0.4, -0.6], abs=1e-3)
    assert [one["g1_r"], one["g2_r"], one["g_r"]] == pytest.approx([1 / 3, 0, 1 / 3], abs=1e-3)
    assert one["axis_ratio_r"] == pytest.approx(0.5, rel=1e-3)
    assert one["rho4_r"] == pytest.approx(2, rel=1e-3)
    assert one["half_light_radius_r"] == pytest.approx(0.8 * 1.1774, rel=0.07)
    assert one["pixel_max_r"] == pytest.approx(100 / (2 * np.pi * 16), rel=0.03)
    # Without noise there is no signal over noise.
    assert np.isnan(one["signal_to_noise_r"]) or one["signal_to_noise_r"] > 1e3


def test_the_brightness_of_annuli_sums_to_the_flux(gaussian: Make) -> None:
    one = {name: v[0] for name, v in measured(stamps(100 * gaussian(4.0))).items()}
    edges = 6.4 * np.array([0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1])
    areas = np.pi * np.diff(edges**2)
    assert sum(one[f"brightness_{j}_r"] * a for j, a in enumerate(areas)) == pytest.approx(
        100, 0.02
    )


def test_signal_to_noise_is_that_of_a_matched_filter(gaussian: Make) -> None:
    noise = np.random.default_rng(2).normal(0, 0.05, (300, 64, 64))
    values = measured(stamps(50 * gaussian(3.0) + noise))
    # Flux over the noise under a Gaussian: F / (s sqrt(4 pi) sigma).
    expected = 50 / (0.05 * np.sqrt(4 * np.pi) * 3)
    assert np.median(values["signal_to_noise_r"]) == pytest.approx(expected, rel=0.02)
    assert np.median(values["noise_r"]) == pytest.approx(0.05, rel=0.02)


def test_without_a_galaxy_there_is_no_shape() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (50, 32, 32))
    noise[0], noise[1] = 0, -1
    values = measured(stamps(noise))
    assert np.isfinite(values["flux_r"]).all()
    assert np.isnan(values["sigma_r"]).mean() > 0.8
    for name in ("sigma_r", "gini_r", "m20_r", "concentration_r", "asymmetry_r"):
        assert np.isnan(values[name][:2]).all(), name


def test_bands_are_measured_like_single_images(sersic: Make) -> None:
    g, r = sersic(20, seed=1), sersic(20, seed=2)
    both = measured(stamps(np.stack([g, r], axis=1), "g", "r"))
    for band, images in (("g", g), ("r", r)):
        alone = measured(stamps(images, band))
        for name, values in alone.items():
            np.testing.assert_allclose(both[name], values, rtol=2e-3, atol=2e-3, err_msg=name)


def test_values_scale_with_the_light_and_turn_with_the_image(sersic: Make) -> None:
    images = sersic(40, seed=3)
    once, twice = measured(stamps(images)), measured(stamps(2 * images))
    mirrored = measured(stamps(np.ascontiguousarray(images[:, :, ::-1])))
    for name in ("flux_r", "noise_r", "brightness_0_r"):
        np.testing.assert_allclose(twice[name], 2 * once[name], rtol=1e-5, err_msg=name)
    for name in ("gini_r", "concentration_r", "sigma_r", "signal_to_noise_r"):
        np.testing.assert_allclose(twice[name], once[name], rtol=1e-3, err_msg=name)
    np.testing.assert_allclose(mirrored["g2_r"], -once["g2_r"], atol=1e-3)
    np.testing.assert_allclose(mirrored["centroid_x_r"], -once["centroid_x_r"], atol=1e-3)


def test_the_score_sees_a_blurred_sample(sersic: Make) -> None:
    reference, same = stamps(sersic(300, seed=4)), stamps(sersic(300, seed=5))
    images = sersic(300, seed=6)
    blurred = images + np.roll(images, 1, axis=1)
    blurred = (blurred + np.roll(blurred, 1, axis=2)) / 4
    score = physics_score(reference, same)
    assert score < 0.1
    assert physics_score(reference, stamps(blurred)) > 1.5 * score
