from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import RangeError
from phys_gan.validation.multivariate.memorisation import distance_ratio, memorisation


def three(seed: int, n: int = 800, d: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed).normal(size=(3, n, d))
    return draw[0], draw[1], draw[2]


def test_an_independent_sample_is_as_near_to_either() -> None:
    pulls = []
    for seed in range(40):
        found = memorisation(*three(seed, n=300), seed=seed)
        assert found.copies.value == 0
        pulls.append((found.closer.value - 0.5) / found.closer.error)
        assert abs(found.ratio.value - 1) < 5 * found.ratio.error
    assert abs(np.mean(pulls)) < 4 * np.std(pulls) / np.sqrt(40)
    # Neighbours shared by several events add to the binomial error.
    assert 0.7 < np.std(pulls) < 1.6


def test_a_bad_generator_is_not_blamed_for_memorising() -> None:
    candidate, training, held_out = three(1)
    found = memorisation(3 * candidate + 2, training, held_out, seed=0)
    assert abs(found.closer.value - 0.5) < 5 * found.closer.error


@pytest.mark.parametrize(("smearing", "copies"), [(0.0, 1.0), (1e-3, 1.0), (0.1, 0.0)])
def test_memorised_events_are_seen_through_smearing(smearing: float, copies: float) -> None:
    _, training, held_out = three(2)
    noise = np.random.default_rng(3).normal(size=training.shape)
    found = memorisation(training + smearing * noise, training, held_out, seed=0)
    assert found.copies.value == pytest.approx(copies, abs=0.01)
    assert found.closer.value > 0.5 + 5 * found.closer.error
    assert found.ratio.value < 1 - 5 * found.ratio.error


def test_a_share_of_copies_is_counted() -> None:
    candidate, training, held_out = three(4)
    candidate[:80] = training[100:180]
    found = memorisation(candidate, training, held_out, seed=0)
    assert found.copies.value == pytest.approx(0.1)
    assert found.copies.error == pytest.approx(np.sqrt(0.1 * 0.9 / 800), rel=0.05)
    assert found.closer.value == pytest.approx(0.55, abs=0.03)


def test_the_larger_sample_is_reduced() -> None:
    candidate, training, held_out = three(5)
    found = memorisation(candidate, np.concatenate([training, training + 1e-9]), held_out, seed=0)
    assert abs(found.closer.value - 0.5) < 5 * found.closer.error
    assert memorisation(candidate, training, held_out, seed=1) == memorisation(
        candidate, training, held_out, seed=1
    )


def test_edge_cases() -> None:
    assert distance_ratio(np.zeros(3), np.zeros(3)) == 1
    assert distance_ratio(np.ones(3), np.zeros(3)) == np.inf
    with pytest.raises(RangeError, match="candidate has 1 event"):
        memorisation(np.ones((1, 2)), np.eye(2), np.eye(2), seed=0)
