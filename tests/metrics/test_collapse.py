from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import RangeError
from phys_gan.metrics.neighbours import collapse, distinct_events, mean_distance


def test_equal_samples_are_not_collapsed() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 1000, 5))
    found, own = collapse(x, y, seed=0), collapse(x, x, seed=0)
    assert found.duplicates.value == 0
    difference = found.distinct.value - own.distinct.value
    assert abs(difference) < 5 * np.hypot(found.distinct.error, own.distinct.error)
    assert abs(found.diversity.value - 1) < 4 * found.diversity.error


@pytest.mark.parametrize("n_modes", [1, 10, 100])
def test_repeated_events_are_counted(n_modes: int) -> None:
    generator = np.random.default_rng(1)
    x, events = generator.normal(size=(2, 2000, 8))
    y = events[generator.integers(0, n_modes, 2000)]
    found = collapse(x, y, seed=0)
    assert found.duplicates.value == 1
    assert found.distinct.value == pytest.approx(np.log10(n_modes), abs=0.02)
    assert collapse(x, x, seed=0).distinct.value > 4


def test_tiny_noise_does_not_hide_a_collapse() -> None:
    generator = np.random.default_rng(2)
    x, events = generator.normal(size=(2, 1000, 8))
    y = events[generator.integers(0, 10, 1000)] + 0.05 * generator.normal(size=(1000, 8))
    found = collapse(x, y, seed=0)
    assert found.distinct.value == pytest.approx(1, abs=0.05)


def test_a_narrow_sample_has_no_diversity() -> None:
    generator = np.random.default_rng(3)
    found = collapse(generator.normal(size=(500, 4)), generator.normal(0, 0.5, (900, 4)), seed=0)
    assert found.diversity.value == pytest.approx(0.5, abs=4 * found.diversity.error)
    assert found.diversity.error < 0.05


def test_the_mean_distance_of_gaussians_is_analytic() -> None:
    found = [mean_distance(np.random.default_rng(seed).normal(size=(500, 1))) for seed in range(60)]
    values = np.array([f.value for f in found])
    assert values.mean() == pytest.approx(2 / np.sqrt(np.pi), abs=4 * values.std() / 60**0.5)
    assert np.mean([f.error for f in found]) == pytest.approx(values.std(), rel=0.4)


@given(st.integers(2, 10_000))
def test_no_pair_gives_a_lower_limit(n: int) -> None:
    assert distinct_events(0, n) == pytest.approx(np.log10(n * (n - 1) / 2))


def test_too_few_events_are_refused() -> None:
    with pytest.raises(RangeError, match="has 3 events, but at least 20"):
        collapse(np.eye(30), np.eye(30)[:3], seed=0)


def test_samples_without_any_spread_are_equally_diverse() -> None:
    same = np.ones((30, 2))
    assert collapse(same, same, seed=0).diversity == (1.0, 0.0)
