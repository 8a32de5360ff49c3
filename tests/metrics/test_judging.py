from __future__ import annotations

import tracemalloc
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from helpers import geant4
from phys_gan.errors import DataError, RangeError
from phys_gan.events import Events
from phys_gan.metrics import MULTIVARIATE, UNWEIGHTED, ObservableFeatures, judge_features
from phys_gan.metrics.result import Result

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "datasets" / "geant4_calogan_eplus.h5"
SHARED = ROOT.parent / "shared" / "data" / "geant4" / "calogan_eplus.h5"
MEMORISATION = {"closer_to_training", "training_distance", "training_copies"}


def with_cells(events: Events, factor: np.ndarray | float) -> Events:
    return Events(events.cells * factor, dict(events.conditions), events.detector)


def toys(generator: np.random.Generator, n: int) -> np.ndarray:
    """Draw correlated features, some with tails, on a lattice, with a spike or constant."""
    z = generator.normal(size=(n, 8))
    return np.column_stack(
        [
            z[:, 0],
            z[:, 0] + z[:, 1],
            np.exp(z[:, 2]),
            np.exp(z[:, 3] + 0.5 * z[:, 0]),
            np.round(3 * z[:, 4]),
            np.minimum(z[:, 5], 0),
            generator.standard_t(3, n),
            np.ones(n),
        ]
    )


def outside(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if not result.within_floor}


@cache
def thirds() -> tuple[ObservableFeatures, Events, Events, Events]:
    events = geant4()
    parts = events[:1600], events[1600:3200], events[3200:4800]
    return ObservableFeatures.fit(parts[0]), *parts


def judged(candidate: Events) -> dict[str, Result]:
    """Judge against a third of the sample; another one is the training sample."""
    extract, reference, _, training = thirds()
    return judge_features(
        extract(reference), extract(candidate), seed=0, training=extract(training)
    )


@pytest.mark.parametrize("path", [COMMITTED, SHARED], ids=["5000", "11000"])
def test_halves_of_one_geant4_sample_are_at_the_floor(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    events = geant4(path)
    extract = ObservableFeatures.fit(events[::2])
    results = judge_features(extract(events[::2]), extract(events[1::2]), seed=0)
    assert list(results) == [name for name in MULTIVARIATE if name not in MEMORISATION]
    assert outside(results) == set()
    for name in ("precision", "recall", "density", "coverage", "diversity", "distinct"):
        result = results[name]
        assert abs(result.value - result.floor) < 3 * np.hypot(result.error, result.floor_error)
        assert result.error > 0


def test_equal_samples_are_within_the_floor() -> None:
    """The verdict is that of three standard deviations of floor and value in quadrature.

    In 450 comparisons of 300 to 900 such events one of twelve metrics fired once. Of 50 trials with
    a probability of 1 %, more than 3 happen once in 600 times.
    """
    fired: Counter[str] = Counter()
    trials = 50
    generator = np.random.default_rng(0)
    for seed in range(trials):
        reference, candidate, training = (toys(generator, 400) for _ in range(3))
        results = judge_features(reference, candidate, seed=seed, training=training)
        assert set(results) == set(MULTIVARIATE)
        fired.update(outside(results))
    assert fired.total() <= 3, fired


@pytest.mark.parametrize(("n", "m"), [(500, 500), (900, 300)])
def test_the_floor_is_what_equal_samples_give(n: int, m: int) -> None:
    generator = np.random.default_rng(1)
    results = [judge_features(toys(generator, n), toys(generator, m), seed=s) for s in range(12)]
    for name in ("fpd", "kpd", "precision", "recall", "density", "coverage", "distinct"):
        values = np.array([(r[name].value, r[name].floor) for r in results])
        difference = values[:, 0] - values[:, 1]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(12), name
        error = np.mean([np.hypot(r[name].error, r[name].floor_error) for r in results])
        assert 0.5 * difference.std() < error < 4 * difference.std(), name


def test_a_small_shift_is_outside_with_enough_events() -> None:
    generator = np.random.default_rng(2)
    shift = np.array([0.15, 0, 0, 0, 0])
    few, many = (
        judge_features(generator.normal(size=(n, 5)), shift + generator.normal(size=(n, 5)), seed=0)
        for n in (500, 20_000)
    )
    assert outside(few) == set()
    assert {"fpd", "kpd"} <= outside(many)
    assert "duplicates" not in outside(many)


def test_a_wrong_correlation_is_outside() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(2, 5000, 2))
    y[:, 1] = 0.7 * y[:, 0] + np.sqrt(1 - 0.49) * y[:, 1]
    assert {"fpd", "kpd", "coverage"} <= outside(judge_features(x, y, seed=0, max_events=4000))


