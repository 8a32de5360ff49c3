from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats

from phys_gan.metrics import distances
from phys_gan.metrics.distances import binned, chi2_ndf, ks, ks_p_value, wasserstein1
from phys_gan.metrics.statistics import (
    mean_and_error,
    quantile,
    variance,
)

SAMPLES = st.lists(st.integers(-20, 20), min_size=2, max_size=40)

COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=20)


def gaussian_bins(mean: float, sigma: float, edges: np.ndarray) -> np.ndarray:
    inside = np.diff(stats.norm.cdf(edges, mean, sigma))
    below, above = stats.norm.cdf(edges[0], mean, sigma), stats.norm.sf(edges[-1], mean, sigma)
    return np.concatenate([[below], inside, [above]])


@pytest.mark.parametrize(("n", "m"), [(50, 70), (1000, 1), (400, 400)])
def test_ks_and_wasserstein_equal_scipy(n: int, m: int) -> None:
    generator = np.random.default_rng(n)
    p, q = generator.normal(size=n), generator.exponential(size=m)
    assert distances.ks(p, q) == pytest.approx(stats.ks_2samp(p, q).statistic, abs=1e-12)
    assert distances.wasserstein1(p, q) == pytest.approx(
        stats.wasserstein_distance(p, q), rel=1e-12
    )
    assert distances.wasserstein1(p, q, scaled=True) == pytest.approx(
        stats.wasserstein_distance(p, q) / p.std(), rel=1e-12
    )


@given(SAMPLES, SAMPLES)
@settings(max_examples=60)
def test_ties_are_handled_as_in_scipy(p: list[int], q: list[int]) -> None:
    expected = stats.ks_2samp(p, q, method="asymp").statistic
    assert distances.ks(p, q) == pytest.approx(expected, abs=1e-12)
    assert distances.wasserstein1(p, q) == pytest.approx(
        stats.wasserstein_distance(p, q), abs=1e-11
    )


def test_kl_of_gaussians_has_its_closed_form_in_both_directions() -> None:
    edges = np.linspace(-7, 7, 4001)
    p, q = gaussian_bins(0.0, 1.0, edges), gaussian_bins(0.5, 1.3, edges)
    forward = np.log(1.3) + (0.5**2 + 1 - 1.3**2) / (2 * 1.3**2)
    backward = np.log(1 / 1.3) + (0.5**2 + 1.3**2 - 1) / 2
    assert distances.kl(p, q) == pytest.approx(forward, rel=1e-4)
    assert distances.kl(q, p) == pytest.approx(backward, rel=1e-4)


def test_js_and_separation_of_gaussians_equal_the_integrals() -> None:
    edges = np.linspace(-12, 12, 4001)
    p, q = gaussian_bins(0.0, 1.0, edges), gaussian_bins(1.0, 1.0, edges)
    f, g = stats.norm(0, 1).pdf, stats.norm(1, 1).pdf

    def js_density(x: float) -> float:
        middle = (f(x) + g(x)) / 2
        return (f(x) * np.log(f(x) / middle) + g(x) * np.log(g(x) / middle)) / 2

    js = integrate.quad(js_density, -10, 11)[0]
    separation = integrate.quad(lambda x: (f(x) - g(x)) ** 2 / (f(x) + g(x)) / 2, -10, 11)[0]
    assert distances.js(p, q) == pytest.approx(js, rel=1e-4)
    assert distances.separation_power(p, q) == pytest.approx(separation, rel=1e-4)


def test_an_empty_bin_of_the_candidate_makes_kl_infinite_unless_smoothed() -> None:
    p, q = np.array([3, 5, 2]), np.array([5, 5, 0])
    assert distances.kl(p, q) == np.inf
    assert distances.kl(q, p) < np.inf
    smoothed_p, smoothed_q = (p + 0.5) / 11.5, (q + 0.5) / 11.5
    expected = np.sum(smoothed_p * np.log(smoothed_p / smoothed_q))
    assert distances.kl(p, q, pseudo_count=0.5) == pytest.approx(expected)


def test_histograms_without_overlap_have_the_largest_distances() -> None:
    p, q = np.array([7, 3, 0, 0]), np.array([0, 0, 1, 9])
    assert distances.js(p, q) == pytest.approx(np.log(2))
    assert distances.separation_power(p, q) == pytest.approx(1)


