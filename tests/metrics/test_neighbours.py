from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.errors import RangeError
from phys_gan.metrics.neighbours import (
    close_counts,
    collapse,
    distance_ratio,
    distinct_events,
    mean_distance,
    memorisation,
    nearest,
    prdc,
)
from phys_gan.metrics.result import Result


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
def test_prdc_is_that_of_brute_force(pair: tuple[np.ndarray, np.ndarray], k: int) -> None:
    assert prdc(*pair, k=k) == pytest.approx(brute_force(*pair, k), abs=1e-12)


@given(samples(), st.integers(0, 2**32))
@settings(max_examples=30)
def test_invariants_of_prdc(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
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


def test_too_few_events_for_collapse_are_refused() -> None:
    with pytest.raises(RangeError, match="has 3 events, but at least 20"):
        collapse(np.eye(30), np.eye(30)[:3], seed=0)


def test_samples_without_any_spread_are_equally_diverse() -> None:
    same = np.ones((30, 2))
    assert collapse(same, same, seed=0).diversity == (1.0, 0.0)


def three(seed: int, n: int = 800, d: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed).normal(size=(3, n, d))
    return draw[0], draw[1], draw[2]


def pull(result: Result) -> float:
    return (result.value - result.floor) / result.error


def test_an_independent_sample_is_seldom_blamed() -> None:
    """With 60 training events a binomial error is too small by a factor of 1.8."""
    found = []
    for seed in range(40):
        candidate, training, held_out = three(seed, n=300)
        found.append(memorisation(candidate, training[:60], held_out, seed=seed))
    for name in ("closer_to_training", "training_distance"):
        pulls = np.array([pull(one[name]) for one in found])
        assert abs(pulls.mean()) < 4 * pulls.std() / np.sqrt(40)
        assert 0.6 < pulls.std() < 1.3
        p_values = np.array([one[name].p_value for one in found])
        # Of 40 with a probability of 10 %, more than 11 happen once in 400 times.
        assert np.sum(p_values < 0.1) <= 11
        assert p_values.min() >= 1 / 501
    assert sum(not result.within_floor for one in found for result in one.values()) <= 1
    assert all(one["training_copies"].value == 0 for one in found)
    assert all(one["training_copies"].p_value == 1 for one in found)


def test_the_error_is_that_of_points_on_a_line() -> None:
    """A point of N is the nearest to a part 1/N of them, on average, of variance 1/(2 N²).

    So the squares of the shares of the candidate add up to 1/n + 3/(2N), and labels of half of the
    points at random give the variance (1/n + 1/(2N))/4.
    """
    generator = np.random.default_rng(0)
    n, m = 500, 50
    variances = []
    for seed in range(10):
        candidate, training, held_out = (generator.uniform(size=(k, 1)) for k in (n, m, m))
        found = memorisation(candidate, training, held_out, seed=seed)["closer_to_training"]
        assert (found.n_reference, found.n_candidate) == (m, n)
        assert found.floor == pytest.approx(0.5, abs=0.005)
        assert found.limit == pytest.approx(found.floor + 3 * found.error)
        variances.append(found.error**2)
    assert np.mean(variances) == pytest.approx((1 / n + 1 / (4 * m)) / 4, rel=0.1)


def test_a_bad_generator_is_not_blamed_for_memorising() -> None:
    candidate, training, held_out = three(1)
    found = memorisation(3 * candidate + 2, training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())


@pytest.mark.parametrize(("smearing", "copies"), [(0.0, 1.0), (1e-3, 1.0), (0.1, 0.0)])
def test_memorised_events_are_seen_through_smearing(smearing: float, copies: float) -> None:
    _, training, held_out = three(2)
    noise = np.random.default_rng(3).normal(size=training.shape)
    found = memorisation(training + smearing * noise, training, held_out, seed=0)
    assert found["training_copies"].value == pytest.approx(copies, abs=0.01)
    assert pull(found["closer_to_training"]) > 5
    assert pull(found["training_distance"]) < -5
    assert found["closer_to_training"].p_value == 1 / 501


def test_few_copies_are_found() -> None:
    candidate, training, held_out = three(4)
    candidate[:80] = training[100:180]
    found = memorisation(candidate, training, held_out, seed=0)
    copies = found["training_copies"]
    assert copies.value == pytest.approx(0.1)
    assert copies.error == pytest.approx(np.sqrt(0.1 * 0.9 / 800), rel=0.05)
    assert not copies.within_floor
    assert found["closer_to_training"].value == pytest.approx(0.55, abs=0.03)


def test_copies_of_held_out_events_are_not_those_of_training_events() -> None:
    _, training, held_out = three(6)
    found = memorisation(held_out, training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())
    assert found["closer_to_training"].value == 0


def test_a_collapse_is_no_memorisation() -> None:
    candidate, training, held_out = three(7)
    found = memorisation(candidate[np.arange(800) % 2], training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())
    assert found["closer_to_training"].error > 0.3


def test_the_larger_sample_is_reduced() -> None:
    candidate, training, held_out = three(5)
    found = memorisation(candidate, np.concatenate([training, training + 1e-9]), held_out, seed=0)
    assert found["closer_to_training"].within_floor
    assert memorisation(candidate, training, held_out, seed=1) == memorisation(
        candidate, training, held_out, seed=1
    )


def test_edge_cases_of_memorisation() -> None:
    assert distance_ratio(np.zeros(3), np.zeros(3)) == 1
    assert distance_ratio(np.ones(3), np.zeros(3)) == np.inf
    with pytest.raises(RangeError, match="candidate has 1 event"):
        memorisation(np.ones((1, 2)), np.eye(2), np.eye(2), seed=0)
