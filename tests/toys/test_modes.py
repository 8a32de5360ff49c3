from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.errors import DataError
from phys_gan.toys import TOYS, Mixture, ModeCount, count_modes
from phys_gan.toys.mixture import summarise, tally_modes

RING, GRID = TOYS["toy-ring"], TOYS["toy-grid"]


def test_the_truth_hits_all_its_modes() -> None:
    n = 50_000
    found = count_modes(GRID.sample(n, seed=4), GRID)
    assert (found.modes_hit, found.n_modes) == (25, 25)
    expected = 1 - np.exp(-4.5)
    assert found.high_quality == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / n)
    )
    # 2 N KL follows a chi-squared distribution of 24 degrees of freedom.
    assert found.reverse_kl == pytest.approx(24 / (2 * n), abs=4 * np.sqrt(48) / (2 * n))


def test_the_share_of_high_quality_in_one_dimension() -> None:
    n, expected = 100_000, 0.9973
    found = count_modes(TOYS["toy-gaussian"].sample(n, seed=2), TOYS["toy-gaussian"])
    assert found.high_quality == pytest.approx(expected, abs=4 * (expected * 0.0027 / n) ** 0.5)


def test_missing_modes_are_seen() -> None:
    points = GRID.sample(20_000, seed=1)
    mode, _ = GRID.nearest(points)
    found = count_modes(points[~np.isin(mode, [0, 7, 24])], GRID)
    assert found.modes_hit == 22
    assert found.reverse_kl == pytest.approx(np.log(25 / 22), abs=0.002)
    assert found.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.004)


def test_collapsed_and_diffuse_points() -> None:
    one = count_modes(np.tile(RING.centres[3], (100, 1)), RING)
    assert one == ModeCount(1, 8, 1.0, pytest.approx(np.log(8)))
    half = count_modes(RING.centres[np.arange(100) % 4], RING)
    assert half == ModeCount(4, 8, 1.0, pytest.approx(np.log(2)))
    assert count_modes(0.5 * RING.centres, RING) == ModeCount(0, 8, 0.0, 0.0)


def test_points_count_up_to_three_sigma() -> None:
    away = np.array([[0.0, 2.999], [0.0, 3.001]]) * RING.sigma
    assert count_modes(RING.centres[:1] + away[:1], RING).modes_hit == 1
    assert count_modes(RING.centres[:1] + away[1:], RING).modes_hit == 0


def test_weights_are_what_shares_are_compared_with() -> None:
    uneven = Mixture([[0.0], [10.0]], 1.0, [1.0, 3.0])
    assert count_modes([[0.0], [10.0], [10.0], [10.0]], uneven).reverse_kl == 0
    half = count_modes([[0.0], [10.0]], uneven).reverse_kl
    assert half == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


@given(st.lists(st.integers(0, 50), min_size=16, max_size=16).filter(any))
def test_a_tally_gives_what_its_points_give(counts: list[int]) -> None:
    tally = np.reshape(counts, (2, 8))
    off = np.repeat([0.0, 10 * RING.sigma], 8)[:, None] * [0.0, 1.0]
    points = np.repeat(np.tile(RING.centres, (2, 1)) + off, tally.ravel(), axis=0)
    np.testing.assert_array_equal(tally_modes(points, RING), tally)
    found = summarise(tally, RING)
    assert found == count_modes(points, RING)
    assert 0 <= found.reverse_kl <= np.log(8) + 1e-12
    assert 0 <= found.high_quality <= 1


def test_no_points() -> None:
    with pytest.raises(DataError, match="no points to count"):
        count_modes(np.empty((0, 2)), RING)
