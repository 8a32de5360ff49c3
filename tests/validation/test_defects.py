"""Defects of hits, cells and events are found by name, and not in equal samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import pytest

import phys_gan as pg
from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.simulation import simulate
from phys_gan.validation.evidence import Evidence, Suspicion, all_of_one, more_often
from phys_gan.validation.pathologies import DIAGNOSES
from phys_gan.validation.sample import Sample, measure_sample
from phys_gan.validation.tails import longest_run
from phys_gan.workflows import demo_sample

SURE = 1e-5


@cache
def halves() -> tuple[Events, Events]:
    events = pg.read(demo_sample())
    return events[::2], events[1::2]


@cache
def reference() -> Sample:
    return measure_sample(halves()[0], "reference")


def changed(events: Events, cells: np.ndarray, **more: np.ndarray | None) -> Events:
    conditions = dict(events.conditions)
    return Events(np.asarray(cells, np.float32), conditions, events.detector, **more)


def ask(name: str, candidate: Events, own: Sample | None = None) -> Suspicion:
    own = own or reference()
    evidence = Evidence(own, measure_sample(candidate, "candidate"), None, {})
    found = DIAGNOSES[name](evidence)
    assert found is not None
    assert 0 <= found.p_value <= 1
    return found


def repeated(events: Events) -> Events:
    cells = events.cells.copy()
    cells[10] = cells[700]
    return changed(events, cells)


def scaled_copies(events: Events) -> Events:
    cells = events.cells.copy()
    cells[:20] = 1.01 * cells[500:520]
    return changed(events, cells)


def partial_copies(events: Events) -> Events:
    """Replace the front layer of copies, which has most of the cells."""
    cells = events.cells.copy()
    front = cells[:20, events.detector.slice(0)].copy()
    cells[:20] = cells[500:520]
    cells[:20, events.detector.slice(0)] = front
    return changed(events, cells)


def noisy_copies(events: Events) -> Events:
    cells = events.cells.copy()
    noise = np.random.default_rng(1).normal(1, 0.01, (40, cells.shape[1]))
    cells[:40] = cells[500:540] * noise
    return changed(events, cells)


def one_response(events: Events) -> Events:
    """Give 2 % of the events the same response."""
    cells = events.cells.astype(np.float64)
    rows = np.arange(0, len(cells), 50)
    factor = 0.998 * events.energy[rows] / cells[rows].sum(axis=1)
    cells[rows] *= factor[:, None]
    return changed(events, cells)


def one_hit(events: Events) -> Events:
    """Give 60 events a cell of exactly the same energy."""
    cells = events.cells.copy()
    cells[:60, 300] = 12.345
    return changed(events, cells)


def without_low_response(events: Events) -> Events:
    response = events.total_energy() / events.energy
    return events[response > np.quantile(response, 0.02)]


def far_behind(events: Events) -> Events:
    """Take 2 % of the energy of the front layer of some events away, as of neutral particles."""
    cells = events.cells.copy()
    front = events.detector.slice(0)
    cells[::60, front] *= 0.01
    return changed(events, cells)


def with_hole(events: Events) -> Events:
    return events[(events.energy < 40_000) | (events.energy > 45_000)]


def soft(events: Events) -> Events:
    """Halve the hits below 0.1 MeV."""
    cells = events.cells.copy()
    drop = (cells < 0.1) & (np.random.default_rng(2).random(cells.shape) < 0.5)
    return changed(events, np.where(drop, 0, cells))


def hard(events: Events) -> Events:
    cells = events.cells
    return changed(events, np.where(cells > 1000, 2 * cells, cells))


def smeared_line(events: Events) -> Events:
    cells = events.cells.copy()
    line = np.abs(cells / 0.511 - 1) < 0.006
    cells[line] *= np.exp(np.random.default_rng(3).normal(0, 0.08, line.sum()))
    return changed(events, cells)


def new_line(events: Events) -> Events:
    cells = events.cells.copy()
    hits = np.argwhere((cells > 1.5) & (cells < 1.8))[::10]
    cells[hits[:, 0], hits[:, 1]] = 1.3
    return changed(events, cells)


def hot_cell(events: Events) -> Events:
    cells = events.cells.copy()
    cells[:, 355] *= 1.3
    return changed(events, cells)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("repeated events", repeated, "1 of 2500 events are copies"),
        ("nearly repeated events", scaled_copies, "copies of others of them but for a factor"),
        ("nearly repeated events", partial_copies, "copies of others of them but for a factor"),
        ("nearly repeated events", noisy_copies, "another one in all their cells"),
        ("point masses", one_response, "have E_tot/E_inc about 0.99"),
        ("point masses", one_hit, "60 of 2500 events have a cell of exactly 12.345 MeV"),
        ("missing tails", without_low_response, "0 events, where"),
        ("another particle", far_behind, "of the candidate, at least"),
        ("hole in energy", with_hole, "no events with the incident energy from 39.9"),
        ("soft hits", soft, "times as many"),
        ("hard hits", hard, "times as many"),
        ("spectral lines", smeared_line, "511 keV is smeared"),
        ("spectral lines", new_line, "1.3 MeV is new"),
        ("odd cells", hot_cell, "1 cell (67 of layer 1) has another mean energy"),
    ],
)
def test_a_defect_is_found(name: str, spoil: Callable[[Events], Events], words: str) -> None:
    found = ask(name, spoil(halves()[1]))
    assert found.p_value < (SURE if name != "missing tails" else 1e-4)
    assert words in found.text


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_samples_have_none(weighted: bool) -> None:
    first, second = halves()
    if weighted:
        draws = np.random.default_rng(5)
        first, second = (
            changed(e, e.cells, weights=draws.exponential(1, len(e))) for e in halves()
        )
    own, other = measure_sample(first, "reference"), measure_sample(second, "candidate")
    evidence = Evidence(own, other, None, {})
    found = {name: find(evidence) for name, find in DIAGNOSES.items()}
    assert {name for name, s in found.items() if s is not None and s.p_value < 1e-3} == set()
    # What counts events cannot weigh them.
    assert (found["another particle"] is None) == weighted
    assert (found["hole in energy"] is None) == weighted
    assert found["missing tails"] is not None


def test_a_missing_tail_of_weighted_events_is_found() -> None:
    first, second = (changed(e, e.cells, weights=np.tile([1.0, 2.0], 1250)) for e in halves())
    spoiled = without_low_response(second)
    found = ask("missing tails", spoiled, measure_sample(first, "reference"))
    assert found.p_value < 1e-3
    assert "E_tot/E_inc" in found.text


def test_copies_are_compared_where_the_reference_has_some() -> None:
    first, second = halves()
    own = measure_sample(repeated(first), "reference")
    calm = ask("repeated events", repeated(second), own)
    assert calm.p_value > 0.5
    assert calm.text.endswith("of the candidate, 1 of 2500 in the reference.")
    # A read-out of few steps repeats events by chance.
    coarse = [changed(e, np.round(e.cells / 1000) * 1000) for e in halves()]
    assert ask("repeated events", coarse[1], measure_sample(coarse[0], "reference")).p_value > 1e-4


def test_a_single_copy_of_a_parametric_shower_is_one_in_nothing() -> None:
    events = simulate(load_detector("calogan"), 400, seed=4)
    twice = events[np.r_[0:400, 3]]
    assert ask("repeated events", twice, measure_sample(events, "reference")).p_value < 1e-12


def test_counts_follow_the_exact_distributions() -> None:
    # Of 2 + 3 events in any order, both of the first sample come first in 1 of 10 orders.
    assert all_of_one(2, 3, 2) == pytest.approx(1 / 10)
    assert more_often(2, 0, 2, 3) == pytest.approx(1 / 10)
    orders = [order for order in product("ab", repeat=5) if order.count("a") == 2]
    two_of_three = sum(order[:3].count("a") == 2 for order in orders) / len(orders)
    assert more_often(2, 1, 2, 3) == pytest.approx(two_of_three)


def test_runs_end_at_events_of_the_other_sample() -> None:
    values = np.array([1.0, 2.0, 2.0, 3.0, 5.0, 4.0])
    assert longest_run(values, 5) == (1.0, 3.0, 4)
    assert longest_run(values, 5, (1.5, 9)) == (2.0, 3.0, 3)
    # A value of both is a run of neither.
    assert longest_run(np.array([1.0, 1.0]), 1) == (0.0, 0.0, 0)


def test_counts_are_no_point_masses() -> None:
    """More isolated hits are another distribution, not one value again and again."""
    cells = halves()[1].cells.copy()
    random = np.random.default_rng(2)
    rows = np.repeat(np.arange(len(cells)), 14)
    chosen = random.integers(cells.shape[1], size=len(rows))
    soft = random.exponential(0.3, len(rows))
    cells[rows, chosen] = np.where(cells[rows, chosen] > 0, cells[rows, chosen], soft)
    spoiled = changed(halves()[1], cells)
    names = ["isolated_0", "isolated_1"]
    first, second = (
        np.concatenate([measured(e)[n] for n in names]) for e in (halves()[0], spoiled)
    )
    assert second.mean() > 1.3 * first.mean()
    assert ask("point masses", spoiled).p_value > 0.01


def measured(events: Events) -> dict[str, np.ndarray]:
    return measure_sample(events, "events").values
