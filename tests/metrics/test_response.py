from __future__ import annotations

import numpy as np
import pytest

from phys_gan.metrics.response import EnergyBin, energy_edges, fit_resolution, response_curve


def shower_responses(n: int, a: float, b: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    energy = 1000 * np.exp(generator.uniform(0, np.log(100), n))
    sigma = np.hypot(a / np.sqrt(energy / 1000), b)
    return energy, 0.95 * (1 + sigma * generator.normal(size=n))


def test_the_fit_finds_the_terms_within_their_errors() -> None:
    energy, response = shower_responses(60_000, 0.12, 0.01)
    curve = response_curve(energy, response, energy_edges(energy))
    fit = curve.fit
    assert fit.a == pytest.approx(0.12, abs=4 * fit.a_error)
    assert fit.b == pytest.approx(0.01, abs=4 * fit.b_error)
    assert fit.a_error < 0.002
    assert fit.b_error < 0.001
    assert fit.chi2_ndf < 2.5
    assert curve.linearity < 5 * curve.linearity_error + 0.01
    np.testing.assert_allclose(curve.array("mean"), 0.95, atol=0.01)


def test_errors_are_the_spread_over_repeated_experiments() -> None:
    curves = []
    edges = np.geomspace(1000, 100_001, 5)
    for seed in range(80):
        energy, response = shower_responses(1000, 0.1, 0.02, seed)
        curves.append(response_curve(energy, response, edges))
    for name in ("mean", "resolution"):
        spread = np.std([c.array(name) for c in curves], axis=0)
        error = np.mean([c.array(f"{name}_error") for c in curves], axis=0)
        np.testing.assert_allclose(error, spread, rtol=0.3)
    for name in ("a", "b"):
        spread = np.std([getattr(c.fit, name) for c in curves])
        error = np.mean([getattr(c.fit, f"{name}_error") for c in curves])
        assert error == pytest.approx(spread, rel=0.4)


def test_a_term_that_is_absent_is_zero_and_not_an_error() -> None:
    energy, response = shower_responses(5000, 0.0, 0.03, 3)
    fit = response_curve(energy, response, energy_edges(energy)).fit
    assert fit.b == pytest.approx(0.03, rel=0.05)
    assert fit.a <= 3 * fit.a_error
    assert np.isfinite([fit.a_error, fit.b_error]).all()


def test_wide_bins_do_not_bias_the_stochastic_term() -> None:
    energy, response = shower_responses(100_000, 0.2, 0.0)
    fit = response_curve(energy, response, np.array([1000, 10_000, 100_001.0])).fit
    assert fit.a == pytest.approx(0.2, rel=0.02)


def test_non_linearity_is_found() -> None:
    energy, response = shower_responses(20_000, 0.05, 0.01)
    bent = response * (1 + 0.05 * (energy > 50_000))
    curve = response_curve(energy, bent, energy_edges(energy))
    assert curve.linearity == pytest.approx(0.03, abs=0.02)
    assert curve.linearity > 5 * curve.linearity_error


def test_few_bins_give_no_fit() -> None:
    empty = EnergyBin(1000.0, 0, *[float("nan")] * 4)
    assert np.isnan(fit_resolution((empty, empty)).a)
    curve = response_curve(np.full(9, 10.0), np.full(9, 1.0), np.array([9.0, 11.0, 20.0]))
    assert curve.as_dict()["fit"]["a"] is None
    assert curve.as_dict()["bins"][1]["mean"] is None


@pytest.mark.parametrize(
    ("energy", "n_bins"),
    [
        (np.repeat(2.0 ** np.arange(8, 23), 100), 15),
        (np.full(100, 5e4), 1),
        (np.random.default_rng(0).uniform(1e4, 2e4, 5000), 12),
    ],
    ids=["discrete", "single", "narrow"],
)
def test_bins_follow_the_energies(energy: np.ndarray, n_bins: int) -> None:
    edges = energy_edges(energy)
    assert len(edges) == n_bins + 1
    assert np.histogram(energy, edges)[0].sum() == len(energy)


def test_thin_bins_are_joined() -> None:
    energy = np.random.default_rng(1).uniform(1000, 100_000, 3000)
    edges = energy_edges(energy)
    assert np.histogram(energy, edges)[0].min() >= 50
    assert (energy < edges[-1]).all()
    assert edges[0] == energy.min()
