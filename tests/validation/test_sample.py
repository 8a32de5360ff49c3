"""Samples measured in one pass: in blocks, in parts, with a choice of events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.detectors import load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.validation.sample import Accumulator, Choice, Sample, draws, measure_sample

CALOGAN = load_detector("calogan")


def toy(n: int, seed: int = 0, overflow: bool = True) -> Events:
    generator = np.random.default_rng(seed)
    cells = generator.exponential(20, (n, 504)) * (generator.random((n, 504)) < 0.3)
    energy = generator.uniform(1e3, 1e5, n)
    lost = generator.random((n, 3)) if overflow else None
    return Events(cells, {"energy": energy, "theta": energy / 1e5}, CALOGAN, lost, {"by": "toy"})


@pytest.mark.parametrize("cuts", [[500], [0, 1, 250, 251, 600], list(range(0, 700, 50))])
def test_what_is_measured_does_not_depend_on_how_events_are_cut(cuts: list[int]) -> None:
    events = toy(700)
    whole = measure_sample(events, "all", kept_bytes=4 * 504 * 120, seed=3)
    borders = sorted({0, *cuts, 700})
    parts = (events[a:b] for a, b in pairwise(borders))
    cut = measure_sample(parts, "all", kept_bytes=4 * 504 * 120, seed=3)
    for name, values in whole.values.items():
        np.testing.assert_array_equal(cut.values[name], values, err_msg=name)
    for name, values in whole.conditions.items():
        np.testing.assert_array_equal(cut.conditions[name], values)
    np.testing.assert_array_equal(cut.spectrum, whole.spectrum)
    np.testing.assert_allclose(cut.profiles.cells.mean, whole.profiles.cells.mean, rtol=1e-12)
    np.testing.assert_array_equal(cut.rows, whole.rows)
    np.testing.assert_array_equal(cut.kept.cells, whole.kept.cells)
    assert cut.outside == pytest.approx(whole.outside)
    assert len(cut) == 700


def test_kept_events_are_a_random_choice_in_order() -> None:
    events = toy(2000)
    sample = measure_sample(
        (events[k : k + 100] for k in range(0, 2000, 100)), "a", kept_bytes=4 * 504 * 200
    )
    assert len(sample.kept) == len(sample.rows) == 200
    assert np.all(np.diff(sample.rows) > 0)
    np.testing.assert_array_equal(sample.kept.cells, events.cells[sample.rows])
    np.testing.assert_array_equal(sample.kept.energy, events.energy[sample.rows])
    # Every part of the stream has its share, also the last.
    assert np.histogram(sample.rows, 4, (0, 2000))[0].min() > 25


def test_events_in_memory_are_not_copied() -> None:
    events = toy(100)
    assert measure_sample(events, "a").kept is events


def test_sums_are_those_of_the_events() -> None:
    events = toy(300)
    sample = measure_sample(events, "a")
    np.testing.assert_allclose(sample.layer_energies, events.layer_energies(), rtol=1e-6)
    lost = events.overflow.sum(dtype=np.float64)  # type: ignore[union-attr]
    assert sample.outside == pytest.approx(lost / (lost + events.cells.sum(dtype=np.float64)))
    assert sample.spectrum.sum() == np.count_nonzero(events.cells > CALOGAN.threshold)
    assert measure_sample(toy(30, overflow=False), "a").outside is None
    assert sample.provenance == {"by": "toy"}


def test_progress_ends_at_the_number_of_events() -> None:
    seen: list[int] = []
    measure_sample((toy(50, k) for k in range(3)), "a", report=seen.append)
    assert seen[-1] == 150
    assert seen == sorted(seen)


def test_blocks_that_do_not_belong_together_are_refused() -> None:
    events = toy(30)
    other = load_detector("calochallenge-2")
    foreign = Events(np.ones((5, other.n_cells)), {"energy": np.ones(5)}, other)
    with pytest.raises(DetectorError, match="'calogan' and of 'calochallenge-2'"):
        measure_sample(iter([events, foreign]), "mixture")
    bare = Events(events.cells, {"energy": events.energy}, CALOGAN)
    with pytest.raises(DataError, match="same conditions"):
        measure_sample(iter([events, bare]), "mixture")
    with pytest.raises(DataError, match="mixture has no events"):
        measure_sample(iter([]), "mixture")


def assert_same(one: Sample, other: Sample) -> None:
    for table in ("values", "conditions"):
        for name, column in getattr(one, table).items():
            np.testing.assert_array_equal(getattr(other, table)[name], column, err_msg=name)
    for name in ("layer_energies", "spectrum", "rows"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)
    for kind in ("mean", "error"):
        expected = getattr(one.profiles.cells, kind)
        np.testing.assert_array_equal(getattr(other.profiles.cells, kind), expected)
    np.testing.assert_array_equal(other.kept.cells, one.kept.cells)
    assert (other.outside, other.provenance) == (one.outside, one.provenance)
    assert (other.n_events, len(other)) == (one.n_events, len(one))


@pytest.mark.parametrize("max_events", [2_000_000, 150])
def test_eight_parts_are_one_piece(max_events: int) -> None:
    events = toy(2000)
    blocks = [events[k : k + 50] for k in range(0, 2000, 50)]
    given = {"seed": 3, "kept_bytes": 4 * 504 * 90, "max_events": max_events}
    whole = measure_sample(iter(blocks), "all", **given)
    parts = []
    for first in range(0, 40, 5):
        part = Accumulator(blocks[first], "all", 50 * first, **given)
        for block in blocks[first : first + 5]:
            part.add(block)
        parts.append(part)
    # Pairs, then pairs of pairs; the later one first.
    while len(parts) > 1:
        parts = [b.merged(a) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    assert_same(whole, parts[0].sample())


def test_a_bounded_number_of_events_stays_in_memory() -> None:
    events = toy(3000)
    whole = measure_sample(events, "all", seed=3)
    measurement = Accumulator(events, "some", seed=3, max_events=200)
    for first in range(0, 3000, 100):
        measurement.add(events[first : first + 100])
        assert len(measurement.table) <= 400
        assert len(measurement.kept) <= 400
    some = measurement.sample()
    assert (len(some), some.n_events, len(whole), whole.n_events) == (200, 3000, 3000, 3000)
    assert len(some.kept) == 200
    for name, column in some.values.items():
        inside = np.isin(column, whole.values[name]) | np.isnan(column)
        assert inside.all(), name
    np.testing.assert_array_equal(some.kept.energy, some.conditions["energy"][some.rows])
    # Averages are those of all events.
    expected = whole.profiles.cells.mean
    np.testing.assert_allclose(some.profiles.cells.mean, expected, rtol=1e-13)
    assert some.outside == pytest.approx(whole.outside, rel=1e-13)


def test_parts_that_do_not_belong_together_are_refused() -> None:
    events = toy(30)
    bare = Events(events.cells, {"energy": events.energy}, CALOGAN)
    with pytest.raises(DataError, match="same conditions"):
        Accumulator(events, "a").merged(Accumulator(bare, "a", 30))


def choice(most: int, first: int, last: int, step: int) -> Choice[np.ndarray]:
    found: Choice[np.ndarray] = Choice(most, np.concatenate)
    for begin in range(first, last, step):
        end = min(begin + step, last)
        found.add(np.arange(begin, end), begin, draws(7, begin, end - begin))
    return found


def test_numbers_belong_to_events() -> None:
    whole = draws(7, 0, 100)
    np.testing.assert_array_equal(whole, stream(7, "validation/kept").random(100))
    np.testing.assert_array_equal(draws(7, 40, 30), whole[40:70])


@settings(max_examples=50)
@given(
    most=st.integers(1, 60),
    borders=st.lists(st.integers(0, 200), max_size=8),
    step=st.integers(1, 200),
    order=st.randoms(use_true_random=False),
)
def test_parts_in_any_order_choose_as_one(
    most: int, borders: list[int], step: int, order: object
) -> None:
    expected = np.sort(np.argsort(draws(7, 0, 200))[:most])
    cuts = sorted({0, 200, *borders})
    parts = [choice(most, a, b, step) for a, b in pairwise(cuts)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    found = parts[0]
    for part in parts[1:]:
        found = found.merged(part)
        assert len(found) <= 2 * most
    events, rows = found.chosen()
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(events, rows)


def test_merging_leaves_both_as_they_are() -> None:
    first, second = choice(5, 0, 50, 10), choice(5, 50, 100, 10)
    before = first.chosen()[1].tolist(), second.chosen()[1].tolist()
    first.merged(second).chosen()
    assert (first.chosen()[1].tolist(), second.chosen()[1].tolist()) == before
