from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from phys_gan.metrics.distances import binned, chi2_ndf, ks, ks_p_value, wasserstein1
from phys_gan.metrics.response import response_curve, rms90
from phys_gan.metrics.statistics import (
    effective_size,
    effective_weights,
    mean_and_error,
    quantile,
    variance,
)
from phys_gan.metrics.uncertainty import (
    Scalars,
    Spectra,
    Statistic,
    assess,
    draw_replicas,
    undefined,
)
from phys_gan.observables.registry import Binning

VALUES = arrays(np.float64, st.integers(3, 30), elements=st.integers(-5, 5).map(float))


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


def test_the_error_of_a_weighted_mean_is_its_spread() -> None:
    generator = np.random.default_rng(1)
    x = generator.exponential(size=(3000, 200))
    # Steep weights that depend on the value, a fifth of them negative.
    w = np.exp(-x) * np.where(generator.random(x.shape) < 0.2, -1, 1)
    found = np.array([mean_and_error(a, b) for a, b in zip(x, w, strict=True)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.05)


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


def test_rms90_of_weights_is_that_of_repeated_values() -> None:
    generator = np.random.default_rng(3)
    values, times = generator.standard_t(3, 4000), generator.integers(1, 4, 4000)
    repeated = rms90(np.repeat(values, times))
    assert rms90(values, times.astype(float)) == pytest.approx(repeated, rel=1e-3)


def test_response_of_weights_is_that_of_the_distribution_they_stand_for() -> None:
    generator = np.random.default_rng(4)
    energy, edges = np.full(40_000, 1000.0), np.array([900.0, 1100.0])
    response = generator.normal(0.9, 0.1, 40_000)
    # Weights that make a Gaussian of width 0.1 / sqrt 2 at 0.95 of one of width 0.1 at 0.9.
    tilt = np.exp(-((response - 1.0) ** 2) / 0.02)
    (found,) = response_curve(energy, response, edges, tilt).bins
    assert found.mean == pytest.approx(0.95, abs=4 * found.mean_error)
    assert found.resolution * found.mean == pytest.approx(
        0.1 / 2**0.5, abs=4 * found.resolution_error
    )
    assert found.mean_error == pytest.approx(
        0.1 / 2**0.5 / effective_size(40_000, tilt) ** 0.5, rel=0.2
    )


def weighted_raw(
    p: np.ndarray, q: np.ndarray, w: np.ndarray, v: np.ndarray, seed: int = 0
) -> dict[str, Statistic]:
    weights = effective_weights(w), effective_weights(v)
    sample = Scalars(p, q, Binning("auto").edges(p), weights=weights)
    replicas = draw_replicas(len(p), len(q), seed, 50, weighted=True)
    effective = float(weights[0].sum()), float(weights[1].sum())
    return assess(sample, (len(p), len(q)), replicas, effective)


@pytest.mark.parametrize(("n", "m"), [(600, 600), (1200, 300)])
@pytest.mark.parametrize("negative", [0.0, 0.2])
def test_equal_distributions_of_unequal_weights_are_equal(n: int, m: int, negative: float) -> None:
    generator = np.random.default_rng(n + round(10 * negative))
    p_values: dict[str, list[float]] = {}
    for seed in range(40):
        # Exponential densities: weights exp(-x) turn one of slope 1 into one of slope 2.
        p, q = generator.exponential(size=n), generator.exponential(1 / 2, m)
        w = np.exp(-p) * np.where(generator.random(n) < negative, -1, 1)
        for name, raw in weighted_raw(p, q, w, np.ones(m), seed).items():
            p_values.setdefault(name, []).append(raw.p_value)
    for name, values in p_values.items():
        assert np.mean(np.array(values) < 0.1) <= 0.25, name
        assert np.mean(np.array(values) < 0.01) <= 0.05, name
        assert min(values) > 1e-4, name


def test_unequal_distributions_of_weights_are_seen() -> None:
    generator = np.random.default_rng(5)
    p, q = generator.exponential(size=1500), generator.exponential(1 / 2, 1500)
    without = weighted_raw(p, q, np.ones(1500), np.ones(1500))
    assert without["ks"].p_value < 1e-6
    shifted = weighted_raw(p, q + 0.1, np.exp(-p), np.ones(1500))
    assert shifted["ks"].p_value < 1e-3
    equal = weighted_raw(p, q, np.exp(-p), np.ones(1500))
    assert equal["ks"].p_value > 0.01


def test_errors_and_floors_of_weighted_metrics_are_those_of_repeated_experiments() -> None:
    generator = np.random.default_rng(6)
    found: dict[str, list[Statistic]] = {}
    for seed in range(40):
        p, q = generator.exponential(size=500), generator.exponential(1 / 2, 500)
        w = generator.exponential(size=500)
        for name, raw in weighted_raw(p, q, np.exp(-p / 2) * w, np.exp(q / 4), seed).items():
            found.setdefault(name, []).append(raw)
    for name in ("ks", "w1"):
        spread = np.std([raw.value for raw in found[name]])
        assert np.mean([raw.error for raw in found[name]]) == pytest.approx(spread, rel=0.3)


def test_spectra_count_events_by_their_weights() -> None:
    generator = np.random.default_rng(7)
    entries = generator.poisson([5, 3, 1, 2, 0.5], (400, 5)).astype(np.uint16)
    times = generator.integers(1, 4, 400)
    positions = np.arange(4.0)
    other = entries[::-1]
    weights = times.astype(np.float64), np.ones(400)
    repeated = Spectra(np.repeat(entries, times, axis=0), other, positions).measure()
    found = Spectra(entries, other, positions, weights=weights).measure()
    for name in ("ks", "w1", "w1_scaled", "js", "separation"):
        assert found[name] == pytest.approx(repeated[name]), name


def test_undefined_fractions_of_weighted_events() -> None:
    generator = np.random.default_rng(8)
    pulls = []
    for _ in range(200):
        # Half of the reference's events are undefined, but weigh a third of the others.
        first, second = generator.random(500) < 0.5, generator.random(500) < 0.25
        raw = undefined(first, second, (np.where(first, 1.0, 3.0), None))
        pulls.append(raw.value / raw.floor_error)
        assert raw.p_value > 1e-5
    assert np.mean(pulls) < 3
    raw = undefined(first, second, (None, None))
    assert raw.p_value < 1e-4
