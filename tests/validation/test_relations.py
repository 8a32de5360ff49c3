"""Layers and responses that belong to other showers, or are mirrored, are found by correlations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.simulation import simulate
from phys_gan.validation.evidence import Evidence, Suspicion
from phys_gan.validation.pathologies import DIAGNOSES
from phys_gan.validation.relations import compare_relations
from phys_gan.validation.sample import Sample, measure_sample
from phys_gan.workflows import demo_sample

FAST = ("E_tot/E_inc",)


@cache
def halves() -> tuple[Events, Events]:
    events = pg.read(demo_sample())
    return events[::2], events[1::2]


@cache
def reference() -> Sample:
    return measure_sample(halves()[0], "reference", observables=FAST)


def changed(events: Events, cells: np.ndarray) -> Events:
    return Events(np.asarray(cells, np.float32), dict(events.conditions), events.detector)


def evidence(candidate: Events, own: Sample | None = None) -> Evidence:
    other = measure_sample(candidate, "candidate", observables=FAST)
    return Evidence(own or reference(), other, None, {})


def ask(name: str, candidate: Events, own: Sample | None = None) -> Suspicion | None:
    return DIAGNOSES[name](evidence(candidate, own))


def flipped(events: Events, layer: int, axis: int) -> Events:
    cells, part = events.cells.copy(), events.detector.slice(layer)
    shape = events.detector.layers[layer].shape
    images = cells[:, part].reshape(-1, *shape)
    cells[:, part] = np.flip(images, axis + 1).reshape(len(cells), -1)
    return changed(events, cells)


def like_energy(events: Events, seed: int = 1) -> np.ndarray:
    """Exchange each event with one of nearly the same energy."""
    generator, result = np.random.default_rng(seed), np.arange(len(events))
    for block in np.array_split(np.argsort(events.energy), len(events) // 10):
        result[block] = generator.permutation(block)
    return result


@pytest.mark.parametrize(("layer", "axis", "words"), [(0, 1, "0 is mirrored in y")])
def test_a_mirrored_layer_is_found(layer: int, axis: int, words: str) -> None:
    found = ask("layer mirrored", flipped(halves()[1], layer, axis))
    assert found is not None
    assert found.p_value < 1e-9
    assert words in found.text
    # A detector that is mirrored as a whole is not: its layers agree with each other.
    whole = halves()[1]
    for k in range(3):
        whole = flipped(whole, k, axis)
    calm = ask("layer mirrored", whole)
    assert calm is None or calm.p_value > 1e-3


def test_a_mirrored_layer_of_inclined_showers_is_seen_in_its_mean_cells() -> None:
    """All showers lie to one side, and centres of different layers do not know of each other."""
    detector = load_detector("calogan")
    generator = np.random.default_rng(3)
    place = detector.points[:, 0] / 400

    def showers(n: int) -> Events:
        cells = generator.exponential(1, (n, detector.n_cells)) * np.exp(place)
        return Events(cells.astype(np.float32), {"energy": np.full(n, 1e4)}, detector)

    own = measure_sample(showers(1500), "reference", observables=FAST)
    found = ask("layer mirrored", flipped(showers(1500), 1, 0), own)
    assert found is not None
    assert "Layer 1 is mirrored in x: the mean energies" in found.text
    assert found.p_value < 1e-9


def test_a_layer_of_other_showers_is_found() -> None:
    events = halves()[1]
    cells, part = events.cells.copy(), events.detector.slice(2)
    cells[:, part] = cells[like_energy(events)][:, part]
    found = ask("layer permuted", changed(events, cells))
    assert found is not None
    assert found.p_value < 1e-9
    assert "Layer 2 belongs to other showers of the same energy" in found.text


def test_a_response_of_other_showers_is_found() -> None:
    events = halves()[1]
    response = events.total_energy() / events.energy
    factor = response[like_energy(events)] / response
    candidate = changed(events, events.cells * factor[:, None])
    found = ask("response permuted", candidate)
    assert found is not None
    assert found.p_value < 1e-9
    assert "are gone" in found.text
    layers = ask("layer permuted", candidate)
    assert layers is not None
    assert layers.p_value > 1e-3


@pytest.mark.parametrize(
    ("at", "kind", "size"), [(20_000, "a step of", 0.003), (30_000, "change of slope", 0.01)]
)
def test_a_step_and_a_kink_in_energy_are_found(at: float, kind: str, size: float) -> None:
    events = halves()[1]
    log = np.log(events.energy / at)
    change = size * (log > 0) if "step" in kind else size * np.maximum(log, 0)
    found = ask("energy continuity", changed(events, events.cells * (1 + change)[:, None]))
    assert found is not None
    assert found.p_value < 1e-5
    assert kind in found.text


def test_relations_are_numbers_with_errors() -> None:
    found = compare_relations(evidence(halves()[1]))
    assert found is not None
    assert found.result.within_floor
    pulls = (found.candidate - found.reference) / np.hypot(
        found.reference_error, found.candidate_error
    )
    # 2,500 events: the errors are those of correlations.
    assert 0.5 < pulls.std() < 1.5
    assert np.all(found.reference_error < 1.5 / 2500**0.5)
    written = found.as_dict()
    assert written["correlations"]["energy of 0, energy of 1"]["reference"] < -0.2
    assert set(written["centre_distances"]) == {"0, 1", "1, 2"}
    assert all(d["reference"] > 0 for d in written["centre_distances"].values())


def test_few_events_and_images_have_no_relations() -> None:
    assert compare_relations(evidence(halves()[1][:300])) is None
    images = simulate(load_detector("galaxies-32"), 40, seed=1)
    own = measure_sample(images, "reference")
    assert compare_relations(Evidence(own, own, None, {})) is None
