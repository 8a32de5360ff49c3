"""Every event once an epoch, in an order that depends on the seed alone."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.data import read, stream, write
from phys_gan.data.streaming import Stream
from phys_gan.detectors import Detector
from phys_gan.errors import DataError, PhysGanError, RangeError
from phys_gan.events import Events

DETECTOR = Detector.model_validate(
    {"name": "two", "layers": [{"kind": "cartesian", "z": [0, 1], "x": [0, 1, 2], "y": [0, 1]}]}
)
ROW = 4 * 2


def numbered(first: int, n: int, **conditions: float) -> Events:
    """Events whose first cell is their number."""
    cells = np.stack([np.arange(first, first + n), np.ones(n)], axis=1)
    more = {name: np.full(n, value) for name, value in conditions.items()}
    return Events(cells, {"energy": cells.sum(axis=1), **more}, DETECTOR)


def numbers(batches: list[Events]) -> np.ndarray:
    return np.concatenate([batch.cells[:, 0] for batch in batches]).astype(int)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("stream")
    sizes = [0, 900, 1000, 1057]
    paths = [folder / f"{k}.h5" for k in range(3)]
    for path, low, high in zip(paths, sizes, sizes[1:], strict=False):
        write(path, numbered(low, high - low))
    return paths


@settings(max_examples=30)
@given(
    batch=st.integers(1, 400),
    seed=st.integers(0, 5),
    world=st.integers(1, 3),
    rows=st.integers(1, 3000),
)
def test_every_event_comes_once(
    files: list[Path], batch: int, seed: int, world: int, rows: int
) -> None:
    options = {"seed": seed, "epochs": 1, "world": world, "memory": 2 * ROW * rows}
    parts = [stream(files, batch, rank=rank, **options) for rank in range(world)]
    seen = [list(part) for part in parts]
    assert sorted(numbers([b for batches in seen for b in batches])) == list(range(1057))
    for part, batches in zip(parts, seen, strict=True):
        assert len(part) == len(batches)
        assert {len(b) for b in batches[:-1]} <= {batch}


def test_the_order_is_shuffled_across_files_and_follows_the_seed(files: list[Path]) -> None:
    first, again, other = (
        numbers(list(stream(files, 100, seed=seed, epochs=1, memory=ROW * 300)))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # With a seventh of the events in memory, a batch still draws from far apart.
    assert np.ptp(first[:100]) > 500
    assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 0.5


def test_epochs_differ_and_follow_without_a_seam(files: list[Path]) -> None:
    endless = iter(stream(files, 100, seed=3))
    seen = numbers([next(endless) for _ in range(30)])
    assert sorted(seen[:1057]) == sorted(seen[1057:2114]) == list(range(1057))
    assert not np.array_equal(seen[:1057], seen[1057:2114])
    endless.close()


@settings(max_examples=20)
@given(first=st.integers(0, 40), batch=st.integers(50, 300), rank=st.integers(0, 1))
def test_a_stream_begins_at_any_batch(files: list[Path], first: int, batch: int, rank: int) -> None:
    whole = stream(files, batch, seed=4, rank=rank, world=2, memory=ROW * 400)
    late = Stream(whole.found, whole.how, batch, 4, None, rank, 2, ROW * 400, None, first)
    expected = [b for _, b in zip(range(first + 3), whole, strict=False)][first:]
    for one, two in zip(expected, late, strict=False):
        np.testing.assert_array_equal(one.cells, two.cells)


def test_chosen_events_alone_take_part(files: list[Path]) -> None:
    whole = stream(files, 64, epochs=2)
    chosen = np.arange(5, 1057, 7)
    some = Stream(whole.found, whole.how, 64, epochs=2, chosen=chosen)
    assert some.n_events == len(chosen)
    np.testing.assert_array_equal(np.sort(numbers(list(some))), np.repeat(chosen, 2))
    np.testing.assert_array_equal(numbers([whole.events(chosen[::-1])]), chosen)
    np.testing.assert_array_equal(whole.first_copies(), np.arange(1057))


def test_conditions_overflow_and_particles_come_along(tmp_path: Path) -> None:
    for name, first in (("e+", 0), ("gamma", 50)):
        events = numbered(first, 50, theta=first / 100)
        overflow = events.cells[:, :1] / 2
        write(
            tmp_path / f"{name}.h5",
            Events(events.cells, events.conditions, DETECTOR, overflow, {"particle": name}),
        )
    for batch in stream(sorted(tmp_path.glob("*.h5")), 30, epochs=1):
        np.testing.assert_array_equal(batch.overflow[:, 0], batch.cells[:, 0] / 2)
        np.testing.assert_array_equal(batch.conditions["energy"], batch.cells.sum(axis=1))
        photon = batch.cells[:, 0] >= 50
        np.testing.assert_array_equal(batch.conditions["pdg"], np.where(photon, 22, -11))
        np.testing.assert_array_equal(batch.conditions["theta"], photon * 0.5)
        assert batch.provenance["particle"] == "e+; gamma"


def test_a_stream_goes_to_another_process(files: list[Path]) -> None:
    one = stream(files, 100, seed=5, epochs=1)
    two = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(numbers(list(one)), numbers(list(two)))


def test_nothing_stays_open_when_a_stream_is_left(files: list[Path]) -> None:
    before = threading.active_count()
    batches = iter(stream(files, 10, memory=ROW * 100))
    next(batches)
    batches.close()
    assert threading.active_count() == before
    # HDF5 refuses to write into a file that is open for reading.
    for path in files:
        with h5py.File(path, "r+"):
            pass


def test_bad_values_are_found_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(tmp_path / "b.h5", numbered(0, 100))
    write(path, numbered(0, 2400))
    with h5py.File(path, "r+") as file:
        file["showers"][2333, 1] = np.nan
    with pytest.raises(DataError, match=r"a.h5': cells hold NaN or infinite values in event 2333"):
        list(stream([tmp_path / "b.h5", path], 50, epochs=1, memory=ROW * 100))


def test_a_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, numbered(0, 40))
    batches = stream(path, 10, epochs=1)
    write(path, numbered(0, 41))
    with pytest.raises(DataError, match=r"a.h5' holds 41 events, and held 40 before|it holds 41"):
        list(batches)
    path.unlink()
    with pytest.raises(PhysGanError, match="there is no file"):
        list(batches)


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"rank": 2, "world": 2}, {"rank": -1}, {"world": 2000}]
)
def test_numbers_that_make_no_sense(files: list[Path], options: dict[str, int]) -> None:
    with pytest.raises(RangeError):
        stream(files, **{"batch_size": 10, **options})


def test_root_files_stream_too(tmp_path: Path) -> None:
    showers = read(Path(__file__).parents[2] / "datasets" / "geant4_calogan_eplus.h5")[:300]
    write(tmp_path / "a.root", showers)
    batches = list(stream(tmp_path / "a.root", 64, seed=6, epochs=1))
    energies = np.concatenate([batch.energy for batch in batches])
    order = np.argsort(energies)
    np.testing.assert_allclose(energies[order], np.sort(showers.energy), rtol=1e-12)
    cells = np.concatenate([batch.cells for batch in batches])[order]
    np.testing.assert_array_equal(cells, showers.cells[np.argsort(showers.energy)])


WEIGHTS = np.random.default_rng(5).exponential(size=1057) * (np.arange(1057) % 5 > 0)
MEAN_ONE = WEIGHTS / WEIGHTS.mean()


def by_weight(files: list[Path], batch: int, weights: np.ndarray = WEIGHTS, **how: int) -> Stream:
    whole = stream(files, batch, **{"memory": ROW * 400, **how})
    return replace(whole, found=replace(whole.found, weights=weights), by_weight=True)


def test_events_are_drawn_by_their_weights(files: list[Path]) -> None:
    epochs = 30
    drawn = by_weight(files, 500, seed=2, epochs=epochs)
    batches = list(drawn)
    assert len(batches) == len(drawn)
    assert {len(batch) for batch in batches[:-1]} == {500}
    assert all(batch.weights is None for batch in batches)
    times = np.bincount(numbers(batches), minlength=1057)
    assert abs(times.sum() / (1057 * epochs) - 1) < 2e-3
    assert not times[WEIGHTS == 0].any()
    # An epoch draws an event about floor(w) or floor(w) + 1 times, which spreads by up to 1/2.
    pulls = (times - epochs * MEAN_ONE)[WEIGHTS > 0] / (0.5 * np.sqrt(epochs))
    assert (pulls**2).mean() < 1.2
    assert np.abs(pulls).max() < 5
    assert np.corrcoef(times, MEAN_ONE)[0, 1] > 0.99


@settings(max_examples=10)
@given(first=st.integers(0, 60), batch=st.integers(50, 300), rank=st.integers(0, 1))
def test_a_weighted_stream_begins_at_any_batch(
    files: list[Path], first: int, batch: int, rank: int
) -> None:
    whole = by_weight(files, batch, seed=4, rank=rank, world=2)
    late = replace(whole, first=first)
    expected = [b for _, b in zip(range(first + 3), whole, strict=False)][first:]
    assert len(expected) == 3
    for one, two in zip(expected, late, strict=False):
        np.testing.assert_array_equal(one.cells, two.cells)


def test_processes_share_what_is_drawn(files: list[Path]) -> None:
    alone = by_weight(files, 100, seed=6, epochs=10)
    parts = [by_weight(files, 100, seed=6, epochs=10, rank=k, world=2) for k in range(2)]
    seen = [numbers(list(part)) for part in parts]
    assert [len(part) for part in parts] == [-(-len(n) // 100) for n in seen]
    times = np.bincount(np.concatenate(seen), minlength=1057)
    # Both cut the files into other pieces than one does, and draw as many of each event.
    np.testing.assert_allclose(times.sum(), len(numbers(list(alone))), rtol=0.01)
    pulls = (times - 10 * MEAN_ONE)[WEIGHTS > 0] / (0.5 * np.sqrt(10))
    assert (pulls**2).mean() < 1.2
    # The same event comes in both, in different epochs.
    assert len(np.intersect1d(*seen)) > 500


def test_without_weights_drawing_by_them_changes_nothing(files: list[Path]) -> None:
    plain, drawn = (
        numbers(list(stream(files, 100, seed=1, epochs=2, memory=ROW * 300, by_weight=by_weight)))
        for by_weight in (False, True)
    )
    np.testing.assert_array_equal(plain, drawn)


def test_weights_stay_with_events_that_are_not_drawn_by_them(files: list[Path]) -> None:
    whole = replace(by_weight(files, 100, seed=1, epochs=1), by_weight=False)
    batches = list(whole)
    seen = numbers(batches)
    assert sorted(seen) == list(range(1057))
    np.testing.assert_array_equal(np.concatenate([b.weights for b in batches]), WEIGHTS[seen])
    for one in (whole, replace(whole, by_weight=True)):
        np.testing.assert_array_equal(one.events([7, 3, 1050]).weights, WEIGHTS[[3, 7, 1050]])


def test_chosen_events_are_drawn_by_their_weights_among_themselves(files: list[Path]) -> None:
    chosen = np.arange(5, 1057, 7)
    some = replace(by_weight(files, 64, epochs=30), chosen=chosen)
    times = np.bincount(numbers(list(some)), minlength=1057)
    assert set(np.flatnonzero(times)) <= set(chosen[WEIGHTS[chosen] > 0])
    expected = 30 * WEIGHTS[chosen] / WEIGHTS[chosen].mean()
    assert np.abs(times[chosen] - expected).max() < 5 * 0.5 * np.sqrt(30)


def test_pieces_without_weight_are_not_read(tmp_path: Path) -> None:
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for path, first in zip(paths, (0, 500), strict=True):
        write(path, numbered(first, 500))
    weights = np.repeat([0.0, 2.0], 500)
    drawn = by_weight(paths, 100, weights, epochs=1)
    paths[0].unlink()
    # An epoch has as many events as there are, of any weight.
    np.testing.assert_array_equal(np.sort(numbers(list(drawn))), np.repeat(np.arange(500, 1000), 2))


@pytest.mark.parametrize(
    ("weight", "message"),
    [(-1.0, "negative in 1,057 of 1,057"), (0.0, "of all 1,057 events are 0")],
)
def test_weights_that_nothing_can_be_drawn_by(
    files: list[Path], weight: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        by_weight(files, 10, np.full(1057, weight))