@given(COUNTS)
@settings(max_examples=100)
def test_bounds_and_symmetry(pairs: list[tuple[int, int]]) -> None:
    p, q = np.array(pairs, float).T + np.array([[1.0], [2.0]])
    assert 0 <= distances.js(p, q) <= np.log(2) + 1e-12
    assert distances.js(p, q) == pytest.approx(distances.js(q, p), abs=1e-12)
    assert 0 <= distances.separation_power(p, q) <= 1 + 1e-12
    assert distances.kl(p, q) >= -1e-12
    assert distances.js(p, 3 * p) == pytest.approx(0, abs=1e-12)


def test_chi2_per_ndf_of_poisson_histograms_is_one() -> None:
    generator = np.random.default_rng(5)
    shape = generator.dirichlet(np.full(40, 20.0))
    p, q = (generator.multinomial(n, shape, size=2000) for n in (20_000, 5_000))
    values = distances.chi2_ndf(p, q)
    assert values.mean() == pytest.approx(1, abs=0.02)
    assert values.var() == pytest.approx(2 / 39, rel=0.12)


def test_metrics_work_on_many_histograms_at_once() -> None:
    generator = np.random.default_rng(1)
    p, q = generator.integers(1, 50, (2, 7, 12))
    for name, values in distances.binned(p, q).items():
        assert values.shape == (7,)
        assert values[3] == pytest.approx(distances.binned(p[3], q[3])[name])


def test_an_empty_histogram_has_finite_distances() -> None:
    p, empty = np.array([3.0, 0.0, 5.0]), np.zeros(3)
    for pair in ((p, empty), (empty, p), (empty, empty)):
        assert all(np.isfinite(value) for value in distances.binned(*pair).values())
    assert distances.binned(empty, p)["chi2_ndf"] == 0


VALUES = arrays(np.float64, st.integers(3, 30), elements=st.integers(-5, 5).map(float))


@given(VALUES, st.data())
def test_whole_weights_are_repeated_events(values: np.ndarray, data: st.DataObject) -> None:
    times = data.draw(arrays(np.int64, len(values), elements=st.integers(1, 4)))
    repeated, weights = np.repeat(values, times), times.astype(np.float64)
    other = np.array([0.0, 0.5, 1.0])
    assert ks(values, other, (weights, None)) == pytest.approx(ks(repeated, other))
    assert wasserstein1(values, other, (weights, None)) == pytest.approx(
        wasserstein1(repeated, other)
    )
    assert variance(values, weights) == pytest.approx(float(repeated.var()), abs=1e-12)
    assert mean_and_error(values, weights)[0] == pytest.approx(repeated.mean(), abs=1e-12)
    parts = [0.05, 0.3, 0.5, 0.95]
    expected = np.quantile(repeated, parts, method="inverted_cdf")
    np.testing.assert_array_equal(quantile(values, parts, weights), expected)


def test_a_negative_weight_takes_an_event_away() -> None:
    values, weights = np.array([1.0, 2.0, 3.0, 3.0]), np.array([1.0, 1.0, 1.0, -1.0])
    other = np.array([0.0, 1.5])
    assert ks(values, other, (weights, None)) == pytest.approx(ks(values[:2], other))
    assert variance(values, weights) == pytest.approx(values[:2].var())


def test_distances_of_scipy() -> None:
    generator = np.random.default_rng(2)
    p, q, w = generator.normal(size=200), generator.normal(size=300), generator.random(200)
    assert wasserstein1(p, q, (w, None)) == pytest.approx(stats.wasserstein_distance(p, q, w))
    for n, m, d in ((200, 300, 0.1), (1e4, 50, 0.2)):
        expected = stats.kstwobign.sf(d * np.sqrt(n * m / (n + m)))
        assert ks_p_value(d, n, m) == pytest.approx(expected)


def test_chi2_of_weights() -> None:
    p, q = np.array([3.0, 0, 10, 7]), np.array([30.0, 2, 90, 58])
    squares = np.array([6.0, 1, 9, 8])
    expected = (p / 20 - q / 180) ** 2 / (squares / 20**2 + q / 180**2)
    assert chi2_ndf(p, q, (squares, q)) == pytest.approx(expected.sum() / 3)
    # Of equally many entries without weights it is that of counts.
    assert chi2_ndf(p, p[::-1], (p, p[::-1])) == pytest.approx(chi2_ndf(p, p[::-1]))
    # Neither empty bins nor negative ones make a metric infinite or undefined.
    p, squares = np.array([3.0, -1, 10, 0]), np.array([5.0, 3, 12, 0])
    for name, value in binned(p, q, (squares, q)).items():
        assert np.isfinite(value), name
