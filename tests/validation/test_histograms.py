"""Histograms of both samples: their bins, their entries, and those of the library hist."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from phys_gan.observables import OBSERVABLES
from phys_gan.validation.histograms import bin_edges, scalar_histogram, spectrum_histogram

EDGES = np.array([0.0, 1.0, 2.5, 4.0])


@pytest.mark.parametrize("weighted", [False, True], ids=["counts", "weights"])
def test_histograms_of_hist_hold_the_same(weighted: bool) -> None:
    """Values, variances and flow are those of the library's own filling."""
    random = np.random.default_rng(1)
    # Values below, inside, at the upper edge and beyond; one is not defined.
    values = tuple(np.append(random.normal(2, 2, n), [4.0, 1.0, np.nan]) for n in (500, 300))
    weights = tuple(random.exponential(size=len(v)) - 0.1 if weighted else None for v in values)
    histogram = scalar_histogram(OBSERVABLES["E_{k}"].in_layer(1, "1"), EDGES, values, weights)
    sides = histogram.to_hist()
    for found, v, w in zip(sides, values, weights, strict=True):
        good = np.isfinite(v)
        expected = hist.Hist(hist.axis.Variable(EDGES), storage=hist.storage.Weight())
        if w is None:
            expected.fill(v[good])
        else:
            # The weights of a histogram have the mean 1.
            expected.fill(v[good], weight=w[good] / w[good].mean())
        np.testing.assert_allclose(found.values(flow=True), expected.values(flow=True))
        np.testing.assert_allclose(found.variances(flow=True), expected.variances(flow=True))
        assert found.values(flow=True).shape == (5,)
        assert min(found.values(flow=True)[[0, -1]]) > 0
        assert found.axes[0].edges.tolist() == EDGES.tolist()
    assert [one.label for one in sides] == ["reference", "candidate"]
    assert {(one.name, one.axes[0].name) for one in sides} == {("E_1", "E_1")}
    assert sides[0].axes[0].label == histogram.label
    assert histogram.label.endswith("[GeV]")


def test_spectra_of_hist_have_errors_over_events() -> None:
    hits = np.array([[0, 2, 1, 0], [1, 4, 0, 0], [0, 0, 2, 1]], np.uint16)
    histogram = spectrum_histogram("cell_energy", "MeV", EDGES[:3], (hits, hits[:2]))
    reference, candidate = histogram.to_hist()
    assert reference.values(flow=True).tolist() == [1, 6, 3, 1]
    np.testing.assert_allclose(reference.variances(flow=True), 3 * hits.var(axis=0))
    assert candidate.values().tolist() == [6, 1]
    assert reference.axes[0].label == r"$E_\mathrm{cell}$ [MeV]"


def test_a_constant_reference_is_seen_beside_its_candidates() -> None:
    inside = np.random.default_rng(1).uniform(1, 100, 500)
    edges = bin_edges(OBSERVABLES["depth"], np.full(300, 50.0), [inside])
    assert len(edges) > 5
    assert edges[0] < 5
    assert edges[-1] > 95


def test_a_spectrum_of_no_events_has_no_errors() -> None:
    edges = np.array([1.0, 2.0, 3.0])
    hits = np.ones((4, 4), np.uint16)
    histogram = spectrum_histogram("cell_energy", "MeV", edges, (hits[:0], hits))
    assert histogram.reference_error.tolist() == [0, 0, 0, 0]
    assert histogram.n_events == (0, 4)
