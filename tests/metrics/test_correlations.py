from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events
from phys_gan.metrics.correlations import (
    _deal,
    _parts,
    compare_cell_correlations,
    compare_correlations,
    pearson,
)


def correlated(n: int, r: float, seed: int, k: int = 3) -> np.ndarray:
    """Columns of which any two have the correlation r: a common factor and an own part."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(n, 1))
    return 5 + np.sqrt(r) * common + np.sqrt(1 - r) * generator.normal(size=(n, k))


def grid(x: int, y: int, n_layers: int = 1) -> Detector:
    layer = {"kind": "cartesian", "x": list(range(x + 1)), "y": list(range(y + 1))}
    layers = [{**layer, "z": (k, k + 1)} for k in range(n_layers)]
    return Detector.model_validate({"name": "grid", "layers": layers})


def test_groups_hold_every_event_once() -> None:
    groups = _deal(103, 10, seed=1)
    assert sorted(np.concatenate(groups)) == list(range(103))
    assert {len(group) for group in groups} == {10, 11}
    whole, left_out, first, second = np.split(_parts(7, seed=1), [1, 8, 58])
    assert whole.sum() == 7
    np.testing.assert_array_equal(left_out.sum(axis=1), 6)
    np.testing.assert_array_equal(first + second, 1)
    assert set(first.sum(axis=1)) | set(second.sum(axis=1)) == {3, 4}


def test_correlations_are_those_of_numpy() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(500, 5)) @ generator.normal(size=(5, 5)) + 1e3
    np.testing.assert_allclose(pearson(values), np.corrcoef(values.T), atol=1e-10)
    other = values[::-1] * [1, 2, 3, 4, 5]
    found = compare_correlations(values, other, seed=3)
    assert found is not None
    np.testing.assert_allclose(found.reference, np.corrcoef(values.T), atol=1e-10)
    np.testing.assert_allclose(found.difference, 0, atol=1e-10)
    assert found.rms.value == pytest.approx(0, abs=1e-10)


def test_small_deviations_from_a_large_mean_keep_their_correlation() -> None:
    values = correlated(2000, 0.5, seed=2)
    np.testing.assert_allclose(pearson(1e9 + values), pearson(values), atol=1e-5)


def test_errors_of_gaussian_correlations_are_those_of_fisher() -> None:
    n, r = 4000, 0.6
    found = compare_correlations(correlated(n, r, 4), correlated(n, r, 5))
    assert found is not None
    pairs = np.triu_indices(3, 1)
    np.testing.assert_allclose(found.reference[pairs], r, atol=4 * (1 - r**2) / np.sqrt(n))
    expected = (1 - r**2) / np.sqrt(n)
    # Fifty groups know an error to 10 %.
    np.testing.assert_allclose(found.reference_error[pairs], expected, rtol=0.4)
    np.testing.assert_allclose(found.candidate_error[pairs], expected, rtol=0.4)


def test_equal_samples_stay_at_the_floor_and_different_ones_do_not() -> None:
    outside = 0
    for seed in range(20):
        found = compare_correlations(
            correlated(500, 0.3, seed), correlated(800, 0.3, 100 + seed), seed=seed
        )
        assert found is not None
        outside += not (found.rms.within_floor and found.largest.within_floor)
        assert found.rms.value <= found.largest.value
    assert outside <= 1
    shifted = compare_correlations(correlated(2000, 0.3, 1), correlated(2000, 0.5, 2))
    assert shifted is not None
    assert not shifted.rms.within_floor
    assert not shifted.largest.within_floor
    assert shifted.rms.value == pytest.approx(0.2, abs=4 * shifted.rms.error)
    # The floor is what two samples of 2000 events show: (1 - r^2) sqrt(2/n).
    assert shifted.rms.floor == pytest.approx((1 - 0.3**2) * np.sqrt(2 / 2000), rel=0.4)


def test_a_constant_layer_is_left_out_and_a_dead_one_counts() -> None:
    reference, candidate = correlated(1000, 0.5, 1), correlated(1000, 0.5, 2)
    reference[:, 0] = candidate[:, 0] = 0
    found = compare_correlations(reference, candidate, ["E_inc", "E_0", "E_1"])
    assert found is not None
    assert found.names == ("E_inc", "E_0", "E_1")
    assert np.isnan(found.reference[0]).all()
    assert found.rms.within_floor
    candidate[:, 2] = 3
    dead = compare_correlations(reference, candidate)
    assert dead is not None
    assert not dead.rms.within_floor
    assert dead.rms.value == pytest.approx(abs(found.reference[1, 2]))
    assert compare_correlations(reference[:, :2], candidate[:, :2]) is None


def test_values_that_cannot_be_correlated_are_refused() -> None:
    values = correlated(10, 0.5, 1)
    with pytest.raises(DataError, match=r"shapes \(10, 3\) and \(10, 2\)"):
        compare_correlations(values, values[:, :2])
    with pytest.raises(DataError, match="at least two events"):
        compare_correlations(values[:1], values)
    values[3, 1] = np.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        compare_correlations(values, values)


def cells_of(detector: Detector, values: np.ndarray) -> Events:
    return Events(np.exp(values), {"energy": np.ones(len(values))}, detector)


def small(values: np.ndarray) -> np.ndarray:
    """Shrink fluctuations so that the exponential of them is linear."""
    return 0.01 * values


def test_independent_cells_have_no_correlation() -> None:
    detector = grid(6, 6)
    first, second = (
        cells_of(detector, small(np.random.default_rng(s).normal(size=(2000, 36)))) for s in (1, 2)
    )
    found = compare_cell_correlations(first, second)
    assert found is not None
    curve = found.reference[0]
    filled = curve.n_pairs > 0
    assert curve.n_pairs.sum() == 36 * 35 / 2
    assert np.isnan(curve.mean[~filled]).all()
    assert np.all(np.abs(curve.mean[filled]) < 5 * curve.error[filled])
    assert found.rms.within_floor


def test_a_common_factor_gives_the_same_correlation_at_any_distance() -> None:
    detector = grid(4, 5, n_layers=2)
    first, second = (
        cells_of(detector, small(correlated(3000, 0.4, seed, detector.n_cells))) for seed in (1, 2)
    )
    found = compare_cell_correlations(first, second)
    assert found is not None
    for curve in (*found.reference, *found.candidate):
        filled = curve.n_pairs > 0
        np.testing.assert_allclose(curve.mean[filled], 0.4, atol=0.05)
    assert [curve.layers for curve in found.reference] == [(0,), (1,)]
    assert found.rms.within_floor


def exponential(n: int, length: float, seed: int, width: int = 40) -> np.ndarray:
    """A row of cells of size 1 with the correlation exp(-distance / length)."""
    generator = np.random.default_rng(seed)
    r = np.exp(-1 / length)
    values = np.empty((n, width))
    values[:, 0] = generator.normal(size=n)
    for i in range(1, width):
        values[:, i] = r * values[:, i - 1] + np.sqrt(1 - r**2) * generator.normal(size=n)
    return values


def test_a_correlation_length_is_recovered_and_another_one_is_noticed() -> None:
    detector = grid(1, 40)
    first, same, other = (
        cells_of(detector, small(exponential(4000, length, seed)))
        for length, seed in ((5.0, 1), (5.0, 2), (7.0, 3))
    )
    found = compare_cell_correlations(first, same)
    assert found is not None
    curve = found.reference[0]
    distance = np.arange(1, 40)
    place = np.digitize(distance, curve.edges) - 1
    expected = np.full(len(curve.mean), np.nan)
    for b in np.unique(place):
        inside = distance[place == b]
        # There are 40 - d pairs at the distance d.
        expected[b] = np.average(np.exp(-inside / 5.0), weights=40 - inside)
    np.testing.assert_allclose(curve.mean, expected, atol=0.03)
    assert np.all(curve.n_pairs == np.bincount(place, 40 - distance, minlength=len(curve.mean)))
    assert found.rms.within_floor
    noticed = compare_cell_correlations(first, other)
    assert noticed is not None
    assert not noticed.rms.within_floor


def test_the_brightest_cells_of_the_reference_are_taken() -> None:
    detector = grid(1, 40)
    values = np.random.default_rng(1).exponential(size=(300, 40)).astype(np.float32)
    values[:, 10:] *= 0.1
    values[:, 5] = 0
    reference = Events(values, {}, detector)
    found = compare_cell_correlations(reference, reference, most_cells=9)
    assert found is not None
    curve = found.reference[0]
    assert curve.n_pairs.sum() == 9 * 8 / 2
    assert curve.edges[-1] == pytest.approx(9, rel=2e-3)
    # The mean over pairs by hand, weighted by mean energies.
    chosen = [i for i in range(10) if i != 5]
    r, mean = np.corrcoef(values[:, chosen].T), values[:, chosen].mean(axis=0)
    i, j = np.triu_indices(9, 1)
    place = np.digitize(np.abs(np.subtract.outer(chosen, chosen))[i, j], curve.edges) - 1
    weight = np.sqrt(mean[i] * mean[j])
    sums = np.bincount(place, weight * r[i, j], minlength=12)
    with np.errstate(invalid="ignore"):
        expected = sums / np.bincount(place, weight, minlength=12)
    np.testing.assert_allclose(curve.mean, expected, atol=1e-6)


def test_many_layers_are_joined_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = load_detector("calochallenge-2")
    generator = np.random.default_rng(3)
    values = generator.exponential(size=(60, detector.n_cells)) * generator.gamma(4, size=(60, 1))
    events = Events(values, {}, detector)
    found = compare_cell_correlations(events[:30], events[30:], most_cells=20)
    assert found is not None
    assert [len(curve.layers) for curve in found.reference] == [8, 8, 8, 7, 7, 7]
    assert sum(curve.n_pairs.sum() for curve in found.reference) == 45 * 190
    monkeypatch.setattr("phys_gan.metrics.correlations._CHUNK_VALUES", 3 * 400)
    again = compare_cell_correlations(events[:30], events[30:], most_cells=20)
    assert again is not None
    assert again.rms.as_dict() == pytest.approx(found.rms.as_dict())
    np.testing.assert_allclose(again.candidate[2].error, found.candidate[2].error)


def test_rings_that_are_not_divided_are_compared_along_the_radius() -> None:
    detector = load_detector("calochallenge-1-photons")
    values = np.random.default_rng(3).exponential(size=(100, detector.n_cells))
    found = compare_cell_correlations(Events(values, {}, detector), Events(values, {}, detector))
    assert found is not None
    assert found.reference[0].edges[0] > 0
    assert found.rms.value == 0


def test_cells_that_never_vary_have_no_pairs() -> None:
    detector = grid(2, 2)
    events = Events(np.ones((20, 4)), {}, detector)
    assert compare_cell_correlations(events, events) is None
    with pytest.raises(DetectorError, match="'grid' with events of 'calogan'"):
        compare_cell_correlations(events, Events(np.ones((3, 504)), {}, load_detector("calogan")))
    with pytest.raises(DataError, match="at least two events"):
        compare_cell_correlations(events, events[:1])
