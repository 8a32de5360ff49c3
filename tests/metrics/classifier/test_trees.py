"""Boosted trees: oracle AUC, planted differences, equal samples, weights, images and points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from threadpoolctl import threadpool_limits

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.errors import DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier import trees, two_sample_trees
from phys_gan.metrics.classifier.inputs import LINES, CellFeatures, Neighbours, find_lines
from phys_gan.metrics.classifier.scores import Scores, judge_cross_fitted
from phys_gan.metrics.classifier.trees import FOLDS, above, fold_numbers, scan_points
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())


def with_cells(events: Events, cells: np.ndarray) -> Events:
    return replace(events, cells=cells, overflow=None)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit fewer trees, each of which learns more, and in fewer folds."""
    monkeypatch.setattr(trees, "FOLDS", 2)
    for name, number in (("trees", 30), ("folds", 2)):
        monkeypatch.setitem(trees._Judge.cross_fit.__kwdefaults__, name, number)


def test_the_auc_is_that_of_a_known_shift() -> None:
    rng = np.random.default_rng(0)
    detector, shift = load_detector("toy-gaussian"), 1.0
    points = rng.normal(size=(1500, detector.n_cells))
    other = rng.normal(size=points.shape)
    other[:, 0] += shift
    found = two_sample_trees(Events(points, {}, detector), Events(other, {}, detector))
    assert found.auc.value == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.03)
    assert found.importance[0].group == "coordinates"
    assert found.thresholds == ()


def test_a_planted_line_is_found_and_named() -> None:
    reference, candidate = GEANT4[:300], GEANT4[300:600]
    cells = candidate.cells.copy()
    line = np.abs(cells - 0.511) < 0.0005
    assert line.sum() > 500
    # A fifth of the width of a window of 1 %: no sum over cells sees that.
    cells[line] *= 1 + 0.002 * np.random.default_rng(1).normal(size=int(line.sum()))
    found = two_sample_trees(reference, with_cells(candidate, cells))
    assert found.auc.value > 0.8
    assert found.auc.p_value is not None
    assert found.auc.p_value < 1e-6
    first = found.importance[0]
    assert first.group == LINES
    assert first.counts
    assert "0.511 MeV" in first.best
    assert first.means[0] > 1.5 * first.means[1]
    assert found.gives_away[0].startswith("lines of the spectrum: AUC falls by")
    # Above the line nothing is left to see.
    values = dict(found.thresholds)
    assert values[0.1].value > 0.8
    assert values[1.0].within_floor
    assert found.trusted_from == 1.0
    weights = found.event_weights
    assert weights.tail("reference", above=True)[0] > weights.tail("candidate", above=True)[0]
    assert found.as_dict()["importance"][0]["group"] == LINES


@pytest.mark.usefixtures("few_trees")
def test_equal_samples_are_within_the_floor_whatever_their_numbers() -> None:
    found = two_sample_trees(GEANT4[:220], GEANT4[220:660], seed=3)
    assert found.within_floor
    assert (found.auc.n_reference, found.auc.n_candidate) == (220, 440)
    assert max(abs(one.drop) for one in found.importance) < 0.08
    assert found.gives_away == []
    assert found.thresholds == ()
    # Both count the same: the weights are around 1. Every event is judged once.
    assert abs(np.median(found.event_weights.candidate)) < 0.05
    np.testing.assert_array_equal(found.event_weights.rows[0], np.arange(220))
    np.testing.assert_array_equal(found.event_weights.rows[1], np.arange(440))


def test_threads_do_not_matter() -> None:
    pair = GEANT4[:220], GEANT4[300:520]
    found = two_sample_trees(*pair, explain=False)
    with threadpool_limits(2, user_api="openmp"):
        again = two_sample_trees(*pair, explain=False)
    np.testing.assert_array_equal(found.event_weights.reference, again.event_weights.reference)
    assert found.auc == again.auc


def test_events_of_equal_conditions_are_in_one_fold() -> None:
    energies = np.random.default_rng(0).uniform(1, 2, 500)
    order = np.random.default_rng(1).permutation(500)
    first, second = fold_numbers((energies[:, None], energies[order][:, None]), (500, 500), 0)
    np.testing.assert_array_equal(first[order], second)
    assert np.bincount(first).tolist() == [100] * FOLDS
    # Of three beam energies each fold has all.
    few = np.repeat([1.0, 2.0, 3.0], 100)[:, None]
    first, second = fold_numbers((few, few[:200]), (300, 200), 0)
    assert np.bincount(first).tolist() == [60] * FOLDS
    assert np.bincount(second).tolist() == [40] * FOLDS


def test_a_candidate_at_the_energies_of_the_reference_is_not_misleading() -> None:
    reference = GEANT4[:400]
    candidate = replace(GEANT4[400:800], conditions=dict(reference.conditions))
    # The cells do not go with these energies: what is asked is whether an energy alone is learned.
    both = [with_cells(e, np.zeros_like(e.cells)) for e in (reference, candidate)]
    found = two_sample_trees(*both, explain=False)
    assert found.auc.value == pytest.approx(0.5, abs=0.05)


