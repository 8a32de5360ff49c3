"""The conditions of galaxies, and the galaxy simulator."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DataError, DetectorError, PhysGanError, RangeError
from phys_gan.randomness import normal_noise
from phys_gan.simulation.galaxies import CONDITIONS, draw_conditions, simulate_galaxies

SMALL = load_detector("galaxies-32")
PIXELS = SMALL.layers[0]


def test_defaults_fill_their_ranges() -> None:
    drawn = draw_conditions(PIXELS, 4000, seed=1)
    assert list(drawn) == list(CONDITIONS)
    for name, condition in CONDITIONS.items():
        low, high = drawn[name].min(), drawn[name].max()
        assert condition.low <= low
        assert high <= condition.high
        middle = (
            np.sqrt(condition.low * condition.high)
            if condition.logarithmic
            else (condition.low + condition.high) / 2
        )
        # Half of the values below the middle, within 5 standard errors.
        assert np.mean(drawn[name] < middle) == pytest.approx(0.5, abs=0.04)


def test_conditions_do_not_depend_on_each_other_or_on_the_number() -> None:
    few = draw_conditions(PIXELS, 10, seed=3)
    many = draw_conditions(PIXELS, 1000, {"flux": 50.0}, seed=3)
    for name in set(CONDITIONS) - {"flux"}:
        np.testing.assert_array_equal(many[name][:10], few[name])
    others = np.corrcoef(np.stack([many[name] for name in CONDITIONS if name != "flux"]))
    assert np.abs(others - np.eye(5)).max() < 0.16


def test_values_ranges_and_arrays() -> None:
    fluxes = np.array([3.0, 400.0, 7.0])
    drawn = draw_conditions(PIXELS, 3, {"flux": fluxes, "noise": 0.0, "axis_ratio": (0.8, 0.9)})
    np.testing.assert_array_equal(drawn["flux"], fluxes)
    np.testing.assert_array_equal(drawn["noise"], np.zeros(3))
    assert np.all((drawn["axis_ratio"] >= 0.8) & (drawn["axis_ratio"] <= 0.9))


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        ({"magnitude": 20.0}, ConfigError, "no condition 'magnitude'; available: flux, half_light"),
        ({"axis_ratio": 1.2}, RangeError, "axis_ratio is 1.2, but must be from 0.1 to 1"),
        ({"axis_ratio": (0.5, 1.2)}, RangeError, "axis_ratio is 1.2, but"),
        ({"sersic_index": 8.0}, RangeError, "sersic_index is 8, but must be from 0.5 to 6"),
        ({"noise": -0.1}, RangeError, "noise is -0.1 count, but must be at least 0 count"),
        ({"noise": (0.0, 0.1)}, RangeError, "the logarithm of noise is drawn, .* begins at 0"),
        ({"flux": 0.0}, RangeError, "flux is 0 count, but must be above 0 count"),
        ({"flux": np.nan}, RangeError, "flux is nan count"),
        ({"flux": np.inf}, RangeError, "flux is inf count"),
        ({"position_angle": 90.0}, RangeError, "is 90 rad, but must be from 0 to 3.14159 rad"),
        ({"flux": (5.0, 2.0)}, RangeError, r"the range \(5.0, 2.0\) of flux does not rise"),
        ({"flux": np.ones(3)}, DataError, r"flux has shape \(3,\), but n = 2"),
        (
            {"half_light_radius": 2.0, "axis_ratio": 0.25},
            RangeError,
            "reach 4 arcsec .* but the stamp ends 3.2 arcsec from its centre; give smaller",
        ),
    ],
)
def test_what_has_no_meaning(given: dict, kind: type[PhysGanError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        draw_conditions(PIXELS, 2, given)


def test_events_say_what_they_are() -> None:
    events = simulate_galaxies(SMALL, 5, seed=4)
    assert set(events.conditions) == set(CONDITIONS)
    assert events.cells.shape == (5, 1024)
    assert events.cells.min() < 0
    provenance = dict(events.provenance)
    assert provenance["simulator"].startswith("phys_gan galaxies")
    assert (provenance["seed"], provenance["engine"]) == ("4", "numpy")


@pytest.mark.parametrize("name", ["galaxies-32", "galaxies-64"])
def test_neither_threads_nor_the_number_of_events_change_an_event(name: str) -> None:
    detector = load_detector(name)
    many = simulate_galaxies(detector, 75, seed=1, threads=3)
    again = simulate_galaxies(detector, 75, seed=1, threads=1)
    few = simulate_galaxies(detector, 9, seed=1)
    np.testing.assert_array_equal(again.cells, many.cells)
    np.testing.assert_array_equal(few.cells, many.cells[:9])
    assert np.any(simulate_galaxies(detector, 9, seed=2).cells != few.cells)


def test_given_conditions_give_the_same_events() -> None:
    events = simulate_galaxies(SMALL, 6, seed=1)
    again = simulate_galaxies(SMALL, 6, seed=1, conditions=dict(events.conditions))
    np.testing.assert_array_equal(again.cells, events.cells)


def test_noise_has_its_width_and_nothing_else() -> None:
    clean = simulate_galaxies(SMALL, 300, seed=1, noise=False)
    np.testing.assert_array_equal(clean.conditions["noise"], np.zeros(300))
    noisy = simulate_galaxies(SMALL, 300, seed=1)
    rms = noisy.conditions["noise"]
    pulls = (noisy.cells - clean.cells) / rms[:, np.newaxis]
    # Five standard errors of 307,200 normal numbers; of 1024 for each galaxy.
    assert abs(pulls.mean()) < 5 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=5 / np.sqrt(2 * pulls.size))
    np.testing.assert_allclose(pulls.std(axis=1), 1, atol=5 / np.sqrt(2 * 1024))
    # A generator of the same seed must not draw the same numbers.
    latents = normal_noise(1, 0, 300, 1024)
    assert abs(np.corrcoef(latents.ravel(), pulls.ravel())[0, 1]) < 5 / np.sqrt(pulls.size)


def test_flux_and_size_answer_to_their_conditions() -> None:
    fluxes, radii = np.geomspace(20, 200, 12), np.geomspace(0.3, 1.2, 12)
    fixed = {"sersic_index": 2.0, "axis_ratio": 0.6, "position_angle": 1.0}
    brighter = simulate_galaxies(
        SMALL, 12, conditions={**fixed, "flux": fluxes, "half_light_radius": 0.5}, noise=False
    )
    np.testing.assert_allclose(np.diff(np.log(brighter.total_energy())), np.log(10) / 11, rtol=1e-4)
    larger = simulate_galaxies(
        SMALL, 12, conditions={**fixed, "flux": 100.0, "half_light_radius": radii}, noise=False
    )
    second = larger.cells @ (SMALL.positions**2).sum(axis=1) / larger.total_energy()
    assert np.all(np.diff(second) > 0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "calogan",
            "'calogan' is not an image, so no galaxy can be simulated in it; name an image",
        ),
        ("toy-ring", "'toy-ring' is not an image"),
    ],
)
def test_detectors_that_are_not_images(name: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence):
        simulate_galaxies(load_detector(name), 2)


def test_several_bands_are_refused() -> None:
    band = SMALL.layers[0]
    bands = Detector(name="gri", layers=[band.model_copy(update={"name": b}) for b in "gri"])
    with pytest.raises(
        DetectorError, match="'gri' has 3 bands, but the simulated galaxies have no"
    ):
        simulate_galaxies(bands, 2)


def test_other_mistakes_are_named() -> None:
    with pytest.raises(RangeError, match="n = 0 is less than 1"):
        simulate_galaxies(SMALL, 0)
    with pytest.raises(ConfigError, match="'skirt' is not an engine; available: numpy, galsim"):
        simulate_galaxies(SMALL, 1, engine="skirt")
    with pytest.raises(ConfigError, match="there is to be no noise, but the condition 'noise'"):
        simulate_galaxies(SMALL, 1, conditions={"noise": 0.1}, noise=False)
