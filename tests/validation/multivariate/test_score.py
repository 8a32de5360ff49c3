from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import DataError
from phys_gan.validation.multivariate.score import inception_score


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
