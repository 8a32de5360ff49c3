from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phys_gan.randomness import noise_at, noise_on, normal_noise, stream


def test_streams_repeat_and_differ() -> None:
    first = stream(1, "a").random(1000)
    np.testing.assert_array_equal(first, stream(1, "a").random(1000))
    for other in (stream(1, "b"), stream(2, "a")):
        # The correlation of independent numbers has a spread of 1/sqrt(1000).
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
    spread = 1 / np.sqrt(len(noise))
    columns = np.corrcoef(noise.T) - np.eye(16)
    assert np.abs(columns).max() < 5 * spread
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 5 * spread


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