def test_collapse_to_ten_showers_is_caught() -> None:
    _, _, other, _ = thirds()
    ten = other[np.random.default_rng(4).integers(20, 30, 1600)]
    results = judged(ten)
    assert results["precision"].within_floor
    assert results["precision"].value > 0.8
    assert {"recall", "coverage", "duplicates", "distinct", "fpd"} <= outside(results)
    assert results["recall"].value < 0.05
    assert results["distinct"].value == pytest.approx(1, abs=0.05)
    assert results["duplicates"].value == 1
    assert not MEMORISATION & outside(results)


@pytest.mark.parametrize("how", ["noise", "rescaled"])
def test_disguised_collapse_is_caught(how: str) -> None:
    _, _, other, _ = thirds()
    generator = np.random.default_rng(5)
    ten = other[generator.integers(0, 10, 1600)]
    if how == "noise":
        candidate = with_cells(ten, np.exp(0.02 * generator.normal(size=ten.cells.shape)))
    else:
        scaled = ten.cells * (other.energy / ten.energy)[:, None]
        candidate = Events(scaled, dict(other.conditions), other.detector)
    results = judged(candidate)
    assert {"distinct", "recall", "coverage"} <= outside(results)
    assert results["distinct"].value < results["distinct"].floor - 1


def test_memorised_training_events_are_caught() -> None:
    _, _, other, training = thirds()
    generator = np.random.default_rng(6)
    results = judged(training)
    assert outside(results) == MEMORISATION
    assert results["training_copies"].value == 1
    smeared = judged(with_cells(training, np.exp(0.01 * generator.normal(size=(1600, 504)))))
    assert {"closer_to_training", "training_distance"} <= outside(smeared)
    assert results["closer_to_training"].value > 0.8
    mixed = Events.concatenate([training[:240], other[:1360]])
    assert "training_copies" in outside(judged(mixed))
    assert judged(mixed)["training_copies"].value == pytest.approx(0.15, abs=0.02)


def test_smeared_cells_are_outside_and_do_not_memorise() -> None:
    _, _, other, _ = thirds()
    noise = np.random.default_rng(7).normal(size=other.cells.shape)
    found = outside(judged(with_cells(other, np.exp(0.3 * noise))))
    assert {"fpd", "kpd", "precision", "coverage"} <= found
    assert not MEMORISATION & found


def test_equal_seeds_give_equal_results() -> None:
    x, y = np.random.default_rng(8).normal(size=(2, 200, 3))
    assert judge_features(x, y, seed=1) == judge_features(x, y, seed=1)
    assert judge_features(x, y, seed=1) != judge_features(x, y, seed=2)


def test_samples_without_any_spread_can_be_judged() -> None:
    same = np.ones((150, 2))
    assert outside(judge_features(same, same, seed=0, training=same)) == set()
    assert {"fpd", "precision"} <= outside(judge_features(same, 2 * same, seed=0))


