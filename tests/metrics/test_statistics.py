from __future__ import annotations

import math

import numpy as np
import pytest

from phys_gan.metrics.statistics import (
    ExactSum,
    effective_size,
    effective_weights,
    mean_and_error,
    relative_weights,
)


def test_scaled_weights_add_up_to_the_effective_number() -> None:
    weights = np.array([1.0, 2.0, -0.5, 4.0])
    own = effective_weights(weights)
    assert own.sum() == pytest.approx(6.5**2 / 21.25)
    assert (own**2).sum() == pytest.approx(own.sum())
    assert effective_size(4, weights) == pytest.approx(own.sum())
    assert effective_size(4, None) == 4
    # Weights that cancel stand for no events at all.
    assert effective_size(2, np.array([1.0, -1.0])) == 0
    np.testing.assert_array_equal(effective_weights(np.array([1.0, -1.0])), 0)


def test_the_error_of_a_weighted_mean_is_its_spread() -> None:
    generator = np.random.default_rng(1)
    x = generator.exponential(size=(3000, 200))
    # Steep weights that depend on the value, a fifth of them negative.
    w = np.exp(-x) * np.where(generator.random(x.shape) < 0.2, -1, 1)
    found = np.array([mean_and_error(a, b) for a, b in zip(x, w, strict=True)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.05)


@pytest.mark.parametrize("weights", [None, np.ones(30), np.full(30, 0.1), np.full(30, -2.5)])
def test_equal_weights_are_none(weights: np.ndarray | None) -> None:
    assert relative_weights("reference", weights, 30, 30) is None


def test_sums_do_not_depend_on_the_order() -> None:
    generator = np.random.default_rng(1)
    terms = generator.lognormal(0, 8, (3000, 4))
    expected = [math.fsum(column) for column in terms.T]
    for _ in range(5):
        generator.shuffle(terms)
        parts = [ExactSum(4) for _ in range(7)]
        for place, term in enumerate(terms):
            parts[place % 7].add(term)
        total = parts[0]
        for part in parts[1:]:
            total = total.plus(part)
        np.testing.assert_array_equal(total.value, expected)
    # Plain addition is not good enough.
    assert (np.add.accumulate(terms)[-1] != expected).any()
