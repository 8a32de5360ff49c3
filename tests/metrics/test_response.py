from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from phys_gan.metrics.response import (
    EnergyBin,
    energy_edges,
    fit_resolution,
    follow,
    response_curve,
    rms90,
    rms90_error,
    spearman,
)
from phys_gan.metrics.statistics import (
    effective_size,
)


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


def test_rms90_is_0_789_of_a_gaussian_width_and_ignores_tails() -> None:
    values = np.random.default_rng(1).normal(3, 2, 200_000)
    assert rms90(values) == pytest.approx(2 * 0.7893, rel=0.005)
    with_tail = np.concatenate([values, np.full(1000, 500.0)])
    assert rms90(with_tail) == pytest.approx(rms90(values), rel=0.02)
    assert np.std(with_tail) > 10 * np.std(values)


def test_rms90_is_the_standard_deviation_of_the_kept_values() -> None:
    values = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 100])
    assert rms90(values) == pytest.approx(np.std(np.arange(9.0)))
    assert rms90(values[:1]) == 0


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_rms90_scales_and_does_not_move(scale: float, shift: float) -> None:
    values = np.random.default_rng(2).normal(size=300)
    assert rms90(scale * values + shift) == pytest.approx(scale * rms90(values), rel=1e-9)


def test_the_error_of_rms90_is_that_of_repeated_experiments() -> None:
    generator = np.random.default_rng(3)
    samples = generator.normal(size=(200, 2000))
    spread = np.std([rms90(sample) for sample in samples])
    error = np.mean([rms90_error(sample) for sample in samples])
    assert error == pytest.approx(spread, rel=0.2)
    assert rms90_error(samples[0][:19]) == np.inf


def test_rms90_of_weights_is_that_of_repeated_values() -> None:
    generator = np.random.default_rng(3)
    values, times = generator.standard_t(3, 4000), generator.integers(1, 4, 4000)
    repeated = rms90(np.repeat(values, times))
    assert rms90(values, times.astype(float)) == pytest.approx(repeated, rel=1e-3)


def test_response_of_weights_is_that_of_the_distribution_they_stand_for() -> None:
    generator = np.random.default_rng(4)
    energy, edges = np.full(40_000, 1000.0), np.array([900.0, 1100.0])
    response = generator.normal(0.9, 0.1, 40_000)
    # Weights that make a Gaussian of width 0.1 / sqrt 2 at 0.95 of one of width 0.1 at 0.9.
    tilt = np.exp(-((response - 1.0) ** 2) / 0.02)
    (found,) = response_curve(energy, response, edges, tilt).bins
    assert found.mean == pytest.approx(0.95, abs=4 * found.mean_error)
    assert found.resolution * found.mean == pytest.approx(
        0.1 / 2**0.5, abs=4 * found.resolution_error
    )
    assert found.mean_error == pytest.approx(
        0.1 / 2**0.5 / effective_size(40_000, tilt) ** 0.5, rel=0.2
    )


DRAWS = np.random.default_rng(1)

LATENTS = DRAWS.normal(0, 10, 200)

STEPS = np.arange(9.0)[:, None]


def noise(size: float) -> np.ndarray:
    return np.random.default_rng(2).normal(0, size, (9, 200))


def test_a_rising_response_and_its_errors() -> None:
    f = follow(STEPS * 2 + LATENTS + noise(0.1))
    np.testing.assert_allclose(f.mean, STEPS[:, 0] * 2 + LATENTS.mean(), atol=0.03)
    np.testing.assert_allclose(f.spread, LATENTS.std(ddof=1), rtol=0.02)
    np.testing.assert_allclose(f.error, f.spread / math.sqrt(200))
    # What the latents add is the same at every step, and is no error of a difference.
    np.testing.assert_allclose(f.rise_errors, 0.1 * math.sqrt(2 / 200), rtol=0.2)
    assert f.whole == pytest.approx(16, abs=0.05)
    assert f.spearman == 1
    assert f.monotonic
    assert f.responds


def test_a_fall_is_found_though_the_whole_rises() -> None:
    bent = STEPS.copy()
    bent[6:] -= 1.5
    f = follow(bent + LATENTS + noise(0.1))
    assert f.falls.tolist() == [5]
    assert not f.monotonic
    assert f.responds
    assert 0.8 < f.spearman < 1


def test_chance_is_no_fall() -> None:
    """Of equal steps, one in 44 falls by more than two errors."""
    draws = np.random.default_rng(3)
    falls = sum(len(follow(draws.normal(size=(9, 200))).falls) for _ in range(100))
    assert 5 <= falls <= 34


@pytest.mark.parametrize("samples", [np.ones((9, 5)), np.tile(LATENTS, (9, 1))])
def test_what_never_changes_is_monotonic_but_does_not_respond(samples: np.ndarray) -> None:
    f = follow(samples)
    assert f.monotonic
    assert not f.responds
    assert math.isnan(f.spearman)


def test_what_falls_all_along() -> None:
    f = follow(-STEPS + LATENTS + noise(0.1))
    assert len(f.falls) == 8
    assert f.spearman == -1
    assert not f.responds


def test_events_without_a_value_are_left_out() -> None:
    samples = STEPS + LATENTS + noise(0.1)
    samples[2, :50] = np.nan
    f = follow(samples)
    assert f.defined.tolist() == [200, 200, 150, *[200] * 6]
    assert f.mean[2] == pytest.approx(samples[2, 50:].mean())
    assert f.rises[2] == pytest.approx((samples[3] - samples[2])[50:].mean())
    assert f.monotonic


def test_a_step_without_any_value_is_not_monotonic() -> None:
    samples = STEPS + LATENTS
    samples[0] = np.nan
    f = follow(samples)
    assert f.defined[0] == 0
    assert math.isnan(f.mean[0])
    assert not f.measured
    assert not f.monotonic
    assert not f.responds
    assert f.spearman == 1


@pytest.mark.parametrize("start", [0.0, -math.pi / 2])
def test_an_angle_goes_round(start: float) -> None:
    """It is known up to a period only, and scatters over its ends."""
    told = start + np.linspace(0, math.pi, 9)[:, None]
    angles = told + np.random.default_rng(4).normal(0, 0.2, (9, 300))
    half = math.pi / 2
    f = follow((angles + half) % math.pi - half, math.pi, start)
    np.testing.assert_allclose(f.mean, told[:, 0], atol=0.05)
    np.testing.assert_allclose(f.spread, 0.2, rtol=0.15)
    assert f.whole == pytest.approx(math.pi, abs=0.06)
    assert f.spearman == 1
    assert f.monotonic
    assert f.responds


def test_an_angle_that_does_not_turn() -> None:
    f = follow(np.random.default_rng(5).normal(0, 0.2, (9, 300)) % math.pi, math.pi)
    assert not f.responds
    np.testing.assert_allclose(f.mean, 0, atol=0.05)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=12).filter(lambda v: len(set(v)) > 1))
def test_rank_correlation_is_that_of_scipy(values: list[int]) -> None:
    expected = spearmanr(values, np.arange(len(values))).statistic
    assert spearman(np.array(values, float)) == pytest.approx(expected, abs=1e-9)
