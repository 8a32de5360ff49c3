"""Observables one by one, of all events and of slices."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events
from phys_gan.validation.caveats import empty_slices
from phys_gan.validation.comparison import Options, compare
from phys_gan.validation.distributions import Cut, choose_bins, make_cuts
from phys_gan.validation.sample import Sample, measure_sample
from phys_gan.workflows import demo_sample

LOW = {"energy": [1e3, 10e3, 1e5]}


@cache
def geant4() -> Events:
    return pg.read(demo_sample())


def with_share(events: Events, n: int, n_low: int) -> Events:
    """Return n events, n_low of them below 10 GeV."""
    low, high = (np.flatnonzero(mask) for mask in (events.energy < 10e3, events.energy >= 10e3))
    return events[np.concatenate([low[:n_low], high[: n - n_low]])]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_slice_is_judged_by_the_numbers_that_it_has(seed: int) -> None:
    """Splits by the numbers of all events would judge 250 and 30 events as 140 and 140."""
    order = np.random.default_rng(seed).permutation(len(geant4()))
    first, second = geant4()[order[:2500]], geant4()[order[2500:]]
    options = Options(
        observables=["depth", "E_tot/E_inc", "sparsity"], slices=LOW, multivariate=False, seed=seed
    )
    found = compare(with_share(first, 1000, 250), with_share(second, 1000, 30), options=options)
    assert [part.n_events for part in found.slices] == [(250, 30), (750, 970)]
    assert [part.outside for part in found.slices] == [[], []]
    floor = found.slices[0].results["depth"]["ks"].limit
    assert floor > 1.5 * (1 / 250 + 1 / 30) ** 0.5


def test_fewer_than_20_events_are_not_judged_in_any_way() -> None:
    """One event without energy in the last layer says nothing of how often that happens."""
    events = with_share(geant4()[1000:2000], 200, 1)
    cells = events.cells.copy()
    cells[0, events.detector.slice(2)] = 0
    candidate = Events(cells, dict(events.conditions), events.detector)
    options = Options(observables=["EC_x_2", "cell_energy"], slices=LOW, multivariate=False)
    low, high = compare(geant4()[:400], candidate, options=options).slices
    assert (low.results, low.outside) == ({}, [])
    assert low.too_few == "1 candidate event"
    assert low.not_compared["cell_energy"] == "1 candidate event"
    assert low.not_compared["EC_x_2"] == "no candidate events"
    assert (high.too_few, high.not_compared) == ("", {})
    assert empty_slices([low, high]) == [
        "Nothing is compared in 1 of 2 slices, because that needs 20 events of both samples: "
        "1 to 10 GeV (1 candidate event)."
    ]


def test_weighted_events_that_are_worth_few_are_not_compared() -> None:
    events = with_share(geant4()[1000:2000], 200, 60)
    weights = np.ones(200)
    weights[:60] = 1e-3
    weights[0] = 1.0
    candidate = Events(events.cells, dict(events.conditions), events.detector, weights=weights)
    options = Options(observables=["depth"], slices=LOW, multivariate=False)
    found = compare(geant4()[:400], candidate, options=options)
    low, high = found.slices
    assert low.n_events[1] == 60
    assert low.too_few == "60 candidate events worth 1.1"
    assert "ks" in high.results["depth"]
    assert "60 candidate events worth 1.1" in found.summary()


def test_many_empty_slices_are_counted_and_some_are_named() -> None:
    options = Options(
        observables=["depth"],
        slices={"energy": [1e3, *np.linspace(2e5, 3e5, 9)]},
        multivariate=False,
    )
    found = compare(geant4()[:200], geant4()[200:400], options=options)
    (said,) = [text for text in found.warnings if "Nothing is compared" in text]
    assert said.startswith("Nothing is compared in 8 of 9 slices")
    assert said.endswith("(no events) and 3 more.")


def test_bins_of_cells_come_from_the_candidates_where_the_reference_has_no_hits() -> None:
    events = geant4()[:50]
    dark = Events(np.zeros_like(events.cells), dict(events.conditions), events.detector)
    samples = [measure_sample(e, "x", observables=["depth"]) for e in (dark, events)]
    edges = choose_bins(samples[0], samples[1:], None, spectrum=True)["cell_energy"]
    assert len(edges) > 20
    assert edges[0] < 1 < edges[-1]


def test_the_spectrum_of_the_cells_alone_can_be_compared() -> None:
    detector = load_detector("calogan")
    energy = np.linspace(1e3, 1e5, 120)
    cells = np.random.default_rng(2).exponential(size=(240, detector.n_cells))
    first, second = (Events(c, {"energy": energy}, detector) for c in np.split(cells, 2))
    found = compare(first, second, observables=["cell_energy"])
    assert list(found.results) == ["cell_energy"]
    assert "fpd" not in found.multivariate


def sample(**conditions: np.ndarray) -> Sample:
    n = len(next(iter(conditions.values())))
    detector = load_detector("calogan")
    return measure_sample(Events(np.ones((n, 504)), conditions, detector), "reference")


def test_slices_hold_equal_numbers_and_all_events() -> None:
    energy = np.random.default_rng(1).uniform(1e3, 1e5, 2000)
    reference = sample(energy=energy)
    cuts = make_cuts(reference, {"energy": None})
    assert len(cuts) == 4
    rows = [cut.rows(reference) for cut in cuts]
    assert sorted(np.concatenate(rows).tolist()) == list(range(2000))
    assert all(abs(len(r) - 500) < 50 for r in rows)
    assert cuts[-1].high == np.nextafter(energy.max(), np.inf)
    # Edges between the slices are numbers that one can say.
    assert cuts[1].low == float(f"{cuts[1].low:.2g}")


def test_log_uniform_energies_are_cut_where_the_events_are() -> None:
    energy = np.exp(np.random.default_rng(2).uniform(np.log(1e3), np.log(1e6), 4000))
    reference = sample(energy=energy)
    sizes = [len(cut.rows(reference)) for cut in make_cuts(reference, {"energy": None})]
    assert len(sizes) == 4
    assert min(sizes) > 850


def test_few_different_values_have_one_slice_each() -> None:
    pdg = np.repeat([11.0, 22.0, 211.0], 40)
    reference = sample(energy=np.full(120, 5e3), pdg=pdg)
    cuts = make_cuts(reference, {"pdg": None})
    assert [len(cut.rows(reference)) for cut in cuts] == [40, 40, 40]
    assert cuts[1].label == "pdg = 22"
    assert make_cuts(reference, {"energy": None}) == []


def test_too_few_events_are_not_sliced() -> None:
    reference = sample(energy=np.random.default_rng(3).uniform(1e3, 1e5, 150))
    assert make_cuts(reference, {"energy": None}) == []


def test_given_edges_are_taken_as_they_are() -> None:
    reference = sample(energy=np.linspace(1e3, 1e5, 300))
    cuts = make_cuts(reference, {"energy": [1e3, 1e4, 5e4]})
    assert cuts == [Cut("energy", 1e3, 1e4), Cut("energy", 1e4, 5e4)]
    assert cuts[0].label == "1 to 10 GeV"
    with pytest.raises(ConfigError, match="do not rise"):
        make_cuts(reference, {"energy": [5.0, 5.0]})
    with pytest.raises(ConfigError, match="at least two"):
        make_cuts(reference, {"energy": [5.0]})
    with pytest.raises(MissingError, match=r"no condition 'theta'.*available: energy"):
        make_cuts(reference, {"theta": None})
