from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.validation.gallery import make_gallery
from phys_gan.validation.sample import Sample, measure_sample

DETECTOR = load_detector("calogan")


def events(seed: int, n: int = 300) -> Events:
    generator = np.random.default_rng(seed)
    energy = np.exp(generator.uniform(np.log(1e3), np.log(1e5), n))
    cells = generator.exponential(size=(n, DETECTOR.n_cells))
    cells *= generator.random(cells.shape) < 0.2
    cells *= (energy / cells.sum(axis=1))[:, None]
    return Events(cells, {"energy": energy}, DETECTOR)


def measured(sample: Events) -> Sample:
    return measure_sample(sample, "sample", observables=["depth"])


def test_the_nearest_event_is_that_of_brute_force() -> None:
    first, second = events(1), events(2)
    gallery = make_gallery(measured(first), measured(second), seed=3)
    for i, drawn in enumerate(gallery.drawn.cells):
        off = np.sqrt(first.cells.astype(float)) - np.sqrt(drawn.astype(float))
        distances = np.linalg.norm(off, axis=1) / np.sqrt(gallery.drawn.energy[i])
        best = int(distances.argmin())
        assert np.array_equal(gallery.nearest.cells[i], first.cells[best])
        assert gallery.distances[i] == pytest.approx(distances[best], rel=1e-5)
        own = np.sqrt(first.cells.astype(float)) - np.sqrt(first.cells[best].astype(float))
        among = np.linalg.norm(own, axis=1) / np.sqrt(first.energy[best])
        assert gallery.typical[i] == pytest.approx(np.sort(among)[1], rel=1e-5)


def test_copies_have_no_distance() -> None:
    sample = events(1)
    gallery = make_gallery(measured(sample), measured(sample[::-1]), seed=0)
    assert np.all(gallery.distances == 0)
    assert np.all(gallery.typical > 0.1)


def test_random_events_are_paired_by_incident_energy() -> None:
    gallery = make_gallery(measured(events(1)), measured(events(2)), seed=0)
    first, second = gallery.reference.energy, gallery.candidate.energy
    assert np.all(np.diff(first) >= 0)
    assert np.all(np.abs(np.log(first / second)) < 0.1)
    assert len(set(second)) == len(second)


def test_the_choice_follows_the_seed() -> None:
    pair = measured(events(1)), measured(events(2))
    one, two, three = (make_gallery(*pair, seed=s) for s in (5, 5, 6))
    assert np.array_equal(one.reference.cells, two.reference.cells)
    assert np.array_equal(one.drawn.cells, two.drawn.cells)
    assert not np.array_equal(one.drawn.cells, three.drawn.cells)


def test_few_events_are_kept_and_few_are_enough() -> None:
    gallery = make_gallery(measured(events(1)), measured(events(2, n=2)), seed=0)
    assert len(gallery.reference) == 4
    assert len(gallery.drawn) == len(gallery.nearest) == 2
    assert gallery.reference.cells.base is None or gallery.reference.cells.base.size < 5000


def test_images_and_events_without_energy_have_neighbours() -> None:
    stamps = load_detector("galaxies-32")
    generator = np.random.default_rng(0)
    first, second = (
        Events(generator.normal(size=(50, stamps.n_cells)), {}, stamps) for _ in range(2)
    )
    source = [
        measure_sample(sample, "stamps", observables=[_total()]) for sample in (first, second)
    ]
    gallery = make_gallery(source[0], source[1], seed=0)
    off = np.linalg.norm(first.cells - gallery.drawn.cells[0], axis=1)
    assert np.array_equal(gallery.nearest.cells[0], first.cells[int(off.argmin())])


def _total() -> object:
    from phys_gan.observables import Observable

    return Observable("total", lambda s: s.events.cells.sum(axis=1), "total", applies=bool)
