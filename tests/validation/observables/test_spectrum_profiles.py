from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.validation.observables import showers
from phys_gan.validation.observables.spectrum import spectrum_edges, spectrum_per_event
from phys_gan.validation.profiles import make_profiles


def toy(name: str, n: int = 40, seed: int = 0) -> Events:
    detector = load_detector(name)
    generator = np.random.default_rng(seed)
    cells = generator.lognormal(0, 2, (n, detector.n_cells))
    cells *= generator.random(cells.shape) < 0.2
    return Events(cells, {"energy": np.full(n, 1000.0)}, detector)


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
def test_every_hit_is_counted_once(name: str) -> None:
    events = toy(name)
    edges = spectrum_edges(events)
    histograms = spectrum_per_event(events, edges)
    hits = events.cells > events.detector.threshold
    np.testing.assert_array_equal(histograms.sum(axis=1), hits.sum(axis=1))
    expected = np.histogram(events.cells[hits].astype(np.float64), edges)[0]
    np.testing.assert_array_equal(histograms.sum(axis=0)[1:-1], expected)
    assert histograms[:, -1].sum() == 0
    if events.detector.threshold:
        assert edges[0] == pytest.approx(events.detector.threshold)
        assert histograms[:, 0].sum() == 0


def test_showers_without_hits_have_an_empty_spectrum() -> None:
    events = toy("calogan")
    empty = Events(np.zeros_like(events.cells), dict(events.conditions), events.detector)
    assert spectrum_per_event(empty, spectrum_edges(empty)).sum() == 0


def test_profiles_are_plain_means_with_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    events = toy("calochallenge-1-photons")
    monkeypatch.setattr(showers, "_BLOCK_VALUES", 11 * events.detector.n_cells)
    profiles = make_profiles(events)
    cells = events.cells.astype(np.float64)
    np.testing.assert_allclose(profiles.cells.mean, cells.mean(axis=0))
    np.testing.assert_allclose(profiles.cells.error, cells.std(axis=0, ddof=1) / np.sqrt(40))
    layers = events.layer_energies()
    np.testing.assert_allclose(profiles.depth.mean, layers.mean(axis=0))
    np.testing.assert_allclose(profiles.depth.error, layers.std(axis=0, ddof=1) / np.sqrt(40))
    rings = events.layer(1).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(profiles.radius[1].mean, rings.mean(axis=0))
    assert sum(p.mean.sum() for p in profiles.radius.values()) == pytest.approx(
        layers.mean(0).sum()
    )
