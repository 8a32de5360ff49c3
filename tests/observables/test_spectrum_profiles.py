from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import make_profiles
from phys_gan.detectors import load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events
from phys_gan.observables import map_blocks, measure, select, sums
from phys_gan.observables.spectrum import (
    BinTable,
    open_edges,
    spectrum_block,
    spectrum_per_event,
    trimmed,
)
from phys_gan.validation.averages import ProfileSums


def toy(name: str, n: int = 40, seed: int = 0) -> Events:
    detector = load_detector(name)
    generator = np.random.default_rng(seed)
    cells = generator.lognormal(0, 2, (n, detector.n_cells))
    cells *= generator.random(cells.shape) < 0.2
    return Events(cells, {"energy": np.full(n, 1000.0)}, detector)


def hits_of(events: Events) -> np.ndarray:
    return events.cells[events.cells > events.detector.threshold].astype(np.float64)


# Bins

EDGES = st.one_of(
    st.sampled_from([open_edges(load_detector(n)) for n in ("calogan", "calochallenge-2")]),
    st.lists(st.floats(-10, 1e6), min_size=1, max_size=40, unique=True).map(
        lambda edges: np.array(sorted(edges))
    ),
    st.integers(2, 400).map(lambda n: np.linspace(0.0, 1.0, n)),
)


@given(EDGES, arrays(np.float32, st.integers(0, 50), elements=st.floats(0, 2.0**127, width=32)))
@settings(max_examples=150)
def test_the_table_finds_the_bins_that_a_search_finds(
    edges: np.ndarray, values: np.ndarray
) -> None:
    # The numbers at the edges are where a table could go wrong.
    at = np.maximum(edges, 0).astype(np.float32)
    infinity = np.float32(np.inf)
    values = np.concatenate(
        [values, at, np.nextafter(at, infinity), np.maximum(np.nextafter(at, -infinity), 0)]
    ).astype(np.float32)
    expected = np.searchsorted(edges, values.astype(np.float64), side="right")
    np.testing.assert_array_equal(BinTable(edges).find(values), expected)


def test_every_kind_of_edges_is_covered() -> None:
    regular, close = BinTable(np.geomspace(1, 1e6, 61)), BinTable(1 + 1e-6 * np.arange(9))
    assert regular._shift > 0
    assert close._shift == 0


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
def test_every_hit_is_counted_once(name: str) -> None:
    events = toy(name)
    edges = open_edges(events.detector)
    histograms = spectrum_per_event(events, edges)
    assert histograms.dtype == np.uint16
    hits = events.cells > events.detector.threshold
    np.testing.assert_array_equal(histograms.sum(axis=1), hits.sum(axis=1))
    for i in (0, 39):
        expected = np.histogram(hits_of(events[i : i + 1]), edges)[0]
        np.testing.assert_array_equal(histograms[i, 1:-1], expected)
    assert histograms[:, -1].sum() == 0
    if events.detector.threshold:
        assert edges[0] == events.detector.threshold
        assert histograms[:, 0].sum() == 0


def test_open_edges_follow_the_unit_of_the_cells() -> None:
    mev = load_detector("calogan")
    kev = mev.model_copy(update={"cell_unit": "keV"})
    np.testing.assert_allclose(open_edges(kev), 1000 * open_edges(mev))
    threshold = load_detector("calochallenge-2")
    assert open_edges(threshold)[-1] >= 1e8
    np.testing.assert_allclose(open_edges(threshold)[10], 10 * threshold.threshold)


def test_under_and_overflow_are_kept() -> None:
    events = toy("calogan")
    edges = np.array([0.5, 1.0, 2.0])
    counts = spectrum_per_event(events, edges).sum(axis=0)
    hits = hits_of(events)
    expected = [(hits < 0.5).sum(), *np.histogram(hits, edges)[0], (hits >= 2).sum()]
    np.testing.assert_array_equal(counts, expected)


def test_plots_begin_at_the_threshold_and_end_above_the_hardest_hit() -> None:
    events = toy("calochallenge-2")
    edges = open_edges(events.detector)
    counts = spectrum_per_event(events, edges).sum(axis=0)
    kept = edges[trimmed(edges, counts, threshold=events.detector.threshold)]
    assert kept[0] == events.detector.threshold
    assert kept[-2] <= events.cells.max() < kept[-1]


