"""Parts that never overlap and look alike."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phys_gan as pg
from helpers import geant4
from phys_gan.data import split_files
from phys_gan.data.splitting import copies_among, split_indices
from phys_gan.errors import DataError, Notice

DETECTOR = pg.Detector.model_validate(
    {"name": "one", "layers": [{"kind": "cartesian", "z": [0, 1], "x": [0, 1], "y": [0, 1]}]}
)


def events(n, seed=0):
    energy = np.random.default_rng(seed).uniform(1, 100, n)
    return pg.Events(np.arange(n)[:, None], {"energy": energy}, DETECTOR)


@given(n=st.integers(20, 2000), seed=st.integers(0, 100), share=st.floats(0.2, 0.8))
def test_nothing_is_lost_or_shared(n, seed, share):
    parts = pg.split(events(n), [share, 1 - share], seed)
    numbers = np.concatenate([part.cells[:, 0] for part in parts])
    assert sorted(numbers) == list(range(n))
    assert abs(len(parts[0]) - share * n) <= 1 + n / 100


def test_the_parts_have_one_spectrum():
    first, second = pg.split(events(5000), [0.8, 0.2], seed=1)
    quantiles = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(
        np.quantile(first.energy, quantiles), np.quantile(second.energy, quantiles), atol=1.0
    )


@given(n=st.integers(30, 300), seed=st.integers(0, 1000))
def test_the_largest_part_reaches_both_ends_of_every_condition(n, seed):
    rng = np.random.default_rng(seed)
    conditions = {"energy": rng.uniform(1, 100, n), "theta": rng.uniform(0, 1, n)}
    sample = pg.Events(np.arange(n)[:, None], conditions, DETECTOR)
    small, large, middle = pg.split(sample, [0.2, 0.5, 0.3], seed)
    assert len(small) + len(large) + len(middle) == n
    for name, values in conditions.items():
        assert large.condition(name).min() == values.min()
        assert large.condition(name).max() == values.max()


def test_the_seed_decides():
    first, again, other = (pg.split(events(300), [0.5, 0.5], seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.cells, again.cells)
    assert not np.array_equal(first.cells, other.cells)


def test_wrong_shares():
    with pytest.raises(pg.errors.DataError, match="do not add up to 1"):
        pg.split(events(100), [0.5, 0.4])
    with pytest.raises(pg.errors.DataError, match="do not add up to 1"):
        pg.split(events(100), [float("nan"), 0.5])
    with pytest.raises(pg.errors.DataError, match="too few"):
        pg.split(events(2), [0.9, 0.05, 0.05])


def test_every_kind_and_every_range_is_in_every_part():
    rng = np.random.default_rng(1)
    n = 4000
    conditions = {
        "energy": rng.uniform(1, 100, n),
        "pdg": rng.choice([11.0, 22.0, 211.0], n, p=[0.9, 0.08, 0.02]),
        "theta": rng.uniform(0, 1, n),
    }
    sample = pg.Events(np.arange(n)[:, None], conditions, DETECTOR)
    parts = pg.split(sample, [0.8, 0.1, 0.1], seed=2)
    for part, share in zip(parts, [0.8, 0.1, 0.1], strict=True):
        for pdg in (11.0, 22.0, 211.0):
            expected = share * np.sum(conditions["pdg"] == pdg)
            assert abs(np.sum(part.conditions["pdg"] == pdg) - expected) <= 2 + 0.01 * expected
    # Stratified in energy and angle at once: finer than sqrt(N) in each quadrant.
    for high in (0, 1):
        for far in (0, 1):
            counts = [
                np.sum(((p.energy > 50) == high) & ((p.conditions["theta"] > 0.5) == far))
                for p in parts[1:]
            ]
            np.testing.assert_allclose(counts, 100, atol=12)


@pytest.mark.parametrize(
    ("n", "shares", "seed", "sizes", "fingerprint"),
    [
        (5000, (0.8, 0.2), 0, [4000, 1000], "e9fb17abeeddca1e"),
        (5000, (0.7, 0.2, 0.1), 3, [3500, 1000, 500], "1643bec85e5283b3"),
        (777, (0.9, 0.1), 1, [699, 78], "9fe79e71f1f6feba"),
        (23, (0.5, 0.5), 2, [12, 11], "8d30e6a6d4475181"),
    ],
)
def test_samples_without_copies_are_split_as_ever(n, shares, seed, sizes, fingerprint):
    """The held-out events of published models and of runs that go on must never change."""
    sample = geant4()[:n]
    parts = split_indices(sample.conditions, shares, seed, copies_among([sample]))
    assert [len(part) for part in parts] == sizes
    assert _fingerprint(parts) == fingerprint


def test_many_conditions_are_split_as_ever():
    sample = geant4()
    numbers = np.arange(5000.0)
    conditions = {
        "energy": sample.energy,
        "pdg": np.where(numbers % 3, 11.0, 22.0),
        "theta": np.sin(numbers),
    }
    parts = split_indices(conditions, [0.8, 0.2], 4, copies_among([sample]))
    assert _fingerprint(parts) == "55cbcc34ce40f957"


def _fingerprint(parts):
    text = b"".join(part.astype("<i8").tobytes() + b"|" for part in parts)
    return hashlib.sha256(text).hexdigest()[:16]


def repeated(times, seed=0):
    """Return events of which the k-th comes ``times[k]`` times, in random order."""
    numbers = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(times)), times))
    return events(len(times) + 1, seed)[numbers + 1]


def test_copies_stay_together():
    one = events(500)
    double = pg.Events.concatenate([one, one, one[:100]])
    for first, second in (pg.split(double, [0.5, 0.5], seed) for seed in range(5)):
        assert not set(first.cells[:, 0]) & set(second.cells[:, 0]) - {0.0}
        assert len(first) == len(second) == 550


@given(
    few=st.lists(st.integers(1, 150), max_size=20),
    once=st.integers(150, 400),
    share=st.floats(0.5, 0.9),
    seed=st.integers(0, 100),
)
def test_events_that_come_once_make_up_for_copies(few, once, share, seed):
    sample = repeated(few + [1] * once, seed)
    parts = pg.split(sample, [share, 1 - share], seed)
    assert not set(parts[0].cells[:, 0]) & set(parts[1].cells[:, 0])
    assert sum(map(len, parts)) == len(sample)
    assert abs(len(parts[0]) - share * len(sample)) <= max(1, 0.01 * len(sample))
    assert parts[0].energy.min() == sample.energy.min()
    assert parts[0].energy.max() == sample.energy.max()


@pytest.mark.parametrize(
    ("times", "shares", "sizes"),
    [
        ([4] * 100, (0.8, 0.2), [320, 80]),
        ([4] * 100, (0.7, 0.2, 0.1), [280, 80, 40]),
        ([300] + [1] * 100, (0.8, 0.2), [320, 80]),
        ([90] + [1] * 310, (0.8, 0.2), [320, 80]),
        ([2] * 4 + [1] * 392, (0.8, 0.2), [320, 80]),
        (list(range(1, 101)), (0.8, 0.2), [4040, 1010]),
    ],
)
def test_shares_are_right_in_spite_of_copies(times, shares, sizes):
    for seed in range(5):
        parts = pg.split(repeated(times, seed), shares, seed)
        np.testing.assert_allclose([len(part) for part in parts], sizes, atol=1)


def test_groups_of_similar_size_are_exchanged_until_the_shares_are_right():
    for seed in range(10):
        times = np.random.default_rng(seed).integers(50, 150, 20)
        parts = pg.split(repeated(times, seed), [0.8, 0.2], seed)
        assert abs(len(parts[1]) / sum(times) - 0.2) <= 0.01


def test_the_parts_of_copies_have_one_spectrum():
    # The event that comes 1,000 times is no part of the spectrum of the others.
    times = [1000] + [1] * 1000 + [2] * 1000 + [3] * 1000
    first, second = (
        part[part.cells[:, 0] != 1] for part in pg.split(repeated(times), [0.7, 0.3], seed=1)
    )
    quantiles = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(
        np.quantile(first.energy, quantiles), np.quantile(second.energy, quantiles), atol=2.0
    )
    for n in (1, 2, 3):
        counts = [np.sum(np.unique(p.cells, return_counts=True)[1] == n) for p in (first, second)]
        assert sum(counts) == 1000


@pytest.mark.parametrize(
    ("times", "shares", "message"),
    [
        ([300] + [1] * 100, (0.5, 0.5), "one event is there 300 times; remove copies, or"),
        ([4] * 10, (0.75, 0.25), "have 32 and 8 events instead of 30 and 10: copies stay together"),
        ([100] * 3, (0.8, 0.2), "have 200 and 100 events instead of 240 and 60"),
        # Rather than an empty part.
        ([50] * 4, (0.9, 0.1), "have 150 and 50 events instead of 180 and 20"),
    ],
)
def test_wrong_shares_are_said(times, shares, message):
    with pytest.warns(Notice, match=message):
        pg.split(repeated(times), shares, seed=1)


def test_too_few_different_events():
    with pytest.raises(DataError, match=r"too few .*: without copies they are 1; give more events"):
        pg.split(repeated([200]), [0.8, 0.2])
    with pytest.raises(DataError, match="0 events are too few"):
        pg.split(events(5)[:0], [0.8, 0.2])


def test_events_that_are_equal_but_for_their_conditions_are_copies():
    one = events(300)
    two = pg.Events(one.cells, {"energy": one.energy + 1000}, DETECTOR)
    sample = pg.Events.concatenate([one[1:], two[1:]])
    learn, test = pg.split(sample, [0.8, 0.2], seed=1)
    assert not set(learn.cells[:, 0]) & set(test.cells[:, 0])
    assert abs(len(learn) - 0.8 * 598) <= 2
    assert learn.energy.min() == sample.energy.min()
    assert learn.energy.max() == sample.energy.max()


def test_weights_stay_with_their_events_and_do_not_count():
    numbers = np.arange(1, 401.0)
    sample = pg.Events(numbers[:, None], {"energy": numbers}, DETECTOR, weights=numbers - 300)
    parts = pg.split(sample, [0.8, 0.2], seed=1)
    assert [len(part) for part in parts] == [320, 80]
    for part in parts:
        np.testing.assert_array_equal(part.weights, part.cells[:, 0] - 300)


def test_silent_events_are_no_copies():
    silent = pg.Events(np.zeros((1000, 1)), {"energy": np.full(1000, 256.0)}, DETECTOR)
    first, second = pg.split(silent, [0.5, 0.5], seed=3)
    assert len(first) == len(second) == 500


def test_events_without_conditions():
    image = pg.Events(np.arange(200)[:, None], {}, DETECTOR)
    assert [len(part) for part in pg.split(image, [0.5, 0.5])] == [100, 100]


def test_files_are_split_as_events_are(tmp_path, monkeypatch):
    monkeypatch.setattr("phys_gan.data.format._BLOCK_CELLS", 100 * 504)
    sample = pg.simulate("calogan", 400, seed=1, threads=1)
    pg.write(tmp_path / "a.h5", sample[:150])
    pg.write(tmp_path / "b.root", sample[150:])
    outs = [tmp_path / "learn.h5", tmp_path / "test.root"]
    counts = split_files([tmp_path / "a.h5", tmp_path / "b.root"], outs, [0.7, 0.3], seed=3)
    for out, count, part in zip(outs, counts, pg.split(sample, [0.7, 0.3], seed=3), strict=True):
        again = pg.read(out)
        assert count == len(part)
        np.testing.assert_array_equal(again.cells, part.cells)
        np.testing.assert_allclose(again.energy, part.energy, rtol=1e-15)


def test_files_that_do_not_fit_the_shares(tmp_path):
    pg.write(tmp_path / "a.h5", pg.simulate("calogan", 50, seed=1, threads=1))
    with pytest.raises(pg.errors.DataError, match="2 shares are given for 1 files"):
        split_files(tmp_path / "a.h5", [tmp_path / "b.h5"], [0.5, 0.5])
    with pytest.raises(pg.errors.DataError, match="two parts have the same file"):
        split_files(tmp_path / "a.h5", [tmp_path / "b.h5", tmp_path / "b.h5"], [0.5, 0.5])
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
