from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, MissingError
from phys_gan.events import Events
from phys_gan.validation.distributions import Cut, make_cuts
from phys_gan.validation.sample import Sample, measure_sample


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
