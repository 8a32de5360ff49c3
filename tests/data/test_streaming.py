"""Every event once an epoch, in an order that depends on the seed alone."""

from __future__ import annotations

import pickle
import threading
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