@pytest.mark.usefixtures("few_trees")
def test_weights_enter_and_negative_ones_are_refused() -> None:
    reference, other = GEANT4[:500], GEANT4[500:1000]
    # Fifty times the weight for one half of the energies, in both samples: they stay equal.
    middle = np.median(reference.energy)
    sides = [replace(e, weights=np.where(e.energy > middle, 1.0, 0.02)) for e in (reference, other)]
    assert two_sample_trees(*sides, explain=False).within_floor
    assert not two_sample_trees(reference, sides[1], explain=False).within_floor
    negative = replace(other, weights=np.where(np.arange(500) % 20, 1.0, -1.0))
    with pytest.raises(RangeError, match="negative weights"):
        two_sample_trees(reference, negative)
    with pytest.raises(RangeError, match="200"):
        two_sample_trees(reference[:150], other)
    with pytest.raises(DetectorError):
        two_sample_trees(reference, pg.simulate("toy-ring", 300))


@pytest.mark.parametrize("name", ["calochallenge-1-pions", "par04-9x16x45", "galaxies-32"])
def test_any_detector_has_features(name: str) -> None:
    events = pg.simulate(name, 40, seed=1)
    features = CellFeatures.fit(events)
    values, names, groups = features(events)
    assert values.shape == (40, len(names))
    assert len(groups) == len(names) == len(set(names))
    assert len(names) < 440
    assert not np.isinf(values).any()
    # Events are measured one by one.
    again, _, _ = features(events[10:20])
    np.testing.assert_allclose(again, values[10:20], rtol=1e-4, atol=1e-4)


def test_neighbours_of_a_ring() -> None:
    hits = np.zeros((1, 1, 4, 3), bool)
    for place in ((0, 0), (3, 0), (1, 2)):
        hits[0, 0][place] = True
    grid = np.where(hits, np.float32(2), np.float32(0))
    ring, plane = (Neighbours.of(grid, hits, periodic) for periodic in (True, False))
    # The first and the last cell in alpha are neighbours.
    assert (ring.alone[0, 0], plane.alone[0, 0]) == (1, 3)
    assert (ring.energy_alone[0, 0], plane.energy_alone[0, 0]) == (2, 6)
    assert (ring.pairs[:, 0, 0].tolist(), plane.pairs[:, 0, 0].tolist()) == ([1, 0], [0, 0])
    assert ring.around[:, 0, 0].tolist() == [2, 0, 0, 0]
    assert ring.products[0, 0, 0] == 4
    assert ring.squares[0, 0] == 12
    # Sums over both axes of |differences|: 8 + 6 in the ring, one link less in the plane.
    assert ring.differences[:, 0, 0].tolist() == [8, 6]
    assert ring.peaks[0, 0] == 3


def test_lines_are_found_only_where_they_stand_out() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.lognormal(0, 2, 200_000)
    assert find_lines(smooth) == []
    with_two = np.concatenate([smooth, np.full(2000, 0.511), np.full(900, 0.088)])
    np.testing.assert_allclose(find_lines(with_two), [0.511, 0.088], rtol=1e-6)


def test_thresholds_take_away_hits_of_both_samples() -> None:
    points = scan_points(GEANT4)
    assert points[:3] == [0.1, 1.0, 10.0]
    cut = above(GEANT4[:10], 1.0)
    kept = cut.cells[cut.cells > 0]
    assert kept.min() > 1
    assert len(kept) == (GEANT4[:10].cells > 1).sum()
    assert scan_points(with_cells(GEANT4[:10], np.zeros((10, 504)))) == []


def test_cross_fitted_folds_are_judged_by_the_known_floor() -> None:
    rng = np.random.default_rng(0)
    folds = [Scores(*rng.normal(size=(2, 200))) for _ in range(5)]
    found = judge_cross_fitted(folds, (1000, 1000))
    sigma = np.sqrt(401 / (12 * 200**2))
    assert found.floor_error == pytest.approx(sigma * np.sqrt(2 / 5))
    assert found.limit == pytest.approx(0.5 + 3 * found.floor_error)
    # Delong's error is that of all events.
    assert found.error == pytest.approx(np.sqrt(1 / (6 * 1000)), rel=0.05)
    assert judge_cross_fitted(folds[:3], (1000, 1000)).floor_error == pytest.approx(
        sigma * np.sqrt(0.5)
    )
    weighted = [Scores(f.reference, f.candidate, np.ones(200), np.full(200, 3.0)) for f in folds]
    again = judge_cross_fitted(weighted, (1000, 1000))
    assert again.value == pytest.approx(found.value)
    assert again.floor_error == pytest.approx(found.floor_error, rel=0.01)