def test_memory_is_bounded() -> None:
    x, y = np.random.default_rng(9).normal(size=(2, 8000, 4))
    tracemalloc.start()
    judge_features(x, y, seed=0, max_events=4000, rounds=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000 * 8


def test_the_glossary_speaks_of_every_metric() -> None:
    for name, metric in MULTIVARIATE.items():
        assert metric.label
        assert metric.description.endswith((".", "?")), name
        assert metric.worse in ("higher", "lower")
    assert {name for name, metric in MULTIVARIATE.items() if metric.worse == "lower"} >= {
        "precision",
        "recall",
        "coverage",
    }


def test_bad_input_is_refused() -> None:
    x = np.random.default_rng(10).normal(size=(200, 3))
    with pytest.raises(RangeError, match=r"candidate has 50 events, .* at least 100"):
        judge_features(x, x[:50], seed=0)
    with pytest.raises(RangeError, match="training has 20 events"):
        judge_features(x, x, seed=0, training=x[:20])
    with pytest.raises(RangeError, match="1 rounds"):
        judge_features(x, x, seed=0, rounds=1)
    with pytest.raises(DataError, match="training features have shape"):
        judge_features(x, x, seed=0, training=x[:, :2])


def reweighted(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw as :func:`toys`, but shifted by 0.7 in the first latent; weights undo that."""
    events = toys(generator, n)
    events[:, :2] += 0.7
    events[:, 3] *= np.exp(0.35)
    return events, np.exp(-0.7 * events[:, 0] + 0.7**2 / 2)


@pytest.mark.parametrize("side", ["reference", "candidate"])
@pytest.mark.parametrize("signs", ["positive", "a fifth negative"])
def test_weights_undo_a_difference(side: str, signs: str) -> None:
    generator = np.random.default_rng(11)
    plain = toys(generator, 2000)
    shifted, weights = reweighted(generator, 8000)
    if signs != "positive":
        weights *= np.where(generator.random(8000) < 0.2, -1, 1)
    samples = [plain, shifted] if side == "candidate" else [shifted, plain]
    assert {"fpd", "kpd"} <= outside(judge_features(*samples, seed=0, max_events=1000))
    given = {f"{side}_weights": weights}
    results = judge_features(*samples, seed=0, max_events=1000, **given)
    assert outside(results) == set()
    unmeasured = set(MULTIVARIATE) - MEMORISATION - set(results)
    if signs == "positive":
        assert unmeasured == set()
        assert list(results) == [name for name in MULTIVARIATE if name in results]
        assert results["precision"].n_candidate < 1000
        assert results["duplicates"].n_candidate == 1000
    else:
        assert unmeasured == set(UNWEIGHTED) - MEMORISATION - {"duplicates"}
    # Equal effective numbers: more events where they have weights.
    n, m = results["fpd"].n_reference, results["fpd"].n_candidate
    assert (n < m) == (side == "candidate")


def test_weights_do_not_hide_a_difference() -> None:
    generator = np.random.default_rng(12)
    reference, candidate = toys(generator, 4000), toys(generator, 9000)
    candidate[:, 0] += 0.4
    weights = generator.exponential(size=9000)
    results = judge_features(reference, candidate, seed=0, candidate_weights=weights)
    assert {"fpd", "kpd"} <= outside(results)
    signed = np.where(generator.random(9000) < 0.2, -1.0, 1.0)
    results = judge_features(reference, candidate, seed=0, candidate_weights=signed)
    assert {"fpd", "kpd"} <= outside(results)


def test_equal_weighted_samples_are_within_the_floor() -> None:
    """As without weights, where one of 450 comparisons is outside in one of twelve metrics."""
    fired: Counter[str] = Counter()
    generator = np.random.default_rng(13)
    for seed in range(20):
        x, y = toys(generator, 400), toys(generator, 1000)
        u = generator.exponential(size=400) if seed % 2 else None
        v = generator.exponential(size=1000)
        if seed % 4 > 1:
            v = np.where(generator.random(1000) < 0.2, -v, v)
        fired.update(
            outside(judge_features(x, y, seed=seed, reference_weights=u, candidate_weights=v))
        )
    assert fired.total() <= 2, fired


def test_repeated_events_are_seen_whatever_their_weights_are() -> None:
    generator = np.random.default_rng(14)
    x = generator.normal(size=(800, 4))
    ten = generator.normal(size=(10, 4))[generator.integers(0, 10, 3000)]
    weights = generator.exponential(size=3000)
    results = judge_features(x, ten, seed=0, candidate_weights=weights)
    assert {"duplicates", "distinct", "recall"} <= outside(results)
    signed = np.where(generator.random(3000) < 0.2, -1.0, 1.0)
    results = judge_features(x, ten, seed=0, candidate_weights=signed)
    assert "duplicates" in outside(results)
    assert results["duplicates"].value == 1


def test_memorisation_compares_events_that_are_drawn_by_their_weights() -> None:
    generator = np.random.default_rng(15)
    training, fresh = generator.normal(size=(1500, 2)), generator.normal(size=(800, 2))
    held_out = generator.normal([0.8, 0], 1, size=(5000, 2))
    weights = np.exp(-0.8 * held_out[:, 0])
    plain = judge_features(held_out, fresh, seed=0, training=training)
    assert "closer_to_training" in outside(plain)
    given = {"seed": 0, "training": training, "reference_weights": weights}
    assert not MEMORISATION & outside(judge_features(held_out, fresh, **given))
    copied = judge_features(held_out, training[:800], **given)
    assert outside(copied) >= MEMORISATION
    signed = np.where(generator.random(1500) < 0.2, -1.0, 1.0)
    results = judge_features(fresh, fresh, seed=0, training=training, training_weights=signed)
    assert not MEMORISATION & set(results)
    assert "precision" in results


def test_equal_weights_are_none() -> None:
    x, y = np.random.default_rng(16).normal(size=(2, 200, 3))
    equal = np.full(200, 0.3)
    assert judge_features(x, y, seed=1, reference_weights=equal, candidate_weights=-equal) == (
        judge_features(x, y, seed=1)
    )


def test_what_has_no_weights_is_said_of_every_metric() -> None:
    assert set(UNWEIGHTED) == set(MULTIVARIATE) - {"fpd", "kpd"}
    for name, reason in UNWEIGHTED.items():
        assert reason.startswith(("is ", "asks ")), name
        assert not reason.endswith("."), name


def test_too_uneven_weights_are_refused() -> None:
    x = np.random.default_rng(17).normal(size=(200, 3))
    with pytest.raises(RangeError, match=r"candidate has 200 events, but by their weights they "):
        judge_features(x, x, seed=0, candidate_weights=np.arange(200.0) ** 3)
    with pytest.raises(DataError, match=r"training weights have shape \(3,\)"):
        judge_features(x, x, seed=0, training=x, training_weights=[1, 2, 3])
