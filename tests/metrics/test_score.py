from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import DataError
from phys_gan.metrics.inception import inception_score


def test_limits() -> None:
    sure = np.eye(5)[np.arange(500) % 5]
    assert inception_score(sure, seed=0).value == pytest.approx(5)
    assert inception_score(np.full((500, 5), 0.2), seed=0) == (pytest.approx(1), pytest.approx(0))
    assert inception_score(sure[:, :3][sure[:, :3].sum(axis=1) > 0], seed=0).value == (
        pytest.approx(3)
    )
    assert inception_score(np.eye(5)[np.zeros(100, int)], seed=0).value == pytest.approx(1)


def test_a_binary_channel_is_analytic() -> None:
    """ln 2 less the entropy of p: the capacity of a symmetric channel."""
    p = 0.9
    rows = np.array([[p, 1 - p], [1 - p, p]])[np.arange(1000) % 2]
    expected = 2 * p**p * (1 - p) ** (1 - p)
    assert inception_score(rows, seed=0).value == pytest.approx(expected, rel=1e-12)


def test_the_error_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(0)
    found = [inception_score(generator.dirichlet([0.3] * 4, 400), seed=s) for s in range(60)]
    spread = np.std([f.value for f in found])
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.35)


def test_splits_lower_the_score_of_few_events() -> None:
    p = np.random.default_rng(1).dirichlet([0.1] * 10, 200)
    assert inception_score(p, seed=0, splits=10).value < inception_score(p, seed=0).value
    assert inception_score(p, seed=0, splits=10) == inception_score(p, seed=0, splits=10)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(DataError, match="sum to 1"):
        inception_score(np.full((10, 3), 0.5), seed=0)
    with pytest.raises(DataError, match="sum to 1"):
        inception_score([[1.5, -0.5]], seed=0)
    with pytest.raises(DataError, match="5 parts"):
        inception_score([[1.0, 0.0]], seed=0, splits=5)


def test_weights_count_as_repeated_events() -> None:
    generator = np.random.default_rng(4)
    p = generator.dirichlet([0.3] * 4, 200)
    counts = generator.integers(0, 4, 200)
    repeated = inception_score(np.repeat(p, counts, axis=0), seed=0)
    weighted = inception_score(p, seed=0, weights=0.01 * counts)
    assert weighted.value == pytest.approx(repeated.value, rel=1e-12)
    assert inception_score(p, seed=0, weights=np.full(200, 7.0)) == inception_score(p, seed=0)


def test_the_error_of_a_weighted_score_is_the_spread_over_repetitions() -> None:
    generator = np.random.default_rng(5)
    found = [
        inception_score(
            generator.dirichlet([0.3] * 4, 400), seed=s, weights=generator.exponential(size=400)
        )
        for s in range(80)
    ]
    values, errors = np.array(found).T
    assert values.std() == pytest.approx(errors.mean(), rel=0.2)


def test_events_and_counter_events_cancel_in_the_score() -> None:
    sure = np.eye(3)[np.tile([0, 1, 2], 100)]
    weights = np.ones(300)
    weights[2::6] = -1
    value, error = inception_score(sure, seed=0, weights=weights)
    # The third class is gone, and its bootstrap replicas fall below zero.
    assert value == pytest.approx(2)
    assert 0 < error < 0.3
