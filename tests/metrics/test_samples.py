from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import DataError, RangeError
from phys_gan.metrics.samples import Weighted, as_weighted, equal_parts
from phys_gan.metrics.statistics import relative_weights


def test_weights_are_scaled_to_the_effective_number() -> None:
    generator = np.random.default_rng(0)
    weights = generator.normal(1, 1, 500)
    for factor in (1.0, 1e-200, -3e150):
        given = relative_weights("candidate", factor * weights, 500, 10)
        sample = Weighted(np.zeros((500, 1)), given)
        assert sample.weights is not None
        kish = weights.sum() ** 2 / (weights**2).sum()
        assert sample.number == pytest.approx(kish, rel=1e-12)
        assert sample.weights.sum() == pytest.approx(kish, rel=1e-12)
        assert (sample.weights**2).sum() == pytest.approx(kish, rel=1e-12)
        assert np.all(np.sign(sample.weights) == np.sign(weights))
    assert Weighted(np.zeros((7, 1))).number == 7


def test_events_of_weight_zero_are_left_out() -> None:
    features = np.arange(6.0)[:, None]
    (sample,) = as_weighted(2, reference=(features, [1, 0, 2, 0, 1, 0]))
    assert sample.features[:, 0].tolist() == [0, 2, 4]
    assert sample.number == pytest.approx(16 / 6)


def test_bad_weights_are_refused() -> None:
    x = np.ones((10, 2))
    with pytest.raises(DataError, match=r"candidate weights have shape \(9,\), .* 10 events; give"):
        as_weighted(2, reference=(x, None), candidate=(x, np.ones(9)))
    with pytest.raises(DataError, match=r"weights have shape \(10, 1\)"):
        relative_weights("candidate", np.ones((10, 1)), 10, 1)
    with pytest.raises(DataError, match="reference weights are NaN or infinite"):
        relative_weights("reference", [1.0, np.inf], 2, 1)
    with pytest.raises(RangeError, match=r"has 3 events, .* count as 1\.02 of .* at least 2 are"):
        relative_weights("reference", [100.0, 1.0, 0.0], 3, 2)
    with pytest.raises(RangeError, match="count as 0 of equal weight"):
        relative_weights("reference", np.zeros(5), 5, 1)
    with pytest.raises(RangeError, match="count as 0 of equal weight"):
        relative_weights("reference", [1.0, -1.0], 2, 1)


def test_parts_have_equal_effective_numbers() -> None:
    generator = np.random.default_rng(1)
    first = Weighted(np.zeros((1000, 1)))
    second = Weighted(np.zeros((6000, 1)), generator.exponential(size=6000))
    one, two = equal_parts(first, second, 10_000)
    assert len(one) == 1000
    assert two.number == pytest.approx(1000, rel=0.1)
    assert len(two) == pytest.approx(2000, rel=0.1)
    # The number of events is what costs time.
    one, two = equal_parts(first, second, 500)
    assert (len(one), len(two)) == (pytest.approx(250, rel=0.1), 500)
    assert one.number == pytest.approx(two.number, rel=0.1)


def test_drawn_events_follow_the_weighted_distribution() -> None:
    generator = np.random.default_rng(2)
    x = generator.uniform(0, 1, (40_000, 1))
    drawn = Weighted(x, 2 * x[:, 0]).drawn(generator)
    assert drawn is not None
    # Half of a flat distribution is kept, with the density 2x.
    assert len(drawn) == pytest.approx(20_000, rel=0.03)
    assert drawn.mean() == pytest.approx(2 / 3, abs=0.01)
    assert len(np.unique(drawn)) == len(drawn)
    assert Weighted(x, 0.1 - x[:, 0]).drawn(generator) is None
    assert Weighted(x).drawn(generator) is x
