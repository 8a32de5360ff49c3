from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.metrics.classifier import PRESETS, train_condition_classifier
from phys_gan.metrics.classifier.conditions import choose_condition, divide, log_cells

DETECTOR = load_detector("calogan")
BRIEF = replace(PRESETS["quick"], layers=1, width=64, batch=32, epochs=20, whiten=False)


def showers(n: int, seed: int = 0, pdg: bool = False) -> Events:
    """Cells that scale with the energy, and lie further back for photons."""
    generator = np.random.default_rng(seed)
    energy = generator.uniform(1e3, 1e5, n)
    photon = np.arange(n) % 2 == 1
    profile = np.where(np.arange(504) < 288, 1.0, 2.0)[None].repeat(n, axis=0)
    if pdg:
        profile[photon, 288:] *= 1.5
    cells = energy[:, None] * profile / profile.sum(axis=1, keepdims=True)
    conditions = {"energy": energy}
    if pdg:
        conditions["pdg"] = np.where(photon, 22.0, 11.0)
    return Events(cells * generator.gamma(5, 0.2, cells.shape), conditions, DETECTOR)


def test_energies_are_told_from_the_cells() -> None:
    events = showers(800)
    classifier = train_condition_classifier(events, n_classes=4, settings=BRIEF)
    assert classifier.condition == "energy"
    assert len(classifier.classes) == 4
    assert classifier.accuracy > 0.6
    assert classifier.chance == pytest.approx(0.25, abs=0.1)
    fresh = showers(300, seed=1)
    features, probabilities = classifier.features(fresh), classifier.probabilities(fresh)
    assert features.shape == (300, 64)
    assert probabilities.shape == (300, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    truth = np.searchsorted(classifier.edges, fresh.energy)
    assert np.mean(probabilities.argmax(axis=1) == truth) > 0.6
    # The condition itself is not looked at.
    lying = Events(fresh.cells, {"energy": fresh.energy[::-1]}, DETECTOR)
    np.testing.assert_array_equal(classifier.features(lying), features)
    nothing = Events(fresh.cells, {}, DETECTOR)
    np.testing.assert_array_equal(classifier.probabilities(nothing), probabilities)
    assert classifier.features(fresh[:0]).shape == (0, 64)


def test_kinds_of_particles_come_first() -> None:
    classifier = train_condition_classifier(showers(400, pdg=True), settings=BRIEF)
    assert classifier.condition == "pdg"
    assert classifier.classes == ("e-", "gamma")
    assert classifier.accuracy > 0.7
    probabilities = classifier.probabilities(showers(20, seed=2, pdg=True))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities[1::2, 1].mean() > 0.7
    assert probabilities[::2, 0].mean() > 0.7
    other = train_condition_classifier(
        showers(400, pdg=True), condition="energy", n_classes=3, settings=BRIEF
    )
    assert other.condition == "energy"


def test_equal_seeds_give_equal_features() -> None:
    events = showers(300)
    settings = replace(BRIEF, epochs=2)
    first, second, third = (
        train_condition_classifier(events, settings=settings, seed=seed).features(events)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.any(first != third)


def test_most_events_are_respected() -> None:
    settings = replace(BRIEF, epochs=1, max_events=200)
    events = showers(1000)
    told: list[tuple[int, int]] = []
    classifier = train_condition_classifier(
        events, settings=settings, report=lambda done, total: told.append((done, total))
    )
    # 40 test events.
    assert (classifier.accuracy * 40) % 1 == pytest.approx(0, abs=1e-9)
    assert told[-1] == (1, 1)


def test_logarithms_by_hand() -> None:
    detector = DETECTOR.model_copy(update={"threshold": 1.0})
    cells = np.zeros((1, 504))
    cells[0, [0, 1, 300]] = [9.0, 1.0, 99.0]
    inputs = log_cells(Events(cells, {}, detector), 1.0)
    assert inputs.dtype == np.float32
    assert inputs.shape == (1, 504 + 3)
    # The cell at the threshold is no hit, neither alone nor in its layer.
    np.testing.assert_allclose(inputs[0, [0, 1, 300]], [1, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(inputs[0, -3:], [1, 2, 0], rtol=1e-6)
    images = load_detector("galaxies-32")
    pixels = np.zeros((1, images.n_cells))
    pixels[0, 5] = -9.0
    signed = log_cells(Events(pixels, {}, images), 1.0)
    np.testing.assert_allclose(signed[0, [5, -1]], [-1, -1], rtol=1e-6)


def test_classes_by_hand() -> None:
    edges, classes = divide("energy", np.array([1.0, 2.0, 4.0, 2.0]), 3)
    assert edges.tolist() == [1.5, 3.0]
    assert classes == ("energy = 1", "energy = 2", "energy = 4")
    edges, classes = divide("energy", np.arange(101.0), 4)
    np.testing.assert_allclose(edges, [25, 50, 75])
    assert classes[0] == "energy from 0 to 25"
    # Kinds of particles are never joined; unknown numbers keep theirs.
    edges, classes = divide("pdg", np.array([-11.0, 22.0, 130.0, 99.0]), 2)
    assert classes == ("e+", "gamma", "pdg = 99", "K0L")
    with pytest.raises(RangeError, match=r"'angle' does not divide.*values are 3; name another"):
        divide("angle", np.full(10, 3.0), 5)


def test_what_cannot_be_classified_is_refused() -> None:
    events = showers(300)
    with pytest.raises(RangeError, match=r"reference has 100 events.*at least 200"):
        train_condition_classifier(events[:100])
    with pytest.raises(MissingError, match="no condition 'angle'"):
        train_condition_classifier(events, condition="angle")
    with pytest.raises(MissingError, match=r"neither several kinds.*available: angle; name a"):
        choose_condition(Events(events.cells, {"angle": events.energy}, DETECTOR))
    single = Events(events.cells, {"energy": events.energy, "pdg": np.full(300, 11.0)}, DETECTOR)
    assert choose_condition(single) == "energy"
    classifier = train_condition_classifier(events, settings=replace(BRIEF, epochs=1))
    other = load_detector("calochallenge-2")
    with pytest.raises(DetectorError, match="trained on events of 'calogan', not of 'caloch"):
        classifier.features(Events(np.ones((2, other.n_cells)), {}, other))


def test_galaxies_are_classified_by_size_else_by_flux() -> None:
    detector = load_detector("galaxies-32")
    blank = np.zeros((4, detector.n_cells))
    values = np.arange(1.0, 5.0)
    known = {"flux": values, "half_light_radius": values}
    assert choose_condition(Events(blank, known, detector)) == "half_light_radius"
    assert choose_condition(Events(blank, {"flux": values}, detector)) == "flux"
    with pytest.raises(MissingError, match="nor a known size or flux; available: noise; name a"):
        choose_condition(Events(blank, {"noise": values}, detector))
