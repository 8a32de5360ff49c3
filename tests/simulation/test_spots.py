from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammainc

from phys_gan.detectors import load_detector
from phys_gan.simulation.profiles import draw_profiles, effective_medium, longitudinal_model
from phys_gan.simulation.showers import SpotModel, Spots, draw_spots, start_cascades


def spots_of(name: str, particle: str, energy: float, n: int, seed: int = 0) -> Spots:
    rng = np.random.default_rng(seed)
    incident = np.full(n, energy)
    medium = effective_medium(load_detector(name))
    return draw_spots(medium, start_cascades(particle, n, rng), incident, 0.9 * incident, rng)


@pytest.mark.parametrize("particle", ["e-", "gamma"])
@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
@pytest.mark.parametrize("energy", [100.0, 3e3, 1e6])
def test_spots_share_the_deposited_energy(name: str, particle: str, energy: float) -> None:
    spots = spots_of(name, particle, energy, 20)
    assert np.all(spots.energy >= 0)
    assert np.all(np.diff(spots.event) >= 0)
    assert np.all((spots.turn >= 0) & (spots.turn < 1))
    sums = np.bincount(spots.event, spots.energy, 20)
    assert sums == pytest.approx(np.full(20, 0.9 * energy), rel=1e-12)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
def test_the_mean_profile_is_the_mean_of_the_gamma_functions(name: str) -> None:
    n, energy = 4000, 3e4
    medium = effective_medium(load_detector(name))
    depths = np.array([2.0, 4, 6, 8, 10, 13, 17, 22])
    spots = spots_of(name, "e-", energy, n)
    t = spots.depth / medium.radiation_length
    drawn = np.array([np.bincount(spots.event, spots.energy * (t < d), n) for d in depths])
    drawn /= 0.9 * energy
    model = longitudinal_model(medium, np.full(200_000, energy))
    profiles = draw_profiles(model, np.random.default_rng(1))
    for depth, mean, spread in zip(depths, drawn.mean(axis=1), drawn.std(axis=1), strict=True):
        expected = gammainc(profiles.alpha, profiles.beta * depth)
        # 4.5 standard errors, and 0.1 % for the shares being a ratio of two fluctuating sums.
        assert mean == pytest.approx(expected.mean(), abs=4.5 * spread / np.sqrt(n) + 0.001)
        # The spots add their own fluctuations to those of the parameters.
        assert 0.95 < spread / expected.std() < 1.6


def test_the_number_of_spots_is_bounded() -> None:
    model = SpotModel(number=100, power=0.5, largest=1000)
    assert model.mean_number(np.array([1e3, 4e3, 1e9])).tolist() == [100, 200, 1000]
    assert len(spots_of("calogan", "e-", 1e7, 5).depth) < 5 * 11_000
