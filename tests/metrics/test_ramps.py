from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from phys_gan.metrics.response import follow, spearman

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
