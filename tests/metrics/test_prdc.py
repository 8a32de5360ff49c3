from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.errors import RangeError
from phys_gan.metrics.neighbours import close_counts, nearest, prdc


def brute_force(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, float, float, float]:
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    x, y = (x - centre) / scale, (y - centre) / scale

    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a[:, None] - b, axis=2)

    radius_x, radius_y = (np.sort(distances(a, a), axis=1)[:, k] + 1e-9 for a in (x, y))
    cross = distances(x, y)
    in_x = cross <= radius_x[:, None]
    return (
        in_x.any(axis=0).mean(),
        (cross <= radius_y).any(axis=1).mean(),
        in_x.sum() / k / len(y),
        in_x.any(axis=1).mean(),
    )


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw small samples, some on a lattice, where distances are often equal."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    d = draw(st.integers(1, 6))
    n, m = draw(st.integers(7, 40)), draw(st.integers(7, 40))
    x, y = generator.normal(size=(n, d)), generator.normal(0.3, 1.5, size=(m, d))
    if draw(st.booleans()):
        x, y = np.round(x), np.round(y)
    return x, y


@given(samples(), st.integers(1, 5))
@settings(max_examples=60)
def test_equal_to_brute_force(pair: tuple[np.ndarray, np.ndarray], k: int) -> None:
    assert prdc(*pair, k=k) == pytest.approx(brute_force(*pair, k), abs=1e-12)


@given(samples(), st.integers(0, 2**32))
@settings(max_examples=30)
def test_invariants(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    x, y = pair
    found = prdc(x, y)
    for share in (found.precision, found.recall, found.coverage):
        assert 0 <= share <= 1
    assert 0 <= found.density <= len(x) / 5
    generator = np.random.default_rng(seed)
    assert prdc(generator.permutation(x), generator.permutation(y)) == pytest.approx(found)
    # Units do not matter, but for a feature that is constant in the reference, which keeps its own.
    scale = np.where(x.std(axis=0) > 0, np.exp(generator.normal(size=x.shape[1])), 1)
    assert prdc(3 + x * scale, 3 + y * scale) == pytest.approx(found, abs=1e-9)
    same = prdc(x, x)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert same.density >= 1


def test_a_collapsed_sample_has_high_precision_and_low_recall() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(600, 5))
    found = prdc(x, generator.normal(size=(1, 5)) * 0.3 + 1e-3 * generator.normal(size=(600, 5)))
    assert found.precision > 0.95
    assert found.recall < 0.01
    assert found.coverage < 0.3


def test_separate_samples_share_nothing() -> None:
    x = np.random.default_rng(2).normal(size=(100, 3))
    assert prdc(x, x + 100) == (0, 0, 0, 0)


def test_expected_coverage_of_equal_samples() -> None:
    """Naeem et al., eq. 8: 1 - (m - 1) ... (m - k) / (2 m - 1) ... (2 m - k) for n = m."""
    generator = np.random.default_rng(3)
    m, k = 500, 5
    expected = 1 - np.prod([(m - i) / (2 * m - i) for i in range(1, k + 1)])
    found = [prdc(*generator.normal(size=(2, m, 4)), k=k) for _ in range(20)]
    assert np.mean([f.coverage for f in found]) == pytest.approx(expected, abs=0.005)
    assert np.mean([f.density for f in found]) == pytest.approx(1, abs=0.02)


def test_memory_does_not_hold_all_pairs() -> None:
    x, y = np.random.default_rng(4).normal(size=(2, 4000, 3))
    tracemalloc.start()
    prdc(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 8 / 4


def test_neighbours_by_group_are_those_of_the_groups() -> None:
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(30, 3)), generator.normal(size=(40, 3))
    squared = ((x[:, None] - y) ** 2).sum(axis=2)
    found = nearest(x, y, 2, groups=4)
    expected = np.sort(squared.reshape(30, 4, 10), axis=2)[:, :, :2]
    assert found == pytest.approx(expected, rel=1e-9)
    own = nearest(y, y, 12, groups=4, own=True)
    assert np.isinf(own[0, 0, 9:]).all()
    assert own[0, 0, 0] > 0
    counts = close_counts(y, 1.0, groups=4)
    within = ((y[:, None] - y) ** 2).sum(axis=2) <= 1
    assert np.array_equal(counts.sum(axis=1), within.sum(axis=1) - 1)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(RangeError, match="candidate has 5 events, but at least 6 are needed"):
        prdc(np.eye(6), np.eye(6)[:5])
