from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.metrics.response import rms90, rms90_error


def test_it_is_0_789_of_a_gaussian_width_and_ignores_tails() -> None:
    values = np.random.default_rng(1).normal(3, 2, 200_000)
    assert rms90(values) == pytest.approx(2 * 0.7893, rel=0.005)
    with_tail = np.concatenate([values, np.full(1000, 500.0)])
    assert rms90(with_tail) == pytest.approx(rms90(values), rel=0.02)
    assert np.std(with_tail) > 10 * np.std(values)


def test_it_is_the_standard_deviation_of_the_kept_values() -> None:
    values = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 100])
    assert rms90(values) == pytest.approx(np.std(np.arange(9.0)))
    assert rms90(values[:1]) == 0


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_it_scales_and_does_not_move(scale: float, shift: float) -> None:
    values = np.random.default_rng(2).normal(size=300)
    assert rms90(scale * values + shift) == pytest.approx(scale * rms90(values), rel=1e-9)


def test_the_error_is_the_spread_over_repeated_experiments() -> None:
    generator = np.random.default_rng(3)
    samples = generator.normal(size=(200, 2000))
    spread = np.std([rms90(sample) for sample in samples])
    error = np.mean([rms90_error(sample) for sample in samples])
    assert error == pytest.approx(spread, rel=0.2)
    assert rms90_error(samples[0][:19]) == np.inf
