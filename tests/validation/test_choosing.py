"""A choice that depends neither on cuts nor on the order of merging."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.randomness import stream
from phys_gan.validation.sample import Choice, draws


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