def test_without_a_threshold_plots_leave_out_the_softest_hits_only() -> None:
    events = toy("calogan", 400)
    edges = open_edges(events.detector)
    counts = spectrum_per_event(events, edges).sum(axis=0)
    kept = edges[trimmed(edges, counts)]
    hits = hits_of(events)
    assert (hits < kept[0]).mean() <= 0.001 < (hits < kept[1]).mean()
    assert kept[-2] <= hits.max() < kept[-1]


def test_empty_and_extreme_spectra_keep_at_least_a_bin() -> None:
    edges = np.geomspace(1, 1e4, 5)
    assert trimmed(edges, np.zeros(6)) == slice(0, 2)
    assert trimmed(edges, np.array([0, 0, 0, 0, 9, 0])) == slice(3, 5)
    assert trimmed(edges, np.array([0, 0, 3, 0, 0, 1])) == slice(1, 5)
    assert trimmed(edges, np.array([9, 9, 0, 0, 0, 0]), threshold=1.0) == slice(0, 2)
    events = toy("calogan")
    empty = Events(np.zeros_like(events.cells), dict(events.conditions), events.detector)
    assert spectrum_per_event(empty, edges).sum() == 0


# Profiles


def test_profiles_are_plain_means_with_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    events = toy("calochallenge-1-photons")
    monkeypatch.setattr(sums, "_BLOCK_VALUES", 17 * events.detector.n_cells)
    profiles = make_profiles(events)
    cells = events.cells.astype(np.float64)
    np.testing.assert_allclose(profiles.cells.mean, cells.mean(axis=0))
    np.testing.assert_allclose(profiles.cells.error, cells.std(axis=0, ddof=1) / np.sqrt(40))
    layers = events.layer_energies()
    np.testing.assert_allclose(profiles.depth.mean, layers.mean(axis=0))
    np.testing.assert_allclose(profiles.depth.error, layers.std(axis=0, ddof=1) / np.sqrt(40))
    rings = events.layer(1).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(profiles.radius[1].mean, rings.mean(axis=0))
    np.testing.assert_allclose(profiles.radius[1].error, rings.std(axis=0, ddof=1) / np.sqrt(40))
    assert sum(p.mean.sum() for p in profiles.radius.values()) == pytest.approx(
        layers.mean(0).sum()
    )


def test_an_average_needs_events() -> None:
    with pytest.raises(DataError, match="no events to average"):
        ProfileSums(load_detector("calogan")).profiles()


# Blocks


@pytest.mark.parametrize("name", ["calogan", "calochallenge-2"])
def test_threads_change_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_BLOCK_VALUES", 1)
    events = toy(name, 150)
    chosen, edges = select(events.detector), open_edges(events.detector)
    results = []
    for threads in (1, 2, 5):
        profiles = make_profiles(events, threads=threads)
        results.append(
            [
                *measure(events, chosen, threads=threads).values(),
                spectrum_per_event(events, edges, threads=threads),
                profiles.cells.error,
                profiles.depth.mean,
            ]
        )
    for one, two, five in zip(*results, strict=True):
        assert one.tobytes() == two.tobytes() == five.tobytes()


def test_blocks_change_values_by_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    events = toy("calogan", 100)
    chosen, edges = select(events.detector), open_edges(events.detector)
    whole, spectrum = measure(events, chosen), spectrum_per_event(events, edges)
    monkeypatch.setattr(sums, "_BLOCK_VALUES", 23 * 504)
    for name, values in measure(events, chosen).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-10, atol=1e-10, err_msg=name)
    np.testing.assert_array_equal(spectrum_per_event(events, edges), spectrum)


def test_all_of_a_block_can_be_done_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_BLOCK_VALUES", 1)
    events = toy("calogan", 100)
    edges = open_edges(events.detector)
    total = ProfileSums(events.detector)
    spectra = np.empty((100, len(edges) + 1), np.uint16)
    for rows, (spectrum, block) in map_blocks(
        events, lambda s: (spectrum_block(s, edges), ProfileSums(s.detector).add(s))
    ):
        spectra[rows] = spectrum
        total.merge(block)
    np.testing.assert_array_equal(spectra, spectrum_per_event(events, edges))
    np.testing.assert_array_equal(total.profiles().cells.error, make_profiles(events).cells.error)


def test_an_error_in_a_block_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_BLOCK_VALUES", 1)
    with pytest.raises(ZeroDivisionError):
        list(map_blocks(toy("calogan", 100), lambda s: 1 / 0, threads=3))
    # A caller that stops early does not wait for all blocks.
    done = []
    for rows, _ in map_blocks(toy("calogan", 1000), lambda s: done.append(len(s)), threads=2):
        if rows.start:
            break
    assert len(done) < 20
