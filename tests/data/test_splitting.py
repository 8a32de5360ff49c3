"""Parts that never overlap and look alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phys_gan as pg

DETECTOR = pg.Detector.model_validate(
    {"name": "one", "layers": [{"kind": "cartesian", "z": [0, 1], "x": [0, 1], "y": [0, 1]}]}
)


def events(n, seed=0):
    energy = np.random.default_rng(seed).uniform(1, 100, n)
    return pg.Events(np.arange(n)[:, None], {"energy": energy}, DETECTOR)


@settings(deadline=None)
@given(n=st.integers(20, 2000), seed=st.integers(0, 100), share=st.floats(0.2, 0.8))
def test_nothing_is_lost_or_shared(n, seed, share):
    parts = pg.split(events(n), [share, 1 - share], seed)
    numbers = np.concatenate([part.cells[:, 0] for part in parts])
    assert sorted(numbers) == list(range(n))
    assert abs(len(parts[0]) - share * n) <= 1 + n / 100


def test_the_parts_have_one_spectrum():
    first, second = pg.split(events(5000), [0.8, 0.2], seed=1)
    quantiles = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(
        np.quantile(first.energy, quantiles), np.quantile(second.energy, quantiles), atol=1.0
    )


def test_the_seed_decides():
    first, again, other = (pg.split(events(300), [0.5, 0.5], seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.cells, again.cells)
    assert not np.array_equal(first.cells, other.cells)


def test_wrong_shares():
    with pytest.raises(pg.errors.DataError, match="do not add up to 1"):
        pg.split(events(100), [0.5, 0.4])
    with pytest.raises(pg.errors.DataError, match="too few"):
        pg.split(events(2), [0.9, 0.05, 0.05])
