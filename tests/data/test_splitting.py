"""Parts that never overlap and look alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phys_gan as pg
from phys_gan.data import split_files

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


def test_copies_stay_together():
    one = events(500)
    double = pg.Events.concatenate([one, one, one[:100]])
    for first, second in (pg.split(double, [0.5, 0.5], seed) for seed in range(5)):
        assert not set(first.cells[:, 0]) & set(second.cells[:, 0]) - {0.0}
        assert len(first) + len(second) == len(double)


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
