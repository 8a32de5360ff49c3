from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.generation.latents import spherical_walk


@given(st.integers(0, 1000), st.integers(2, 40))
def test_a_walk_stays_as_far_out_as_its_ends(seed: int, n: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    walk = spherical_walk(a, b, 7)
    np.testing.assert_allclose(walk[[0, -1]], [a, b], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), np.linalg.norm(a), rtol=1e-6)
    # All steps are as long: the arc is walked evenly.
    steps = np.linalg.norm(np.diff(walk, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5, atol=1e-7)


def test_where_there_is_no_arc() -> None:
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(spherical_walk(a, a, 3), [a, a, a])
    np.testing.assert_allclose(spherical_walk(a, -a, 3), [a, 0 * a, -a], atol=1e-12)
    assert spherical_walk(np.zeros(0), np.zeros(0), 4).shape == (4, 0)
    np.testing.assert_array_equal(spherical_walk([0.0], [0.0], 2), [[0.0], [0.0]])
