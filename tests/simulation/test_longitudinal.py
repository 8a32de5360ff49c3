from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.simulation.profiles import (
    EffectiveMedium,
    draw_profiles,
    effective_medium,
    longitudinal_model,
)

LEAD = EffectiveMedium(z=82, radiation_length=5.6, critical_energy=10.0, moliere_radius=16.0)


def test_homogeneous_formulas_by_hand() -> None:
    # ln y = ln(1000) = 6.9078
    model = longitudinal_model(LEAD, np.array([1e4]))
    assert np.exp(model.mean_log_t[0]) == pytest.approx(6.0958, abs=1e-4)
    assert np.exp(model.mean_log_alpha[0]) == pytest.approx(4.1641, abs=1e-4)
    assert 1 / model.sigma_log_t[0] == pytest.approx(7.3038, abs=1e-4)
    assert 1 / model.sigma_log_alpha[0] == pytest.approx(5.3607, abs=1e-4)
    assert model.rho[0] == pytest.approx(0.54612, abs=1e-5)


def test_sampling_formulas_by_hand() -> None:
    medium = replace(LEAD, inverse_frequency=0.4, e_over_mip=0.7, sampling=True)
    model = longitudinal_model(medium, np.array([1e4]))
    assert np.exp(model.mean_log_t[0]) == pytest.approx(6.0958 - 0.22 - 0.207, abs=1e-4)
    assert np.exp(model.mean_log_alpha[0]) == pytest.approx(4.1641 - 0.1904, abs=1e-4)
    assert 1 / model.sigma_log_t[0] == pytest.approx(6.1347, abs=1e-4)
    assert 1 / model.sigma_log_alpha[0] == pytest.approx(4.6371, abs=1e-4)
    assert model.rho[0] == pytest.approx(0.62512, abs=1e-5)


def test_drawn_parameters_have_the_moments_of_the_model() -> None:
    n = 200_000
    model = longitudinal_model(LEAD, np.full(n, 1e4))
    profiles = draw_profiles(model, np.random.default_rng(1))
    log_alpha = np.log(profiles.alpha)
    log_t = np.log((profiles.alpha - 1) / profiles.beta)
    # The floors of alpha and T are more than four standard deviations away.
    assert log_t.mean() == pytest.approx(model.mean_log_t[0], abs=0.002)
    assert log_alpha.mean() == pytest.approx(model.mean_log_alpha[0], abs=0.002)
    assert log_t.std() == pytest.approx(model.sigma_log_t[0], rel=0.01)
    assert log_alpha.std() == pytest.approx(model.sigma_log_alpha[0], rel=0.01)
    assert np.corrcoef(log_t, log_alpha)[0, 1] == pytest.approx(model.rho[0], abs=0.01)


def test_tau_is_one_at_the_maximum_of_the_mean_shower() -> None:
    model = longitudinal_model(LEAD, np.array([1e4]))
    still = replace(model, sigma_log_t=np.zeros(1), sigma_log_alpha=np.zeros(1))
    profiles = draw_profiles(still, np.random.default_rng(0))
    assert profiles.tau_per_depth * np.exp(model.mean_log_t) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-1-photons", "calochallenge-3"])
def test_every_energy_gives_a_profile(name: str) -> None:
    energies = np.repeat(np.geomspace(1e-3, 1e7, 1000), 20)
    model = longitudinal_model(effective_medium(load_detector(name)), energies)
    profiles = draw_profiles(model, np.random.default_rng(0))
    assert np.all(profiles.alpha > 1)
    assert np.all(np.isfinite(profiles.beta) & (profiles.beta > 0))
    assert np.all(np.abs(model.rho) < 1)
