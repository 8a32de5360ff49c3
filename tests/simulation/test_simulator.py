"""One function for showers, galaxies and the points of toys."""

from __future__ import annotations

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError, RangeError
from phys_gan.simulation.galaxies import simulate_galaxies
from phys_gan.simulation.showers import simulate_showers
from phys_gan.toys import simulate_toy

OWN = Detector.from_toml('name = "own"\n[[layers]]\nkind = "axis"\n')


def test_toys_come_from_their_density() -> None:
    events = pg.simulate(pg.load_detector("toy-grid"), 50, seed=3)
    np.testing.assert_array_equal(events.cells, simulate_toy("toy-grid", 50, 3).cells)


def test_showers_are_those_of_the_shower_simulator() -> None:
    calogan, how = pg.load_detector("calogan"), {"particle": "gamma", "energy": (2e3, 4e3)}
    first = pg.simulate(calogan, 5, seed=1, spectrum="log-uniform", threads=1, **how)
    second = simulate_showers(calogan, 5, seed=1, spectrum="log-uniform", threads=1, **how)
    np.testing.assert_array_equal(first.cells, second.cells)
    np.testing.assert_array_equal(first.energy, second.energy)


def test_a_toy_without_density() -> None:
    with pytest.raises(DetectorError, match="density of 'own' is not known; available: toy-gau"):
        pg.simulate(OWN, 5)


def test_galaxies_are_those_of_the_galaxy_simulator() -> None:
    small, given = pg.load_detector("galaxies-32"), {"flux": (50.0, 60.0)}
    first = pg.simulate(small, 5, seed=1, conditions=given, engine="numpy", threads=1)
    second = simulate_galaxies(small, 5, seed=1, conditions=given)
    np.testing.assert_array_equal(first.cells, second.cells)


@pytest.mark.parametrize(
    ("name", "argument", "sentence"),
    [
        ("galaxies-32", {"particle": "e+"}, "is an image, whose galaxies have no particle; leave"),
        ("galaxies-32", {"energy": (1e3, 2e3)}, "have no energy; leave energy out"),
        ("galaxies-32", {"spectrum": "uniform"}, "have no spectrum"),
        ("calogan", {"conditions": {"theta": 0.1}}, "parametric showers have no conditions; leave"),
        ("calogan", {"workers": 2}, "have no workers; leave it out, or simulate with Geant4"),
        ("calogan", {"particle": ["e+", "e-"]}, "parametric showers have one kind of particle"),
        ("calogan", {"engine": "galsim"}, "are not made by galsim; available: parametric, geant4"),
        ("galaxies-32", {"engine": "geant4"}, "are not made by geant4; available: numpy, galsim"),
        ("galaxies-32", {"cut": 0.1}, "is an image, whose galaxies have no cut"),
        ("toy-ring", {"engine": "numpy"}, "are not made by numpy; available: one way only"),
        ("toy-ring", {"energy": (1e3, 2e3)}, "is a toy, whose points have no energy"),
    ],
)
def test_what_means_nothing_for_a_detector(name: str, argument: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        pg.simulate(pg.load_detector(name), 2, **argument)


def test_names_of_detectors_and_aliases_of_particles():
    named = pg.simulate("calogan", 20, particle="electron", seed=1, threads=1)
    assert named.provenance["particle"] == "e-"
    direct = pg.simulate(pg.load_detector("calogan"), 20, particle="e-", seed=1, threads=1)
    np.testing.assert_array_equal(named.cells, direct.cells)


def test_no_thread_is_refused():
    with pytest.raises(RangeError, match="threads = -1 is less than 1"):
        pg.simulate("calogan", 20, threads=-1)
