from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from phys_gan.metrics.distances import METRICS
from phys_gan.metrics.result import Result
from phys_gan.metrics.statistics import (
    effective_weights,
)
from phys_gan.metrics.uncertainty import (
    Null,
    Scalars,
    Spectra,
    Statistic,
    assess,
    draw_replicas,
    global_p_value,
    independent_number,
    judge,
    undefined,
)
from phys_gan.observables.registry import Binning


def raw(p: np.ndarray, q: np.ndarray, seed: int = 0, number: int = 100) -> dict[str, Statistic]:
    sample = Scalars(p, q, Binning("auto").edges(p))
    return assess(sample, (len(p), len(q)), draw_replicas(len(p), len(q), seed, number))


def judged(
    p: np.ndarray, q: np.ndarray, seed: int = 0, n_comparisons: float = 8, number: int = 100
) -> dict[str, Result]:
    return {name: judge(r, n_comparisons) for name, r in raw(p, q, seed, number).items()}


def toys(generator: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Draw observables of awkward shapes, some of them correlated."""
    z = generator.standard_normal((n, 4))
    return {
        "gaussian": z[:, 0],
        "correlated": z[:, 0] + 0.3 * z[:, 1],
        "log-normal": np.exp(z[:, 2]),
        "lattice": np.round(5 * z[:, 3]) / 100,
        "spike": np.where(z[:, 1] > 0, 0, z[:, 1]),
        "no mean": 0.1 * generator.standard_cauchy(n) + z[:, 0],
    }


def test_values_are_those_of_scipy() -> None:
    generator = np.random.default_rng(1)
    p, q = generator.normal(size=300), generator.normal(0.2, 1, size=500)
    result = judged(p, q)
    assert result["ks"].value == pytest.approx(stats.ks_2samp(p, q).statistic, abs=1e-12)
    assert result["w1"].value == pytest.approx(stats.wasserstein_distance(p, q), rel=1e-12)
    assert result["w1_scaled"].value == pytest.approx(result["w1"].value / p.std())
    assert set(result) == set(METRICS)
    assert (result["ks"].n_reference, result["ks"].n_candidate) == (300, 500)


def test_the_bootstrap_error_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(2)
    results = [
        judged(generator.normal(size=400), generator.normal(0.5, 1.2, 400), seed)
        for seed in range(60)
    ]
    for name in ("ks", "w1", "js", "separation"):
        spread = np.std([r[name].value for r in results])
        error = np.mean([r[name].error for r in results])
        assert error == pytest.approx(spread, rel=0.3), name


@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (2000, 500), (600, 3000)])
def test_the_floor_is_what_equal_samples_give_at_these_sizes(n: int, m: int) -> None:
    generator = np.random.default_rng(n + m)
    results = [
        judged(generator.normal(size=n), generator.normal(size=m), seed, number=50)
        for seed in range(40)
    ]
    for name in METRICS:
        values = np.array([r[name].value for r in results])
        floor = np.mean([r[name].floor for r in results])
        assert floor == pytest.approx(values.mean(), rel=0.2), name


def test_the_ks_floor_follows_kolmogorov() -> None:
    generator = np.random.default_rng(3)
    n, m = 4000, 1000
    result = judged(generator.normal(size=n), generator.normal(size=m), number=400)["ks"]
    scale = np.sqrt(1 / n + 1 / m)
    assert result.floor == pytest.approx(np.sqrt(np.pi / 2) * np.log(2) * scale, rel=0.06)
    assert result.floor_error == pytest.approx(0.2603 * scale, rel=0.15)


@pytest.mark.parametrize(("n", "m"), [(500, 500), (300, 1200)])
def test_the_verdict_on_equal_samples_has_its_nominal_rate(n: int, m: int) -> None:
    generator = np.random.default_rng(4)
    values = []
    for seed in range(60):
        p, q = toys(generator, n), toys(generator, m)
        found = {name: raw(p[name], q[name], seed) for name in p}
        number = independent_number([r for metrics in found.values() for r in metrics.values()])
        assert 4 < number < 48
        results = {
            name: {metric: judge(r, number) for metric, r in metrics.items()}
            for name, metrics in found.items()
        }
        p_value = global_p_value(results, number)
        fired = any(not r.within_floor for found in results.values() for r in found.values())
        assert fired == (p_value < -np.expm1(number * np.log1p(-0.01 / number)))
        values.append(p_value)
    # p-values of equal samples are uniform: 1 % of the verdicts fire, 20 % below 0.2, and so on.
    assert stats.kstest(values, "uniform").pvalue > 0.01
    assert np.mean(np.array(values) < 0.01) < 0.07


def test_p_values_of_continuous_values_agree_with_scipy() -> None:
    generator = np.random.default_rng(13)
    for shift in (0.0, 0.05, 0.1):
        p, q = generator.normal(size=2000), generator.normal(shift, 1, size=1500)
        ours = judged(p, q, number=400)["ks"].p_value
        theirs = stats.ks_2samp(p, q, method="asymp").pvalue
        assert ours is not None
        assert np.log10(ours) == pytest.approx(np.log10(theirs), abs=0.35 + 0.1 * -np.log10(theirs))


def test_copies_of_one_metric_count_once_and_independent_ones_each() -> None:
    generator = np.random.default_rng(14)
    draws = generator.random((30, 200))
    null = Null(1.0, 0.5, 1.0)

    def entry(p_values: np.ndarray) -> Statistic:
        return Statistic(1.0, 0.1, 1.0, 0.5, null, p_values, None, (10, 10))

    assert independent_number([entry(draws[0])] * 30) == pytest.approx(1, abs=0.4)
    assert independent_number([entry(row) for row in draws]) == pytest.approx(30, rel=0.4)
    assert independent_number([entry(np.empty(0))] * 3) == 3


def test_the_null_has_the_p_values_of_a_gamma_distribution() -> None:
    chi2 = Null(10.0, 20**0.5, (8 / 10) ** 0.5)
    for value in (3.0, 10.0, 30.0):
        assert float(chi2.p_value(value)) == pytest.approx(stats.chi2.sf(value, 10), rel=1e-9)
    assert chi2.quantile(0.001) == pytest.approx(stats.chi2.isf(0.001, 10), rel=1e-9)


def test_the_equivalent_number_is_where_the_floor_meets_the_value() -> None:
    generator = np.random.default_rng(15)
    n, numbers = 4000, {"ks": [], "w1": []}
    for seed in range(25):
        p, q = generator.normal(size=(2, n))
        for name, found in numbers.items():
            found.append(judged(p, q, seed)[name].n_equivalent)
    # Equal samples differ as much as their own number of events makes them.
    for name, found in numbers.items():
        assert 0.5 * n < np.median(found) < 2 * n, name
    shifted = judged(generator.normal(size=20_000), generator.normal(0.3, 1, 20_000))["ks"]
    assert shifted.n_equivalent is not None
    # KS of this shift is 0.119, and the mean KS between two samples of N is 1.23 / sqrt(N).
    assert shifted.n_equivalent == pytest.approx((1.2283 / 0.1192) ** 2, rel=0.2)
    assert (
        judged(generator.normal(size=100), generator.normal(size=100))["chi2_ndf"].n_equivalent
        is None
    )


def test_groups_of_events_have_the_errors_of_events() -> None:
    """80,000 events are resampled in 2,000 groups; sorted files must not matter."""
    generator = np.random.default_rng(16)
    n = 40_000
    p = np.sort(generator.normal(size=n))
    q = np.sort(generator.normal(0.01, 1, size=n))
    replicas = draw_replicas(n, n, 0)
    assert [len(weights) for weights in replicas.weights] == [1000, 1000]
    result = judged(p, q)["ks"]
    scale = (2 / n) ** 0.5
    assert result.floor == pytest.approx(np.sqrt(np.pi / 2) * np.log(2) * scale, rel=0.1)
    assert result.floor_error == pytest.approx(0.2603 * scale, rel=0.25)


def test_small_differences_are_seen_with_enough_events() -> None:
    generator = np.random.default_rng(5)
    n, fired = 15_000, {"ks": 0, "w1": 0}
    for seed in range(10):
        results = judged(generator.normal(size=n), generator.normal(0.1, 1, n), seed, 300)
        for name in fired:
            fired[name] += not results[name].within_floor
    assert min(fired.values()) >= 9


def test_a_difference_of_width_is_seen() -> None:
    generator = np.random.default_rng(6)
    results = judged(generator.normal(size=8000), generator.normal(0, 0.9, 8000), 0, 300)
    assert not results["js"].within_floor
    assert not results["w1"].within_floor


def test_the_same_events_are_within_the_floor() -> None:
    values = np.random.default_rng(7).normal(size=200)
    for result in judged(values, values).values():
        assert result.value == pytest.approx(0, abs=1e-12)
        assert result.within_floor


def test_a_constant_is_within_the_floor_of_itself_and_outside_that_of_another() -> None:
    assert all(r.within_floor for r in judged(np.full(50, 2.0), np.full(60, 2.0)).values())
    assert not judged(np.full(50, 2.0), np.full(60, 3.0))["ks"].within_floor


def test_equal_seeds_give_equal_results() -> None:
    p, q = np.random.default_rng(8).normal(size=(2, 300))
    assert judged(p, q, 3) == judged(p, q, 3)
    assert judged(p, q, 3) != judged(p, q, 4)


def test_few_undefined_events_are_within_the_floor_and_many_are_not() -> None:
    def mask(number: int) -> np.ndarray:
        return np.arange(2000) < number

    assert judge(undefined(mask(0), mask(3)), 300).within_floor
    assert judge(undefined(mask(100), mask(120)), 300).within_floor
    assert not judge(undefined(mask(0), mask(60)), 300).within_floor
    assert undefined(mask(0), mask(60)).value == pytest.approx(0.03)


def test_entries_of_one_event_are_resampled_together() -> None:
    """Events whose entries all fall into one bin fluctuate more than independent entries."""
    generator = np.random.default_rng(9)
    n, entries, bins = 400, 100, 6
    clumped = np.zeros((2 * n, bins), np.uint16)
    clumped[np.arange(2 * n), generator.integers(1, bins - 1, 2 * n)] = entries
    spread = generator.multinomial(entries, [0, 0.25, 0.25, 0.25, 0.25, 0], 2 * n)
    floors = [
        assess(
            Spectra(h[:n].astype(np.uint16), h[n:].astype(np.uint16), np.linspace(0, 1, bins - 1)),
            (n, n),
            draw_replicas(n, n, 0),
        )["chi2_ndf"].floor
        for h in (clumped, spread)
    ]
    assert floors[0] == pytest.approx(entries, rel=0.3)
    assert floors[1] == pytest.approx(1, rel=0.3)


def test_json_has_no_nan() -> None:
    result = Result(float("nan"), 0.0, 0.0, 0.0, 0.0, 1, 2, False)
    assert result.as_dict()["value"] is None
    assert result.as_dict()["within_floor"] is False


def test_of_a_much_larger_sample_the_replicas_hold_a_random_choice() -> None:
    replicas = draw_replicas(25, 100_000, 0)
    assert replicas.held == 1
    assert len(replicas.weights[1]) == 2501
    held = replicas.groups[1] < 2500
    assert held.sum() == 2500
    assert not replicas.weights[1][2500].any()
    # The choice is from everywhere in the file, which may be in the order of energy.
    assert abs(np.flatnonzero(held).mean() / 100_000 - 0.5) < 0.05
    other = draw_replicas(100_000, 25, 0)
    assert other.held == pytest.approx(0.025)
    assert len(other.weights[0]) == 2501


@pytest.mark.parametrize("sizes", [(25, 4000), (4000, 25)])
def test_verdicts_hold_where_one_sample_is_much_larger(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(11)
    p_values, floors = [], []
    for seed in range(60):
        result = judged(*(generator.normal(size=n) for n in sizes), seed)["ks"]
        p_values.append(result.p_value)
        floors.append(result.floor)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)
    typical = np.sqrt(np.pi / 2) * np.log(2) * np.hypot(*(n**-0.5 for n in sizes))
    assert np.mean(floors) == pytest.approx(typical, rel=0.15)


def test_a_constant_is_not_severe() -> None:
    found = judged(np.full(100, 2.0), np.full(150, 2.0))
    assert {name: result.severity for name, result in found.items()} == dict.fromkeys(METRICS, 0.0)
    assert all(result.within_floor for result in found.values())


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
