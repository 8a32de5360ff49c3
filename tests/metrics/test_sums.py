from __future__ import annotations

import math

import numpy as np

from phys_gan.metrics.statistics import ExactSum


def test_sums_do_not_depend_on_the_order() -> None:
    generator = np.random.default_rng(1)
    terms = generator.lognormal(0, 8, (3000, 4))
    expected = [math.fsum(column) for column in terms.T]
    for _ in range(5):
        generator.shuffle(terms)
        parts = [ExactSum(4) for _ in range(7)]
        for place, term in enumerate(terms):
            parts[place % 7].add(term)
        total = parts[0]
        for part in parts[1:]:
            total = total.plus(part)
        np.testing.assert_array_equal(total.value, expected)
    # Plain addition is not good enough.
    assert (np.add.accumulate(terms)[-1] != expected).any()
