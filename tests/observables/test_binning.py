from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.observables.registry import Binning, counts, extended


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60),
    st.sampled_from(["linear", "log", "auto"]),
)
@settings(max_examples=150)
def test_no_entry_is_lost(values: list[float], scale: str) -> None:
    array = np.array(values)
    edges = Binning(scale).edges(array)
    assert np.all(np.diff(edges) > 0)
    assert counts(array, edges).sum() == len(array)


def test_counts_are_those_of_numpy_with_flow() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    edges = np.linspace(-1, 1, 21)
    result = counts(values, edges)
    assert result[0] == (values < -1).sum()
    assert result[-1] == (values >= 1).sum()
    np.testing.assert_array_equal(result[1:-1], np.histogram(values, edges)[0])


def test_one_wild_value_does_not_stretch_the_range() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    edges = Binning().edges(np.append(values, 1e9))
    assert edges[-1] < 5


def test_values_on_a_lattice_get_bins_of_whole_steps() -> None:
    generator = np.random.default_rng(3)
    values = 1 - generator.binomial(288, 0.3, 5000) / 288
    edges = Binning().edges(values)
    steps = np.diff(edges) * 288
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    # Every value lies at least half a step from any edge.
    distance = np.abs(values[:, None] - edges).min()
    assert distance * 288 == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_many_events_at_the_largest_value_are_inside(scale: str) -> None:
    generator = np.random.default_rng(6)
    values = np.append(generator.uniform(1, 100, 300), np.full(200, 100.0))
    entries = counts(values, Binning(scale).edges(values))
    assert entries[-1] == 0
    assert entries[-2] >= 200


def test_auto_takes_the_logarithm_of_what_spans_decades() -> None:
    generator = np.random.default_rng(4)
    wide, narrow = np.exp(3 * generator.normal(size=2000)), generator.normal(5, 1, 2000)
    for values, log in ((wide, True), (narrow, False)):
        edges = Binning("auto").edges(values)
        ratios, widths = edges[1:] / edges[:-1], np.diff(edges)
        assert np.allclose(ratios if log else widths, ratios[0] if log else widths[0])


def test_a_candidate_beside_the_reference_is_covered_by_bins_of_the_same_width() -> None:
    edges = np.linspace(0, 1, 21)
    wider = extended(edges, np.random.default_rng(5).normal(1.2, 0.05, 1000))
    assert wider[0] == 0
    assert 1.3 < wider[-1] <= 1.5 + 1e-9
    np.testing.assert_allclose(np.diff(wider), 0.05)
    np.testing.assert_array_equal(extended(edges, np.full(10, 0.5)), edges)
    assert len(extended(edges, np.array([1e12, -1e12]))) == 41


def test_logarithmic_bins_are_extended_in_the_logarithm() -> None:
    edges = np.geomspace(1, 10, 11)
    wider = extended(edges, np.repeat([0.5, 30.0], 100))
    np.testing.assert_allclose(wider[1:] / wider[:-1], 10**0.1)
    assert wider[0] < 0.51
    assert wider[-1] > 29
