from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phys_gan.errors import DataError, RangeError
from phys_gan.toys import (
    TOYS,
    Mixture,
    gaussian_kl,
    jensen_shannon,
    kullback_leibler,
    optimal_discriminator,
    optimal_value,
)

means, widths = st.floats(-2, 2), st.floats(0.3, 2)
P, Q = Mixture([[0.0]], 1.0), Mixture([[1.0]], 0.7)


@settings(max_examples=30)
@given(means, widths, means, widths)
def test_quadrature_gives_the_closed_form(m: float, s: float, n: float, t: float) -> None:
    found = kullback_leibler(Mixture([[m]], s), Mixture([[n]], t))
    assert found == pytest.approx(gaussian_kl(m, s, n, t), abs=1e-9)


@settings(max_examples=30)
@given(means, widths, means, widths)
def test_jensen_shannon_is_symmetric_and_bounded(m: float, s: float, n: float, t: float) -> None:
    p, q = Mixture([[m]], s), Mixture([[n]], t)
    found = jensen_shannon(p, q)
    assert -1e-12 <= found <= np.log(2)
    assert found == pytest.approx(jensen_shannon(q, p), abs=1e-12)
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-12)


def test_jensen_shannon_of_mixtures_is_that_of_their_definition() -> None:
    p = Mixture([[-1.0], [1.0]], 0.5, [1.0, 2.0])
    q = Mixture([[-1.0], [1.0]], 0.5, [2.0, 1.0])
    middle = Mixture([[-1.0], [1.0]], 0.5)
    by_parts = (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
    assert jensen_shannon(p, q) == pytest.approx(by_parts, abs=1e-12)


def test_the_value_of_the_game_is_that_of_the_best_discriminator() -> None:
    # By Monte Carlo: V = E_p ln D + E_q ln(1 - D), as a training sees it.
    n = 400_000
    first, second = P.sample(n, 1), Q.sample(n, 2)
    real, fake = (optimal_discriminator(P, Q, points) for points in (first, second))
    drawn = np.log(real), np.log1p(-fake)
    error = np.sqrt(sum(part.var() / n for part in drawn))
    assert abs(sum(part.mean() for part in drawn) - optimal_value(P, Q)) < 4 * error
    assert optimal_value(P, P) == pytest.approx(-2 * np.log(2))


def test_no_other_discriminator_has_a_larger_value() -> None:
    x = np.linspace(-8, 8, 4001)[:, None]
    best = optimal_discriminator(P, Q, x)

    def value(d: np.ndarray) -> float:
        return float(np.sum(P.density(x) * np.log(d) + Q.density(x) * np.log1p(-d)))

    for amplitude in (-0.05, 0.05):
        other = np.clip(best + amplitude * np.sin(x[:, 0]), 1e-6, 1 - 1e-6)
        assert value(other) < value(np.clip(best, 1e-12, 1 - 1e-12))


def test_the_discriminator_in_the_plane_and_far_away() -> None:
    ring = TOYS["toy-ring"]
    found = optimal_discriminator(ring, ring, [[0.0, 0.0], [50.0, 50.0]])
    np.testing.assert_allclose(found, 0.5)
    assert optimal_discriminator(P, Q, [[-1e4], [0.5]])[0] == 1.0


def test_what_has_no_quadrature() -> None:
    with pytest.raises(DataError, match="over 2 dimensions"):
        jensen_shannon(TOYS["toy-ring"], TOYS["toy-ring"])
    with pytest.raises(RangeError, match="not both positive"):
        gaussian_kl(0.0, 1.0, 0.0, 0.0)
