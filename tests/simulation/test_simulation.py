from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import ConfigError, DetectorError, RangeError
from phys_gan.randomness import normal_noise
from phys_gan.simulation.galaxies import CONDITIONS, simulate_galaxies

SMALL = load_detector("galaxies-32")


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
        ("calogan", "'calogan' is no image, so no galaxy can be simulated in it; name an image"),
        ("toy-ring", "'toy-ring' is no image"),
    ],
)
def test_detectors_that_are_no_images(name: str, sentence: str) -> None:
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
    with pytest.raises(RangeError, match="n = 0 is no number of events"):
        simulate_galaxies(SMALL, 0)
    with pytest.raises(ConfigError, match="'skirt' is not an engine; available: numpy, galsim"):
        simulate_galaxies(SMALL, 1, engine="skirt")
    with pytest.raises(ConfigError, match="there is to be no noise, but the condition 'noise'"):
        simulate_galaxies(SMALL, 1, conditions={"noise": 0.1}, noise=False)
