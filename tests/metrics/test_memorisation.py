from __future__ import annotations

import numpy as np
import pytest

from phys_gan.errors import RangeError
from phys_gan.metrics.neighbours import distance_ratio, memorisation
from phys_gan.metrics.result import Result


def three(seed: int, n: int = 800, d: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed).normal(size=(3, n, d))
    return draw[0], draw[1], draw[2]


def pull(result: Result) -> float:
    return (result.value - result.floor) / result.error


def test_an_independent_sample_is_seldom_blamed() -> None:
    """With 60 training events a binomial error is too small by a factor of 1.8."""
    found = []
    for seed in range(40):
        candidate, training, held_out = three(seed, n=300)
        found.append(memorisation(candidate, training[:60], held_out, seed=seed))
    for name in ("closer_to_training", "training_distance"):
        pulls = np.array([pull(one[name]) for one in found])
        assert abs(pulls.mean()) < 4 * pulls.std() / np.sqrt(40)
        assert 0.6 < pulls.std() < 1.3
        p_values = np.array([one[name].p_value for one in found])
        # Of 40 with a probability of 10 %, more than 11 happen once in 400 times.
        assert np.sum(p_values < 0.1) <= 11
        assert p_values.min() >= 1 / 501
    assert sum(not result.within_floor for one in found for result in one.values()) <= 1
    assert all(one["training_copies"].value == 0 for one in found)
    assert all(one["training_copies"].p_value == 1 for one in found)


def test_the_error_is_that_of_points_on_a_line() -> None:
    """A point of N is the nearest to a part 1/N of them, on average, of variance 1/(2 N²).

    So the squares of the shares of the candidate add up to 1/n + 3/(2N), and labels of half of the
    points at random give the variance (1/n + 1/(2N))/4.
    """
    generator = np.random.default_rng(0)
    n, m = 500, 50
    variances = []
    for seed in range(10):
        candidate, training, held_out = (generator.uniform(size=(k, 1)) for k in (n, m, m))
        found = memorisation(candidate, training, held_out, seed=seed)["closer_to_training"]
        assert (found.n_reference, found.n_candidate) == (m, n)
        assert found.floor == pytest.approx(0.5, abs=0.005)
        assert found.limit == pytest.approx(found.floor + 3 * found.error)
        variances.append(found.error**2)
    assert np.mean(variances) == pytest.approx((1 / n + 1 / (4 * m)) / 4, rel=0.1)


def test_a_bad_generator_is_not_blamed_for_memorising() -> None:
    candidate, training, held_out = three(1)
    found = memorisation(3 * candidate + 2, training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())


@pytest.mark.parametrize(("smearing", "copies"), [(0.0, 1.0), (1e-3, 1.0), (0.1, 0.0)])
def test_memorised_events_are_seen_through_smearing(smearing: float, copies: float) -> None:
    _, training, held_out = three(2)
    noise = np.random.default_rng(3).normal(size=training.shape)
    found = memorisation(training + smearing * noise, training, held_out, seed=0)
    assert found["training_copies"].value == pytest.approx(copies, abs=0.01)
    assert pull(found["closer_to_training"]) > 5
    assert pull(found["training_distance"]) < -5
    assert found["closer_to_training"].p_value == 1 / 501


def test_few_copies_are_found() -> None:
    candidate, training, held_out = three(4)
    candidate[:80] = training[100:180]
    found = memorisation(candidate, training, held_out, seed=0)
    copies = found["training_copies"]
    assert copies.value == pytest.approx(0.1)
    assert copies.error == pytest.approx(np.sqrt(0.1 * 0.9 / 800), rel=0.05)
    assert not copies.within_floor
    assert found["closer_to_training"].value == pytest.approx(0.55, abs=0.03)


def test_copies_of_held_out_events_are_not_those_of_training_events() -> None:
    _, training, held_out = three(6)
    found = memorisation(held_out, training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())
    assert found["closer_to_training"].value == 0


def test_a_collapse_is_no_memorisation() -> None:
    candidate, training, held_out = three(7)
    found = memorisation(candidate[np.arange(800) % 2], training, held_out, seed=0)
    assert all(result.within_floor for result in found.values())
    assert found["closer_to_training"].error > 0.3


def test_the_larger_sample_is_reduced() -> None:
    candidate, training, held_out = three(5)
    found = memorisation(candidate, np.concatenate([training, training + 1e-9]), held_out, seed=0)
    assert found["closer_to_training"].within_floor
    assert memorisation(candidate, training, held_out, seed=1) == memorisation(
        candidate, training, held_out, seed=1
    )


def test_edge_cases() -> None:
    assert distance_ratio(np.zeros(3), np.zeros(3)) == 1
    assert distance_ratio(np.ones(3), np.zeros(3)) == np.inf
    with pytest.raises(RangeError, match="candidate has 1 event"):
        memorisation(np.ones((1, 2)), np.eye(2), np.eye(2), seed=0)
