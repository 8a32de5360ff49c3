from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phys_gan.randomness import draw_by_weight, noise_at, noise_on, normal_noise, stream


def test_streams_repeat_and_differ() -> None:
    first = stream(1, "a").random(1000)
    np.testing.assert_array_equal(first, stream(1, "a").random(1000))
    for other in (stream(1, "b"), stream(2, "a")):
        # The correlation of independent numbers has a standard deviation of 1/sqrt(1000).
        assert abs(np.corrcoef(first, other.random(1000))[0, 1]) < 5 / np.sqrt(1000)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**63),
    first=st.integers(0, 10**12),
    cuts=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    size=st.integers(0, 40),
)
def test_noise_does_not_depend_on_the_batches(
    seed: int, first: int, cuts: list[int], size: int
) -> None:
    whole = normal_noise(seed, first, sum(cuts), size)
    assert whole.shape == (sum(cuts), size)
    assert whole.dtype == np.float32
    starts = first + np.cumsum([0, *cuts[:-1]])
    parts = [normal_noise(seed, int(s), c, size) for s, c in zip(starts, cuts, strict=True)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("size", [1, 7, 8, 50])
def test_noise_is_standard_normal(size: int) -> None:
    noise = normal_noise(3, 0, 100_000 // size, size)
    assert np.isfinite(noise).all()
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    # Kurtosis 0 within 5 standard errors sqrt(24/n): the tails are there.
    assert abs(stats.kurtosis(noise, axis=None)) < 5 * np.sqrt(24 / noise.size)


def test_noise_is_uncorrelated_within_and_between_events() -> None:
    noise = normal_noise(7, 0, 20_000, 16)
    error = 1 / np.sqrt(len(noise))
    columns = np.corrcoef(noise.T) - np.eye(16)
    assert np.abs(columns).max() < 5 * error
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 5 * error


def test_seeds_differ() -> None:
    one, two = normal_noise(1, 0, 1000, 8), normal_noise(2, 0, 1000, 8)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 5 / np.sqrt(8000)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**63),
    numbers=st.lists(st.integers(0, 2**40), min_size=1, max_size=5),
    size=st.integers(0, 40),
)
def test_noise_is_found_by_event_number(seed: int, numbers: list[int], size: int) -> None:
    one_by_one = [normal_noise(seed, number, 1, size) for number in numbers]
    np.testing.assert_array_equal(noise_at(seed, numbers, size), np.concatenate(one_by_one))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**63), first=st.integers(0, 2**40), size=st.integers(1, 40))
def test_a_device_draws_the_same_noise(seed: int, first: int, size: int) -> None:
    on_device = noise_on("cpu", seed, first, 3, size).numpy()
    np.testing.assert_allclose(on_device, normal_noise(seed, first, 3, size), atol=2e-6)


@settings(max_examples=60)
@given(
    weights=st.lists(st.floats(0, 1e3) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60),
    n=st.integers(0, 300),
    unit=st.sampled_from([1.0, 1e-300, 1e300]),
    seed=st.integers(0, 10),
)
def test_draws_by_weight_are_never_more_than_one_off(
    weights: list[float], n: int, unit: float, seed: int
) -> None:
    values = np.array([*weights, 1.0]) * unit
    drawn = draw_by_weight(values, n, stream(seed, "draws"))
    times = np.bincount(drawn, minlength=len(values))
    assert len(drawn) == times.sum() == n
    expected = n * (values / values.max()) / (values / values.max()).sum()
    assert (np.abs(times - expected) < 1 + 1e-9).all()
    assert not times[values == 0].any()


def test_draws_by_weight_have_the_right_mean_and_the_smallest_variance() -> None:
    weights = stream(3, "weights").exponential(size=200) ** 2
    random, rounds = stream(4, "draws"), 2000
    times = sum(
        np.bincount(draw_by_weight(weights, 200, random), minlength=200) for _ in range(rounds)
    )
    expected = 200 * weights / weights.sum()
    rest = expected % 1
    # Each round draws an event floor(w) or floor(w) + 1 times.
    pulls = (times - rounds * expected) / np.sqrt(rounds * rest * (1 - rest))
    assert (pulls**2).sum() < stats.chi2.isf(1e-3, 200)
    assert (pulls**2).sum() > stats.chi2.isf(1 - 1e-3, 200)


def test_equal_weights_draw_each_once_in_random_order() -> None:
    drawn = draw_by_weight(np.full(500, 0.3), 500, stream(1, "draws"))
    assert sorted(drawn) == list(range(500))
    assert abs(np.corrcoef(drawn, np.arange(500))[0, 1]) < 5 / np.sqrt(500)
