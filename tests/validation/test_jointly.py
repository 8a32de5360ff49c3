from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.events import Events
from phys_gan.metrics import EXTRACTORS, MULTIVARIATE
from phys_gan.validation import Options, compare
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:1800]


class LayerShares:
    """Shares of the layers, and whether the first holds more than its median as two classes."""

    name = "shares"

    def __init__(self, reference: Events) -> None:
        self.seen = len(reference)
        self.middle = float(np.median(self(reference)[:, 0]))

    def __call__(self, events: Events) -> np.ndarray:
        energies = events.layer_energies()
        return energies / energies.sum(axis=1, keepdims=True)

    def probabilities(self, events: Events) -> np.ndarray:
        above = (self(events)[:, 0] > self.middle).astype(np.float64)
        return np.stack([above, 1 - above], axis=1)


@pytest.fixture
def extractors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Events], object]]:
    monkeypatch.setitem(EXTRACTORS, "shares", LayerShares)
    return EXTRACTORS


def test_own_features_are_compared(extractors: dict[str, Callable[[Events], object]]) -> None:
    options = Options(observables=["depth"], slices=(), features=("shares",))
    result = compare(GEANT4[:900], GEANT4[900:], options=options)
    found = result.multivariate
    assert {"fpd", "fid_shares", "kid_shares", "coverage_shares"} <= set(found)
    assert all(r.within_floor for r in found.values()), found
    # Two classes of equal frequency, of which each event is surely one.
    score = found["inception_score_shares"]
    assert score.value == pytest.approx(2, abs=0.02)
    assert score.worse == "lower"
    # Half of the reference was for the extractor.
    assert found["fid_shares"].n_reference == 450
    spoiled = GEANT4[900:].cells.copy()
    spoiled[:, GEANT4.detector.slice(0)] *= 2
    other = Events(spoiled, dict(GEANT4[900:].conditions), GEANT4.detector)
    off = compare(GEANT4[:900], other, options=options).multivariate
    assert not off["fid_shares"].within_floor
    assert not off["inception_score_shares"].within_floor


def test_own_features_of_weighted_events(
    extractors: dict[str, Callable[[Events], object]],
) -> None:
    options = Options(observables=["depth"], slices=(), features=("shares",))
    reference, candidate = GEANT4[:900], GEANT4[900:]
    # Events with much energy in the first layer count twenty times as much.
    shares = LayerShares(reference)
    much = [shares(events)[:, 0] > shares.middle for events in (reference, candidate)]
    first, second = (
        replace(e, weights=np.where(above, 20.0, 1.0))
        for e, above in zip((reference, candidate), much, strict=True)
    )
    found = compare(first, second, options=options).multivariate
    assert all(r.within_floor for r in found.values()), found
    assert {"fid_shares", "kid_shares", "inception_score_shares"} <= set(found)
    off = compare(first, candidate, options=options)
    assert not off.multivariate["fid_shares"].within_floor
    assert any("diversity" in text for text in off.warnings)


def test_equal_weights_and_a_sample_repeated_as_a_whole_leave_everything_compared() -> None:
    reference, candidate = GEANT4[:200], GEANT4[900:1100]
    options = Options(observables=["depth", "E_1"], slices=())
    plain = compare(reference, candidate, options=options).multivariate
    assert {"fpd", "precision", "duplicates"} <= set(plain)
    equal = compare(reference, replace(candidate, weights=np.full(200, 0.3)), options=options)
    twice = compare(Events.concatenate([reference] * 2), candidate, options=options)
    assert equal.multivariate == twice.multivariate == plain
    # Copies that differ in number weigh, but neighbours are those of different events.
    some = compare(reference[[*range(200), *range(50)]], candidate, options=options).multivariate
    assert some["fpd"] != plain["fpd"]
    assert some["precision"] == plain["precision"]


def test_modes_of_weighted_points_are_not_counted() -> None:
    points = pg.simulate("toy-ring", 400, seed=1), pg.simulate("toy-ring", 400, seed=2)
    weights = np.linspace(0.5, 2, 400)
    found = compare(points[0], replace(points[1], weights=weights))
    assert "modes_hit" not in found.multivariate
    assert "Of weighted points, the modes that are hit are not counted." in found.warnings


def test_classifiers_are_among_the_results() -> None:
    half = GEANT4[900:]
    shifted = Events(half.cells * 1.05, dict(half.conditions), half.detector)
    options = Options(observables=["depth"], slices=(), multivariate=False, classifiers=("high",))
    result = compare(GEANT4[:900], shifted, options=options)
    assert set(result.multivariate) == {
        "auc_high",
        "jsd_high",
        "jsd_calibrated_high",
        "accuracy_high",
    }
    assert result.multivariate["auc_high"].value > 0.7
    assert not result.multivariate["auc_high"].within_floor
    assert list(result.metrics["classifiers"]) == ["high"]
    assert result.metrics["classifiers"]["high"]["form"] == "high"


def test_every_joint_metric_has_words() -> None:
    result = compare(GEANT4[:600], GEANT4[600:1200], training=GEANT4[1200:])
    known = {*MULTIVARIATE, "layer_correlations", "cell_correlations"}
    assert set(result.multivariate) == known
    assert result.correlations is not None
    assert result.cell_correlations is not None
    assert result.gallery is not None


def test_nothing_joint_is_done_unless_wanted() -> None:
    result = compare(GEANT4[:600], GEANT4[600:1200], options=Options(multivariate=False))
    assert result.multivariate == {}
    assert result.gallery is None
    few = compare(GEANT4[:60], GEANT4[60:120], observables=["depth"])
    assert set(few.multivariate) <= {"layer_correlations", "cell_correlations"}
