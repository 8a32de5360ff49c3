"""Formulas against the paper, by hand; materials against the Particle Data Group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from phys_gan.detectors import Detector, Sampling, Slab, load_detector
from phys_gan.detectors.materials import MATERIALS, SCALE_ENERGY
from phys_gan.errors import DetectorError
from phys_gan.simulation.parametrisation import (
    LARGEST_RADIUS,
    EffectiveMedium,
    RadialProfile,
    draw_profiles,
    effective_medium,
    longitudinal_model,
    radial_profile,
)


def with_slabs(sampling: Sampling | None) -> Detector:
    return load_detector("calogan").model_copy(update={"sampling": sampling})


# Radiation length and Moliere radius [cm] as the Particle Data Group prints them.
PDG = {
    "Al": (8.897, 4.419),
    "Cu": (1.436, 1.568),
    "Fe": (1.757, 1.719),
    "LAr": (14.00, 9.043),
    "Pb": (0.5612, 1.602),
    "PbWO4": (0.8904, 1.959),
    "Si": (9.370, 4.944),
    "U": (0.3166, 1.009),
    "W": (0.3504, 0.9327),
}


@pytest.mark.parametrize("name", PDG)
def test_lengths_are_those_of_the_particle_data_group(name: str) -> None:
    material = MATERIALS[name]
    length, radius = PDG[name]
    assert material.radiation_length / material.density == pytest.approx(length, rel=2e-3)
    found = SCALE_ENERGY * material.radiation_length / material.critical_energy
    assert found / material.density == pytest.approx(radius, rel=2e-3)


def test_one_material_is_its_own_medium() -> None:
    crystal = Sampling(active=Slab(material="PbWO4", thickness=220.0), stochastic_term=0.03)
    medium = effective_medium(with_slabs(crystal))
    assert medium.radiation_length == pytest.approx(8.904, rel=2e-3)
    assert medium.moliere_radius == pytest.approx(19.59, rel=2e-3)
    assert medium.critical_energy == pytest.approx(9.64)
    assert (medium.inverse_frequency, medium.e_over_mip, medium.sampling) == (0, 1, False)


def test_depths_in_radiation_lengths_add() -> None:
    medium = effective_medium(load_detector("calogan"))
    assert 6 / medium.radiation_length == pytest.approx(2 / 5.612 + 4 / 140.0, rel=2e-3)


def test_only_a_stochastic_term_makes_a_detector_sample() -> None:
    assert not effective_medium(load_detector("calogan")).sampling
    medium = effective_medium(load_detector("calochallenge-2"))
    assert medium.sampling
    assert medium.e_over_mip == pytest.approx(1 / (1 + 0.007 * (74 - 14)))
    assert medium.inverse_frequency == pytest.approx(1.4 / 3.504 + 0.3 / 93.7, rel=2e-3)


@pytest.mark.parametrize(("name", "kind"), [("galaxies-32", "an image"), ("toy-ring", "a toy")])
def test_only_a_calorimeter_has_a_medium(name: str, kind: str) -> None:
    with pytest.raises(DetectorError, match=f"'{name}' is {kind}, in which no shower"):
        effective_medium(load_detector(name))


def test_a_missing_sampling_table_is_named() -> None:
    with pytest.raises(DetectorError, match=r"no \[sampling\] table"):
        effective_medium(with_slabs(None))


def test_an_unknown_material_is_named_with_those_there_are() -> None:
    exotic = Sampling(active=Slab(material="unobtainium", thickness=1.0))
    with pytest.raises(DetectorError, match=r"'unobtainium' is not known; available: Al, .*W"):
        effective_medium(with_slabs(exotic))


LEAD = EffectiveMedium(z=82, radiation_length=5.6, critical_energy=10.0, moliere_radius=16.0)


def test_longitudinal_formulas_by_hand() -> None:
    # ln y = ln(1000) = 6.9078
    model = longitudinal_model(LEAD, np.array([1e4]))
    assert np.exp(model.mean_log_t[0]) == pytest.approx(6.0958, abs=1e-4)
    assert np.exp(model.mean_log_alpha[0]) == pytest.approx(4.1641, abs=1e-4)
    assert 1 / model.sigma_log_t[0] == pytest.approx(7.3038, abs=1e-4)
    assert 1 / model.sigma_log_alpha[0] == pytest.approx(5.3607, abs=1e-4)
    assert model.rho[0] == pytest.approx(0.54612, abs=1e-5)


def test_longitudinal_formulas_of_sampling_by_hand() -> None:
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


UNIT = replace(LEAD, critical_energy=7.4, moliere_radius=1.0)


def at(value: float, n: int = 1) -> np.ndarray:
    return np.full(n, value, np.float32)


def test_radial_formulas_by_hand() -> None:
    profile = radial_profile(UNIT, at(np.log(10)), at(1.0))
    assert profile.core[0] == pytest.approx(0.0251 + 0.00319 * 2.302585 + 0.1162 - 0.031242)
    k1, k4 = 0.659 - 0.25338, 0.3585 + 0.0421 * 2.302585
    tail = k1 * (np.exp(-2.59 * 0.355) + np.exp(k4 * 0.355))
    assert profile.tail[0] == pytest.approx(tail, rel=1e-5)
    u = (0.401 + 0.15334 - 1) / (1.313 - 0.0686 * 2.302585)
    assert profile.weight[0] == pytest.approx((2.632 - 0.07708) * np.exp(u - np.exp(u)), rel=1e-5)


def test_sampling_widens_the_core_and_narrows_the_tail_in_front() -> None:
    medium = replace(UNIT, inverse_frequency=0.4, e_over_mip=0.7, sampling=True)
    profile = radial_profile(medium, at(0.0), at(0.5))
    plain = radial_profile(UNIT, at(0.0), at(0.5))
    early = 0.4 * np.exp(-0.5)
    core, tail = -0.0203 * 0.3 + 0.0397 * early, -0.14 * 0.3 - 0.495 * early
    weight = 0.3 * (0.348 - 0.642 * 0.4 * np.exp(-0.25))
    assert profile.core - plain.core == pytest.approx(core, abs=1e-6)
    assert profile.tail - plain.tail == pytest.approx(tail, abs=1e-6)
    assert profile.weight - plain.weight == pytest.approx(weight, abs=1e-6)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2", "calochallenge-1-photons"])
def test_profiles_are_distributions_at_every_depth_and_energy(name: str) -> None:
    tau, log_energy = (
        a.ravel().astype(np.float32)
        for a in np.meshgrid(np.linspace(0, 20, 80), np.linspace(-6, 9, 30))
    )
    profile = radial_profile(effective_medium(load_detector(name)), log_energy, tau)
    assert np.all((profile.core > 0) & (profile.tail >= profile.core))
    assert np.all((profile.weight >= 0) & (profile.weight <= 1))
    assert profile.contained(profile.limit) == pytest.approx(np.ones(len(tau)), abs=1e-6)
    radius, weight = profile.draw(np.random.default_rng(0), 3.0, 2.0)
    assert np.all(np.isfinite(weight) & (weight > 0))
    assert np.all((radius >= 0) & (radius <= profile.limit * 1.001))


def profiles(n: int) -> RadialProfile:
    return RadialProfile(at(3.0, n), at(20.0, n), at(0.7, n), limit=LARGEST_RADIUS * 16)


def test_drawn_radii_follow_the_profile() -> None:
    radius, weight = profiles(20_000).draw(np.random.default_rng(3))
    assert np.all(weight == 1)
    one = profiles(1)
    result = kstest(radius, lambda r: np.array([one.contained(float(x))[0] for x in r]))
    assert result.pvalue > 1e-3


@pytest.mark.parametrize(("boost", "stretch"), [(3.0, 1.0), (1.0, 2.0), (3.0, 2.0)])
def test_weights_undo_the_richer_halo(boost: float, stretch: float) -> None:
    n = 400_000
    radius, weight = profiles(n).draw(np.random.default_rng(4), boost, stretch)
    assert weight.mean(dtype=float) == pytest.approx(1, abs=0.01)
    for cut in (2.0, 5.0, 15.0, 40.0, 80.0):
        inside = np.where(radius < cut, weight, 0)
        error = inside.std(dtype=float) / np.sqrt(n)
        assert inside.mean(dtype=float) == pytest.approx(
            profiles(1).contained(cut)[0], abs=5 * error
        )
    far = (radius > 40).mean()
    plain, _ = profiles(n).draw(np.random.default_rng(5))
    assert far > 1.5 * (plain > 40).mean()
